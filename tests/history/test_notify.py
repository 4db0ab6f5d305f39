"""Who is notified by a cluster's tag, and which checks decided: from the report through deciding into the history."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from checks.changes import Reason, Status
from checks.findings import ClusterProblem
from checks.history.decide import FACETS, Policy, decide, gone, opted_out
from checks.history.model import ClusterState, RunRef
from checks.history.table import rows
from checks.report.cluster_report import problem_report
from tests.support.reports import CLUSTER, REGISTRY, facet, report

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
POLICY = Policy(
    fail_after=dict.fromkeys(FACETS, 1), pass_after=dict.fromkeys(FACETS, 1), blind_after=timedelta(hours=6)
)
TEAM = ("app@contoso.example", "ops@contoso.example")


def failed(*notify: str) -> ClusterState:
    made = msgspec.structs.replace(report("fail"), notify=notify)
    decision = decide(None, made, RunRef("run-1", 1), POLICY, NOW)
    assert decision.change is not None
    assert decision.change.notify == notify
    return decision.state


@pytest.mark.parametrize("left", [gone, opted_out])
def test_who_was_notified_is_still_named_when_a_cluster_leaves(left: object) -> None:
    state = failed(*TEAM)
    for number in (2, 3):
        decision = left(state, RunRef(f"run-{number}", number), NOW + number * timedelta(hours=1))  # type: ignore[operator]
        if decision.change is not None:
            assert decision.change.notify == TEAM
            assert decision.state.notify == TEAM
            return
        state = decision.state
    raise AssertionError("it never left")


def test_who_was_notified_is_still_named_when_a_cluster_cannot_be_looked_at() -> None:
    problem = problem_report(
        CLUSTER, (REGISTRY,), ClusterProblem("not-looked-at", "no answer", "a run that reaches it")
    )
    state, changes = failed(*TEAM), []
    for number in range(2, 12):
        decision = decide(state, problem, RunRef(f"run-{number}", number), POLICY, NOW + number * timedelta(hours=1))
        state = decision.state
        changes += [decision.change] if decision.change else []
    assert any(moved.reason is Reason.BLIND for one in changes for moved in one.transitions)
    assert all(one.notify == TEAM for one in changes)


def test_a_tag_that_was_taken_away_names_nobody() -> None:
    decision = decide(failed(*TEAM), report("pass"), RunRef("run-2", 2), POLICY, NOW + timedelta(hours=1))
    assert decision.change is not None
    assert (decision.change.notify, decision.state.notify) == ((), ())


@pytest.mark.parametrize("notify", [(), TEAM])
def test_a_state_keeps_who_is_named_and_one_of_before_names_nobody(notify: tuple[str, ...]) -> None:
    state = failed(*notify)
    row = rows.state_row(state, None)
    assert rows.read_state(row) == state
    assert ("notify" in row) == bool(notify)


def test_the_codes_of_a_failure_go_with_it_and_with_its_recovery() -> None:
    codes = tuple(f"PW{number}" for number in range(101, 120))
    row = msgspec.structs.replace(
        report("fail").registries[0], access=msgspec.structs.replace(facet("fail"), decided_by=codes)
    )
    seen = msgspec.structs.replace(report("fail"), registries=(row,))
    first = decide(None, seen, RunRef("run-1", 1), POLICY, NOW)
    then = decide(first.state, report("pass"), RunRef("run-2", 2), POLICY, NOW + timedelta(hours=1))
    for decision, status in ((first, Status.FAILING), (then, Status.PASSING)):
        assert decision.change is not None
        moved = next(one for one in decision.change.transitions if one.facet == "access")
        assert (moved.after, moved.codes) == (status, codes[:10])
    assert next(one for one in then.state.subjects if one.facet == "access").codes == ()
