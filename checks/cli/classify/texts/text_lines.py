"""Text as people have it: tables, descriptions, logs and errors, one after another in any order.

Each line shows what it is, so that a prompt, a warning of kubectl or another table between two of them does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from checks.cli.classify.sighting import Sighting
from checks.cli.classify.texts import columns, description, rows
from checks.cli.classify.texts.columns import Columns
from checks.cli.classify.texts.description import Description, continued
from checks.cli.classify.texts.log_lines import sightings_of_line


def sightings_in(lines: Iterable[str]) -> Iterator[Sighting]:
    """What the lines tell, in order."""
    described: Description | None = None
    row: Sighting | None = None  # the last row of a table, whose message may go on
    in_table = False
    own: Columns | None = None  # of a table with columns of somebody's own
    for line in lines:
        begun = None if rows.is_header(line) else columns.heading(line)
        own = begun or (own if line.strip() and not _interrupts(line) else None)
        if own is not None and described is None:
            if begun is None:
                yield own.row(line)
            continue
        if described is not None and not _interrupts(line) and described.take(line):
            continue
        if described is not None:
            yield from described.sightings()
            described = None
        found = rows.row(line) or description.event_row(line)
        if found is None and in_table and row is not None and line.strip() and not _interrupts(line):
            row = continued(row, line)
            continue
        if row is not None:
            yield row
            row = None
        if found is not None:
            row = found
        elif description.begins(line):
            described = Description()
            described.take(line)
        elif rows.is_header(line) or not line.strip():
            in_table = bool(line.strip())
        elif not in_table:
            yield from sightings_of_line(line)
    if described is not None:
        yield from described.sightings()
    if row is not None:
        yield row


def _interrupts(line: str) -> bool:
    """Whether something begins that is no part of what came before it."""
    return rows.is_header(line) or rows.row(line) is not None or description.begins(line)
