"""The picture as text: it fits the width, and where the chain breaks is seen without colours."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from checks.findings import word
from checks.report.chain.model import Chain, ChainLink
from checks.report.path_picture import words
from checks.text import in_ascii

WIDTH = 80
_LABEL = 10
_SYMBOLS = {"pass": "✓", "fail": "✗", "unknown": "?", "skipped": "–"}
_ASCII_SYMBOLS = {"pass": "+", "fail": "X", "unknown": "?", "skipped": "-"}
_CRAMPED = 30  # a narrower picture would have no room for its words


class Line(msgspec.Struct, frozen=True):
    """A line of the picture, and the verdict's word to colour it by; "" for what has no colour."""

    text: str
    verdict: str = ""


def picture(chain: Chain, *, width: int = WIDTH, ascii_only: bool = False) -> str:
    """The picture in lines of at most ``width`` columns (at least 30), with a line feed at its end.

    ``ascii_only``: every other character is replaced, for streams that cannot write more.
    """
    return "".join(f"{line.text}\n" for line in lines(chain, width=width, ascii_only=ascii_only))


def lines(chain: Chain, *, width: int = WIDTH, ascii_only: bool = False) -> tuple[Line, ...]:
    """The picture line by line."""
    wide = max(width, _CRAMPED)
    made = tuple(_lines(chain, wide, ascii_only))
    if not ascii_only:
        return made
    return tuple(msgspec.structs.replace(line, text=in_ascii(line.text)[:wide]) for line in made)


def _lines(chain: Chain, width: int, ascii_only: bool) -> Iterator[Line]:
    # In ASCII an ellipsis takes three columns.
    fitting = width - 2 if ascii_only else width
    for text in words.wrapped(words.headline(chain), fitting):
        yield Line(text, word(chain.answer.verdict))
    yield Line("")
    whole, broken = ("|", ":") if ascii_only else ("│", "┆")
    rail = whole
    marks = words.marks(chain)
    for number, link in enumerate(chain.links):
        if number:
            yield Line(f"  {rail}")
        rail = broken if link.fails else rail
        head = _head(link, marks.get(link.step, ""), fitting - _LABEL - 7, ascii_only)
        yield from _link(link, head, rail if number < len(chain.links) - 1 else " ", fitting, ascii_only)


def _link(link: ChainLink, head: list[str], rail: str, width: int, ascii_only: bool) -> Iterator[Line]:
    verdict = word(link.verdict)
    symbol = (_ASCII_SYMBOLS if ascii_only else _SYMBOLS)[verdict]
    label = link.step.value.upper() if link.fails else link.step.value
    yield Line(f"{'>' if link.fails else ' '} {symbol}  {label:<{_LABEL}}{head[0]}".rstrip(), verdict)
    indent = f"  {rail}  {'':<{_LABEL}}"
    for text in head[1:]:
        yield Line(f"{indent}{text}", verdict)
    for text in (words.sentence(link), *words.notes(link)):
        for line in words.wrapped(text, width - len(indent)):
            yield Line(f"{indent}{line}".rstrip(), verdict if link.fails else "")


def _head(link: ChainLink, mark: str, width: int, ascii_only: bool) -> list[str]:
    """The verdict with its reason, and an arrow where the chain breaks."""
    answer, reason = words.answer(link), words.reason(link)
    if not link.fails:
        return list(words.wrapped(f"{answer} {reason}", width))
    arrow = "<==" if ascii_only else "◄──"
    return list(words.wrapped(f"{answer.upper()} {reason} {arrow} {mark}", width))
