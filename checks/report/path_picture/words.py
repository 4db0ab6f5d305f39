"""What both pictures write beside a step, bounded and without what steers a terminal, and how it is wrapped."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import combining, east_asian_width

from checks.catalog import pw308_pulls_logged
from checks.catalog.check import Step
from checks.findings import shown, word
from checks.report.chain.model import Chain, ChainLink
from checks.text import clipped, printable

LOG = pw308_pulls_logged.CHECK.code

MAX_HEADLINE = 300
MAX_SENTENCE = 320
MAX_WORD = 60
MAX_NOTES = 2
MAX_CODES = 4


def headline(chain: Chain) -> str:
    """The answer in a line, with its cause in brackets where it is no Pass."""
    cause = (
        f" ({safe(chain.answer.cause, MAX_WORD)})"
        if chain.answer.cause and word(chain.answer.verdict) != "pass"
        else ""
    )
    return f"{safe(chain.headline, MAX_HEADLINE)}{cause}"


def answer(link: ChainLink) -> str:
    """A step's verdict in words."""
    return shown(word(link.verdict)) if link.reached else "not reached"


def reason(link: ChainLink) -> str:
    """The cause and the checks that a step's verdict rests on: "role-missing (PW102)"."""
    cause = safe(link.cause, MAX_WORD) if word(link.verdict) in ("fail", "unknown") else ""
    codes = safe(f"({', '.join(link.codes[:MAX_CODES])})", MAX_WORD) if link.codes else ""
    return " ".join(filter(None, (cause, codes)))


def marks(chain: Chain) -> dict[Step, str]:
    """What stands at each step that fails: the first is where it breaks, and what nodes report is what comes of it."""
    return {
        link.step: ("the registry says so" if link.codes == (LOG,) else "nodes say so")
        if number and link.step is Step.NODES
        else "it breaks here" + (" too" if number else "")
        for number, link in enumerate(chain.broken)
    }


def sentence(link: ChainLink) -> str:
    """A step's headline."""
    return safe(link.sentence, MAX_SENTENCE)


def notes(link: ChainLink) -> tuple[str, ...]:
    """What fails at a step and does not count; where the step's own sentence says it, not again."""
    told = (note for note in link.notes if " fails, but " in note and note != link.sentence)
    return tuple(safe(note, MAX_SENTENCE) for note in told)[:MAX_NOTES]


def safe(text: str, limit: int) -> str:
    """A text of at most so many characters on one line, each of them printable."""
    return printable(clipped(" ".join(text[: limit * 4].split()), limit))


def columns(text: str) -> int:
    """How many columns a text takes in a terminal or in a font of fixed width."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def wrapped(text: str, width: int) -> Iterator[str]:
    """The text in lines of at most so many columns (at least two), broken within a word only where it does not fit."""
    line = ""
    for part in text.split():
        joined = f"{line} {part}" if line else part
        if columns(joined) <= width:
            line = joined
            continue
        if line:
            yield line
        *full, line = _pieces(part, width)
        yield from full
    if line:
        yield line


def _pieces(part: str, width: int) -> list[str]:
    """A word in pieces that fit; a path is broken behind one of its slashes where that leaves no short piece."""
    pieces = [""]
    for char in part:
        if columns(pieces[-1] + char) > width:
            cut = pieces[-1].rfind("/") + 1
            at = cut if cut > len(pieces[-1]) // 3 else len(pieces[-1])
            pieces[-1:] = [pieces[-1][:at], pieces[-1][at:]]
        pieces[-1] += char
    return pieces
