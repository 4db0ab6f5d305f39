"""An input's bytes as UTF-8 without colours, line by line or as a whole, and never more of them than is allowed.

PowerShell writes files in UTF-16, and begins what it pipes with a byte order mark.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator

MAX_INPUT = 256 * 1024 * 1024
MAX_LINE = 1024 * 1024
_CHUNK = 64 * 1024
_COLOURS = re.compile(rb"\x1b(?:\[[0-?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\))")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class TooMuch(Exception):
    """The input is larger than MAX_INPUT."""


class _LineBound:
    """Cuts lines that are too long, as they come in pieces."""

    def __init__(self) -> None:
        self.cut = 0
        self._length = 0  # of the line that goes on
        self._is_json = False

    def bounded(self, piece: bytes) -> bytes:
        """The piece without what is beyond the bound of the line that it goes on with."""
        end = piece.find(b"\n")
        rest = piece if end < 0 else piece[:end]
        kept = self._of_line(rest)
        if end < 0:
            return kept
        last = piece.rfind(b"\n") + 1
        self._length, self._is_json = 0, False
        self._of_line(piece[last:])  # lines in between are no longer than a piece
        return kept + piece[end:]

    def _of_line(self, part: bytes) -> bytes:
        if not self._length and part:
            self._is_json = without_colours(part[:_CHUNK]).lstrip(b" \t>")[:1] in (b"{", b"[")
        before, self._length = self._length, self._length + len(part)
        if self._is_json or self._length <= MAX_LINE:
            return part
        self.cut += before <= MAX_LINE
        return part[: max(0, MAX_LINE - before)]


class Source:
    """A binary stream's lines. What was read ahead to see what the input is comes first again."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = _as_utf8(stream)
        self._ahead = b""
        self.cut = 0

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
        """All of it, but of a line that is no JSON only the first MAX_LINE bytes. Raises TooMuch.

        ``cut`` then says how many lines were longer. JSON of any size is one line, as an API server sends it.
        """
        pieces, size = list[bytes](), 0
        bound = _LineBound()
        for piece in self._pieces():
            size += len(piece)
            if size > MAX_INPUT:
                raise TooMuch
            pieces.append(bound.bounded(piece))
        self.cut = bound.cut
        return without_colours(b"".join(pieces))

    def _pieces(self) -> Iterator[bytes]:
        ahead, self._ahead = self._ahead, b""
        yield from (ahead[at : at + _CHUNK] for at in range(0, len(ahead), _CHUNK))
        while piece := self._stream.read(_CHUNK):
            yield piece

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
