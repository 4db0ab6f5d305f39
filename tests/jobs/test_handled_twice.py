"""A message that two hosts handle at once: what one of them keeps is what both tell of."""

from __future__ import annotations

from checks.findings import ClusterProblem
from checks.history.model import Run, RunScope
from checks.jobs import scan
from checks.report.cluster_report import problem_report
from tests.support.storage import Clock, app_settings, job_context

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
CLUSTER = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1"


async def test_whoever_comes_second_enters_what_is_kept_and_counts_no_change(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await job.store.ensure_tables()
        now = job.clock()
        run = Run(
            id="20261124T080000-000001",
            sequence=1,
            requested_by="timer",
            scope=RunScope((SUBSCRIPTION,)),
            created=now,
            deadline=now,
        )
        reports = [problem_report(CLUSTER, (), ClusterProblem(word, word, "a later run")) for word in ("one", "other")]
        first, second = [await scan._commit(job, run, report, None) for report in reports]
        kept = await job.store.load_state(CLUSTER)
    assert kept is not None and first.look is not None and second.look is not None
    assert second.look.state == kept.state == first.look.state
    assert (second.look.change, second.look.before, second.totals.changes) == (None, -1, 0)
