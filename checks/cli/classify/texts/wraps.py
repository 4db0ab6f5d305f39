"""Lines that a terminal or a mail has broken at a column, whole again.

A terminal fills a line to its last column, in the middle of a word; a mail breaks before the word that has no room. In
both the line before the break is as long as it could be. That alone is no proof, as of two errors of the same length
below each other: the text also has to be open, by a quotation or a colon, or not to end as errors do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

_LEAST, _WIDEST, _WIDEST_MAIL = 40, 260, 100
_MOST_JOINED = 64  # lines; more is no text that somebody pasted
_TERMINALS = frozenset({80, 100, 120, 132, 160, 200})
_OF_A_TABLE = re.compile(r"\A\s{2}|\S(?: {2,}|\t)\S")
_ROW_WITHOUT_MESSAGE = re.compile(r"(?:\A|\s)(?:Normal|Warning)\s{1,99}\w{1,64}\s{1,99}[\w.]{1,99}/[\w.-]{1,253}\s*\Z")
_NAME_BROKEN = re.compile(r"(?:[\"'/=]|\b(?:basic|bearer)\s)[\w./:@~+=-]{1,600}\Z", re.IGNORECASE)
# How another error begins, where the one before it may be over.
_BEGINS = re.compile(
    r"(?:Failed to|Error:|Error response|ERROR|Back-?off|Warning|Normal|FATA|ctr: |docker: |CannotPull|[#$>`] |```"
    r"|[{}\[\]*]|(?:[A-Z][a-z]+ ){2})"
)
_ENDS = re.compile(
    r"(?:not found|no such host|refused|time-?out|timed out|unauthori[sz]ed|forbidden|required|denied|\beof"
    r"|authority|exceeded|unavailable|unreachable|left on device|by peer|expired|backoff"
    r"|imagepull|[.!?])[\s.)\"'\]]*\Z",
    re.IGNORECASE,
)
_OPENS = re.compile(
    r"(?:[:,=(\[/\-]|\b(?:to|of|for|with|from|code|desc|and|the|image|reference|request|a|an|in|on))\s*\Z"
)


def whole_lines(lines: Iterable[str], begins: Callable[[str], bool]) -> Iterator[str]:
    """The lines, those that were broken as one. ``begins`` says of a line that it is no rest of another."""
    group: list[str] = []
    for line in lines:
        if line.strip() and len(line) <= _WIDEST and len(group) < _MOST_JOINED:
            group.append(line)
            continue
        yield from _of_group(group, begins)
        group = []
        if line.strip() and len(line) <= _WIDEST:
            group.append(line)
        else:
            yield line
    yield from _of_group(group, begins)


def _of_group(group: list[str], begins: Callable[[str], bool]) -> Iterator[str]:
    """Lines below each other, none of which is wider than a terminal."""
    width = max(map(len, group), default=0)
    if width < _LEAST or len(group) < 2:
        yield from group
        return
    of_mail = max((len(line) for line in group if " " in line.strip()), default=0)  # a word alone may be any length
    in_terminal = width in _TERMINALS or sum(len(line) == width for line in group) > 1
    whole = group[0]
    for before, line in pairwise(group):
        glue = (
            None
            if _is_no_rest(whole, line) or begins(line)
            else _glue(whole, before, line, width if in_terminal else of_mail, in_terminal)
        )
        if glue is None:
            yield whole
            whole = line
        else:
            whole = f"{whole.rstrip() if glue else whole}{glue}{line.lstrip() if glue else line}"
    yield whole


def _is_no_rest(whole: str, line: str) -> bool:
    """Whether a line is another one, by what it says and by what was said before it."""
    if _ROW_WITHOUT_MESSAGE.search(whole):
        return False
    if _OF_A_TABLE.search(line):
        return True
    return not _is_open(whole) and not _OPENS.search(whole) and bool(_ENDS.search(whole) or _BEGINS.match(line))


def _glue(whole: str, before: str, line: str, width: int, in_terminal: bool) -> str | None:
    """What stands between a line and its rest, which may be nothing; None where the line had room for more."""
    if _ROW_WITHOUT_MESSAGE.search(whole):
        return "  "
    if len(before) < _LEAST:
        return None
    if len(before) == width and (_NAME_BROKEN.search(whole) or in_terminal):
        return ""
    if in_terminal and len(before) == width - 1:
        return " "  # the space in the last column is lost where the text was copied
    word = line.split(None, 1)[0]
    return " " if width <= _WIDEST_MAIL and len(before.rstrip()) + 1 + len(word) > width else None


def _is_open(text: str) -> bool:
    """Whether a quotation has begun and not ended."""
    return text.count('"') % 2 == 1
