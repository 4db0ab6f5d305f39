"""Progress on standard error: on a terminal one line that changes, else a line each; nothing where it is not wanted."""

from __future__ import annotations

from typing import IO

from checks.text import clipped, printable

_CLEAR = "\r\x1b[K"
_SHORT = 79


class Progress:
    """Shows one sentence after the other."""

    def __init__(self, stream: IO[str], *, quiet: bool = False) -> None:
        self._stream, self._quiet = stream, quiet
        self._in_place = stream.isatty()
        self._shown = False

    def __call__(self, sentence: str) -> None:
        """Shows a sentence in the place of the one before."""
        if self._quiet:
            return
        line = printable(sentence)
        self._stream.write(f"{_CLEAR}{clipped(line, _SHORT)}" if self._in_place else f"{line}\n")
        self._stream.flush()
        self._shown = True

    def end(self) -> None:
        """Leaves a line that changed in place empty."""
        if self._in_place and self._shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._shown = False
