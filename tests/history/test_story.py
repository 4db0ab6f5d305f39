"""One registry over a day, to the last field: what is held of its access after each look, and what is said of it."""

from datetime import UTC, datetime, timedelta

from checks.changes import Reason, Status, Transition
from checks.history.decide import FACETS, Policy, decide
from checks.history.model import ClusterState, RunRef, Streak, SubjectState
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


def test_a_story_is_held_and_said_to_the_last_field() -> None:
    unknown, passing, failing = Status.UNKNOWN_YET, Status.PASSING, Status.FAILING
    denied = {"cause": "denied", "summary": "It is a fail.", "fix": FIX, "notified": True}
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
        (access(3, passing, 2, "fail", bad=run_of(1, 3, 3)), None, Reason.BELOW_THRESHOLD),
        (
            access(4, failing, 3, "fail", bad=run_of(2, 3, 4), flips=flips[:1], **denied),
            said(
                passing, failing, Reason.REGRESSED, 3, cause="denied", summary="It is a fail.", fix=FIX, alert=True
            ),
            Reason.REGRESSED,
        ),
        (
            access(
                5, failing, 3, "fail", bad=run_of(3, 3, 5), flips=flips[:1], other=run_of(1, 5, 5, "expired"), **denied
            ),
            None,
            Reason.BELOW_THRESHOLD,
        ),
        (
            access(6, failing, 3, "fail", bad=run_of(4, 3, 6), flips=flips, **expired),
            said(
                failing, failing, Reason.CAUSE_CHANGED, 3,
                cause="expired", before_cause="denied", summary="It is a fail.", fix=FIX, alert=True,
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
            ),
            Reason.RECOVERED,
        ),
    ]  # fmt: skip
    for number, (seen, wanted) in enumerate(zip(told(), expected, strict=True), 1):
        assert seen == wanted, f"look {number}"


def test_what_nodes_reported_is_held_of_a_pull_for_as_long_as_it_fails() -> None:
    state: ClusterState | None = None
    bases = []
    for number, word in enumerate(["fail", "fail", "pass", "pass"], 1):
        state = decide(state, report(word), RunRef(f"run-{number}", number), POLICY, at(number)).state
        bases.append(next(subject for subject in state.subjects if subject.facet == "pull").basis)
    assert [bool(basis) for basis in bases] == [False, True, True, False]
    assert bases[3] == ()
