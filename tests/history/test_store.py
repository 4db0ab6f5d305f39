"""The store over a real emulator: one transaction, ETags, lost answers, limits the emulator does not check."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient
from hypothesis import given
from hypothesis import strategies as st

from checks.findings import ClusterReport, Evidence, Fail, Finding, Subject
from checks.history.decide import FACETS, Policy, decide, fold, statuses
from checks.history.decide.admission import MAX_REGISTRIES
from checks.history.errors import Conflict, LeaseHeld, LeaseLost, LimitError, SchemaError
from checks.history.model import Committed, Decision, MarkerStatus, Run, RunRef, RunScope, Shard, Totals, new_run_id
from checks.history.table import keys, rows
from checks.history.table.store import Store, open_store
from tests.support.reports import CLUSTER, facet, report

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SUBSCRIPTION = CLUSTER.split("/")[2]


async def look(store: Store, number: int, seen: ClusterReport) -> tuple[Decision, Committed]:
    """One look, decided and committed as run ``number``."""
    stored = await store.load_state(seen.id)
    now = NOW + timedelta(minutes=30 * number)
    decision = decide(stored.state if stored else None, seen, RunRef(f"run-{number}", number), Policy(), now)
    return decision, await store.commit(decision, seen, stored.etag if stored else None)


def raw_rows(storage: str, prefix: str) -> list[dict[str, Any]]:
    """The rows of the main table whose key starts so, read without the store."""
    with TableServiceClient.from_connection_string(storage) as service:
        item_paged = service.get_table_client(keys.TABLE).list_entities()
        return [dict(row) for row in item_paged if row["RowKey"].startswith(prefix)]


async def test_what_was_decided_is_what_is_read_back(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        for number, word in enumerate(["pass", "fail", "unknown", "pass", "fail"], 1):
            decision, done = await look(store, number, report(word))
            assert done.written
            stored = await store.load_state(CLUSTER.upper())
            assert stored is not None
            assert stored.state == decision.state
            assert await store.load_report(CLUSTER) == report(word)
            assert fold(await store.list_changes(CLUSTER)) == statuses(decision.state)
        (summary,) = (await store.list_states(SUBSCRIPTION.upper())).items
        assert (summary.failing, summary.passing, summary.unknown) == (2, 1, 0)
        assert summary.worst_cause == "role-missing"
        (known,) = await store.known_clusters(SUBSCRIPTION)
        assert known.id == CLUSTER
        assert known.registries == ("acrone.azurecr.io",)


async def test_the_pointer_is_written_with_the_change_and_only_where_it_is_to_be_told(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        for number, word in enumerate(["pass", "unknown", "pass", "fail", "fail"], 1):
            await look(store, number, report(word))
        (pending,) = (await store.list_pending()).items
        assert pending.sequence == 4
        assert pending.change is not None
        change = await store.load_change(pending.change)
        assert change is not None
        assert change.sequence == 4


async def test_of_two_that_write_at_once_one_has_to_decide_again(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        await look(store, 1, report("pass"))
        stored = await store.load_state(CLUSTER)
        assert stored is not None
        two = decide(stored.state, report("fail"), RunRef("run-2", 2), Policy(), NOW)
        three = decide(stored.state, report("fail"), RunRef("run-3", 3), Policy(), NOW)
        assert (await store.commit(three, report("fail"), stored.etag)).written
        with pytest.raises(Conflict):
            await store.commit(two, report("fail"), stored.etag)
        assert len((await store.list_pending()).items) == 1, "nothing of the loser is left"
        decision, done = await look(store, 2, report("pass"))
        assert decision.stale
        assert not done.written
        after = await store.load_state(CLUSTER)
        assert after is not None
        assert after.state == three.state
    assert len(raw_rows(storage, "late|")) == 1


async def test_a_commit_whose_answer_was_lost_is_found_to_be_done(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        decision, done = await look(store, 1, report("fail"))
        again = await store.commit(decision, report("fail"), None)
        assert done.written
        assert again == Committed(written=False, etag=done.etag)
        assert len((await store.list_pending()).items) == 1


async def test_a_version_that_is_not_known_is_refused_and_named(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        await look(store, 1, report("pass"))
        with TableServiceClient.from_connection_string(storage) as service:
            (row,) = raw_rows(storage, "state|")
            service.get_table_client(keys.TABLE).upsert_entity({**row, "v": 7})
        with pytest.raises(SchemaError, match="version 7"):
            await store.load_state(CLUSTER)
        states = await store.list_states(SUBSCRIPTION)
        assert states.items == ()
        (unreadable,) = states.unreadable
        assert (unreadable.ref.row, "version 7" in unreadable.why) == (row["RowKey"], True)


def enormous(registries: int, findings: int, text: str) -> ClusterReport:
    """A report with more of everything than fits."""
    (row,) = report("fail").registries
    command = f"az role assignment create --scope {text[:700]}"
    full = msgspec.structs.replace(facet("fail", text), summary=text[:300], fix=(command, command))
    return ClusterReport(
        id=CLUSTER,
        registries=tuple(
            msgspec.structs.replace(
                row, registry=f"{number:04d}{text[:200]}.azurecr.io", access=full, path=full, pull=full, images=full
            )
            for number in range(registries)
        ),
        findings=tuple(
            Finding(
                code="PW102",
                subject=Subject(CLUSTER),
                verdict=Fail(),
                summary=text[:300],
                evidence=(Evidence(text[:2000], "here"),),
            )
            for _ in range(findings)
        ),
    )


# aiohttp thinks that a body of more than 1 MiB ought to be a stream; the tables client does not offer that.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("text", ["x" * 3000, '"\\' * 1500, "\x00" * 3000, "é" * 3000, "😀" * 3000])
async def test_a_report_of_any_size_fits_and_what_was_cut_is_counted(storage: str, text: str) -> None:
    seen = enormous(MAX_REGISTRIES + 50, 3000, text)
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        decision, done = await look(store, 1, seen)
        assert done.written
        assert decision.state.capped == 50 * len(FACETS)
        stored = await store.load_state(CLUSTER)
        assert stored is not None
        assert stored.state == decision.state
    state, change = raw_rows(storage, "state|")[0], raw_rows(storage, "change|")[0]
    assert state["report_cut"] > 0
    for row in (state, change):
        assert rows.size(row) < 1_048_576
        assert len(row) < 255


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"RowKey": "a/b"}, "key"),
        ({"RowKey": "a" * 513}, "key"),
        ({"a-b": 1}, "property name"),
        ({"1a": 1}, "property name"),
        ({"text": "x" * 32_769}, "characters"),
        ({"text": "😀" * 16_385}, "characters"),
        ({f"p{number}": "x" * 30_000 for number in range(20)}, "bytes"),
        ({f"p{number}": 1 for number in range(260)}, "properties"),
    ],
)
def test_what_the_service_would_refuse_is_refused_here(broken: dict[str, Any], named: str) -> None:
    with pytest.raises(LimitError, match=named):
        rows.checked(rows.base("partition", "row") | broken)


@given(st.text(min_size=0, max_size=200), st.integers(1, 400))
def test_a_text_cut_into_chunks_is_the_same_text(text: str, times: int) -> None:
    entity = rows.base("p", "r") | rows.chunked("text", text * times)
    assert rows.joined(entity, "text") == text * times
    assert all(rows.units(part) <= 32_768 for part in entity.values() if isinstance(part, str))


@given(st.text(max_size=80), st.text(max_size=80))
def test_keys_of_any_names_are_usable_and_tell_clusters_apart(one: str, other: str) -> None:
    def named(name: str) -> str:
        return CLUSTER.replace("aks-1", name)

    for name in (one, other):
        keys.state(named(name))
        keys.pending(named(name), 5)
    same = named(one).rstrip("/").lower() == named(other).rstrip("/").lower()
    assert (keys.cluster_key(named(one)) == keys.cluster_key(named(other))) == same


async def test_the_sequence_has_no_gaps_twins_or_second_tickets_for_a_request(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        tickets = await asyncio.gather(*(store.next_sequence(NOW, f"request-{number}") for number in range(12)))
        assert sorted(ticket.sequence for ticket in tickets) == list(range(1, 13))
        assert await store.next_sequence(NOW + timedelta(days=40), "request-3") == tickets[3]


async def test_a_planned_run_is_written_once_and_found_open_until_it_is_finished(storage: str) -> None:
    run = Run(
        id=new_run_id(1, NOW),
        sequence=1,
        requested_by="timer",
        scope=RunScope((SUBSCRIPTION,)),
        created=NOW,
        deadline=NOW + timedelta(minutes=25),
        expected=("s-0", "s-1"),
    )
    shards = [Shard("s-0", SUBSCRIPTION, (CLUSTER,)), Shard("s-1", SUBSCRIPTION)]
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        assert await store.list_markers(run.id) == (), "the month's table is not there yet"
        assert await store.create_run(run, shards)
        assert not await store.create_run(run, shards)
        assert await store.load_shard(run.id, "s-0") == shards[0]
        assert await store.open_runs(past=NOW) == ()
        assert await store.open_runs(past=NOW + timedelta(hours=1)) == (run.id,)
        await store.mark_shard(run.id, "s-0", MarkerStatus.FAILED, Totals(), NOW, "poison")
        await store.mark_shard(run.id, "s-0", MarkerStatus.DONE, Totals(clusters=1), NOW)
        await store.mark_shard(run.id, "s-0", MarkerStatus.FAILED, Totals(), NOW, "late poison")
        (marker,) = await store.list_markers(run.id)
        assert marker.status is MarkerStatus.DONE, "what was done stays done"
        stored = await store.load_run(run.id)
        assert stored is not None
        assert await store.try_close(run, stored.etag)
        assert not await store.try_close(run, stored.etag), "closing happens once"
        await store.finish_run(run)
        assert await store.open_runs() == ()
        older = msgspec.structs.replace(run, id=new_run_id(0, NOW), sequence=0)
        await store.finish_run(older)
        latest = await store.latest_run()
        assert latest is not None
        assert latest.id == run.id, "never backwards"


async def test_the_lease_has_one_holder_and_outlives_clocks_that_are_half_a_minute_apart(storage: str) -> None:
    now = NOW
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        async with store.deliver_lease("one", lambda: now) as lease:
            ahead = NOW + timedelta(seconds=104)
            with pytest.raises(LeaseHeld):
                async with store.deliver_lease("other", lambda: ahead):
                    pass
            late = NOW + timedelta(seconds=105)
            async with store.deliver_lease("other", lambda: late):
                with pytest.raises(LeaseLost):
                    await store.renew(lease, now)
        async with store.deliver_lease("third", lambda: now):
            pass


async def test_storage_that_asks_to_be_left_alone_for_hours_is_not_waited_for(tmp_path: Path) -> None:
    """azure-core waits for as long as Retry-After says; a job would hang until the host ends it."""
    asked: list[float] = []

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(asyncio.get_running_loop().time())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nRetry-After: 7200\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(busy, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/devstoreaccount1"
    connection = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=AAAA;TableEndpoint={endpoint}"
    with mock.patch("checks.history.table.store.LONGEST_PAUSE", 0.2):
        async with server, open_store(connection_string=connection) as store:
            with pytest.raises(HttpResponseError):
                await store.load_state(CLUSTER)
    assert len(asked) == 4 and asked[-1] - asked[0] < 10
