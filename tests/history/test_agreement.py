"""History and state: what they differ in is named, and what came after the state was read is no difference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from checks.changes import Change
from checks.history.agreement import history_differences
from checks.history.decide import FACETS, Policy, decide
from checks.history.model import ClusterState, RunRef
from tests.support.reports import REGISTRY, report

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
POLICY = Policy(fail_after=dict.fromkeys(FACETS, 1), pass_after=dict.fromkeys(FACETS, 1))


def looks(*words: str) -> list[tuple[ClusterState, Change]]:
    """The state after each look, and what it changed."""
    found: list[tuple[ClusterState, Change]] = []
    for number, word in enumerate(words, 1):
        before = found[-1][0] if found else None
        at = NOW + timedelta(hours=number)
        decision = decide(before, report(word), RunRef(f"run-{number}", number), POLICY, at)
        assert decision.change is not None
        found.append((decision.state, decision.change))
    return found


def test_each_state_agrees_with_the_history_up_to_it_whatever_came_later() -> None:
    seen = looks("pass", "fail", "pass", "fail")
    changes = [change for _, change in seen]
    for state, _ in seen:
        assert history_differences(state, changes) == []


def test_what_only_one_of_them_has_is_named() -> None:
    (state, change), *_ = looks("fail")
    kept = tuple(subject for subject in state.subjects if subject.facet != "access")
    (lacking,) = history_differences(msgspec.structs.replace(state, subjects=kept), [change])
    assert (lacking.registry, lacking.facet) == (REGISTRY, "access")
    assert lacking.summary == "history has failing (role-missing) since 2026-11-24 09:00:00Z, the state nothing"
    told = tuple(moved for moved in change.transitions if moved.facet != "access")
    (unheard,) = history_differences(state, [msgspec.structs.replace(change, transitions=told)])
    assert unheard.summary == "history has nothing, the state failing (role-missing) since 2026-11-24 09:00:00Z"
