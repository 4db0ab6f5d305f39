"""JSON as text for people and pipes: indented, and without a character that a terminal would act on. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_FOREIGN = re.compile(r"[^\n\x20-\x7e]")


def json_text(value: Any) -> str:
    """A value as indented JSON and a line feed. What is not printable (U+202E, U+009B) is written as an escape."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return _FOREIGN.sub(_escaped, text) + "\n"


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    if char.isprintable():
        return char
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[start]:02x}{units[start + 1]:02x}" for start in range(0, len(units), 2))
