"""Azure's wildcards, matched in bounded time: a hostile pattern costs at most the length of pattern x text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

_ANY, _ONE = "any", "one"
_LIKE = re.compile(r"\\[*?]|.", re.DOTALL)


@lru_cache(maxsize=1024)  # the same few roles are asked for the same few actions, by every cluster
def covers(pattern: str, text: str) -> bool:
    """Whether an action pattern covers a text: ``*`` matches any text, "/" included; case is ignored."""
    first, *others = pattern.lower().split("*")
    lowered = text.lower()
    if not others:
        return first == lowered
    last = others.pop()
    if len(first) + len(last) > len(lowered) or not (lowered.startswith(first) and lowered.endswith(last)):
        return False
    at, end = len(first), len(lowered) - len(last)
    for part in others:  # each at the first place where it is: that leaves the most room for those after it
        found = lowered.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def leaves(given: Iterable[str], taken: Iterable[str], text: str) -> bool:
    """Whether patterns cover a text that none of those taken away covers: actions and notActions of one permission."""
    return any(covers(pattern, text) for pattern in given) and not any(covers(pattern, text) for pattern in taken)


def like(pattern: str, text: str) -> bool:
    """StringLike of conditions: ``*`` matches any text, ``?`` one character; a backslash escapes either."""
    tokens: list[tuple[str | None, str]] = []
    for part in _LIKE.findall(pattern):
        wild = {"*": _ANY, "?": _ONE}.get(part)
        tokens.append((wild, part[-1]))
    return _matches(tokens, text)


def _matches(pattern: Sequence[tuple[str | None, str]], text: str) -> bool:
    """Matches from the left; after a mismatch, the latest ``*`` takes one more character and matching resumes there."""
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
