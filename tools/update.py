"""Moves all that is pinned to the newest versions that are allowed, and shows what changes. Run by `make update`.

    make update                    writes requirements*.*, constraints.txt, tools/pins/programs and package*.json
    make update ARGS=--dry-run     writes nothing

The work is done on a copy: where a step fails, nothing has changed. What holds a package back stands in
tools/pins/newest.py. Actions of workflows and the Bicep compiler are pinned by hand in .github/workflows.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import setup
from pins.compiling import NotResolved, compile_all, program_names
from pins.lockfile import read
from pins.newest import move_npm, move_python, npm_versions
from pins.programs import PROGRAMS, ROOT, NotInstalled, Program

LOCKS = ("requirements.txt", "constraints.txt")
NPM = ("package.json", "package-lock.json")


def files(root: Path) -> list[str]:
    """All that may change."""
    programs = [str(PROGRAMS / f"{name}{end}") for name in program_names(root) for end in (".in", ".txt")]
    return ["requirements.in", "requirements-dev.txt", *LOCKS, *programs, *NPM]


def versions(root: Path) -> dict[str, dict[str, str]]:
    """What each file installs: versions by package and marker."""
    locks = [*LOCKS, *(str(PROGRAMS / f"{name}.txt") for name in program_names(root))]
    found = {
        lock: {f"{each.name} ; {each.marker}" if each.marker else each.name: each.version for each in read(root / lock)}
        for lock in locks
    }
    return {**found, "package-lock.json": npm_versions((root / "package-lock.json").read_text(encoding="utf-8"))}


def differences(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Lines that say which packages change, come and go, file by file."""
    lines = []
    for file, old in before.items():
        new = after[file]
        changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        if changed:
            lines.append(f"{file}:")
            lines += [f"  {name}: {old.get(name, 'not there')} -> {new.get(name, 'gone')}" for name in changed]
    return lines


def moved(root: Path, copy: Path) -> list[str]:
    """Makes ``copy`` what ``root`` would be; what differs. Raises NotInstalled, NotResolved, setup.SetupError."""
    names = files(root)
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, copy / name)
    uv = Program("uv").installed() / "uv"
    move_python(uv, copy)
    compile_all(uv, copy, "--upgrade")
    npm = setup.npm(setup.Installation(ROOT))
    move_npm(npm, setup.node_path(npm), copy)
    return differences(versions(root), versions(copy))


def main(arguments: list[str], root: Path = ROOT) -> int:
    """0 where everything is at its newest now, or with --dry-run would be; 1 with a message where that is not known."""
    parser = argparse.ArgumentParser(prog="make update ARGS=", description="Newer versions of all that is pinned.")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")
    dry = parser.parse_args(arguments).dry_run
    with tempfile.TemporaryDirectory(prefix="pullwatch-update-") as folder:
        try:
            lines = moved(root, Path(folder))
        except (NotInstalled, NotResolved, setup.SetupError) as error:
            print(f"error: {error}\nNothing was changed.", file=sys.stderr)
            return 1
        print("\n".join(lines) or "Everything is at the newest version that is allowed.")
        if dry:
            print("Nothing was changed: --dry-run.")
            return 0
        for name in files(root):
            shutil.copyfile(Path(folder, name), root / name)
    if lines:
        print("Now run: make test")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
