"""Answers as they are written: lines of JSON for programs, a table for people."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from checks.cli.classify.answers import Answer
from checks.text import printable

MAX_SHOWN = 200
_CAUSE, _MIN_WIDTH, _MAX_WIDTH = 22, 60, 160
_INDENT = "    "
Write = Callable[[bytes], None]


class Writer(Protocol):
    """Writes answers as they come; ``end`` is called once, after the last."""

    def write(self, answer: Answer) -> None: ...

    def end(self) -> None: ...


class JsonLines:
    """One object a line, each flushed: whoever waits for an answer gets it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._encoder = msgspec.json.Encoder()

    def write(self, answer: Answer) -> None:
        """Writes one line."""
        self._write(self._encoder.encode(answer) + b"\n")

    def end(self) -> None:
        """Nothing comes after the last line."""


class Blocks:
    """A table whose rows have lines beneath them: what the cause means, and what helps.

    The columns have the same widths in every row, so that each answer can be shown as it comes. Commands are not
    wrapped, so that they can be copied.
    """

    def __init__(self, write: Write, width: int, *, colour: bool) -> None:
        self._write = write
        self._width = max(_MIN_WIDTH, min(width, _MAX_WIDTH))
        self._colour = colour
        self._count = 0

    def write(self, answer: Answer) -> None:
        """Shows one answer, with the columns' names before the first."""
        self._count += 1
        if self._count > MAX_SHOWN:
            return
        out = io.StringIO()
        console = Console(
            file=out, width=self._width, force_terminal=self._colour, highlight=False, legacy_windows=False
        )
        if self._count == 1:
            console.print(self._row("CAUSE", "POD", "CONTAINER, IMAGE", "bold"))
        console.print(self._row(answer.cause, _whose(answer), _what(answer), "bold red"))
        for line in (*self._wrapped(answer.sentence), *self._steps(answer)):
            console.print(line, soft_wrap=True)
        lines = (line.rstrip() for line in out.getvalue().splitlines())
        self._write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))

    def end(self) -> None:
        """Says how many are not shown."""
        if self._count > MAX_SHOWN:
            self._write(f"… and {self._count - MAX_SHOWN} more; -o json has them all\n".encode())

    def _steps(self, answer: Answer) -> Iterator[Text]:
        for step in answer.remedy:
            if step.startswith("# "):
                yield from self._wrapped(step, "# ")
            else:
                yield Text(_INDENT + _safe(step))

    def _wrapped(self, text: str, mark: str = "") -> Iterator[Text]:
        """A sentence over as many lines as it needs, each of which begins with the mark, as the text does."""
        plain = _safe(text.removeprefix(mark))
        for line in textwrap.wrap(plain, self._width - len(_INDENT) - len(mark)):
            yield Text(f"{_INDENT}{mark}{line}", style="dim" if mark else "")

    def _row(self, cause: str, pod: str, what: str, style: str) -> Table:
        rest = self._width - _CAUSE - 4
        row = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        row.add_column(width=_CAUSE)
        row.add_column(width=rest // 2, overflow="fold")
        row.add_column(width=rest - rest // 2, overflow="fold")
        row.add_row(Text(_safe(cause), style=style), Text(_safe(pod)), Text(_safe(what)))
        return row


def _whose(answer: Answer) -> str:
    name = answer.pod or answer.about
    return f"{answer.namespace}/{name}" if answer.namespace and name else name or "(no pod named)"


def _what(answer: Answer) -> str:
    return ", ".join(name for name in (answer.container, answer.image) if name)


def _safe(text: str) -> str:
    return printable(text, instead="\N{REPLACEMENT CHARACTER}")
