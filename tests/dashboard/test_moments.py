"""Times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from checks.dashboard.views.moments import Moment, maybe, moment, span

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ({"seconds": 59}, "less than a minute"),
        ({"minutes": 1}, "1 min"),
        ({"minutes": 59, "seconds": 59}, "59 min"),
        ({"hours": 2}, "2 h"),
        ({"hours": 2, "minutes": 42}, "2 h 42 min"),
        ({"hours": 23, "minutes": 59}, "23 h"),
        ({"days": 2, "hours": 4}, "2 d 4 h"),
        ({"days": 40, "hours": 4}, "40 d"),
    ],
    ids=str,
)
def test_a_length_is_said_in_its_largest_units(length: dict[str, int], words: str) -> None:
    assert span(timedelta(**length)) == words


def test_a_moment_is_for_machines_and_for_people() -> None:
    there = datetime(2026, 11, 24, 6, 30, tzinfo=timezone(timedelta(hours=1)))
    assert moment(there, NOW) == Moment("2026-11-24T05:30:00Z", "2026-11-24 05:30 UTC", "2 h 30 min ago")
    assert moment(NOW + timedelta(minutes=12), NOW).relative == "in 12 min"
    assert [moment(NOW + timedelta(seconds=s), NOW).relative for s in (-59, 0, 30)] == [
        "just now", "just now", "in less than a minute"
    ]  # fmt: skip
    assert maybe(None, NOW) is None
