"""Verdicts and strips: a word and a shape beside each colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from checks.changes import Status
from checks.history.overview import ClusterEntry, RowEntry
from checks.report.outcome import STOPPED

FACETS = ("access", "path", "pull", "images")
BAR, GAP, HIGH = 3, 1, 16  # of a strip, in its own units
_HEIGHTS = {"fail": 16, "unknown": 9, "pass": 3, "unseen": 1}
_NAMES = {"fail": "failing", "unknown": "not known", "pass": "fine", "unseen": "before the first look"}


class Mark(msgspec.Struct, frozen=True):
    """An answer: its word, and its kind ("pass", "fail", "unknown", "skipped") for colour and shape."""

    word: str
    kind: str


class Strip(msgspec.Struct, frozen=True):
    """24 bars, an hour each, as paths by kind, and what they say. A bar's height says what its colour does."""

    label: str
    width: int
    paths: tuple[tuple[str, str], ...]


PASS, FAIL, UNKNOWN = Mark("pass", "pass"), Mark("fail", "fail"), Mark("unknown", "unknown")
NOT_JUDGED, UNCONFIRMED = Mark("not judged", "skipped"), Mark("unconfirmed", "unknown")


def answer_mark(row: RowEntry, facet: str) -> Mark:
    """What is held of a facet, or what the last look leaves open. A failed look that is not held yet is unconfirmed."""
    status = row.held.get(facet)
    if status is None:
        return NOT_JUDGED
    if status is Status.FAILING:
        return FAIL
    last = next((one.verdict for one in row.open if one.facet == facet), "")
    if last == "fail":
        return UNCONFIRMED
    if last == "unknown":
        return UNKNOWN
    return PASS if status is Status.PASSING else NOT_JUDGED


def answers_in(entry: ClusterEntry, row: RowEntry) -> tuple[Mark, ...]:
    """The answers of ``FACETS``; of a cluster that was not found, what passed is not known any more."""
    marks = tuple(answer_mark(row, facet) for facet in FACETS)
    return marks if entry.unknown_since is None else tuple(UNKNOWN if one == PASS else one for one in marks)


def strip(words: Sequence[str]) -> Strip:
    """The last hours of a row, as words, the oldest first."""
    bars: dict[str, list[str]] = {}
    for index, word in enumerate(words):
        bars.setdefault(word, []).append(_bar(index, _HEIGHTS[word]))
    counts = Counter(words)
    said = ", ".join(f"{counts[kind]} h {_NAMES[kind]}" for kind in _NAMES if counts[kind])
    return _strip(f"Last {len(words)} hours: {said}", len(words), bars)


def counted_strip(counts: Sequence[int], unseen: int = 0) -> Strip:
    """How many rows of an incident failed in each of the last hours: the more, the higher. The first ``unseen`` are
    before the first look, where nothing failed in them."""
    most = max(counts, default=0)
    bars: dict[str, list[str]] = {}
    for index, count in enumerate(counts):
        kind = "fail" if count else "unseen" if index < unseen else "pass"
        height = 6 + round(10 * count / most) if count else _HEIGHTS[kind]
        bars.setdefault(kind, []).append(_bar(index, height))
    failed, before = sum(map(bool, counts)), sum(not count for count in counts[:unseen])
    said = f"Last {len(counts)} hours: something failed in {failed} of them, at most {most} at once"
    return _strip(f"{said}; {before} h {_NAMES['unseen']}" if before else said, len(counts), bars)


def _bar(index: int, height: int) -> str:
    return f"M{index * (BAR + GAP)} {HIGH}v-{height}h{BAR}v{height}z"


def _strip(label: str, hours: int, bars: dict[str, list[str]]) -> Strip:
    return Strip(label, hours * (BAR + GAP) - GAP, tuple((kind, "".join(each)) for kind, each in sorted(bars.items())))


def basis_words(row: RowEntry) -> str:
    """What the answer about the pull rests on: "nodes, Azure". Of one that is held to fail, what that rests on; of one
    that is not known, nothing."""
    failing = any(facet.facet == "pull" for facet in row.failing)
    unknown = any(facet.facet == "pull" and facet.verdict == "unknown" for facet in row.open)
    basis = row.basis if failing else () if unknown else row.seen_by
    return ", ".join({"azure": "Azure"}.get(word, word) for word in basis)


def cause_words(cause: str) -> str:
    """A cause as pages name it: its own word, but where that says nothing beside others, or in a sentence."""
    return {"unknown": "unknown cause", STOPPED: "stopped"}.get(cause, cause)
