"""Lines that a terminal or a mail has broken at a column, whole again.

A terminal fills a line to its last column, in the middle of a word; a mail breaks before the word that has no room. In
both the line before the break is as long as it could be. That alone is no proof, as of two errors of the same length
below each other: the text also has to be open, by a quotation or a colon, or not to end as errors do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import pairwise

from checks.cli.classify.texts.word_breaks import between

_LEAST, _WIDEST, _WIDEST_MAIL = 40, 260, 100
_MOST_JOINED = 64  # lines; more is no text that somebody pasted
_TERMINALS = frozenset({80, 100, 120, 132, 160, 200})
_OF_A_TABLE = re.compile(r"\A\s{2}|\S(?: {2,}|\t)\S")
_ROW_WITHOUT_MESSAGE = re.compile(r"(?:\A|\s)(?:Normal|Warning)\s{1,99}\w{1,64}\s{1,99}[\w.]{1,99}/[\w.-]{1,253}\s*\Z")
_NAME_BROKEN = re.compile(r"(?:[\"'/=]|\b(?:basic|bearer)\s)[\w./:@~+=-]{1,600}\Z", re.IGNORECASE)
_OF_AN_ERROR = re.compile(r"[Ff]ailed to|[Ee]rror\b|ErrImage|ff pulling")
# How another error begins, where the one before it may be over.
_BEGINS = re.compile(
    r"(?:Failed to|Error:|Error response|ERROR|Back-?off|Warning|Normal|FATA|ctr: |docker: |CannotPull|[#$>`] |```"
    r"|[{}\[\]*]|(?:[A-Z][a-z]+ ){2})"
)
_ENDS = re.compile(
    r"(?:not found|no such host|refused|time-?out|timed out|unauthori[sz]ed|forbidden|required|denied|\beof"
    r"|authority|exceeded|unavailable|unreachable|left on device|by peer|expired|backoff"
    r"|imagepull|(?<![^\s\"'(])[A-Za-z'-]{3,60}[.!?])[\s.)\"'\]]*\Z",
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
    lengths = Counter(map(len, group))
    repeated = _TERMINALS | {length for length, count in lengths.items() if count > 1}
    at = 0
    while at < len(group):
        run = _Run(group[at])
        for line in group[at + 1 :]:
            if not run.goes_on_with(line, begins):
                break
        at += len(run.lines)
        yield run.joined(repeated)


class _Run:
    """Lines that may be one: each but the last is as long as it could be, for one width and one way of breaking."""

    def __init__(self, first: str) -> None:
        self.lines = [first]
        self._whole = first
        self._longest, self._room = 0, _WIDEST * 8  # of the lines that are full, where it was broken before words

    def goes_on_with(self, line: str, begins: Callable[[str], bool]) -> bool:
        """Whether a line is the rest of those before it, which then have it."""
        if _is_no_rest(self._whole, line) or (begins(line) and not self._is_rest_of_words(line)):
            return False
        if not _ROW_WITHOUT_MESSAGE.search(self._whole) and not self._is_full_before(line):
            return False
        self.lines.append(line)
        self._whole += (between(self._whole, line) or "") + line
        return True

    def _is_rest_of_words(self, line: str) -> bool:
        return self._whole.endswith("rpc") and line.startswith("error: ")

    def _is_full_before(self, line: str) -> bool:
        before = self.lines[-1]
        if len(self._whole) < _LEAST:
            return False
        is_of_mail = self._is_of_mail_before(before, line)
        return self._is_cut_before(line) or is_of_mail

    def _is_cut_before(self, line: str) -> bool:
        """A terminal's column: all lines have one length; one that ended in a space has lost it."""
        if len(self.lines) == 1 and not (_is_open(self._whole) or _OF_AN_ERROR.search(self._whole)):
            return len(self._whole) in _TERMINALS
        lengths = {len(one) for one in self.lines}
        width = max(lengths)
        return len(line) <= width + (len(lengths) == 1) and min(lengths) >= width - 1

    def _is_of_mail_before(self, before: str, line: str) -> bool:
        """The next word had no room; a word alone may be of any length."""
        if " " in before.strip():
            self._longest = max(self._longest, len(before))
            self._room = min(self._room, len(before.rstrip()) + 1 + len(line.split(None, 1)[0]))
        fits = len(line) < self._room or " " not in line.strip()
        is_narrow = self._longest <= _WIDEST_MAIL
        return self._room > self._longest and fits and (is_narrow or bool(_OF_AN_ERROR.search(self._whole)))

    def joined(self, repeated: AbstractSet[int]) -> str:
        """The lines as one."""
        whole = self.lines[0]
        width = max(map(len, self.lines[:-1]), default=0)
        is_cut = all(len(line) >= width - 1 for line in self.lines[:-1]) and width in repeated
        for before, line in pairwise(self.lines):
            if _ROW_WITHOUT_MESSAGE.search(whole):
                glue = "  "
            else:
                told = between(whole, line)
                in_word = len(before) == width and (is_cut or _NAME_BROKEN.search(whole))
                glue = told if told is not None else "" if in_word else " "
            whole = f"{whole.rstrip() if glue else whole}{glue}{line.lstrip() if glue else line}"
        return whole


def _is_no_rest(whole: str, line: str) -> bool:
    """Whether a line is another one, by what it says and by what was said before it."""
    if _ROW_WITHOUT_MESSAGE.search(whole):
        return False
    if _OF_A_TABLE.search(line):
        return True
    return not _is_open(whole) and not _OPENS.search(whole) and bool(_ENDS.search(whole) or _BEGINS.match(line))


def _is_open(text: str) -> bool:
    """Whether a quotation has begun and not ended."""
    return text.count('"') % 2 == 1
