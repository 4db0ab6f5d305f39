"""Writes the app as Azure gets it: `make package` makes .package/pullwatch.zip, and lists what is in it.

    az functionapp deployment source config-zip --build-remote true --src .package/pullwatch.zip ...

What is left out is said by .funcignore and read as azd reads it, so both ways deploy the same. The same files make the
same zip, byte for byte.
"""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(".package", "pullwatch.zip")
IGNORE_FILE = ".funcignore"
# What azd leaves out whatever .funcignore says.
NEVER = (".azure", IGNORE_FILE, "local.settings.json")
# What the app is. A new entry here is a decision; anything else beside these is something that was forgotten.
FILES = ("function_app.py", "host.json", "requirements.txt")
FOLDERS = ("checks",)
# The oldest time that a zip can hold; the real one would make each zip another.
TIME = (1980, 1, 1, 0, 0, 0)


class PackageError(Exception):
    """What would be deployed is not the app; the message says what to do."""


def contents(root: Path) -> list[str]:
    """The paths below `root` that .funcignore lets through, sorted. Raises PackageError where that is not the app."""
    spec = GitIgnoreSpec.from_lines((root / IGNORE_FILE).read_text(encoding="utf-8").splitlines())
    names = sorted(_walk(root, "", spec))
    entries = {name.split("/")[0] for name in names}
    if extra := sorted(entries.difference(FILES, FOLDERS)):
        raise PackageError(f"this would be deployed besides the app: {', '.join(extra)}. List it in {IGNORE_FILE}")
    if missing := sorted({*FILES, *FOLDERS} - entries):
        raise PackageError(f"this belongs to the app and would not be deployed: {', '.join(missing)}")
    return names


def _walk(root: Path, prefix: str, spec: GitIgnoreSpec) -> Iterator[str]:
    """Files that are let through. A folder that is left out is not entered; one behind a link counts as a folder."""
    for path in (root / prefix).iterdir():
        name = f"{prefix}{path.name}/" if path.is_dir() else f"{prefix}{path.name}"
        if path.name in NEVER or spec.match_file(name):
            continue
        if name.endswith("/"):
            yield from _walk(root, name, spec)
        else:
            yield name


def write(root: Path, target: Path) -> list[str]:
    """The zip of the app in `root`, at `target`; the paths in it. Raises PackageError."""
    names = contents(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # A file that everyone may read, on whichever system it was written.
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, (root / name).read_bytes())
    return names


def main() -> int:
    """0 with the zip written, 1 with a message otherwise."""
    try:
        names = write(ROOT, ROOT / TARGET)
    except PackageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    folders = sum(name.startswith(FOLDERS) for name in names)
    print(f"{TARGET}: {(ROOT / TARGET).stat().st_size / 1024:.0f} KiB, {folders} files of {FOLDERS[0]}/ and")
    print("\n".join(f"  {name}" for name in names if name in FILES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
