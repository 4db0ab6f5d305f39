"""What infra/ deploys, as its tests read it: samples, reviewed snapshots, resources by type, app settings.

A snapshot is what the compiler's `snapshot` predicts of a sample, made readable: references to a module's output are
written `module.outputs.name`, and the order of the keys does not matter. `make snapshots` writes them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.support import bicep

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
SNAPSHOTS = ROOT / "tests" / "infra" / "snapshots"

_OUTPUT = re.compile(
    r"reference\((?:extensionR|subscriptionR|r)esourceId\([^()]*'Microsoft\.Resources/deployments', "
    r"format\('([A-Za-z]+)-[^()]*uniqueString\([^()]*deployment\(\)\.name\)\)\), '[0-9-]+'\)\.outputs\.(\w+)\.value"
)
_USING = re.compile(r"^using '([^']+)'", re.MULTILINE)


def samples() -> list[Path]:
    """The parameter files that show an installation each, without anybody's copies (my*), which git ignores."""
    return samples_in(INFRA / "samples")


def samples_in(folder: Path) -> list[Path]:
    """The samples of a folder."""
    return sorted(path for path in folder.glob("*.bicepparam") if not path.name.startswith("my"))


def roots() -> list[Path]:
    """The files that are deployed, and modules that none of them uses: linting these lints all."""
    files = sorted(INFRA.rglob("*.bicep"))
    used = {
        (file.parent / name).resolve()
        for file in files
        for name in re.findall(r"'([^'\n]+\.bicep)'", file.read_text(encoding="utf-8"))
    }
    return [file for file in files if file not in used]


def expand(sample: Path, folder: Path) -> dict[str, Any]:
    """What a sample deploys, readable. ``folder`` is where the compiler works."""
    template = (sample.parent / _USING.findall(sample.read_text(encoding="utf-8"))[0]).read_text(encoding="utf-8")
    management_group = "targetScope = 'managementGroup'" in template
    document = bicep.snapshot(sample, folder, management_group=management_group)
    text = _OUTPUT.sub(r"\1.outputs.\2", json.dumps(document, sort_keys=True))
    readable: dict[str, Any] = json.loads(text)
    readable["predictedResources"].sort(key=lambda resource: (resource["type"], resource["name"]))
    return readable


def expand_text(text: str, folder: Path) -> dict[str, Any]:
    """What parameters deploy that are no sample. ``text`` names its file as one that lies in infra/samples does."""
    sample = bicep.copied(INFRA, folder) / "samples" / "of-a-test.bicepparam"
    sample.write_text(text, encoding="utf-8")
    return expand(sample, folder)


def text_of(snapshot: dict[str, Any]) -> str:
    """A snapshot as its file has it."""
    return json.dumps(snapshot, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def snapshot_file(sample: Path) -> Path:
    """Where a sample's snapshot is kept."""
    return SNAPSHOTS / f"{sample.stem}.json"


def of_type(snapshot: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of a type, "Microsoft." left out of its name."""
    return [resource for resource in snapshot["predictedResources"] if resource["type"] == f"Microsoft.{kind}"]


def only(snapshot: dict[str, Any], kind: str) -> dict[str, Any]:
    """The one resource of a type."""
    [resource] = of_type(snapshot, kind)
    return resource


def app_settings(snapshot: dict[str, Any]) -> dict[str, str]:
    """The app settings of the site. Each name stands once."""
    pairs = only(snapshot, "Web/sites")["properties"]["siteConfig"]["appSettings"]
    settings = {pair["name"]: pair["value"] for pair in pairs}
    assert len(settings) == len(pairs)
    return settings
