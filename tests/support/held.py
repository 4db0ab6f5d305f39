"""A small fleet whose looks are held in storage by the product's own deciding."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from checks.history.decide import Policy, decide
from checks.history.model import RunRef
from checks.history.table.overviews import Look
from checks.jobs.context import JobContext
from tests.support.http import ask
from tests.support.reports import CLUSTER, report
from tests.support.storage import Clock, app_settings, job_context

SUBSCRIPTION = CLUSTER.split("/")[2]


def cluster_id(name: str) -> str:
    """A cluster of the fleet by its name."""
    return CLUSTER.replace("aks-1", name)


class Held:
    """A job's context in whose storage looks are held."""

    def __init__(self, job: JobContext, clock: Clock) -> None:
        self.job, self.clock, self.number = job, clock, 0

    async def look(self, **words: str) -> None:
        """One run: a word for each cluster (``aks_1="fail"``)."""
        self.number += 1
        self.clock.forward(minutes=30)
        looks = []
        for name, word in words.items():
            seen = report(word, cluster=cluster_id(name.replace("_", "-")))
            stored = await self.job.store.load_state(seen.id)
            run = RunRef(f"202611-{self.number:012d}", self.number)
            decision = decide(stored.state if stored else None, seen, run, Policy(), self.clock())
            await self.job.store.commit(decision, seen, stored.etag if stored else None)
            looks.append(Look(decision.state, decision.change, stored.state.sequence if stored else None))
        await self.job.store.fold_into_overview(SUBSCRIPTION, looks)

    async def get(self, name: str, **given: Any) -> dict[str, Any]:
        status, body = await ask(self.job, name, **given)
        assert status == 200, body
        return body


@asynccontextmanager
async def held_fleet(storage: str) -> AsyncIterator[Held]:
    """Four clusters of which two fail at one registry: one incident."""
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        await job.store.ensure_tables()
        there = Held(job, clock)
        await there.look(aks_1="pass", aks_2="pass", aks_3="pass")
        await there.look(aks_1="fail", aks_2="pass", aks_3="unknown", aks_4="fail")
        yield there
