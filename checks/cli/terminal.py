"""Where text goes: a console on a stream, with colours and a width only where there is a terminal.

Everything that came from Azure or a pod is shown as text: no markup, no control characters.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import IO, NoReturn

from rich.console import Console as RichConsole
from rich.text import Text

from checks.cli.arguments import PROGRAM
from checks.report.formats.json_text import json_text
from checks.text import printable

PLAIN_WIDTH, MAX_PROSE_WIDTH = 80, 100
_WIDE = 1 << 16  # rich has no console without a width


class Console(RichConsole):
    """A console that leaves the end of a pipe to whoever writes to it: rich would exit with 1, "something fails"."""

    def on_broken_pipe(self) -> NoReturn:
        """Raises the error that it is called for."""
        raise BrokenPipeError


def width_of(stream: IO[str]) -> int | None:
    """How many cells a line has: COLUMNS, or else the terminal's; None where it is piped, for lines of any length."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
    except (OSError, ValueError):
        return None


def width_of_prose(stream: IO[str]) -> int:
    """How wide text is wrapped: as the terminal is, up to where lines read badly; piped as in one of 80."""
    return min(width_of(stream) or PLAIN_WIDTH, MAX_PROSE_WIDTH)


def console(stream: IO[str], *, width: int | None = None) -> Console:
    """A console on a stream; without a terminal there is no colour, and a line is as long as it gets."""
    return Console(file=stream, width=width or width_of(stream) or _WIDE, highlight=False, soft_wrap=False)


def write(lines: Iterable[Text], out: Console) -> None:
    """Writes lines as they are: none is wrapped or cut."""
    for line in lines:
        out.print(line, soft_wrap=True)


def say(sentence: str, *lines: str) -> None:
    """Writes a sentence to standard error, after the program's name, and further lines; each without what steers a
    terminal, whoever wrote it."""
    for line in (f"{PROGRAM}: {sentence}", *lines):
        sys.stderr.write(f"{printable(line)}\n")


def write_json(answer: object, stream: IO[str]) -> None:
    """Writes an answer as indented JSON."""
    stream.write(json_text(answer))
