"""A page of a few sections, rendered as Markdown for docs/ and as plain text for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

import msgspec

_MARKS = re.compile(r"\*\*([^*]+)\*\*|<(https?://[^>]+)>")
_INDENT = "  "


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a page, in this order: ``text`` in paragraphs, ``bullets``, and ``rows`` below ``head``, their
    columns. ``commands`` are shown as they are. "" is the title of what stands before the first heading."""

    title: str = ""
    text: tuple[str, ...] = ()
    bullets: tuple[str, ...] = ()
    head: tuple[str, str] = ("", "")
    rows: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()


class Page(msgspec.Struct, frozen=True):
    """A title and its sections."""

    title: str
    sections: tuple[Section, ...]


def markdown(page: Page) -> str:
    """The page as Markdown, without a line feed at its end."""
    return "\n\n".join((f"# {page.title}", *(part for section in page.sections for part in _markdown(section))))


def _markdown(section: Section) -> Iterable[str]:
    heading = f"## {section.title}\n\n" if section.title else ""
    parts = list(section.text)
    if section.bullets:
        parts.append("\n".join(f"- {line}" for line in section.bullets))
    if section.rows:
        parts.append(table(section.head, section.rows))
    if section.commands:
        parts.append("\n".join(f"    {line}" for command in section.commands for line in command.splitlines()))
    return (heading + parts[0], *parts[1:]) if parts else ()


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def plain(page: Page, width: int = 0) -> str:
    """The page as text, without a line feed at its end; wrapped to ``width`` columns, 0 not at all.

    Commands are never wrapped, so that they can be copied.
    """
    parts = ["\n".join(_wrapped(page.title, width))]
    for section in page.sections:
        lines = _wrapped(section.title, width) if section.title else []
        parts.append("\n".join((*lines, *_plain(section, width, _INDENT if section.title else ""))))
    return "\n\n".join(parts)


def _plain(section: Section, width: int, indent: str) -> Iterable[str]:
    for text in section.text:
        yield from _wrapped(text, width, indent)
    for bullet in section.bullets:
        yield from _wrapped(bullet, width, f"{indent}- ", f"{indent}  ")
    column = min(max((len(_unmarked(left)) for left, _ in section.rows), default=0), max(width // 3, 12))
    for left, right in section.rows:
        yield from _row(_unmarked(left), right, width, indent, column)
    for command in section.commands:
        yield textwrap.indent(command, f"{indent}  ")


def _row(left: str, right: str, width: int, indent: str, column: int) -> Iterable[str]:
    """A row in two columns; a left cell that is longer than its column has a line of its own."""
    after = " " * (len(indent) + column + 2)
    if len(left) > column:
        yield f"{indent}{left}"
        yield from _wrapped(right, width, after)
    else:
        yield from _wrapped(right, width, f"{indent}{left:<{column}}  ", after)


def _wrapped(text: str, width: int, first: str = "", after: str | None = None) -> list[str]:
    plain_text, rest = _unmarked(text), first if after is None else after
    if width <= 0:
        return [f"{first}{plain_text}"]
    wide = max(width, len(first) + 20)
    return textwrap.wrap(
        plain_text,
        wide,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def _unmarked(text: str) -> str:
    """Markdown's marks taken away that read badly in a terminal; quoted words keep their back quotes."""
    without = _MARKS.sub(lambda match: match[1] or match[2], text)
    return without[1:-1] if re.fullmatch(r"`[^`]+`", without) else without
