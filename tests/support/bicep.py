"""The Bicep compiler: found as the field finds it (BICEP, or PATH), and what it makes of a file.

Source: "Bicep CLI commands" (build, lint, build-params, snapshot) on Microsoft Learn.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = "BICEP"
TENANT = "00000000-0000-0000-0000-00000000000a"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
MANAGEMENT_GROUP = "landing-zones"
LOCATION = "westeurope"
SECONDS = 120
# Beside pytest's own; emptied by `make clean`.
CACHE = Path(__file__).resolve().parents[2] / ".pytest_cache" / "bicep"


def find() -> str | None:
    """The compiler's path, None where there is none."""
    return os.environ.get(PROGRAM) or shutil.which("bicep")


def what_is_missing() -> str:
    """Why nothing can be compiled here, "" where it can."""
    return "" if find() else f"no Bicep compiler: set {PROGRAM} to its path, or install it (az bicep install)"


def lint(file: Path) -> str:
    """What the compiler and its linter say of a .bicep file; "" is what is wanted."""
    return _kept(_key(file, "lint"), lambda: _run("lint", str(file)).stderr.strip())


def build(file: Path) -> dict[str, Any]:
    """The ARM template of a .bicep file. Raises AssertionError with the compiler's words, warnings included."""
    return _document("build", file)


def build_params(file: Path) -> dict[str, Any]:
    """The parameters of a .bicepparam file by name. Raises AssertionError with the compiler's words."""
    document = _document("build-params", file)
    parameters: dict[str, Any] = json.loads(document["parametersJson"])["parameters"]
    return {name: value.get("value") for name, value in parameters.items()}


def snapshot(file: Path, folder: Path, *, management_group: bool = False) -> dict[str, Any]:
    """What a .bicepparam file would deploy: ``predictedResources``, ``diagnostics``, ``outputs``.

    The compiler writes beside the file, so it works in a copy (``copied``).
    """
    scope = ["--management-group-id", MANAGEMENT_GROUP] if management_group else ["--subscription-id", SUBSCRIPTION]
    words = ["--mode", "overwrite", "--tenant-id", TENANT, *scope, "--location", LOCATION]

    def made() -> str:
        parameters = copied(_infra(file), folder) / file.relative_to(_infra(file))
        done = _run("snapshot", str(parameters), *words)
        assert done.returncode == 0 and not done.stderr.strip(), done.stderr
        return parameters.with_suffix(".snapshot.json").read_text()

    document: dict[str, Any] = json.loads(_kept(_key(file, "snapshot", *words), made))
    return document


def copied(infra: Path, folder: Path) -> Path:
    """The copy of infra/ in ``folder``, made where there is none yet: the place for samples that tests write."""
    copy = folder / "infra"
    if not copy.exists():
        shutil.copytree(infra, copy)
    return copy


def _infra(file: Path) -> Path:
    """The infra folder that a file lies in."""
    return next(parent for parent in file.parents if parent.name == "infra")


def _kept(key: str, made: Callable[[], str]) -> str:
    """A text that the compiler made once of the same files and words, for this run's workers and for later runs."""
    file = CACHE / f"{key}.json"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        text = made()
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(text)
        part.replace(file)
    return file.read_text()


def _key(file: Path, *words: str) -> str:
    """Stands for all that the compiler's answer on a file depends on: itself, the words, and the files of infra/."""
    program, folder = Path(find() or ""), _infra(file)
    stamp = program.stat()
    said = (str(program), stamp.st_size, stamp.st_mtime_ns, str(file.relative_to(folder)), *words)
    digest = hashlib.sha256(repr(said).encode())
    for each in sorted(path for path in folder.rglob("*") if path.suffix in (".bicep", ".bicepparam", ".json")):
        if not each.name.endswith(".snapshot.json"):
            digest.update(f"{each.relative_to(folder)}\0".encode() + each.read_bytes() + b"\0")
    return digest.hexdigest()


def _document(command: str, file: Path) -> dict[str, Any]:
    def made() -> str:
        done = _run(command, str(file), "--stdout")
        assert done.returncode == 0 and not done.stderr.strip(), done.stderr
        return done.stdout

    document: dict[str, Any] = json.loads(_kept(_key(file, command), made))
    return document


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    program = find()
    assert program is not None, what_is_missing()
    # Telemetry and update checks off: tests ask nobody.
    environment = {**os.environ, "BICEP_TRACING_ENABLED": "false", "DOTNET_CLI_TELEMETRY_OPTOUT": "1"}
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=SECONDS, env=environment)
