"""The baselines of pull times in a cluster's state: updated purely, stored, read back, absent from older rows."""

from datetime import UTC, datetime

from checks.facts.pulls import PullTimeBaseline
from checks.findings import ClusterReport, PullTime
from checks.history.decide import Policy, decide, gone
from checks.history.model import ClusterState, RunRef
from checks.history.table import rows

CLUSTER = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/"
    "Microsoft.ContainerService/managedClusters/aks-1"
)
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
KEY = "acrone.azurecr.io|system|s/MiB"


def after(previous: ClusterState | None, sequence: int, median: float, latest: str) -> ClusterState:
    report = ClusterReport(id=CLUSTER, pull_times=(PullTime(KEY, median, 5, latest),))
    return decide(previous, report, RunRef(f"202611-{sequence:012d}", sequence), Policy(), NOW).state


def test_each_run_adds_its_median_once() -> None:
    first = after(None, 1, 0.01, "2026-11-24T07:00:00Z")
    again = after(first, 2, 0.01, "2026-11-24T07:00:00Z")
    second = after(again, 3, 0.02, "2026-11-24T07:30:00Z")
    assert again.baselines == first.baselines
    assert second.baselines == {KEY: PullTimeBaseline((0.01, 0.02), "2026-11-24T07:30:00Z")}


def test_a_stale_run_and_a_cluster_that_is_gone_leave_them() -> None:
    first = after(None, 5, 0.01, "2026-11-24T07:00:00Z")
    assert after(first, 4, 9.0, "2026-11-24T09:00:00Z") == first
    assert gone(first, RunRef("202611-000000000006", 6), NOW).state.baselines == first.baselines


def test_they_are_stored_and_read_back_and_older_rows_have_none() -> None:
    state = after(None, 1, 0.01, "2026-11-24T07:00:00Z")
    entity = rows.state_row(state, None)
    plain = {key: getattr(value, "value", value) for key, value in entity.items()}
    assert rows.read_state(plain) == state
    older = {key: value for key, value in plain.items() if not key.startswith("baselines")}
    assert rows.read_state(older).baselines == {}
