"""Clusters of subscriptions as the store holds them, without a run."""

from __future__ import annotations

from checks.history.decide import Policy, decide
from checks.history.model import RunRef
from checks.history.table.overviews import Look
from checks.jobs.context import utc_now
from tests.support.reports import report
from tests.support.storage import app_settings, job_context

FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def cluster_of(subscription: str, name: str) -> str:
    """A cluster's id, in the resource group rg."""
    return (
        f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
    )


async def hold_failing(connection_string: str, subscription: str, name: str, cause: str) -> None:
    """Has a subscription hold one cluster that fails."""
    async with job_context(app_settings(connection_string), utc_now) as job:
        seen = report("fail", cause=cause, cluster=cluster_of(subscription, name))
        decision = decide(None, seen, RunRef("202611-000000000001", 1), Policy(), utc_now())
        await job.store.commit(decision, seen, None)
        await job.store.fold_into_overview(subscription, [Look(decision.state, decision.change, None)])
