"""The standard streams as commands find them: closed ones, full ones, and terminals that lack characters.

Whoever writes need not think of it: ``sys.stdout`` takes any text, and raises ``NotWritten`` where its bytes get
nowhere; ``sys.stderr`` never raises.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO

from checks.text import in_ascii

_ERRORS = "pullwatch.like-it"  # the name of a codec's error handler


class NotWritten(Exception):
    """Standard output takes no more, as of a disk that is full or a stream that is closed; the message says why.

    It is no OSError: no reader of files, and no client of a server, takes it for one of its own.
    """


def take_standard_streams() -> None:
    """Replaces the standard streams by ones that hold what this module says. For a program's start, once."""
    # What is closed is opened on the null device so that it can do nothing: the number of the descriptor is taken, and
    # no socket or file gets it, to which somebody's text would go. In order: the lowest number is the next.
    sys.stdin = sys.stdin or open(os.open(os.devnull, os.O_WRONLY))  # noqa: PTH123, SIM115 - by its number
    out = sys.stdout or _opened(os.O_RDONLY)
    err = sys.stderr or _opened(os.O_WRONLY)
    sys.stdout, sys.stderr = _text(_Output(out), out), _text(_Messages(err), err)


def replace_what_it_lacks(stream: io.TextIOWrapper) -> None:
    """Has characters that a stream's encoding lacks replaced: by what is like them in ASCII, or by "?"."""
    codecs.register_error(_ERRORS, _like_it)
    stream.reconfigure(errors=_ERRORS)


def ascii_only(stream: TextIO) -> bool:
    """Whether it is not UTF-8, so that lines of a picture might not be writable."""
    return (stream.encoding or "").lower().replace("-", "").replace("_", "") not in ("utf8", "utf8sig")


def put(raw: bytes) -> None:
    """Writes bytes to standard output at once, whatever its encoding is. Raises NotWritten, and BrokenPipeError where
    nobody reads it any more."""
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


class _Raw(io.RawIOBase):
    """The bytes of a stream. After the first that was lost, all are dropped: nothing is left to be written at exit."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream  # held: it closes its descriptor with its end
        self._raw: io.RawIOBase = getattr(stream.buffer, "raw", stream.buffer)  # with python -u there is no buffer
        self._lost = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: Any) -> int:
        """Writes some of the bytes; returns how many."""
        if self._lost:
            return len(data)
        try:
            written = self._raw.write(data)
            if written is None:  # it was made non-blocking, as by whoever shares it
                raise BlockingIOError(0, "it takes no more at the moment")
            return written
        except OSError as error:
            self._lost = True
            self._lose(error)
            return len(data)

    def _lose(self, error: OSError) -> None:
        """What it means that the first bytes are lost."""


class _Output(_Raw):
    """Standard output: that the answer is lost, must be known."""

    def _lose(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        raise NotWritten(error.strerror or type(error).__name__) from None


class _Messages(_Raw):
    """Standard error: there is nowhere to say that a message is lost, and the answer stands without it."""


def _opened(flags: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(os.open(os.devnull, flags), "w"), encoding="utf-8")


def _text(raw: _Raw, like: Any) -> io.TextIOWrapper:
    at_once = like.line_buffering or like.write_through
    text = io.TextIOWrapper(io.BufferedWriter(raw), encoding=like.encoding, line_buffering=at_once)
    replace_what_it_lacks(text)
    return text


def _like_it(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object[error.start : error.end]), error.end
