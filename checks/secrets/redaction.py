"""All shapes of secrets over one text."""

from __future__ import annotations

import string

from checks.secrets.commands import COMMANDS
from checks.secrets.forms import FORMS
from checks.secrets.names import NAMED, NAMES, value_of
from checks.secrets.patterns import REDACTED, Shape
from checks.secrets.places import PLACES

_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
SHAPES: tuple[Shape, ...] = (*FORMS, *PLACES, *COMMANDS)

_LITERALS = tuple(dict.fromkeys((*NAMED, *(literal for shape in SHAPES for literal in shape.literals))))
# A text that has none of these has none of the others, which contain them.
_SHORTEST = tuple(word for word in _LITERALS if not any(other != word and other in word for other in _LITERALS))
# What is rare in usual texts and part of many of these: a text without it needs not be searched for any of them.
_RARE = ("_", "$", "+", "%", "'", "\\", "~", "=", "@", "gl", "sk-", "hv", "hook")
_GATED = tuple((rare, tuple(word for word in _SHORTEST if rare in word)) for rare in _RARE)
_OTHERS = tuple(word for word in _SHORTEST if not any(rare in word for rare in _RARE))
_CONTAINING = {word: tuple(literal for literal in _LITERALS if word in literal) for word in _SHORTEST}


def without_secrets(text: str) -> str:
    """The text with REDACTED in place of each secret. What was redacted before stays as it is."""
    folded = _folded(text)
    if not _holds_any(folded):
        return text  # nearly all of them: there are thousands, and each has to be searched
    found = [word for word in _SHORTEST if word in folded]
    present = {literal for word in found for literal in _CONTAINING[word] if literal in folded}
    for shape in SHAPES:
        if not present.isdisjoint(shape.literals):
            text = shape.redact(text)
    return text if present.isdisjoint(NAMED) else _without_named(text)


def _holds_any(folded: str) -> bool:
    """Whether a text holds one of the shortest literals."""
    holds = folded.__contains__
    return any(map(holds, _OTHERS)) or any(holds(rare) and any(map(holds, words)) for rare, words in _GATED)


def _folded(text: str) -> str:
    """The text with its ASCII letters in lower case, each character at its place (``lower`` can make two of one)."""
    return text.lower() if text.isascii() else text.translate(_FOLD)  # lower is some 30 times faster


def _without_named(text: str) -> str:
    parts, done = [], 0
    for name in NAMES.finditer(_folded(text)):
        value = value_of(text, name) if name.start() >= done else None
        if value is not None:
            parts += [text[done : value[0]], REDACTED]
            done = value[1]
    return "".join(parts) + text[done:]
