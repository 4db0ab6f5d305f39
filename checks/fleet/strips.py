"""The last 24 hours as a strip of bars, an hour each, the oldest first. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

HOURS = 24
HOUR = timedelta(hours=1)

Interval = tuple[datetime, datetime | None]  # None: it goes on


def counted(intervals: Iterable[Interval], now: datetime) -> tuple[int, ...]:
    """How many of the intervals have a part in each hour; the last bar is the hour that ends now."""
    listed = tuple(intervals)
    ends = [now - HOUR * back for back in reversed(range(HOURS))]
    return tuple(sum(since < end and (until is None or until > end - HOUR) for since, until in listed) for end in ends)


def words(
    failing: Iterable[Interval], unknown: Iterable[Interval], now: datetime, watched: datetime | None = None
) -> tuple[str, ...]:
    """What each hour came to: "fail" where anything failed, else "unknown" where anything was unknown, else "pass".

    "unseen" where nobody looked yet: ``watched`` is when the first look was, None where that is not known.
    """
    before = [index < unseen([watched], now) for index in range(HOURS)]
    bars = zip(counted(failing, now), counted(unknown, now), before, strict=True)
    return tuple("fail" if f else "unknown" if u else "unseen" if b else "pass" for f, u, b in bars)


def unseen(watched: Iterable[datetime | None], now: datetime) -> int:
    """How many bars, from the oldest on, end before the first look at any of these; 0 where one is not known."""
    known = list(watched)
    firsts = [one for one in known if one is not None]
    if not firsts or len(firsts) < len(known):
        return 0
    return min(HOURS, max(0, HOURS - 1 - (now - min(firsts)) // HOUR))
