"""Ages as tables show them."""

from datetime import UTC, datetime, timedelta

import pytest

from checks.cli.history.times import length, moment, with_age

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("span", "shown"), [
    (timedelta(), "0s"), (timedelta(seconds=-5), "0s"), (timedelta(seconds=59.9), "59s"), (timedelta(minutes=1), "1m"),
    (timedelta(minutes=59, seconds=59), "59m"), (timedelta(hours=1), "1h"), (timedelta(hours=3, minutes=5), "3h5m"),
    (timedelta(hours=24), "1d"), (timedelta(days=4, hours=2, minutes=7), "4d2h"),
    (timedelta(days=9, hours=23), "9d23h"),
    (timedelta(days=10, hours=5), "10d"), (timedelta(days=4000), "4000d"),
])  # fmt: skip
def test_a_length_has_its_two_largest_units(span: timedelta, shown: str) -> None:
    assert length(span) == shown


def test_a_time_has_its_age_and_one_that_is_ahead_says_so() -> None:
    assert with_age(NOW - timedelta(minutes=90), NOW) == "2026-11-24 06:30 (1h30m)"
    assert with_age(NOW + timedelta(minutes=90), NOW) == "2026-11-24 09:30 (ahead)"
    assert with_age(None, NOW) == moment(None) == ""
