"""The files that pip installs from: every package with its version, its marker and the hashes of its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# What pip is told wherever this project has it install: only what has a hash, and nothing that would be built here,
# because a build gets what it needs by name alone.
BY_HASHES = ("--require-hashes", "--only-binary=:all:")

_PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>.*?))?\s*")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})\b")


@dataclass(frozen=True)
class Pinned:
    """A package of such a file. ``marker``: for which Pythons and platforms; "" for all."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        """The package as a file has it, for each Python: without its marker."""
        return " ".join((f"{self.name}=={self.version}", *(f"--hash={each}" for each in self.hashes)))


def parse(text: str) -> list[Pinned]:
    """The packages of a file. Raises ValueError for a line that is neither a pin nor a comment."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        pin = re.split(r"(?:^|\s)(?:#|--hash)", line, maxsplit=1)[0].strip()
        if not pin:
            continue
        match = _PACKAGE.fullmatch(pin)
        if match is None:
            raise ValueError(f"takes NAME==VERSION, not {pin!r}")
        found.append(Pinned(match["name"], match["version"], match["marker"] or "", tuple(_HASH.findall(line))))
    return found


def read(path: Path) -> list[Pinned]:
    """The packages of the file at ``path``. Raises OSError, ValueError."""
    return parse(path.read_text(encoding="utf-8"))
