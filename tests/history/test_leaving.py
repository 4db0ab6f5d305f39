"""What leaves, to the last field: who is notified of it is notified of what there was."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from checks.changes import Change, Reason, Status, Transition
from checks.facts.pulls import PullTimeBaseline
from checks.findings import ClusterReport
from checks.history.decide import Policy, decide, gone, opted_out
from checks.history.decide.admission import digest_of
from checks.history.model import ClusterState, Decision, RunRef, Streak, SubjectReason, SubjectState
from tests.support.reports import CLUSTER, REGISTRY, report

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LATER = START + timedelta(hours=5)
BROKEN = START - timedelta(hours=2)
SEEN = {REGISTRY: START - timedelta(days=3)}
BASELINES = {REGISTRY: PullTimeBaseline()}


def subject(facet: str, status: Status, *, notified: bool) -> SubjectState:
    failing = status is Status.FAILING
    return SubjectState(
        registry=REGISTRY,
        facet=facet,
        status=status,
        since=BROKEN,
        last_verdict="fail" if failing else "pass",
        last_seen=START,
        cause="role-missing" if failing else "",
        summary="No role." if failing else "",
        notified=notified,
    )


HELD = ClusterState(
    cluster=CLUSTER,
    run="run-7",
    sequence=7,
    updated=START,
    subjects=(
        subject("access", Status.FAILING, notified=True),
        subject("path", Status.PASSING, notified=False),
        subject("pull", Status.FAILING, notified=False),
    ),
    registries=SEEN,
    missed=Streak(1, START, START),
    baselines=BASELINES,
)
LEAVES: dict[Reason, Callable[[ClusterState, RunRef, datetime], Decision]] = {
    Reason.GONE: gone,
    Reason.OPTED_OUT: opted_out,
}


def left(facet: str, status: Status, reason: Reason, *, alert: bool) -> Transition:
    failing = status is Status.FAILING
    cause, summary = ("role-missing", "No role.") if failing else ("", "")
    return Transition(
        registry=REGISTRY,
        facet=facet,
        before=status,
        after=None,
        reason=reason,
        since=BROKEN,
        cause=cause,
        before_cause=cause,
        bad_since=BROKEN if failing else None,
        summary=summary,
        alert=alert,
    )


@pytest.mark.parametrize("reason", LEAVES)
def test_a_cluster_that_leaves_says_what_there_was_to_those_who_knew_and_keeps_what_it_used(reason: Reason) -> None:
    decision = LEAVES[reason](HELD, RunRef("run-8", 8), LATER)
    assert decision == Decision(
        state=ClusterState(
            cluster=CLUSTER,
            run="run-8",
            sequence=8,
            updated=LATER,
            registries=SEEN,
            baselines=BASELINES,
            gone_since=LATER,
            notices={digest_of(REGISTRY): (LATER,)},
        ),
        run=RunRef("run-8", 8),
        change=Change(
            cluster=CLUSTER,
            run="run-8",
            sequence=8,
            at=LATER,
            transitions=(
                left("access", Status.FAILING, reason, alert=True),
                left("path", Status.PASSING, reason, alert=False),
                left("pull", Status.FAILING, reason, alert=False),
            ),
        ),
        reasons=tuple(SubjectReason(REGISTRY, facet, reason) for facet in ("access", "path", "pull")),
    )


@pytest.mark.parametrize("reason", LEAVES)
def test_a_cluster_of_which_nothing_is_held_leaves_without_a_word(reason: Reason) -> None:
    empty = ClusterState(cluster=CLUSTER, run="run-7", sequence=7, updated=START, missed=Streak(1, START, START))
    decision = LEAVES[reason](empty, RunRef("run-8", 8), LATER)
    assert decision.change is None
    assert decision.state.gone_since == LATER


@pytest.mark.parametrize("reason", LEAVES)
@pytest.mark.parametrize("sequence", [6, 7])
def test_a_run_that_is_not_newer_makes_nothing_leave(reason: Reason, sequence: int) -> None:
    run = RunRef(f"run-{sequence}", sequence)
    stale = (SubjectReason("", "", Reason.STALE_RUN),)
    assert LEAVES[reason](HELD, run, LATER) == Decision(state=HELD, run=run, reasons=stale, stale=True)


@pytest.mark.parametrize("reason", LEAVES)
def test_what_left_leaves_once(reason: Reason) -> None:
    away = LEAVES[reason](HELD, RunRef("run-8", 8), LATER).state
    again = LEAVES[reason](away, RunRef("run-9", 9), LATER + timedelta(hours=1))
    assert (again.stale, again.state, again.change) == (True, away, None)


def test_the_first_inventory_that_misses_a_cluster_is_counted_and_changes_nothing_else() -> None:
    seen = decide(HELD, report("fail"), RunRef("run-8", 8), Policy(), LATER).state
    later = LATER + timedelta(hours=1)
    missed = gone(seen, RunRef("run-9", 9), later)
    assert missed.run == RunRef("run-9", 9)
    assert missed.reasons == (SubjectReason("", "", Reason.MISSED),)
    state = missed.state
    assert (state.run, state.sequence, state.missed) == ("run-9", 9, Streak(1, later, later))
    assert (state.subjects, state.registries, state.updated) == (seen.subjects, seen.registries, seen.updated)
    assert gone(state, RunRef("run-9", 9), later + timedelta(hours=1)).stale, "the same run misses it once"


def test_a_registry_that_is_forgotten_says_what_there_was() -> None:
    state, moved = HELD, ()
    for day in range(1, 33):
        now = START + timedelta(days=day)
        decision = decide(state, ClusterReport(id=CLUSTER), RunRef(f"run-{7 + day}", 7 + day), Policy(), now)
        state, moved = decision.state, decision.change.transitions if decision.change else ()
        if moved:
            break
    assert day == 31, "thirty days to the hour are none too many"
    assert moved == (
        left("access", Status.FAILING, Reason.FORGOTTEN, alert=True),
        left("path", Status.PASSING, Reason.FORGOTTEN, alert=False),
        left("pull", Status.FAILING, Reason.FORGOTTEN, alert=False),
    )
    assert {reason.reason for reason in decision.reasons} == {Reason.FORGOTTEN}
