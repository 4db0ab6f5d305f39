"""Which actions of Azure Resource Manager programs asked for, kept over many tenants and processes.

Where SIMULATOR_ACTIONS names a folder, every server adds a line `User-Agent<tab>action` to FOLDER/<process id>.txt,
each pair once. A program that starts others hands the variable on, so whatever runs below a test run is in the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "SIMULATOR_ACTIONS"


class ActionLog:
    """The lines of one server. Without a folder nothing is kept."""

    def __init__(self, folder: str | None) -> None:
        self._path = Path(folder, f"{os.getpid()}.txt") if folder else None
        self._noted: set[tuple[str, str]] = set()

    def note(self, agent: str, action: str) -> None:
        """Keeps an action and the User-Agent that asked for it."""
        if self._path is None or not action or (agent, action) in self._noted:
            return
        self._noted.add((agent, action))
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(f"{agent}\t{action}\n")


def noted(folder: Path) -> Iterator[tuple[str, str]]:
    """The (User-Agent, action) pairs that all servers kept in a folder."""
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            agent, _, action = line.partition("\t")
            yield agent, action
