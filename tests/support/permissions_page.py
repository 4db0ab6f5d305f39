"""docs/permissions.md as tests read it: what a report says without a role, and which requests go to API servers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).resolve().parents[2] / "docs" / "permissions.md"
_QUOTED = re.compile(r'(PW\d{3}) "([^"]+)"')


class Quoted(NamedTuple):
    """A sentence that the page says a report has; ``…`` stands for anything."""

    role: str
    code: str
    sentence: str

    def is_in(self, text: str) -> bool:
        """Whether a text is the sentence, whatever its dots stand for, and more at its ends at most."""
        parts = (re.escape(part.strip()) for part in self.sentence.split("…"))
        return re.search(".*".join(parts), text, re.DOTALL) is not None


class Asked(NamedTuple):
    """A request to an API server; ``everywhere``: in all namespaces, or of what is in none."""

    verb: str
    resource: str
    everywhere: bool


def quoted() -> list[Quoted]:
    """The sentences of the table of features."""
    found = []
    for _, role, _, lost in _rows("## Features"):
        found += [Quoted(role, code, sentence) for code, sentence in _QUOTED.findall(lost)]
    return found


def requests(feature: str) -> set[Asked]:
    """What the table of requests lists for a feature."""
    rows = _rows("## In Kubernetes")
    return {Asked(verb, resource, where == "the cluster") for name, verb, resource, where in rows if name == feature}


def _rows(heading: str) -> list[list[str]]:
    section = PAGE.read_text(encoding="utf-8").split(f"{heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
