"""``incidents``: what fails by what is at fault, out of what the app keeps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from checks.history.decide import Policy, decide
from checks.history.model import RunRef, new_run_id
from checks.history.table.overviews import Look
from checks.history.table.store import Store, open_store
from tests.support.reports import CLUSTER, REGISTRY, report
from tests.support.said import Said

GUID = CLUSTER.split("/")[2]
ELSEWHERE = CLUSTER.replace(GUID, "22222222-2222-4222-8222-222222222222")
NOW = datetime.now(UTC).replace(microsecond=0)


def on(storage: str, work: Callable[[Store], Awaitable[None]]) -> None:
    """Some work with the store."""

    async def opened() -> None:
        async with open_store(connection_string=storage) as store:
            await store.ensure_tables()
            await work(store)

    asyncio.run(opened())


async def look(store: Store, number: int, word: str, cluster: str = CLUSTER, *, shown: bool = True) -> None:
    """One look, half an hour after the one before it."""
    stored = await store.load_state(cluster)
    at = NOW - timedelta(hours=5) + timedelta(minutes=30 * number)
    seen = report(word, cluster=cluster)
    run = RunRef(new_run_id(number, at), number)
    decision = decide(stored.state if stored else None, seen, run, Policy(), at)
    await store.commit(decision, seen, stored.etag if stored else None)
    if shown:
        before = stored.state.sequence if stored else None
        await store.fold_into_overview(cluster.split("/")[2], [Look(decision.state, decision.change, before)])


@pytest.fixture
def held(storage: str) -> str:
    """A cluster that fails, and one that has recovered."""

    async def looks(store: Store) -> None:
        for number, (word, other) in enumerate([("pass", "pass"), ("fail", "fail"), ("fail", "pass")], 1):
            await look(store, number, word)
            await look(store, number, other, f"{CLUSTER}2")

    on(storage, looks)
    return storage


def test_incidents_say_what_is_at_fault_since_when_and_what_repairs_it(held: str) -> None:
    said = Said(held, "incidents", COLUMNS="200")
    assert said.code == 0
    assert said.errors == "pullwatch: 1 incident at 2 clusters\n"
    heading, line, command = said.out.splitlines()
    assert heading.split()[:2] == ["SINCE", "(UTC)"]
    since = NOW - timedelta(hours=4)
    assert line.startswith(f"{since:%Y-%m-%d %H:%M}  acrone    role-missing  1 of 2    open")
    assert command.strip() == "az role assignment create --role AcrPull"
    (incident,) = json.loads(Said(held, "incidents", "-o", "json").out)["incidents"]
    assert (incident["name"], incident["clusters"], len(incident["over"])) == (REGISTRY, 1, 1)


def test_where_nothing_fails_it_is_said(storage: str) -> None:
    on(storage, lambda store: look(store, 1, "pass"))
    said = Said(storage, "incidents")
    assert (said.code, said.out, said.errors) == (0, "", "pullwatch: nothing fails at 1 cluster\n")
