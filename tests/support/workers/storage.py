"""What storage holds of a run, beside the workers that make it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from checks.history.model import MarkerStatus, Run
from checks.history.table.store import Store, open_store
from checks.jobs.messages import PLAN, PlanMessage
from checks.jobs.queues import open_queues

T = TypeVar("T")


def _with_store(storage: str, read: Callable[[Store], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with open_store(connection_string=storage) as store:
            return await read(store)

    return asyncio.run(opened())


def ask_for_a_run(storage: str) -> None:
    """Asks for it as the timer does."""

    async def send() -> None:
        async with open_queues(connection_string=storage) as queues:
            await queues.send(PLAN, [PlanMessage(request="workers", requested_by="timer")])

    asyncio.run(send())


def planned(storage: str) -> tuple[str, Mapping[str, frozenset[str]]]:
    """The id of the only run that is open, and the clusters (in lower case) of each of its shards."""

    async def read(store: Store) -> tuple[str, Mapping[str, frozenset[str]]]:
        (run,) = await store.open_runs()
        shards = await store.list_shards(run)
        return run, {shard.id: frozenset(name.lower() for name in shard.clusters) for shard in shards}

    return _with_store(storage, read)


def ended_shards(storage: str, run: str) -> frozenset[str]:
    """The shards of a run that ended well."""

    async def read(store: Store) -> frozenset[str]:
        return frozenset(m.shard for m in await store.list_markers(run) if m.status is MarkerStatus.DONE)

    return _with_store(storage, read)


def came_of(storage: str, run_id: str) -> tuple[Run, frozenset[str]]:
    """The run as it is now, and the clusters (in lower case) whose state it wrote."""

    async def read(store: Store) -> tuple[Run, frozenset[str]]:
        stored = await store.load_run(run_id)
        assert stored is not None
        lists = [await store.list_states(subscription) for subscription in await store.known_subscriptions()]
        states = [state for each in lists for state in each.items]
        return stored.run, frozenset(state.cluster.lower() for state in states if state.run == run_id)

    return _with_store(storage, read)
