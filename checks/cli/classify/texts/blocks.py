"""The parts of a text that are more than a line: tables and descriptions. Each takes lines until one is not its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from checks.cli.classify.sighting import Sighting
from checks.cli.classify.texts import description, rows
from checks.cli.classify.texts.columns import Columns
from checks.cli.classify.texts.description import Description, continued


class Block(Protocol):
    """A part of the text that is open."""

    def take(self, line: str) -> Iterable[Sighting] | None:
        """Reads a line: what is now known; None where the line is the block's no more."""

    def end(self) -> Iterable[Sighting]:
        """What is known only at the end."""


class Table:
    """A table of events or pods. What is no row goes on with the message of the last one."""

    def __init__(self) -> None:
        self._last: Sighting | None = None

    def take(self, line: str) -> Iterable[Sighting] | None:
        """A row is known when the next one begins."""
        if not line.strip() or rows.is_header(line) or description.begins(line):
            return None
        if found := rows.row(line) or description.event_row(line):
            before = self.end()
            self._last = found
            return before
        if self._last is not None:
            self._last = continued(self._last, line)
        return ()

    def end(self) -> Iterable[Sighting]:
        """The last row."""
        return () if self._last is None else (self._last,)


class OwnTable:
    """A table with columns of somebody's own, until a blank line."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def take(self, line: str) -> Iterable[Sighting] | None:
        """Every line is a row."""
        return (self._columns.row(line),) if line.strip() and not _begins_another(line) else None

    def end(self) -> Iterable[Sighting]:
        """Nothing is left."""
        return ()


class Described:
    """The description of one object, which is known when it ends."""

    def __init__(self, first: str) -> None:
        self._description = Description()
        self._description.take(first)

    def take(self, line: str) -> Iterable[Sighting] | None:
        """Nothing is told yet."""
        return () if not _begins_another(line) and self._description.take(line) else None

    def end(self) -> Iterable[Sighting]:
        """All that it told."""
        return self._description.sightings()


def _begins_another(line: str) -> bool:
    return rows.is_header(line) or rows.row(line) is not None or description.begins(line)
