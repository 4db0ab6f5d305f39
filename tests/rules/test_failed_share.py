"""Whether more of a registry's pulls fail than before: chance and habit are no rise, an outage is one."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.facts.registry_details import PullCounts, PullHour
from checks.rules.pull.failed_share import (
    MARGIN,
    MIN_EARLIER,
    MIN_PULLS,
    WINDOW_HOURS,
    Pulls,
    compare,
    is_no_chance,
    wilson,
)
from tests.support.count_facts import UNTIL, WEEK, counts

FALSE_ALARMS = 0.001
SERIES = 4_000


def series(rate: random.Random, pulls: int, share: float, last: float) -> PullCounts:
    """A week of so many pulls an hour of which chance lets a share fail, and another one in the last hours."""

    def hour(of: float) -> tuple[int, int]:
        return pulls, sum(rate.random() < of for _ in range(pulls))

    return counts(*(hour(last) for _ in range(WINDOW_HOURS)), earlier=[hour(share) for _ in range(WEEK)])


def binomial(n: int, share: float) -> Iterator[tuple[int, float]]:
    """How likely so many of n are, for all that are likely at all."""
    chance = (1 - share) ** n
    for k in range(n + 1):
        if chance > 1e-12:
            yield k, chance
        chance *= (n - k) / (k + 1) * share / (1 - share)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("pulls", [20, 60, 300])
@pytest.mark.parametrize("earlier", [100, 600])
def test_chance_alone_is_taken_for_a_rise_less_than_once_in_two_thousand_looks(
    share: float, pulls: int, earlier: int
) -> None:
    past = list(binomial(earlier, share))
    wrong = sum(
        chance * before
        for failed, chance in binomial(pulls, share)
        for was, before in past
        if is_no_chance(Pulls(pulls, failed), Pulls(earlier, was))
    )
    assert wrong < 0.0005


@pytest.mark.parametrize(("pulls", "share"), [(7, 0.02), (7, 0.3), (20, 0.1), (2, 0.05)])
def test_a_share_that_stays_hardly_ever_counts_as_a_rise(pulls: int, share: float) -> None:
    rate = random.Random(f"{pulls} {share}")
    looked = SERIES // pulls
    wrong = sum(compare(series(rate, pulls, share, share)).rose for _ in range(looked))
    assert wrong <= looked * FALSE_ALARMS


@given(st.integers(0, 10**6), st.integers(7, 200), st.sampled_from([0, 1, 2]))
def test_a_jump_from_one_in_a_hundred_to_a_half_always_counts(seed: int, pulls: int, one_more: int) -> None:
    rate = random.Random(seed)
    week = series(rate, pulls, 0.01, 0.01)
    recent = [(pulls, (pulls + 1) // 2) for _ in range(WINDOW_HOURS)]
    before = [(hour.pulls, hour.failed) for hour in week.hours[:WEEK]]
    assert compare(counts(*recent, earlier=before)).rose


def test_it_counts_with_just_enough_pulls() -> None:
    quiet = [(1, 0)] * (MIN_EARLIER - 1) + [(1, 1)]
    assert compare(counts((MIN_PULLS, MIN_PULLS // 2), earlier=quiet)).rose
    assert not compare(counts((MIN_PULLS - 1, MIN_PULLS - 1), earlier=quiet)).rose
    assert not compare(counts((MIN_PULLS, MIN_PULLS // 2), earlier=quiet[1:])).rose


def test_what_happens_each_night_is_no_news_and_the_second_outage_of_a_week_is() -> None:
    ordinary, bad = (100, 1), (100, 60)
    daily = [bad if at % 24 == WEEK % 24 else ordinary for at in range(WEEK)]
    assert not compare(counts(bad, ordinary, ordinary, earlier=daily)).rose
    once = [bad if 40 <= at < 42 else ordinary for at in range(WEEK)]
    assert compare(counts(bad, bad, bad, earlier=once)).rose


def test_a_rise_below_the_margin_is_none_however_many_pulls_there_are() -> None:
    assert not compare(counts(*[(10**6, 10**5)] * 3, earlier=[(10**6, 2 * 10**4)] * WEEK)).rose
    risen = round((0.02 + MARGIN) * 10**6) + 1
    assert compare(counts(*[(10**6, risen)] * 3, earlier=[(10**6, 2 * 10**4)] * WEEK)).rose


def test_fewer_failures_are_no_rise() -> None:
    assert not compare(counts(*[(100, 0)] * 3, earlier=[(100, 60)] * WEEK)).rose


@pytest.mark.parametrize("minutes", [0, 1, 17, 59])
def test_the_last_hours_are_the_same_however_hours_are_cut(minutes: int) -> None:
    shift = timedelta(minutes=minutes)
    plain = counts((5, 1), (6, 2), (7, 3))
    shifted = PullCounts(UNTIL + shift, tuple(PullHour(h.start + shift, h.pulls, h.successful) for h in plain.hours))
    one, other = compare(shifted), compare(plain)
    assert (one.window, one.earlier, one.usual) == (other.window, other.earlier, other.usual)
    assert [hour.pulls for hour in one.hours] == [5, 6, 7]
    aligned = PullCounts(UNTIL + shift, plain.hours)
    assert compare(aligned).window.pulls == sum(hour.pulls for hour in compare(aligned).hours)
    assert compare(aligned).window.pulls + compare(aligned).earlier.pulls == sum(hour.pulls for hour in plain.hours)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=169))
def test_no_counts_make_it_raise_and_a_share_lies_within_its_interval(given_hours: list[tuple[int, int]]) -> None:
    hours = [(max(pair), min(pair)) for pair in given_hours]
    compared = compare(counts(*hours[-3:], earlier=hours[:-3]))
    for sample in (compared.window, compared.earlier):
        low, high = wilson(sample)
        assert 0 <= low <= sample.share + 1e-9 and (sample.share - 1e-9 <= high <= 1)
    assert 0 <= compared.usual <= 1
