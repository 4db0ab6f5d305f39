"""What stood between two lines of a text that was broken: a space, or nothing, as the break is inside of a word. Pure.

The words of pull errors are known, names have no spaces, and what follows a name in an error is a colon or a quote.
"""

from __future__ import annotations

import re

from checks.rules.pull.errors import RULES

_CHAIN = """
Failed to pull image rpc error code Unknown desc failed to pull and unpack image failed to resolve reference
failed to do request failed to authorize failed to fetch anonymous oauth token unexpected status from GET HEAD
POST request to dial tcp lookup on no such host i/o timeout connection refused not found Unauthorized
Forbidden denied context deadline exceeded Head Get server misbehaving read write is in of for with the
manifest blob layer response daemon client certificate signed by unknown authority requested access resource
repository does exist or may require docker login Back-off pulling
"""
_WORD = re.compile(r"[A-Za-z][a-z/-]{1,30}|HEAD|GET|POST|EOF")
_WORDS = frozenset(
    word.lower()
    for text in (_CHAIN, *(rule.example for rule in RULES))
    for word in _WORD.findall(text)
    if len(word) > 1
)
_EDGES = "\"'`([{<\\*:,;.)]}>"
_GOES_ON = re.compile(r"[:/?&.,;)\]%@-]|=\S|\d{1,5}[:/]")
_URL = re.compile(r"https?://")
_NAME = re.compile(r"https?:|[/.@?&=_]|\A[\"']")


def between(whole: str, line: str) -> str | None:
    """A space or nothing; None where the words do not tell."""
    if whole[-1:].isspace() or line[:1].isspace():
        return ""  # the space is still there
    left, right = whole.split()[-1], line.split()[0]
    if whole.count('"') % 2 and (" " not in whole.rpartition('"')[2] or right[0] == '"'):
        return ""  # a name in quotes, or the end of a quotation
    if right[0] in ":,;?)]" or right.startswith("//") or (not _URL.match(left) and _URL.match(left + right)):
        return ""
    known, follows = _is_word(left), _is_word(right)
    if not known and left[-1] not in ":,;\"'" and _GOES_ON.match(right) and right != "=":
        return ""
    if _are_parts_of_a_word(left, right) and not (known and follows):
        return ""
    if known or left == "=" or right == "=":
        return " "
    return _after_a_name(left, right, follows=follows)


def _after_a_name(left: str, right: str, *, follows: bool) -> str | None:
    if left[-1] in ":,;":
        return "" if _GOES_ON.match(right) else " "
    if left[-1] in "\"')]":
        return "" if right[0] in ":,;.)]" else " "
    if left[-1].isdigit() and right[0].isdigit():
        return ""
    if _NAME.search(left):
        return " " if follows else ""
    return " " if follows else None


def _is_word(text: str) -> bool:
    return text.strip(_EDGES).lower() in _WORDS


def _are_parts_of_a_word(left: str, right: str) -> bool:
    begun = left.lstrip(_EDGES)
    return begun.isalpha() and right[0].isalpha() and _is_word(begun + right)
