"""Lines that fit: columns that are dropped before a name breaks, prose that wraps, commands that never do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from rich.cells import cell_len
from rich.text import Text

from checks.rules import registry_names
from checks.text import listed, printable

STYLES = {"pass": "green", "fail": "bold red", "unknown": "yellow", "not judged": "dim", "warning": "yellow"}
HEADING = "bold"
DIM = "dim"
INDENT = "  "
COMMAND_INDENT = "    "
_BETWEEN = "  "
SOME_NAMES = 10


class Page(msgspec.Struct, frozen=True):
    """How it is shown: ``width`` in cells (None: as wide as it gets), with Bicep, with all names instead of some."""

    width: int | None = None
    bicep: bool = False
    all_names: bool = False


class Column(msgspec.Struct, frozen=True):
    """A column: the least important is dropped first, ``rank`` 0 never."""

    heading: str
    rank: int


def safe(value: str) -> str:
    """A text from elsewhere on one line, as text."""
    return printable(" ".join(value.split("\n")), instead="\N{REPLACEMENT CHARACTER}")


def short_registry(host: str) -> str:
    """An Azure registry by its name, any other by its host."""
    label = registry_names.label_of(host)
    return safe(label or host)


def prose(text: str, page: Page, indent: str = INDENT, style: str = "") -> Iterator[Text]:
    """A text wrapped at words; a word that is longer than the line stays whole."""
    shown = safe(text)
    if page.width is None or cell_len(indent + shown) <= page.width:
        yield Text(indent + shown, style)
        return
    wrapped = textwrap.wrap(
        shown,
        max(page.width, 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (Text(line, style) for line in wrapped)


def unbroken(pieces: Iterable[str], page: Page, style: str = "") -> Iterator[Text]:
    """Pieces on as few lines as they fit on, with none of them broken: a count stays beside what it counts."""
    line = ""
    for piece in map(safe, pieces):
        longer = f"{line} {piece}" if line else piece
        if line and page.width is not None and cell_len(longer) > page.width:
            yield Text(line, style)
            line = piece
        else:
            line = longer
    yield Text(line, style)


def command(step: str, indent: str = COMMAND_INDENT) -> Iterator[Text]:
    """A command on lines of its own, as it is to be typed."""
    for line in step.split("\n"):
        yield Text(indent + safe(line), "cyan")


def names(these: Sequence[str], page: Page, indent: str = INDENT) -> Iterator[Text]:
    """Names, of many the first and how many there are more."""
    yield from prose(listed(these, len(these) if page.all_names else SOME_NAMES), page, indent)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], page: Page, indent: str = INDENT) -> list[Text]:
    """The heading and the rows, aligned: columns without a text in any row and, where lines are too long, the least
    important ones are left out. One that is never dropped may make a line longer than the page; no name breaks."""
    cells = [[safe(cell) for cell in row] for row in rows]
    kept = [index for index in range(len(columns)) if any(row[index] for row in cells)]
    widths = {index: max(cell_len(row[index]) for row in [*cells, _headings(columns)]) for index in kept}
    while page.width is not None and _length(kept, widths, indent) > page.width:
        least = max(kept, key=lambda index: (columns[index].rank, index))
        if columns[least].rank == 0:
            break
        kept.remove(least)
    lines = [_line([(columns[i].heading, DIM) for i in kept], [widths[i] for i in kept], indent)]
    lines += [
        _line([(row[i], STYLES.get(row[i], "")) for i in kept], [widths[i] for i in kept], indent) for row in cells
    ]
    return lines


def _headings(columns: Sequence[Column]) -> list[str]:
    return [column.heading for column in columns]


def _length(kept: Sequence[int], widths: dict[int, int], indent: str) -> int:
    return len(indent) + sum(widths[index] for index in kept) + len(_BETWEEN) * (len(kept) - 1)


def _line(cells: Sequence[tuple[str, str]], widths: Sequence[int], indent: str) -> Text:
    line = Text(indent)
    for number, ((cell, style), width) in enumerate(zip(cells, widths, strict=True)):
        last = number == len(cells) - 1
        line.append(cell, style)
        line.append("" if last else " " * (width - cell_len(cell)) + _BETWEEN)
    line.rstrip()
    return line
