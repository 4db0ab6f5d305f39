"""NCRONTAB expressions: what a timer of Azure Functions takes, and what is said of the rest."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.ncrontab import longest_gap, next_firing, problem


@pytest.mark.parametrize(
    "expression",
    [
        "0 */30 * * * *",
        "30 */5 * * * *",
        "0 0 9-17/2 * * MON-FRI",
        "0 0,30 8 1 jan,July 1-5",
        "0 5/15 * * * *",
        "  0  0 0 31 12 0 ",
        "59 59 23 1 1 saturday",
    ],
)
def test_what_a_timer_takes_has_no_problem(expression: str) -> None:
    assert problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("*/30 * * * *", "the seconds are missing: write '0 */30 * * * *'"),
        ("", "write {second} {minute} {hour} {day} {month} {day of the week}, such as '0 */30 * * * *'"),
        ("every half hour", "write {second} {minute} {hour}"),
        ("00:30:00", "write {second} {minute} {hour}"),
        ("0 0 0 0 * * *", "write {second} {minute} {hour}"),
        ("0 60 * * * *", "the minute takes 0 to 59, as *, values, ranges and steps; '60' is none"),
        ("0 0 24 * * *", "the hour takes 0 to 23"),
        ("0 0 0 0 * *", "the day takes 1 to 31"),
        ("0 0 0 * 13 *", "the month takes 1 to 12 or names such as jan"),
        ("0 0 0 * * 7", "the day of the week takes 0 to 6 or names such as sun"),
        ("0 0 0 * * mo", "the day of the week takes 0 to 6"),
        ("0 0 0 * * fri-mon", "the day of the week takes 0 to 6"),
        ("0 */0 * * * *", "the minute takes"),
        ("0 1,,2 * * * *", "the minute takes"),
        ("0 *-5 * * * *", "the minute takes"),
        ("0 */ * * * *", "the minute takes"),
        ("0 -1 * * * *", "the minute takes"),
        ("0 ? * * * *", "the minute takes"),
        ("jan 0 0 * * *", "the second takes"),
    ],
)
def test_what_a_timer_does_not_take_is_named_with_what_to_write(expression: str, message: str) -> None:
    text = problem(expression)
    assert text is not None
    assert text.startswith(message)


@pytest.mark.parametrize("expression", ["0 0 0 31 2 *", "0 0 0 30 feb MON", "0 0 0 31 4,6,9,11 *"])
def test_a_day_that_no_month_has_never_comes(expression: str) -> None:
    assert problem(expression) == "it never fires: no month named has that day"


@pytest.mark.parametrize(
    ("expression", "gap"),
    [
        ("* * * * * *", timedelta(seconds=1)),
        ("0 */30 * * * *", timedelta(minutes=30)),
        ("30 */5 * * * *", timedelta(minutes=5)),
        ("0 */45 * * * *", timedelta(minutes=45)),
        ("0 5/40 * * * *", timedelta(minutes=40)),
        ("0 0 6 * * *", timedelta(days=1)),
        ("0 0,50 8-9 * * *", timedelta(hours=22, minutes=10)),
        ("0 0 9-17/2 * * MON-FRI", timedelta(days=2, hours=16)),
        ("0 0 6 * * 0", timedelta(days=7)),
        ("0 0 0 1 * *", timedelta(days=31)),
        ("0 0 0 29 2 *", timedelta(days=1461)),
        ("0 30 23 31 12 *", timedelta(days=366)),
        ("0 0 0 1 1 *", timedelta(days=366)),
        ("0 0 0 29 feb mon", timedelta(days=28 * 365 + 7)),
    ],
)
def test_the_longest_time_between_two_firings(expression: str, gap: timedelta) -> None:
    assert longest_gap(expression) == gap


@given(
    st.lists(st.integers(0, 59), min_size=1, max_size=3), st.lists(st.integers(0, 23), min_size=1, max_size=3),
    st.lists(st.integers(0, 6), min_size=1, max_size=3),
)  # fmt: skip
def test_the_longest_gap_is_that_of_a_calendar_gone_through_minute_by_minute(
    minutes: list[int], hours: list[int], weekdays: list[int]
) -> None:
    expression = f"0 {','.join(map(str, minutes))} {','.join(map(str, hours))} * * {','.join(map(str, weekdays))}"
    start = datetime(2026, 11, 1, tzinfo=UTC)
    moments = (start + timedelta(minutes=number) for number in range(14 * 1440 + 1))
    fired = [m for m in moments if m.minute in minutes and m.hour in hours and m.isoweekday() % 7 in weekdays]
    assert longest_gap(expression) == max(later - earlier for earlier, later in pairwise(fired))


@pytest.mark.parametrize(
    ("expression", "after", "at"),
    [
        ("0 */30 * * * *", "2026-11-24T08:00:00", "2026-11-24T08:30:00"),
        ("0 */30 * * * *", "2026-11-24T07:59:59.5", "2026-11-24T08:00:00"),
        ("0 */30 * * * *", "2026-12-31T23:45:00", "2027-01-01T00:00:00"),
        ("15 0 9-17/4 * * MON-FRI", "2026-11-27T17:00:15", "2026-11-30T09:00:15"),
        ("0 0 0 29 2 *", "2026-11-24T08:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 29 2 0", "2026-11-24T08:00:00", "2032-02-29T00:00:00"),
        ("0 0 12 24 11 2", "2026-11-24T12:00:00", "2037-11-24T12:00:00"),
    ],
)
def test_the_next_firing_is_the_first_one_after_a_moment(expression: str, after: str, at: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert next_firing(expression, moment) == datetime.fromisoformat(at).replace(tzinfo=UTC)


@given(st.integers(0, 60 * 365 * 86400))
def test_no_firing_is_further_away_than_the_longest_gap(seconds: int) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    for expression in ("0 5/15 * * * *", "0 0 9 * * MON-FRI", "30 0,20 3 1,31 * *"):
        assert timedelta() < next_firing(expression, moment) - moment <= longest_gap(expression)
