"""What lists and pages show: the same whether it was folded in look by look or made anew, and never in the way."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.changes import Status
from checks.findings import ClusterReport, Finding, Subject, Unknown
from checks.history.decide import Policy, decide, gone
from checks.history.errors import LimitError, SchemaError
from checks.history.model import ClusterState, Decision, RunRef, SubjectState
from checks.history.overview import (
    MAX_COMMAND,
    MAX_ENDED,
    ClusterEntry,
    EndedFailure,
    Overview,
    entry_of,
    without_ended,
)
from checks.history.table import keys, overviews, rows
from checks.history.table.overviews import MAX_TEXT, Look, behind, overview_row, read_overview
from checks.history.table.store import Store, open_store
from checks.packing import packed
from tests.support.interleaving import Turns
from tests.support.memory_tables import MemoryTables
from tests.support.overviews import overview_is_what_is_held
from tests.support.reports import CLUSTER, REGISTRY, report

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SUBSCRIPTION = CLUSTER.split("/")[2]
OTHER = f"{CLUSTER}-other"


async def commit(store: Store, number: int, word: str, cluster: str = CLUSTER, hours: float = 0.5) -> Look:
    """One look (or its absence, "gone") as run ``number``, committed and not yet shown."""
    stored = await store.load_state(cluster)
    run, now = RunRef(f"run-{number}", number), NOW + timedelta(hours=hours * number)
    cause = word.removeprefix("fail-") if word.startswith("fail-") else "role-missing"
    seen = None if word == "gone" else report(word.partition("-")[0], cause=cause, cluster=cluster)
    if seen is None:
        assert stored is not None
        decision: Decision = gone(stored.state, run, now)
    else:
        decision = decide(stored.state if stored else None, seen, run, Policy(), now)
    await store.commit(decision, seen, stored.etag if stored else None)
    return Look(decision.state, decision.change, stored.state.sequence if stored else None)


async def show(store: Store, *looks: Look) -> None:
    await store.fold_into_overview(SUBSCRIPTION, looks)


def in_memory() -> Store:
    return Store(MemoryTables())  # type: ignore[arg-type]


@given(
    words=st.lists(st.sampled_from(["pass", "fail", "fail-nsg-closes-login", "unknown", "gone"]), max_size=14),
    shown=st.lists(st.booleans(), min_size=14, max_size=14),
    hours=st.sampled_from([0.5, 20.0]),
)
def test_what_is_folded_in_is_what_is_made_anew_also_where_looks_were_not_shown(
    words: list[str], shown: list[bool], hours: float
) -> None:
    async def story() -> None:
        store = in_memory()
        await store.ensure_tables()
        look = await commit(store, 1, "pass", hours=hours)
        await show(store, look)
        for number, (word, is_shown) in enumerate(zip(words, shown, strict=False), 2):
            look = await commit(store, number, word, hours=hours)
            if is_shown:
                await show(store, look)
        await show(store, look)
        await overview_is_what_is_held(store, SUBSCRIPTION)

    asyncio.run(story())


async def test_an_entry_says_what_fails_since_when_and_what_was_over(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        for number, word in enumerate(["pass", "fail", "pass", "fail", "fail"], 1):
            await show(store, await commit(store, number, word))
        await show(store, await commit(store, 1, "pass", OTHER))
        (overview,) = (await store.list_overviews()).items
    failing, fine = overview.clusters
    (row,) = failing.rows
    assert (failing.failing, fine.failing, fine.rows[0].open) == (True, False, ())
    assert row.held == {
        "access": Status.FAILING, "images": Status.UNKNOWN_YET, "path": Status.PASSING, "pull": Status.FAILING
    }  # fmt: skip
    assert {(facet.facet, facet.cause, facet.since, facet.notified) for facet in row.failing} == {
        ("access", "role-missing", NOW + timedelta(hours=2), True),
        ("pull", "role-missing", NOW + timedelta(hours=2), True),
    }
    assert {facet.command for facet in row.failing} == {"az role assignment create --role AcrPull"}
    assert {(one.registry, one.facet, one.cause, one.since, one.until) for one in failing.ended} == {
        (REGISTRY, facet, "role-missing", NOW + timedelta(hours=1), NOW + timedelta(hours=1.5))
        for facet in ("access", "pull")
    }


async def test_what_is_said_beside_the_rows_is_kept_with_since_when_and_goes_with_the_look_that_has_it_no_more() -> (
    None
):
    store = in_memory()
    await store.ensure_tables()
    pods = Finding(code="PW301", subject=Subject(CLUSTER), verdict=Unknown("pods"), cause="look-unreachable")
    throttled = msgspec.structs.replace(pods, cause="look-throttled")
    for number, findings in enumerate([(pods,), (throttled,), ()], start=1):
        stored = await store.load_state(CLUSTER)
        seen = msgspec.structs.replace(report("pass"), findings=findings)
        now = NOW + timedelta(hours=number)
        decision = decide(stored.state if stored else None, seen, RunRef(f"run-{number}", number), Policy(), now)
        await store.commit(decision, seen, stored.etag if stored else None)
        await show(store, Look(decision.state, decision.change, number - 1 or None))
        (entry,) = (await overview_is_what_is_held(store, SUBSCRIPTION)).clusters
        told = entry.beside and (entry.beside.cause, entry.beside.since - NOW)
        hour = timedelta(hours=1)
        assert told == [("look-unreachable", hour), ("look-throttled", hour), None][number - 1]
        assert entry.outcome_of(entry.rows[0]) is entry.outcome


async def test_an_entry_says_where_it_is_and_what_the_last_look_at_the_pull_rests_on() -> None:
    store = in_memory()
    await store.ensure_tables()
    seen = report("pass")
    (row,) = seen.registries
    waits = msgspec.structs.replace(row, waiting=3)
    looks = (
        msgspec.structs.replace(seen, registries=(waits,), region="westeurope"),
        report("fail"),  # which does not say where it is
        ClusterReport(id=CLUSTER),  # the registry is not used any more
    )
    found: list[tuple[str, tuple[str, ...], int]] = []
    for number, look in enumerate(looks, 1):
        stored = await store.load_state(CLUSTER)
        decision = decide(stored.state if stored else None, look, RunRef(f"run-{number}", number), Policy(), NOW)
        await store.commit(decision, look, stored.etag if stored else None)
        await show(store, Look(decision.state, decision.change, stored.state.sequence if stored else None))
        (entry,) = (await overview_is_what_is_held(store, SUBSCRIPTION)).clusters
        found.append((entry.region, entry.rows[0].seen_by, entry.rows[0].waiting))
    assert found == [
        ("westeurope", ("nodes", "azure"), 3), ("westeurope", ("nodes", "azure"), 0), ("westeurope", (), 0)
    ]  # fmt: skip


async def test_an_older_look_that_comes_late_changes_nothing() -> None:
    store = in_memory()
    await store.ensure_tables()
    old, new = await commit(store, 1, "pass"), await commit(store, 2, "fail")
    await show(store, new)
    await show(store, old)
    (entry,) = (await overview_is_what_is_held(store, SUBSCRIPTION)).clusters
    assert entry.sequence == 2


@pytest.mark.parametrize("seed", range(40))
async def test_shards_that_end_side_by_side_lose_no_entry_and_whoever_reads_sees_whole_rows(seed: int) -> None:
    turns = Turns(f"overview {seed}")
    store = in_memory()
    await store.ensure_tables()
    clusters = [f"{CLUSTER}-{number}" for number in range(6)]
    looks = [await commit(store, 1, "fail", cluster) for cluster in clusters]
    for name in ("load_overview", "_write_overview"):
        setattr(store, name, turns.mortal(name, getattr(store, name)))

    async def shard(number: int) -> None:
        await show(store, *looks[2 * number : 2 * number + 2])

    sizes: list[int] = []

    async def reader() -> None:
        for _ in range(6):
            found = await turns.step("list", store.list_overviews)
            assert found.unreadable == ()
            sizes.append(len(found.items[0].clusters) if found.items else 0)

    await turns.run({"one": lambda: shard(0), "two": lambda: shard(1), "three": lambda: shard(2), "reader": reader})
    (overview,) = (await store.list_overviews()).items
    assert [entry.cluster for entry in overview.clusters] == clusters
    assert sizes == sorted(sizes) and set(sizes) <= {0, 2, 4, 6}, "a shard's entries come together"


async def test_a_row_of_a_later_release_is_left_as_it_is_and_a_broken_one_made_anew(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        look = await commit(store, 1, "fail")
        entity = rows.base(keys.OVERVIEW, keys.overview(SUBSCRIPTION))
        await store._put(entity | {"v": rows.VERSION + 1})
        with pytest.raises(SchemaError):
            await show(store, look)
        await store._put(entity | rows.chunked("overview", "zlib:no"))
        assert len((await store.list_overviews()).unreadable) == 1
        await show(store, look)
        await overview_is_what_is_held(store, SUBSCRIPTION)


def test_what_is_behind_is_what_is_newer_or_unknown_or_not_there_any_more() -> None:
    entries = [entry(f"{CLUSTER}-{name}", sequence) for name, sequence in (("even", 3), ("old", 2), ("left", 3))]
    known = [(f"{CLUSTER}-even", 3), (f"{CLUSTER}-OLD", 3), (f"{CLUSTER}-new", 1)]
    names = [name.rpartition("-")[2] for name in behind(Overview(SUBSCRIPTION, tuple(entries)), known)]
    assert names == ["left", "new", "old"]


def entry(cluster: str, sequence: int, subjects: int = 0, text: str = "") -> ClusterEntry:
    """An entry of a cluster of which so many registries fail, with a text of each."""
    failing = [
        SubjectState(
            registry=f"acr{number}.azurecr.io", facet=facet, status=Status.FAILING, since=NOW, last_verdict="fail",
            last_seen=NOW, cause="role-missing", summary=f"{cluster} {number} {text}",
            fix=(f"az role assignment create --scope {cluster}/{number}/{text}",),
        )
        for number in range(subjects)
        for facet in ("access", "pull")
    ]  # fmt: skip
    state = ClusterState(cluster=cluster, run="r", sequence=sequence, updated=NOW, subjects=tuple(failing))
    return entry_of(state, ())


@pytest.mark.parametrize(("clusters", "cut"), [(100, 0), (4000, 1)])
def test_a_large_subscription_fits_into_its_row_and_says_what_was_cut(clusters: int, cut: int) -> None:
    made = [entry(f"{CLUSTER}-{number:05d}", 1, 3, _noise(number)) for number in range(clusters)]
    row = overview_row(Overview(SUBSCRIPTION, tuple(made)))
    assert (row["clusters"], row["cut"]) == (clusters, cut)
    read = read_overview(row)
    assert [one.cluster for one in read.clusters] == [one.cluster for one in made]
    assert all(len(one.rows) == 3 and one.failing for one in read.clusters)
    assert sum(len(str(value)) for value in row.values()) < MAX_TEXT + 1000


def test_one_that_fits_in_no_way_is_an_error_and_no_half_of_it() -> None:
    made = [entry(f"{CLUSTER}-{_noise(number)}", 1, 1) for number in range(14_000)]
    with pytest.raises(LimitError, match="the overview of subscription"):
        overview_row(Overview(SUBSCRIPTION, tuple(made)))


def _noise(number: int) -> str:
    """A text that does not pack."""
    return "".join(hashlib.sha256(f"{number} {part}".encode()).hexdigest() for part in range(3))


def test_half_a_command_is_never_shown() -> None:
    subject = SubjectState(
        registry=REGISTRY, facet="pull", status=Status.FAILING, since=NOW, last_verdict="fail", last_seen=NOW,
        fix=("az " + "x" * MAX_COMMAND,),
    )  # fmt: skip
    made = entry_of(ClusterState(cluster=CLUSTER, run="r", sequence=1, updated=NOW, subjects=(subject,)), ())
    assert made.rows[0].open[0].command == ""


def test_what_is_over_is_forgotten_in_a_week_and_never_too_much() -> None:
    def over(hours: float) -> Any:
        return EndedFailure(REGISTRY, "pull", "dns", NOW - timedelta(hours=hours + 1), NOW - timedelta(hours=hours))

    state = ClusterState(cluster=CLUSTER, run="r", sequence=1, updated=NOW)
    assert entry_of(state, [over(24 * 7), over(1), over(2)]).ended == (over(1), over(2))
    assert len(entry_of(state, map(over, range(100))).ended) == MAX_ENDED
    assert msgspec.json.decode(msgspec.json.encode(entry_of(state, [over(1)])), type=ClusterEntry).ended == (over(1),)


async def test_what_was_cut_is_said_until_every_entry_was_made_whole_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = in_memory()
    await store.ensure_tables()
    looks: dict[str, Look] = {}
    for number, word in enumerate(["fail", "pass"], 1):
        for cluster in (CLUSTER, OTHER):
            looks[cluster] = await commit(store, number, word, cluster)
    with monkeypatch.context() as tight:
        tight.setattr(overviews, "MAX_TEXT", len(packed(rows.text_of(without_ended(await anew(store))))))
        await show(store, *looks.values())
        assert await cut(store) == 2
    await show(store, await commit(store, 3, "pass", CLUSTER))
    assert await cut(store) == 2, "the other's failure that is over is still missing"
    await show(store, await commit(store, 3, "pass", OTHER))
    assert await cut(store) == 0
    assert all(one.ended for one in (await overview_is_what_is_held(store, SUBSCRIPTION)).clusters)


async def anew(store: Store) -> Overview:
    states = [(await store.load_state(cluster)) for cluster in (CLUSTER, OTHER)]
    return Overview(SUBSCRIPTION, tuple([await store.entry_anew(one.state) for one in states if one is not None]))


async def cut(store: Store) -> int:
    kept = await store.find_overview(SUBSCRIPTION)
    assert kept is not None
    return kept.cut
