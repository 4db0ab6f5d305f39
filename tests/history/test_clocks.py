"""Clocks only give dates: a clock that jumps for one run loses no alert and makes none. Jumps x what counts time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from checks.changes import Reason, Status
from checks.findings import ClusterReport
from checks.history.decide import Policy, decide, gone
from checks.history.model import ClusterState, Decision, RunRef, SubjectState
from tests.history.test_noise import only_pull, remembered, unseen
from tests.support.reports import report

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
JUMPS = {
    "a year ahead": YEAR,
    "an hour ahead": timedelta(hours=1),
    "five minutes back": -timedelta(minutes=5),
    "an hour back": -timedelta(hours=1),
    "a year back": -YEAR,
}
LOOKS: dict[str, Callable[[], list[ClusterReport]]] = {
    "a failure": lambda: [report(word) for word in ["pass"] * 3 + ["fail"] * 20],
    "a pull that fails": lambda: [only_pull(word) for word in ["pass"] * 3 + ["fail"] * 20],
    "a recovery": lambda: [report(word) for word in ["pass", "fail", "fail"] + ["pass"] * 20],
    "another cause": lambda: [only_pull("fail", cause) for cause in ["dns"] * 3 + ["tls"] * 20],
    "nothing new": lambda: [report("pass")] * 23,
    "a failure that stays": lambda: [report("fail")] * 23,
    "not used": lambda: [report("pass"), *[remembered("pass", pods=True)] * 22],
    "failing and not used": lambda: [report("pass"), *[remembered("fail", pods=True)] * 22],
    "not in the report": lambda: [report("fail"), *[ClusterReport(id=report("pass").id)] * 22],
    "not known for hours": lambda: [report("pass"), *[unseen()] * 6, *[report("pass")] * 16],
    "not known for an hour": lambda: [report("pass"), *[unseen()] * 2, *[report("pass")] * 20],
}


def play(looks: list[ClusterReport], jumps: dict[int, timedelta]) -> list[Decision]:
    """A look every half hour; the clock is wrong by ``jumps`` at those."""
    state: ClusterState | None = None
    decisions = []
    for number, seen in enumerate(looks):
        now = START + number * timedelta(minutes=30) + jumps.get(number, timedelta())
        decision = decide(state, seen, RunRef(f"run-{number}", number), Policy(), now)
        state = decision.state
        decisions.append(decision)
    return decisions


def told(decisions: list[Decision]) -> list[tuple[str, Reason]]:
    """What people were notified of, whenever."""
    return [
        (moved.facet, moved.reason)
        for decision in decisions
        if decision.change
        for moved in decision.change.transitions
        if moved.alert
    ]


def held(decisions: list[Decision]) -> dict[tuple[str, str], tuple[Status, str, bool]]:
    return {subject.key: (subject.status, subject.cause, subject.notified) for subject in decisions[-1].state.subjects}


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 12])
@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("what", LOOKS)
def test_a_jump_for_one_run_changes_nothing_that_people_are_notified_of(what: str, jump: str, at: int) -> None:
    plain, jumped = play(LOOKS[what](), {}), play(LOOKS[what](), {at: JUMPS[jump]})
    assert (told(jumped), held(jumped)) == (told(plain), held(plain))


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("what", LOOKS)
def test_nor_does_a_clock_that_jumps_for_good(what: str, jump: str) -> None:
    if what.startswith("not known") and JUMPS[jump] >= YEAR:
        return  # as far as anybody can tell, nothing was known for a year
    plain, jumped = play(LOOKS[what](), {}), play(LOOKS[what](), dict.fromkeys(range(4, 99), JUMPS[jump]))
    assert (told(jumped), held(jumped)) == (told(plain), held(plain))


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("at", range(0, 40, 3))
def test_what_flaps_is_damped_whatever_the_clock_says(jump: str, at: int) -> None:
    looks = [report(word) for word in ("fail", "pass") * 20]
    assert (
        len(told(play(looks, {at: JUMPS[jump]}))) <= 18
    )  # of access and pull: twice as many as without a jump, and one flip beside


@pytest.mark.parametrize("jump", JUMPS)
def test_a_cluster_is_not_gone_after_one_inventory_whatever_the_clock_says(jump: str) -> None:
    state = play([report("pass")], {})[-1].state
    once = gone(state, RunRef("run-5", 5), START + timedelta(hours=1) + JUMPS[jump])
    assert once.change is None
    again = once.state
    for number in (6, 7):
        again = gone(again, RunRef(f"run-{number}", number), START + timedelta(hours=number)).state
    assert again.gone_since is not None


def test_a_start_that_lies_ahead_is_put_right_once_two_looks_say_so() -> None:
    jumped = play([report("pass"), *[report("fail")] * 3], {1: YEAR})
    since = [{subject.since for subject in decision.state.subjects if subject.facet == "access"} for decision in jumped]
    assert since[1] == since[2] == {START + timedelta(minutes=30) + YEAR}
    assert since[3] == {START + timedelta(minutes=90)}
    assert jumped[3].change is not None
    assert {moved.reason for moved in jumped[3].change.transitions} == {Reason.CLOCK}
    assert told(jumped) == [("access", Reason.REGRESSED), ("pull", Reason.REGRESSED)]


def test_a_clock_that_is_put_back_keeps_when_a_failure_began() -> None:
    jumped = play([report("pass"), *[report("fail")] * 9], {4: -YEAR})
    access: SubjectState = next(s for s in jumped[-1].state.subjects if s.facet == "access")
    assert access.since == START + timedelta(minutes=30)
