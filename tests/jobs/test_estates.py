"""The estate of a run is let go when the next run reads its own, and not before the run is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.jobs.close import close_run
from checks.jobs.context import JobContext
from checks.jobs.messages import PlanMessage, ScanMessage
from checks.jobs.plan import plan
from checks.jobs.scan import scan_shard
from simulator import running
from tests.support.storage import Clock, app_settings, job_context
from tests.support.tenant_builder import Tenant


async def shard_of(job: JobContext, run: str) -> ScanMessage:
    """The message of a run's one shard."""
    (shard,) = await job.store.list_shards(run)
    return ScanMessage(run=run, shard=shard.id)


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    made = Tenant(tmp_path / "tenant")
    made.registry("acrone")
    made.cluster("aks-1")
    made.reachable("aks-1")
    return made


@pytest.mark.parametrize("closed", [True, False])
async def test_the_estate_of_a_closed_run_makes_room_for_the_next(tenant: Tenant, storage: str, closed: bool) -> None:
    clock = Clock()
    with running(tenant.root) as sim:
        async with job_context(sim.environment | app_settings(storage), clock) as job:
            first = await plan(job, PlanMessage(request="first", requested_by="timer"))
            if closed:
                await scan_shard(job, await shard_of(job, first.run))
                await close_run(job, first.run)
            assert job.inventories.kept() == (first.run,), "its last shard may come again"
            clock.forward(minutes=30)
            second = await plan(job, PlanMessage(request="second", requested_by="timer"))
            assert job.inventories.kept() == ((second.run,) if closed else (first.run, second.run))


async def test_a_shard_that_comes_after_its_estate_was_let_go_reads_anew(tenant: Tenant, storage: str) -> None:
    clock = Clock()
    with running(tenant.root) as sim:
        async with job_context(sim.environment | app_settings(storage), clock) as job:
            first = await plan(job, PlanMessage(request="first", requested_by="timer"))
            clock.forward(days=1)
            assert (await close_run(job, first.run)).reason == "closed"
            second = await plan(job, PlanMessage(request="second", requested_by="timer"))
            assert job.inventories.kept() == (second.run,)
            assert (await scan_shard(job, await shard_of(job, first.run))).totals.clusters == 1
            assert job.inventories.kept() == (second.run, first.run)
