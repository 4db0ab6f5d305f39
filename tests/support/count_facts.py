"""Pulls as a registry counted them, for the tests of PW307: by the hour, until noon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from checks.facts import Seen
from checks.facts.registry_details import PullCounts, PullHour
from tests.support.access_facts import seen

UNTIL = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WEEK = 165  # hours before the last three


def counts(*last: tuple[int, int], earlier: Sequence[tuple[int, int]] = ((100, 2),) * WEEK) -> PullCounts:
    """Pulls and those of them that failed, hour by hour: of the last three hours, and of those before them."""
    given = (*earlier, *((0, 0),) * (3 - len(last)), *last)
    hours = tuple(
        PullHour(UNTIL - timedelta(hours=len(given) - at), pulls, pulls - failed)
        for at, (pulls, failed) in enumerate(given)
    )
    return PullCounts(UNTIL, hours)


def counted(*last: tuple[int, int], partial: str = "", **over: Any) -> Seen[PullCounts]:
    """The same as a fact that was read."""
    return seen(counts(*last, **over), partial)
