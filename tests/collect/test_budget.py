"""What is taken to be left of a bucket of Azure Resource Manager."""

from __future__ import annotations

import pytest

from checks.collect.arm.budget import FLOOR, Budget, Left, Limit, left, operation_of

LIMIT = Limit(capacity=100, per_second=10)


def told(remaining: int, *, now: float = 0.0) -> Budget:
    """A budget of which one answer told how much is left."""
    budget = Budget(LIMIT)
    budget.send(now)
    budget.answered(now, Left(remaining))
    return budget


def test_nothing_is_held_back_before_anything_is_known() -> None:
    budget = Budget(LIMIT)
    for _ in range(1000):
        assert budget.wait(0) == 0
        budget.send(0)


def test_what_is_told_is_sent_and_no_more_until_it_fills() -> None:
    budget = told(3)
    for _ in range(3):
        assert budget.wait(0) == 0
        budget.send(0)
    assert budget.wait(0) == pytest.approx(0.1)
    assert budget.wait(0.05) == pytest.approx(0.05)
    assert budget.wait(0.11) == 0


def test_requests_on_their_way_are_counted_off() -> None:
    budget = Budget(LIMIT)
    for _ in range(5):
        budget.send(0)
    budget.answered(0, Left(5))  # the other four may not be in it
    budget.send(0)
    assert budget.wait(0) > 0


def test_answers_without_a_header_leave_what_is_known() -> None:
    budget = told(1)
    budget.send(0)
    budget.answered(0, Left())
    assert budget.wait(0) == pytest.approx(0.1)


def test_a_refusal_closes_for_as_long_as_it_asks_even_where_much_was_told() -> None:
    budget = told(90)
    budget.refused(0, 7)
    budget.send(0)
    budget.answered(1, Left(90))
    assert budget.wait(1) == 6
    assert budget.wait(7) == 0


def test_after_a_refusal_one_may_be_sent_whatever_the_pace() -> None:
    budget = Budget(LIMIT)
    now = 0.0
    for _ in range(20):
        budget.refused(now, 1)
        now += 1
        assert budget.wait(now) == 0


def test_refusals_slow_down_once_each_time_and_time_makes_up_for_them() -> None:
    budget = told(0)
    budget.refused(0, 1)
    budget.refused(0.5, 1)  # was on its way
    budget.send(1.5)
    budget.answered(1.5, Left(0))
    assert budget.wait(1.5) == pytest.approx(1 / 5, rel=0.06)  # not half of the half
    budget.wait(60)
    budget.send(60)
    budget.answered(60, Left(0))
    assert budget.wait(60) == pytest.approx(1 / 10)


def test_however_often_it_is_refused_something_is_sent_in_the_end() -> None:
    budget = Budget(LIMIT)
    for second in range(100):
        budget.refused(second, 1)
    budget.send(100)
    budget.answered(100, Left(0))
    assert budget.wait(100) <= 1 / FLOOR


def test_it_holds_no_more_than_the_bucket() -> None:
    budget = told(0)
    budget.wait(1e6)
    for _ in range(100):
        budget.send(1e6)
    assert budget.wait(1e6) > 0


@pytest.mark.parametrize(("shared", "waits"), [(16499, False), (0, True)])
def test_what_all_identities_share_matters_only_where_it_is_less(shared: int, waits: bool) -> None:
    budget = Budget(LIMIT)
    budget.send(0)
    budget.answered(0, Left(50, shared))
    assert (budget.wait(0) > 0) == waits


def test_the_headers_of_the_operation_and_the_scope_count() -> None:
    headers = {
        "x-ms-ratelimit-remaining-subscription-reads": "12",
        "x-ms-ratelimit-remaining-subscription-global-reads": "3749",
        "x-ms-ratelimit-remaining-subscription-writes": "7",
        "x-ms-ratelimit-remaining-tenant-reads": "soon",
    }
    assert left(headers, operation_of("GET"), in_subscription=True) == Left(12, 3749)
    assert left(headers, operation_of("POST"), in_subscription=True) == Left(7, None)
    assert left(headers, operation_of("DELETE"), in_subscription=True) == Left()
    assert left(headers, operation_of("GET"), in_subscription=False) == Left()
