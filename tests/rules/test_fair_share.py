"""A bound is shared by namespaces: none fills it alone."""

from hypothesis import given
from hypothesis import strategies as st

from checks.rules.fair_share import fair_share

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), max_size=60)


def test_each_owner_has_its_turn() -> None:
    greedy = [("a", n) for n in range(100)]
    assert fair_share([*greedy, ("b", 1000), ("c", 2000), ("c", 2001)], 6) == [0, 1000, 2000, 1, 2001, 2]


def test_what_two_own_counts_once() -> None:
    assert fair_share([("a", 1), ("a", 2), ("b", 1), ("b", 3)], 3) == [1, 3, 2]


@given(PAIRS, st.integers(0, 40))
def test_it_lets_through_as_many_as_there_is_room_for(pairs: list[tuple[str, int]], limit: int) -> None:
    distinct = {item for _, item in pairs}
    chosen = fair_share(pairs, limit)
    assert len(chosen) == len(set(chosen)) == min(limit, len(distinct))
    assert set(chosen) <= distinct


@given(PAIRS, st.integers(1, 40))
def test_an_owner_gets_its_share_before_another_gets_more(pairs: list[tuple[str, int]], limit: int) -> None:
    chosen = set(fair_share(pairs, limit))
    owners = {owner for owner, _ in pairs}
    for owner in owners:
        own = {item for name, item in pairs if name == owner}
        assert len(own & chosen) >= min(len(own), limit // len(owners))
