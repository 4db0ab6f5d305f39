"""What a stream takes: how wide, and whether in ASCII alone."""

from __future__ import annotations

from typing import TextIO

from checks.cli import terminal
from checks.report.path_picture.text import in_ascii

PLAIN_WIDTH = 80
MAX_WIDTH = 100


def width_of(stream: TextIO) -> int:
    """How wide text is wrapped."""
    return min(terminal.width_of(stream) or PLAIN_WIDTH, MAX_WIDTH)


def ascii_only(stream: TextIO) -> bool:
    """Whether it is not UTF-8, so that a line of the picture or a name might not be writable."""
    return (stream.encoding or "").lower().replace("-", "").replace("_", "") not in ("utf8", "utf8sig")


def writable(text: str, stream: TextIO) -> str:
    """The text as the stream can take it."""
    return in_ascii(text) if ascii_only(stream) else text
