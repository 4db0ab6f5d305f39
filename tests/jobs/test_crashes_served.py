"""The process dies at every request of a whole run, over real storage, a real mail server and a served tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import pytest
from yarl import URL

from checks import ncrontab
from checks.collect.arm.inventories import InventoryCache
from checks.history.decide import Policy, decide
from checks.history.model import Run, RunScope, new_run_id
from checks.jobs import deliver
from checks.jobs.close import close_run
from checks.jobs.context import JobContext
from checks.jobs.messages import PLAN, PlanMessage
from checks.notify.transports.base import Outgoing, Receipt
from checks.notify.transports.smtp import SmtpTransport
from localhost.azurite import Storage
from localhost.mailbox import Mailbox
from simulator import Simulator, running
from tests.support.crash_scenarios import BAD, NAMES, SCENARIOS, cluster_id, is_quiet, judge_mails, judged_run
from tests.support.crashing import Accepted, Host, Reaper, ServedQueues, accepted
from tests.support.reports import report
from tests.support.storage import Clock, Death, app_settings, empty, job_context
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, object_id

IMAGE = "acrone.azurecr.io/team/web:1"
FLIP = replace(SCENARIOS["flip"], facets="(access")
SAMPLE = 4
BLOCKS = 8  # of points, for several processes


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Three clusters, of which one has no role any more that pulls."""
    made = Tenant(Path(tmp_path_factory.mktemp("crashes")) / "tenant")
    registry = made.registry("acrone")
    for name in NAMES:
        assert made.cluster(name) == cluster_id(name)
        made.reachable(name)
        made.pod(IMAGE, cluster=name, name="web-1")
        if name != BAD:
            made.assign(object_id(name), ACR_PULL, registry)
    with running(made.root) as sim:
        yield sim


@pytest.fixture(autouse=True, scope="module")
def the_schedule_is_read_once() -> Iterator[None]:
    """It never changes, and each of a thousand jobs would read it for a tenth of a second."""
    with (
        mock.patch.object(ncrontab, "problem", cache(ncrontab.problem)),
        mock.patch.object(ncrontab, "longest_gap", cache(ncrontab.longest_gap)),
    ):
        yield


class Served:
    """A run over what is served. Each HTTP request of a job, and each mail, is an operation of the reaper's."""

    def __init__(self, sim: Simulator, storage: str, box: Mailbox, reaper: Reaper) -> None:
        self.settings = sim.environment | app_settings(storage, box, SHARD_SIZE="2")
        self.storage = storage
        self.box = box
        self.before = len(box.messages)
        self.reaper = reaper
        self.clock = Clock()
        self.accepted: list[Accepted] = []
        self.inventories = InventoryCache()

    async def run(self) -> None:
        """A first run saw every cluster pull; then one from the request of the timer until all is quiet."""
        empty(self.storage)
        async with job_context(self.settings, self.clock) as job:
            await all_passed(job)
        empty_queues = ServedQueues(self.storage, self.clock)
        while (message := empty_queues.next_visible()) is not None:
            empty_queues.delete(message)
        self.clock.forward(hours=1)
        async with job_context(self.settings, self.clock) as job:
            await job.queues.send(PLAN, [PlanMessage(request="second", requested_by="timer")])
        queues = ServedQueues(self.storage, self.clock)
        host = Host(queues, self.clock, self.reaper, self._opened, self._restarted)
        # A real queue hides by the time of the machine, which does not move with the clock.
        with mock.patch.object(deliver, "BUSY", timedelta()):
            await host.settle(self._is_quiet)

    async def judge(self) -> None:
        """Fails where anything is lost, sent twice or left."""
        async with job_context(self.settings, self.clock) as job:
            run = await judged_run(FLIP, job.store, self.accepted)
        judge_mails(FLIP, run, self.accepted)
        assert len(self.box.messages) - self.before == len(self.accepted)

    async def _is_quiet(self) -> bool:
        async with job_context(self.settings, self.clock) as job:
            return await is_quiet(job.store)

    def _restarted(self) -> None:
        self.inventories = InventoryCache()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[JobContext]:
        request, send = aiohttp.ClientSession._request, SmtpTransport.send

        async def mortal_request(
            session: aiohttp.ClientSession, method: str, url: Any, **options: Any
        ) -> aiohttp.ClientResponse:
            responses: list[aiohttp.ClientResponse] = []

            async def answered() -> aiohttp.ClientResponse:
                responses.append(await request(session, method, url, **options))
                return responses[0]

            try:
                return await self.reaper.step(f"{method} {URL(str(url)).path}", answered)
            except Death:
                for response in responses:
                    response.close()
                raise

        async def mortal_send(
            transport: SmtpTransport, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]
        ) -> Receipt:
            async def taken() -> Receipt:
                before = len(self.box.messages)
                receipt = await send(transport, outgoing, sender, recipients)
                new = self.box.messages[before:]
                self.accepted += [accepted(mail, len(self.reaper.deaths)) for mail in new]
                return receipt

            return await self.reaper.step("send mail", taken)

        with (
            mock.patch.object(aiohttp.ClientSession, "_request", mortal_request),
            mock.patch.object(SmtpTransport, "send", mortal_send),
        ):
            async with job_context(self.settings, self.clock) as job:
                job.inventories = self.inventories
                yield job


