"""An input's bytes as UTF-8 without colours, line by line or as a whole, and never more of them than is allowed.

PowerShell writes files in UTF-16, and begins what it pipes with a byte order mark.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator

MAX_INPUT = 256 * 1024 * 1024
_CHUNK = 64 * 1024
_COLOURS = re.compile(rb"\x1b(?:\[[0-?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\))")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class TooMuch(Exception):
    """The input is larger than MAX_INPUT."""


class Source:
    """A binary stream's lines. What was read ahead to see what the input is comes first again."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = _as_utf8(stream)
        self._ahead = b""

    def first(self, limit: int) -> bytes:
        """The first line that is not blank, or what of it ``limit`` allows; b"" where there is none."""
        size = 0
        while size <= MAX_INPUT and (line := self._stream.readline(limit)):
            if text := without_colours(line).strip():
                self._ahead = without_colours(line)
                return text
            size += len(line)
        return b""

    def lines(self, limit: int) -> Iterator[bytes]:
        """The lines, one byte longer than ``limit`` where they are longer; of such a one the rest is passed over."""
        while line := self._next(limit + 1):
            part = line
            while part and not part.endswith(b"\n"):
                part = self._next(limit)
            yield without_colours(line)

    def whole(self) -> bytes:
        """All of it. Raises TooMuch."""
        pieces, size = [self._ahead], len(self._ahead)
        self._ahead = b""
        while piece := self._stream.read(_CHUNK):
            size += len(piece)
            if size > MAX_INPUT:
                raise TooMuch
            pieces.append(piece)
        return without_colours(b"".join(pieces))

    def _next(self, limit: int) -> bytes:
        ahead, self._ahead = self._ahead, b""
        if not ahead:
            return self._stream.readline(limit)
        if ahead.endswith(b"\n") or len(ahead) >= limit:
            return ahead
        return ahead + self._stream.readline(limit - len(ahead))


def without_colours(text: bytes) -> bytes:
    """The text without the codes that colour it in a terminal."""
    return _COLOURS.sub(b"", text) if b"\x1b" in text else text


class _Recoded(io.RawIOBase):
    """UTF-16 as UTF-8, as it is read."""

    def __init__(self, stream: io.BufferedReader, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = self._stream.read1(_CHUNK)
            self._rest = self._decoder.decode(piece, final=not piece).encode("utf-8", "replace")
            if not piece:
                break
        count = min(len(into), len(self._rest))
        into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _as_utf8(buffered: io.BufferedReader) -> io.BufferedReader:
    head = buffered.peek(4)
    if head.startswith(codecs.BOM_UTF8):
        buffered.read(len(codecs.BOM_UTF8))
        return buffered
    encoding = _MARKS.get(head[:2])
    if encoding:
        buffered.read(2)
    elif len(head) >= 4 and b"\0" in head[:2] and head[:4].count(b"\0") == 2:
        encoding = "utf-16-le" if head[1] == 0 else "utf-16-be"
    return io.BufferedReader(_Recoded(buffered, encoding)) if encoding else buffered
