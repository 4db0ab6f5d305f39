"""Text as people have it: tables, descriptions, logs and errors, one after another in any order.

Each line shows what it is, so that a prompt, a warning of kubectl or another table between two of them does no harm.
A line begins a block (a table, a description), goes on with the one that is open, or stands on its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from checks.cli.classify.sighting import Sighting
from checks.cli.classify.texts import columns, description, rows
from checks.cli.classify.texts.blocks import Block, Described, OwnTable, Table
from checks.cli.classify.texts.log_lines import begins_a_log_line, sightings_of_line
from checks.cli.classify.texts.wraps import whole_lines


def sightings_in(lines: Iterable[str]) -> Iterator[Sighting]:
    """What the lines tell, in order."""
    block: Block | None = None
    for line in whole_lines(lines, begins_anything):
        if block is not None:
            told = block.take(line)
            if told is not None:
                yield from told
                continue
            yield from block.end()
        block = _begun_by(line)
        if block is None:
            yield from _alone(line)
    if block is not None:
        yield from block.end()


def _begun_by(line: str) -> Block | None:
    if rows.is_header(line):
        return Table()
    if own := columns.heading(line):
        return OwnTable(own)
    return Described(line) if description.begins(line) else None


def _alone(line: str) -> Iterator[Sighting]:
    """What a line tells that is in no block, such as a row without its header."""
    if found := rows.row(line) or description.event_row(line):
        yield found
    elif line.strip():
        yield from sightings_of_line(line)


def unbroken(message: str) -> str:
    """A message of several lines, of which those that were broken at a column are whole, as are the secrets in them."""
    return "\n".join(whole_lines(message.split("\n"), begins_anything)) if "\n" in message else message


def begins_anything(line: str) -> bool:
    """Whether a line is no rest of the line before it, whatever that was."""
    return (
        rows.is_header(line)
        or columns.heading(line) is not None
        or description.is_field(line)
        or rows.row(line) is not None
        or description.event_row(line) is not None
        or begins_a_log_line(line)
    )
