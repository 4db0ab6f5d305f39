"""Wildcards as Azure means them, matched in bounded time: a hostile pattern costs pattern x text, never more."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ANY, _ONE = "any", "one"
_LIKE = re.compile(r"\\[*?]|.", re.DOTALL)


def covers(pattern: str, text: str) -> bool:
    """Whether an action pattern covers a text: ``*`` stands for any text, "/" included; case says nothing."""
    return _fits([(_ANY if c == "*" else None, c) for c in pattern.lower()], text.lower())


def like(pattern: str, text: str) -> bool:
    """StringLike of conditions: ``*`` any text, ``?`` one character, a backslash before either takes it as it is."""
    tokens: list[tuple[str | None, str]] = []
    for part in _LIKE.findall(pattern):
        wild = {"*": _ANY, "?": _ONE}.get(part)
        tokens.append((wild, part[-1]))
    return _fits(tokens, text)


def _fits(pattern: Sequence[tuple[str | None, str]], text: str) -> bool:
    """Matches from the left; where it fails, the latest ``*`` takes one more character and it goes on from there."""
    at = position = 0
    star, taken = -1, 0
    while position < len(text):
        wild, character = pattern[at] if at < len(pattern) else (None, "")
        if wild is _ANY:
            star, taken = at, position
            at += 1
        elif at < len(pattern) and (wild is _ONE or character == text[position]):
            at += 1
            position += 1
        elif star >= 0:
            taken += 1
            at, position = star + 1, taken
        else:
            return False
    return all(wild is _ANY for wild, _ in pattern[at:])
