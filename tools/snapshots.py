"""Writes what each sample of infra/ deploys to tests/infra/snapshots/, and the table of infra/README.md.

Run by `make snapshots`. Needs the Bicep compiler: as BICEP, or as bicep on PATH. `--check` writes nothing and exits 1
where a file differs.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import bicep, infra  # noqa: E402

README = infra.INFRA / "README.md"
BEGIN, END = "<!-- parameters -->", "<!-- /parameters -->"


def main(arguments: list[str]) -> int:
    """0 where everything is up to date or was written, 1 where `--check` found a difference, 2 without a compiler."""
    if bicep.what_is_missing():
        print(bicep.what_is_missing(), file=sys.stderr)
        return 2
    wanted = documents()
    stale = [path for path in infra.SNAPSHOTS.glob("*.json") if path not in wanted]
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in (*changed, *stale):
            print(f"{path.relative_to(ROOT)} is not up to date: run `make snapshots`", file=sys.stderr)
        return int(bool(changed or stale))
    infra.SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    for path in changed:
        path.write_text(wanted[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    for path in stale:
        path.unlink()
        print(f"removed {path.relative_to(ROOT)}")
    return 0


def documents() -> dict[Path, str]:
    """Every generated file with its text."""
    with tempfile.TemporaryDirectory() as folder:
        files = {
            infra.snapshot_file(sample): infra.text_of(infra.expand(sample, Path(folder))) for sample in infra.samples()
        }
    readme = README.read_text(encoding="utf-8")
    before, after = readme.split(BEGIN)[0], readme.split(END)[1]
    return {**files, README: f"{before}{BEGIN}\n{table(bicep.build(infra.INFRA / 'main.bicep'))}\n{END}{after}"}


def table(template: dict[str, Any]) -> str:
    """The parameters of a template as a Markdown table: those without a default first."""
    parameters = sorted(template["parameters"].items(), key=lambda item: "defaultValue" in item[1])
    rows = [f"| `{name}` | {_default(each)} | {each['metadata']['description']} |" for name, each in parameters]
    return "\n".join(["| parameter | default | what it is |", "| --- | --- | --- |", *rows])


def _default(parameter: dict[str, Any]) -> str:
    if "defaultValue" not in parameter:
        return "asked for"
    value = parameter["defaultValue"]
    if isinstance(value, str) and value.startswith("["):
        return "from other parameters"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`" if value not in ("", [], {}) else "(empty)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
