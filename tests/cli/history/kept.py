"""What the app keeps, as its jobs write it: looks that are committed and shown, runs that are planned and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from checks.findings import Pass, SubscriptionResult, Unknown
from checks.history.decide import FACETS, Policy, decide
from checks.history.model import (
    FailedCluster,
    MarkerStatus,
    Run,
    RunRef,
    RunScope,
    Shard,
    Totals,
    new_run_id,
)
from checks.history.table.overviews import Look
from checks.history.table.store import Store, open_store
from tests.support.reports import CLUSTER, report

T = TypeVar("T")
NOW = datetime.now(UTC).replace(microsecond=0)
SUBSCRIPTION = CLUSTER.split("/")[2]
FAILING = Policy(fail_after=dict.fromkeys(FACETS, 1), pass_after=dict.fromkeys(FACETS, 1))


def on(storage: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Does something with the store, in an event loop of its own."""

    async def opened() -> T:
        async with open_store(connection_string=storage) as store:
            await store.ensure_tables()
            return await work(store)

    return asyncio.run(opened())


def looked(storage: str, *words: str, cluster: str = CLUSTER, shown: bool = True, step_hours: int = 1) -> None:
    """Looks at one cluster, one run after the other, the last of them now: each committed and, if so, shown."""

    async def work(store: Store) -> None:
        for number, word in enumerate(words, 1):
            at = NOW - timedelta(hours=step_hours * (len(words) - number))
            await look(store, number, word, at, cluster, shown)

    on(storage, work)


async def look(store: Store, number: int, word: str, at: datetime, cluster: str = CLUSTER, shown: bool = True) -> None:
    """Looks at a cluster: "pass", "fail-<cause>" or another verdict; committed and, if so, shown."""
    stored = await store.load_state(cluster)
    seen = report(word.partition("-")[0], cause=word.partition("-")[2] or "role-missing", cluster=cluster)
    decision = decide(stored.state if stored else None, seen, RunRef(new_run_id(number, at), number), FAILING, at)
    await store.commit(decision, seen, stored.etag if stored else None)
    if shown:
        folded = Look(decision.state, decision.change, stored.state.sequence if stored else None)
        await store.fold_into_overview(cluster.split("/")[2], [folded])


def planned(number: int, at: datetime, **more: object) -> Run:
    """A run as it is planned, of two shards."""
    return Run(
        id=new_run_id(number, at), sequence=number, requested_by="timer", scope=RunScope((SUBSCRIPTION,)), created=at,
        deadline=at + timedelta(minutes=25), expected=("s-0", "s-1"), **more,  # type: ignore[arg-type]
    )  # fmt: skip


RESULTS = (
    SubscriptionResult(id=SUBSCRIPTION, name="shop-prod", clusters=2, verdict=Pass(), cause="", summary=""),
    SubscriptionResult(id="22222222-2222-4222-8222-222222222222", name="shop-dev", verdict=Unknown("Reader"),
                       cause="look-not-allowed", summary="Listing clusters is not allowed.",
                       fix=("az role assignment create --role Reader",)),
)  # fmt: skip


async def plan(store: Store, run: Run) -> None:
    """Plans a run with its two shards."""
    assert await store.create_run(run, [Shard("s-0", SUBSCRIPTION, (CLUSTER,)), Shard("s-1", SUBSCRIPTION)])


async def close(store: Store, run: Run) -> None:
    """Closes a run whose first shard ended, with a cluster at which the checker failed."""
    failed = (FailedCluster(CLUSTER, "KeyError: x"),)
    await store.mark_shard(run.id, "s-0", MarkerStatus.DONE, Totals(clusters=3), run.created, failed=failed)
    stored = await store.load_run(run.id)
    assert stored is not None
    assert await store.try_close(run, stored.etag)
    await store.finish_run(run)
