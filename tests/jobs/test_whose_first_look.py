"""Whose first look it is: that of a subscription, and not that of a run or of a cluster."""

from datetime import timedelta
from pathlib import Path

import pytest

from checks.changes import Reason
from checks.findings import Pass, SubscriptionResult, Unknown
from checks.history.model import FailedCluster, MarkerStatus, Run, RunScope, Shard, Totals, new_run_id
from checks.jobs import first_look
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.messages import ScanMessage
from checks.jobs.scan import scan_shard
from localhost.mailbox import Mailbox
from simulator import running
from tests.jobs.test_close import FIRST, planned
from tests.support.reports import CLUSTER
from tests.support.storage import Clock, app_settings, job_context
from tests.support.tenant_builder import SUBSCRIPTION, Tenant

OTHER = "22222222-2222-4222-8222-222222222222"


def first_run(job: JobContext, *fresh: str, **more: object) -> Run:
    """A run over two subscriptions, of which some had no complete look yet."""
    seen = tuple(SubscriptionResult(id=name, verdict=Pass(), cause="", summary="") for name in (SUBSCRIPTION, OTHER))
    return Run(
        id=new_run_id(1, job.clock()),
        sequence=1,
        requested_by="timer",
        scope=RunScope((SUBSCRIPTION, OTHER)),
        created=job.clock(),
        deadline=job.clock() + timedelta(minutes=25),
        expected=(f"{SUBSCRIPTION}-0", f"{OTHER}-0"),
        baseline=True,
        baseline_subscriptions=fresh,
        **({"subscriptions": seen} | more),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("fresh", "reason", "waits"),
    [(SUBSCRIPTION, Reason.BASELINE, True), (OTHER, Reason.FIRST_SEEN_FAILING, False)],
    ids=["of this subscription", "of another one"],
)
async def test_a_cluster_that_fails_at_first_sight_waits_for_the_summary_of_its_own_subscription_alone(
    tmp_path: Path, storage: str, fresh: str, reason: Reason, waits: bool
) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.registry("acrone")
    cluster = tenant.cluster("aks-0")
    tenant.reachable("aks-0")
    tenant.pod("acrone.azurecr.io/team/web:1", cluster="aks-0", name="web-1")
    with running(tenant.root) as sim:
        async with job_context(sim.environment | app_settings(storage), Clock()) as job:
            run = first_run(job, fresh)
            await job.store.create_run(run, [Shard(f"{SUBSCRIPTION}-0", SUBSCRIPTION, (cluster,))])
            await scan_shard(job, ScanMessage(run=run.id, shard=f"{SUBSCRIPTION}-0"))
            (change,) = await job.store.list_changes(cluster)
            (pending,) = (await job.store.list_pending()).items
            assert {moved.reason for moved in change.transitions if moved.alert} == {reason}
            assert pending.summary_of == (run.id if waits else "")
            assert bool(await job.store.deliverable([pending], job.clock())) is not waits


async def test_a_regression_in_a_run_with_a_first_look_waits_for_no_summary(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await planned(job, 1, {CLUSTER: "pass"}, **FIRST)
        await planned(job, 2, {CLUSTER: "fail"}, **FIRST)
        (pending,) = (await job.store.list_pending()).items
        assert pending.summary_of == ""
        await deliver_all(job)
    assert [str(message["Subject"]).split(":")[0] for message in smtp.messages] == ["[Pullwatch] FAIL"]


@pytest.mark.parametrize(
    ("what", "complete"),
    [
        ("all of it", {SUBSCRIPTION, OTHER}),
        ("a shard that did not end", {SUBSCRIPTION}),
        ("a shard that failed", {SUBSCRIPTION}),
        ("a cluster that failed for now", {SUBSCRIPTION}),
        ("a cluster that fails for good", {SUBSCRIPTION, OTHER}),
        ("a list that was refused", {SUBSCRIPTION}),
        ("one that was looked at before", {SUBSCRIPTION}),
    ],
)
async def test_a_baseline_ends_with_a_look_at_the_whole_subscription(
    storage: str, what: str, complete: set[str]
) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        run = first_run(job, *((SUBSCRIPTION,) if what == "one that was looked at before" else (SUBSCRIPTION, OTHER)))
        if what == "a list that was refused":
            refused = SubscriptionResult(id=OTHER, verdict=Unknown("Reader"), cause="not-allowed", summary="")
            run = first_run(job, SUBSCRIPTION, OTHER, subscriptions=(run.subscriptions[0], refused))
        await job.store.create_run(run, [Shard(name, name.rpartition("-")[0], ()) for name in run.expected])
        for name in (SUBSCRIPTION, OTHER):
            await job.store.claim_summary(name, run)
        status = MarkerStatus.FAILED if what == "a shard that failed" else MarkerStatus.DONE
        lost = FailedCluster("aks-1", "KeyError", lasting="for good" in what, unreadable=False)
        failed = (lost,) if what.startswith("a cluster") else ()
        await job.store.mark_shard(run.id, f"{SUBSCRIPTION}-0", MarkerStatus.DONE, Totals(), job.clock())
        if what != "a shard that did not end":
            await job.store.mark_shard(run.id, f"{OTHER}-0", status, Totals(), job.clock(), "", failed)
        await first_look.complete(job, run, await job.store.list_markers(run.id))
        assert await job.store.baseline_complete() == complete


async def test_a_subscription_is_introduced_by_the_run_that_asks_first_and_by_no_other(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        one = first_run(job, SUBSCRIPTION)
        other = Run(
            id=new_run_id(2, job.clock()),
            sequence=2,
            requested_by="timer",
            scope=one.scope,
            created=one.created,
            deadline=one.deadline,
        )
        said = [await job.store.claim_summary(SUBSCRIPTION, run) for run in (one, other, one, other)]
        assert said == [True, False, True, False], "a repeat of the first says the same again"
