"""One registry over a day, to the last field: what is held of its access after each look, and what is said of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from checks.changes import Reason, RowVerdicts, Status, Transition
from checks.findings import SEEN_BEFORE, ClusterReport
from checks.history.decide import FACETS, Policy, decide
from checks.history.model import ClusterState, Decision, RunRef, Streak, SubjectReason, SubjectState
from checks.report.outcome import Outcome
from tests.support.reports import REGISTRY, report

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
POLICY = Policy(fail_after=dict.fromkeys(FACETS, 2), pass_after=dict.fromkeys(FACETS, 2))
FIX = ("az role assignment create --role AcrPull",)
LOOKS = [
    ("unknown", ""), ("pass", ""), ("fail", "denied"), ("fail", "denied"),
    ("fail", "expired"), ("fail", "expired"), ("unknown", ""), ("pass", ""), ("pass", ""),
]  # fmt: skip


def at(number: int) -> datetime:
    """When the look of that number was, the first being 1."""
    return START + number * timedelta(hours=1)


def told() -> list[tuple[SubjectState, Transition | None, Reason]]:
    """What is held of access after each look, what moved, and why."""
    state: ClusterState | None = None
    story = []
    for number, (word, cause) in enumerate(LOOKS, 1):
        decision = decide(state, report(word, cause=cause), RunRef(f"run-{number}", number), POLICY, at(number))
        state = decision.state
        moved = decision.change.transitions if decision.change else ()
        story.append(
            (
                next(subject for subject in state.subjects if subject.facet == "access"),
                next((one for one in moved if one.facet == "access"), None),
                next(one.reason for one in decision.reasons if one.facet == "access"),
            )
        )
    return story


def access(number: int, status: Status, since: int, verdict: str, **more: object) -> SubjectState:
    return SubjectState(
        registry=REGISTRY,
        facet="access",
        status=status,
        since=at(since),
        last_verdict=verdict,
        last_seen=at(number),
        **more,  # type: ignore[arg-type]
    )


def said(before: Status | None, after: Status, reason: Reason, since: int, **more: object) -> Transition:
    return Transition(
        registry=REGISTRY,
        facet="access",
        before=before,
        after=after,
        reason=reason,
        since=at(since),
        **more,  # type: ignore[arg-type]
    )


def run_of(count: int, since: int, last: int, cause: str = "") -> Streak:
    return Streak(count, at(since), at(last), cause)


def seen(cause: str) -> dict[str, Any]:
    return {"seen_cause": cause, "seen_summary": "It is a fail.", "seen_command": FIX[0]}


def test_a_story_is_held_and_said_to_the_last_field() -> None:
    unknown, passing, failing = Status.UNKNOWN_YET, Status.PASSING, Status.FAILING
    denied = {"cause": "denied", "summary": "It is a fail.", "fix": FIX, "notified": True, "codes": ("PW102",)}
    expired = denied | {"cause": "expired"}
    flips = (at(4), at(6))
    expected = [
        (
            access(1, unknown, 1, "unknown", unknown=run_of(1, 1, 1)),
            said(None, unknown, Reason.FIRST_SEEN_UNKNOWN, 1),
            Reason.FIRST_SEEN_UNKNOWN,
        ),
        (
            access(2, passing, 2, "pass", good=run_of(1, 2, 2)),
            said(unknown, passing, Reason.FIRST_SEEN_PASSING, 2),
            Reason.FIRST_SEEN_PASSING,
        ),
        (access(3, passing, 2, "fail", bad=run_of(1, 3, 3), **seen("denied")), None, Reason.BELOW_THRESHOLD),
        (
            access(4, failing, 3, "fail", bad=run_of(2, 3, 4), flips=flips[:1], **denied),
            said(
                passing, failing, Reason.REGRESSED, 3, cause="denied", summary="It is a fail.", fix=FIX, alert=True,
                codes=("PW102",),
            ),
            Reason.REGRESSED,
        ),
        (
            access(
                5, failing, 3, "fail", bad=run_of(3, 3, 5), flips=flips[:1], other=run_of(1, 5, 5, "expired"),
                **seen("expired"), **denied
            ),
            None,
            Reason.BELOW_THRESHOLD,
        ),
        (
            access(6, failing, 3, "fail", bad=run_of(4, 3, 6), flips=flips, **expired),
            said(
                failing, failing, Reason.CAUSE_CHANGED, 3,
                cause="expired", before_cause="denied", summary="It is a fail.", fix=FIX, alert=True,
                codes=("PW102",),
            ),
            Reason.CAUSE_CHANGED,
        ),
        (
            access(7, failing, 3, "unknown", bad=run_of(4, 3, 6), unknown=run_of(1, 7, 7), flips=flips, **expired),
            None,
            Reason.UNKNOWN,
        ),
        (
            access(8, failing, 3, "pass", good=run_of(1, 8, 8), flips=flips, **expired),
            None,
            Reason.BELOW_THRESHOLD,
        ),
        (
            access(9, passing, 8, "pass", good=run_of(2, 8, 9), flips=(*flips, at(9))),
            said(
                failing, passing, Reason.RECOVERED, 8,
                cause="expired", before_cause="expired", bad_since=at(3), summary="It is a fail.", alert=True,
                codes=("PW102",),
            ),
            Reason.RECOVERED,
        ),
    ]  # fmt: skip
    for number, (found, wanted) in enumerate(zip(told(), expected, strict=True), 1):
        assert found == wanted, f"look {number}"


def test_what_nodes_reported_is_held_of_a_pull_for_as_long_as_it_fails() -> None:
    state: ClusterState | None = None
    bases = []
    for number, word in enumerate(["fail", "fail", "pass", "pass"], 1):
        state = decide(state, report(word), RunRef(f"run-{number}", number), POLICY, at(number)).state
        bases.append(next(subject for subject in state.subjects if subject.facet == "pull").basis)
    assert [bool(basis) for basis in bases] == [False, True, True, False]
    assert bases[3] == ()


def test_the_history_row_shows_the_whole_row_of_what_moved_and_no_other() -> None:
    made = report("fail")
    calm = msgspec.structs.replace(report("pass").registries[0], registry="calm.azurecr.io")
    first = decide(None, report("pass"), RunRef("run-1", 1), Policy(), at(1)).state
    first = decide(
        first,
        msgspec.structs.replace(made, registries=(*report("pass").registries, calm)),
        RunRef("run-2", 2),
        Policy(),
        at(2),
    ).state
    both = msgspec.structs.replace(made, registries=(*made.registries, calm))
    decision = decide(first, both, RunRef("run-3", 3), Policy(), at(3))
    assert decision.run == RunRef("run-3", 3)
    assert decision.state.outcome is Outcome.FAIL
    change = decision.change
    assert change is not None
    assert (change.cluster, change.run, change.sequence, change.at) == (made.id, "run-3", 3, at(3))
    assert change.rows == (
        RowVerdicts(REGISTRY, access="fail", path="pass", pull="fail", images="skipped", basis=("nodes", "azure")),
    )


@pytest.mark.parametrize("sequence", [1, 2])
def test_a_run_that_is_not_newer_says_so_and_gives_back_what_was(sequence: int) -> None:
    before = decide(None, report("pass"), RunRef("run-2", 2), Policy(), at(1)).state
    run = RunRef("late", sequence)
    stale = (SubjectReason("", "", Reason.STALE_RUN),)
    assert decide(before, report("fail"), run, Policy(), at(2)) == Decision(
        state=before, run=run, reasons=stale, stale=True
    )


def test_the_hundred_registries_that_were_used_last_are_remembered() -> None:
    made = report("pass")

    def look(first: int, count: int, *sources: str) -> ClusterReport:
        rows = [
            msgspec.structs.replace(made.registries[0], registry=f"r{number:03}.example", sources=sources)
            for number in range(first, first + count)
        ]
        return msgspec.structs.replace(made, registries=tuple(rows))

    old = decide(None, look(0, 60, "images of 1 pod"), RunRef("run-1", 1), Policy(), at(1)).state
    new = decide(old, look(60, 60, "images of 1 pod"), RunRef("run-2", 2), Policy(), at(2))
    assert list(new.state.registries.values()) == [at(1)] * 40 + [at(2)] * 60
    assert {f"r{number:03}.example" for number in range(60, 120)} < new.state.registries.keys()
    assert list(new.state.registries) == sorted(new.state.registries)
    capped = [reason for reason in new.reasons if not reason.facet]
    assert capped
    assert {(reason.facet, reason.reason) for reason in capped} == {("", Reason.CAPPED)}
    assert {reason.registry for reason in capped} < {f"r{number:03}.example" for number in range(120)}
    for sources, last in (((SEEN_BEFORE,), at(2)), ((), at(3)), ((SEEN_BEFORE, "images of 1 pod"), at(3))):
        later = decide(new.state, look(60, 1, *sources), RunRef("run-3", 3), Policy(), at(3)).state
        assert later.registries["r060.example"] == last
