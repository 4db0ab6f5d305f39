"""The states of a shard's clusters, read by one query: what it finds, leaves out and tells apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables import TableServiceClient
from azure.data.tables.aio import TableClient

from checks.history.decide import Policy, decide
from checks.history.errors import Conflict, SchemaError
from checks.history.model import RunRef
from checks.history.table import clusters as of_clusters
from checks.history.table import keys
from checks.history.table.store import Store, open_store
from tests.support.broken_rows import EACH_WAY, damage_state
from tests.support.reports import CLUSTER, report
from tests.support.tenant_builder import SUBSCRIPTION

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NAMES = [f"aks-{number:02d}" for number in range(20)]


def cluster(name: str, group: str = "rg") -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.ContainerService/"
        f"managedClusters/{name}"
    )


async def seen(store: Store, name: str, number: int = 1) -> None:
    """A look at a cluster was committed."""
    stored = await store.load_state(name)
    now = report("pass", cluster=name)
    decision = decide(stored.state if stored else None, now, RunRef(f"run-{number}", number), Policy(), NOW)
    await store.commit(decision, now, stored.etag if stored else None)


@pytest.fixture
async def store(storage: str) -> AsyncIterator[Store]:
    async with open_store(connection_string=storage) as opened:
        await opened.ensure_tables()
        yield opened


async def test_each_is_what_it_is_by_itself_and_what_was_never_seen_is_told(store: Store) -> None:
    wanted = [cluster(name) for name in NAMES]
    for name in wanted[::2]:
        await seen(store, name)
    found = await store.find_states(SUBSCRIPTION.upper(), wanted)
    assert set(found) == set(wanted)
    for name in wanted:
        state = found[name]
        assert (None if state is None else state.read()) == await store.load_state(name)
    assert [state is None for state in found.values()].count(True) == 10
    assert await store.find_states(SUBSCRIPTION, []) == {}


async def test_a_state_that_somebody_wrote_meanwhile_is_not_written_over(store: Store) -> None:
    name = cluster("aks-00")
    await seen(store, name)
    state = (await store.find_states(SUBSCRIPTION, [name]))[name]
    assert state is not None
    await seen(store, name, 2)
    before, late = state.read(), report("fail", cluster=name)
    decision = decide(before.state, late, RunRef("run-3", 3), Policy(), NOW)
    with pytest.raises(Conflict):
        await store.commit(decision, late, before.etag)


@pytest.mark.parametrize("how", EACH_WAY)
async def test_one_of_twenty_that_cannot_be_read_costs_no_other(store: Store, storage: str, how: str) -> None:
    wanted = [cluster(name) for name in NAMES]
    for name in wanted:
        await seen(store, name)
    damage_state(storage, how, wanted[7])
    found = await store.find_states(SUBSCRIPTION, wanted)
    broken = found.pop(wanted[7])
    assert broken is not None
    with pytest.raises(SchemaError):
        broken.read()
    assert [state.read().state.cluster for state in found.values() if state] == [n for n in wanted if n != wanted[7]]


async def test_an_answer_of_many_pages_is_read_to_its_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [cluster(name) for name in NAMES]
    for name in wanted[:-1]:
        await seen(store, name)
    query, sent = TableClient.query_entities, AioHttpTransport.send
    pages: list[str] = []

    async def counting(self: AioHttpTransport, request: Any, **options: Any) -> Any:
        pages.append(request.url)
        return await sent(self, request, **options)

    def in_threes(self: TableClient, query_filter: str, **options: Any) -> Any:
        return query(self, query_filter, **{**options, "results_per_page": 3})

    monkeypatch.setattr(TableClient, "query_entities", in_threes)
    monkeypatch.setattr(AioHttpTransport, "send", counting)
    found = await store.find_states(SUBSCRIPTION, wanted)
    assert len(pages) == 7
    assert [state is None for state in found.values()] == [False] * 19 + [True]


async def test_what_lies_behind_many_clusters_that_are_gone_is_left_out_and_not_taken_for_new(
    store: Store, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, absent, last = (cluster(name) for name in ("a-first", "b-absent", "z-last"))
    for name in (first, last):
        await seen(store, name)
    with TableServiceClient.from_connection_string(storage) as service:
        table = service.get_table_client(keys.TABLE)
        for number in range(30):
            table.create_entity({"PartitionKey": SUBSCRIPTION, "RowKey": keys.state(cluster(f"gone-{number:02d}"))})
    found = await store.find_states(SUBSCRIPTION, [first, absent, last])
    assert [(name, state is None) for name, state in found.items()] == [(first, False), (absent, True)]
    monkeypatch.setattr(of_clusters, "OTHERS", 10)
    assert set(await store.find_states(SUBSCRIPTION, [first, absent, last])) == {first, absent, last}


async def test_an_id_that_gives_no_key_there_is_left_to_be_asked_for_by_itself(store: Store) -> None:
    elsewhere = CLUSTER.replace(SUBSCRIPTION, "99999999-9999-4999-8999-999999999999")
    known = cluster("aks-00")
    await seen(store, known)
    assert set(await store.find_states(SUBSCRIPTION, [known, elsewhere, "nonsense"])) == {known}


def test_keys_are_ordered_as_the_service_orders_them() -> None:
    astral, last_of_the_plane = "state|\U0001f600", "state|\uffee"
    assert sorted([last_of_the_plane, astral], key=keys.order) == [astral, last_of_the_plane]