async def all_passed(job: JobContext) -> None:
    """A run that saw every cluster pull; it is closed, and its subscription introduced."""
    now = job.clock()
    ticket = await job.store.next_sequence(now, "first")
    run = Run(
        id=new_run_id(ticket.sequence, now),
        sequence=ticket.sequence,
        requested_by="timer",
        scope=RunScope((SUBSCRIPTION,)),
        created=now,
        deadline=now,
    )
    await job.store.create_run(run, [])
    for name in NAMES:
        looked = report("pass", cluster=cluster_id(name))
        await job.store.commit(decide(None, looked, run.ref, Policy(), now), looked, None)
    await close_run(job, run.id)
    await job.store.claim_summary(SUBSCRIPTION, run)
    await job.store.complete_baseline(SUBSCRIPTION)


async def explored(sim: Simulator, storage: str, box: Mailbox, *at: int) -> Reaper:
    """One run with deaths at these points."""
    reaper = Reaper(*at)
    served = Served(sim, storage, box, reaper)
    try:
        await served.run()
        await served.judge()
    except AssertionError as error:
        error.add_note(f"deaths at {', '.join(f'{at} ({reaper.names[at]})' for at in reaper.deaths)}")
        raise
    return reaper


@pytest.mark.timeout(300)
async def test_a_sample_of_the_requests_of_a_run(tenant: Simulator, azurite: Storage, smtp: Mailbox) -> None:
    names = (await explored(tenant, azurite.connection_string, smtp)).names
    points = [len(names) * part // SAMPLE for part in range(1, SAMPLE)]
    for at in (*points, names.index("after send mail")):
        await a_death_loses_nothing(tenant, azurite, smtp, at)


@pytest.mark.matrix
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("block", range(BLOCKS))
async def test_a_death_at_any_request_of_a_run_loses_nothing_and_sends_nothing_else_twice(
    tenant: Simulator, azurite: Storage, smtp: Mailbox, block: int
) -> None:
    points = len((await explored(tenant, azurite.connection_string, smtp)).names)
    assert points > 250
    for at in range(block, points, BLOCKS):
        await a_death_loses_nothing(tenant, azurite, smtp, at)


async def a_death_loses_nothing(tenant: Simulator, azurite: Storage, smtp: Mailbox, at: int) -> None:
    """One run with a death at this point. Some runs are a request or two shorter than others, and then live."""
    reaper = await explored(tenant, azurite.connection_string, smtp, at)
    assert reaper.deaths == [at] or at - 4 <= len(reaper.names) <= at
