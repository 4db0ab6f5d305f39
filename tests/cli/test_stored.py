"""What is kept, on the command line: incidents, histories, runs, and whether all of it agrees."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from checks.history.decide import Policy, decide
from checks.history.model import Run, RunRef, RunScope, new_run_id
from checks.history.table import rows
from checks.history.table.overviews import Look
from checks.history.table.store import Store, open_store
from tests.cli.test_silences import Said
from tests.support.reports import CLUSTER, REGISTRY, report

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


def test_the_history_of_a_cluster_is_told_the_newest_first(held: str) -> None:
    said = Said(held, "history", "--cluster", "AKS-12", "-o", "json")
    changes = json.loads(said.out)["changes"]
    assert [(one["facet"], one["after"]) for one in changes if one["facet"] == "pull"] == [
        ("pull", "passing"), ("pull", "failing"), ("pull", "passing"),
    ]  # fmt: skip
    table = Said(held, "history", "--cluster", f"{CLUSTER}2", "--registry", "acr*", "--since", "225m", COLUMNS="160")
    assert table.code == 0 and len(table.out.splitlines()) == 3, table.out
    assert "passing" in table.out and "unknown-yet" not in table.out
    assert Said(held, "history", "--cluster", "aks-12", "--registry", "acrother").errors == (
        "pullwatch: nothing changed at aks-12 that is asked for\n"
    )


def test_a_name_that_is_not_there_or_twice_is_said(held: str) -> None:
    on(held, lambda store: look(store, 9, "pass", ELSEWHERE))
    several = Said(held, "history", "--cluster", "aks-1")
    assert several.code == 1 and CLUSTER in several.errors and ELSEWHERE in several.errors
    nobody = Said(held, "history", "--cluster", "aks-21")
    assert (nobody.code, nobody.out) == (1, "")
    assert nobody.errors == ("pullwatch: no run has looked at a cluster called aks-21, among 3; did you mean aks-1?\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["history"], ["history", "--cluster", ""], ["history", "--cluster", "a", "--since", "soon"],
        ["history", "--cluster", "a", "--limit", "0"], ["runs", "../x"], ["runs", "--limit", "1e3"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_wrong_usage(storage: str, arguments: list[str]) -> None:
    assert Said(storage, *arguments).code == 64


def run_of(number: int, created: datetime) -> Run:
    return Run(
        id=new_run_id(number, created), sequence=number, requested_by="timer", scope=RunScope(()), created=created,
        deadline=created + timedelta(minutes=25),
    )  # fmt: skip


def test_runs_are_listed_the_newest_first_across_months_and_gaps(storage: str) -> None:
    months = [datetime(2026, 1, 31, 23, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)]

    async def planned(store: Store) -> None:
        for number, created in enumerate(months[:2], 1):
            ticket = await store.next_sequence(created, f"r{number}")
            assert await store.create_run(run_of(ticket.sequence, created), [])
        await store.next_sequence(months[1], "never planned")
        ticket = await store.next_sequence(months[1], "r4")
        run = run_of(ticket.sequence, months[1])
        assert await store.create_run(run, [])
        stored = await store.load_run(run.id)
        assert stored is not None
        closed = msgspec.structs.replace(run, closed=months[1] + timedelta(seconds=90))
        assert await store.try_close(closed, stored.etag)

    on(storage, planned)
    listed = json.loads(Said(storage, "runs", "-o", "json").out)["runs"]
    assert [one["run"] for one in listed] == ["202602-000000000004", "202602-000000000002", "202601-000000000001"]
    assert [one["run"] for one in json.loads(Said(storage, "runs", "-o", "json", "--limit", "1").out)["runs"]] == [
        "202602-000000000004"
    ]
    table = Said(storage, "runs", COLUMNS="200").out.splitlines()
    assert "90 s" in table[1] and table[1].endswith("closed") and table[2].endswith("open")
    whole = Said(storage, "runs", "202602-000000000004", "-o", "json")
    assert (whole.code, json.loads(whole.out)["subscriptions"]) == (0, [])
    assert Said(storage, "runs", "202602-000000000003").code == 1


def test_before_the_first_run_that_is_said(storage: str) -> None:
    said = Said(storage, "runs")
    assert (said.code, said.out, said.errors) == (0, "", "pullwatch: no run was planned yet\n")


def test_history_and_states_that_agree_are_verified(held: str) -> None:
    said = Said(held, "verify-history")
    assert (said.code, said.out, said.errors) == (0, "", "pullwatch: 2 clusters: history and states agree\n")


def test_a_change_that_is_missing_and_an_overview_that_is_behind_are_found_and_made_good(held: str) -> None:
    async def lose(store: Store) -> None:
        await look(store, 7, "pass", shown=False)
        await look(store, 8, "fail", shown=False)
        changes = [row async for row in store._range(GUID, "change")]
        newest = min(changes, key=lambda row: str(row["RowKey"]))
        await store._delete(GUID, str(newest["RowKey"]))

    on(held, lose)
    said = Said(held, "verify-history")
    assert said.code == 1
    assert f"{REGISTRY} pull is held as passing since" in said.out and "its history comes to failing" in said.out
    assert "what lists show is not what is held; rebuild-overview makes it anew" in said.out
    rebuilt = Said(held, "rebuild-overview")
    assert (rebuilt.code, rebuilt.out) == (0, f"{GUID}: 2 clusters, changed\n")
    assert Said(held, "rebuild-overview", "--subscription", GUID.upper()).out == f"{GUID}: 2 clusters, as it was\n"
    assert "rebuild-overview" not in Said(held, "verify-history").out


def test_a_state_that_cannot_be_read_is_named_and_stops_no_other(held: str) -> None:
    async def damage(store: Store) -> None:
        (row, *_) = [row async for row in store._range(GUID, "state")]
        await store._put({**row, "v": rows.VERSION + 1})

    on(held, damage)
    said = Said(held, "verify-history", "-o", "json")
    answer = json.loads(said.out)
    assert said.code in (1, 2)
    assert len(answer["unreadable"]) == 1 and "schema version" in answer["unreadable"][0]
