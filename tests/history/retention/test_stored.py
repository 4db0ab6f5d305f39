"""What pruning leaves alone and what it takes, kind by kind, over real storage and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import msgspec
import pytest
from azure.data.tables.aio import TableServiceClient

from checks.changes import Notice, NoticeKind
from checks.history.agreement import history_differences
from checks.history.decide import FACETS, Policy, decide, gone
from checks.history.errors import Conflict
from checks.history.model import (
    Batch,
    Channel,
    Doubt,
    MailRow,
    MailStatus,
    Refusal,
    RowRef,
    Run,
    RunRef,
    RunScope,
    new_run_id,
)
from checks.history.table import keys, rows
from checks.history.table.asked import AskedRun
from checks.history.table.overviews import Look
from checks.history.table.retention.leavers import BESIDE
from checks.history.table.silences import Ending
from checks.history.table.store import Store
from checks.jobs.retention import mails
from checks.jobs.retention.prune import prune
from checks.jobs.retention.turn import Pruned
from tests.support.long_lives import days
from tests.support.memory_tables import MemoryTables
from tests.support.reports import CLUSTER, REGISTRY, report

NOW = datetime.now(UTC).replace(microsecond=0)
SUBSCRIPTION = CLUSTER.split("/")[2]
OTHER = f"{CLUSTER}-other"
AT_ONCE = Policy(fail_after=dict.fromkeys(FACETS, 1), pass_after=dict.fromkeys(FACETS, 1))
CHANNEL = Channel("", "smtp")
KEEP = days()


def ago(number: float) -> datetime:
    return NOW - timedelta(days=number)


@pytest.fixture(params=["memory", "azurite"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store that holds nothing."""
    if request.param == "memory":
        made = Store(MemoryTables())  # type: ignore[arg-type]
        await made.ensure_tables()
        yield made
        return
    async with TableServiceClient.from_connection_string(request.getfixturevalue("storage")) as service:
        made = Store(service)
        await made.ensure_tables()
        yield made


@pytest.fixture
async def memory() -> Store:
    """One in memory, for many rows."""
    made = Store(MemoryTables())  # type: ignore[arg-type]
    await made.ensure_tables()
    return made


async def look(store: Store, number: int, word: str | None, age: float, cluster: str = CLUSTER) -> None:
    """A look at a cluster so many days ago, or a complete inventory without it (None); what follows was delivered."""
    stored = await store.load_state(cluster)
    run = RunRef(new_run_id(number, ago(age)), number)
    seen = None if word is None else report(word, cluster=cluster)
    if seen is None:
        assert stored is not None
        decision = gone(stored.state, run, ago(age))
    else:
        decision = decide(stored.state if stored else None, seen, run, AT_ONCE, ago(age))
    await store.commit(decision, seen, stored.etag if stored else None)
    folded = Look(decision.state, decision.change, stored.state.sequence if stored else None)
    await store.fold_into_overview(SUBSCRIPTION, [folded])
    await store.remove_pending([item.ref for item in (await store.list_pending()).items])


async def flips(store: Store, count: int, oldest: float, cluster: str = CLUSTER) -> None:
    """So many looks, each of which flips, a quarter of a day apart."""
    for number in range(1, count + 1):
        await look(store, number, ("pass", "fail")[number % 2], oldest - number / 4, cluster)


async def removed(store: Store, count: int, oldest: float, cluster: str = CLUSTER) -> None:
    """The same, after which the cluster is gone."""
    await flips(store, count, oldest, cluster)
    for number in (count + 1, count + 2):
        await look(store, number, None, oldest - number / 4, cluster)


async def pruned(store: Store, **more: Any) -> Pruned:
    with mock.patch.object(mails, "PAUSE", 0):
        return await prune(store, KEEP, lambda: NOW, **more)


async def agrees(store: Store, cluster: str = CLUSTER) -> bool:
    kept = await store.load_history(cluster)
    assert kept is not None
    return history_differences(kept.state, kept.changes, kept.checkpoint) == []


async def keys_of(store: Store, partition: str, *kinds: str) -> list[str]:
    return [str(row["RowKey"]) for kind in kinds for row in [one async for one in store._range(partition, kind)]]


# ---- what is to be notified --------------------------------------------------------------------------------------


def batch(number: int, changes: Sequence[RowRef] = (), age: float = 700) -> Batch:
    name = f"{number:019d}-{'ab' * 12}"
    return Batch(id=name, sequence=number, since=ago(age), pointers=(), changes=tuple(changes))


def mail(number: int, status: MailStatus, age: float = 700) -> MailRow:
    return MailRow(
        id=f"{number:019d}-{'cd' * 12}",
        channel=CHANNEL,
        message_id="<m>",
        batches=(batch(number).id,),
        since=ago(age),
        created=ago(age),
        status=status,
        finished=None if status.is_open else ago(age),
    )


async def begun(store: Store, of: Batch, one: MailRow | None = None) -> None:
    """A batch, and a mail of it unless it is still to become one."""
    async with store.deliver_lease("test", lambda: NOW) as lease:
        await store.begin_batch(of, lease, NOW)
        if one is not None:
            await store.end_spread(of.id, lease, NOW)
            await store.write_mails([one], lease, NOW)


CHANGE = RowRef(SUBSCRIPTION, keys.change(CLUSTER, 2))


async def pointed_to(store: Store) -> None:
    await store._put(rows.checked(rows.base(SUBSCRIPTION, keys.pending(CLUSTER, 2))))


async def postponed(store: Store) -> None:
    await pointed_to(store)
    await store.postpone(RowRef(SUBSCRIPTION, keys.pending(CLUSTER, 2)))


async def in_a_batch(store: Store) -> None:
    await begun(store, batch(2, [CHANGE]))


async def in_an_open_mail(store: Store) -> None:
    await begun(store, batch(2, [CHANGE]), mail(2, MailStatus.SENDING))


WAITING = (pointed_to, postponed, in_a_batch, in_an_open_mail)


@pytest.mark.parametrize("waits", WAITING)
async def test_a_change_that_is_to_be_notified_is_not_folded_however_old_it_is(store: Store, waits: Any) -> None:
    for number, word in enumerate(("pass", "fail", "pass", "fail"), 1):
        await look(store, number, word, 800 - number)
    await look(store, 5, "pass", 1)
    await waits(store)
    done = await pruned(store)
    assert (done.changes, done.mails, done.failed, done.waits) == (1, 0, 0, "")
    assert await store.load_change(CHANGE) is not None
    assert await agrees(store)


@pytest.mark.parametrize("waits", WAITING)
async def test_a_cluster_stays_while_anything_of_it_is_to_be_notified(store: Store, waits: Any) -> None:
    await removed(store, 3, 800)
    await waits(store)
    assert (await pruned(store)).clusters == 0
    assert await store.load_state(CLUSTER) is not None
    assert await store.load_change(CHANGE) is not None


async def test_where_a_mail_that_is_to_be_sent_cannot_be_read_all_it_may_refer_to_stays(store: Store) -> None:
    await removed(store, 3, 800)
    await begun(store, batch(2, [CHANGE]), mail(2, MailStatus.WAITING))
    await begun(store, batch(1), mail(1, MailStatus.SENT))
    await store._put(rows.checked(rows.base(keys.MAIL, f"digest|{mail(2, MailStatus.WAITING).id}")))
    done = await pruned(store)
    assert (done.changes, done.clusters, done.mails, done.waits) == (0, 0, 0, mails.UNREADABLE)


# ---- mails -------------------------------------------------------------------------------------------------------


async def test_mails_that_were_sent_long_ago_go_with_their_batches_and_others_stay(store: Store) -> None:
    await begun(store, batch(1), mail(1, MailStatus.SENT))
    await begun(store, batch(2), mail(2, MailStatus.EMPTY))
    await begun(store, batch(3), mail(3, MailStatus.WAITING))
    await begun(store, batch(4, age=2), mail(4, MailStatus.SENT, age=2))
    await begun(store, batch(5))
    large = batch(6, [RowRef(SUBSCRIPTION, f"change|rg:aks-{number:0200d}|1") for number in range(1500)])
    await begun(store, large, mail(6, MailStatus.MERGED))
    assert len(await keys_of(store, keys.MAIL, "batch")) > 6
    done = await pruned(store)
    assert done.mails == len(rows.batch_rows(large)) + 1 + 4
    left = [mail(3, MailStatus.WAITING).id, mail(4, MailStatus.SENT).id]
    assert await keys_of(store, keys.MAIL, "digest") == [f"digest|{name}" for name in left]
    assert await keys_of(store, keys.MAIL, "batch") == [f"batch|{batch(number).id}" for number in (3, 4, 5)]
    assert (await store.unspread(), await store.open_mails()) == ((batch(5).id,), (left[0],))


async def test_a_mail_stays_while_another_channel_has_still_to_send_what_it_says(store: Store) -> None:
    sent = msgspec.structs.replace(mail(1, MailStatus.SENT), id=f"{1:019d}-sent", channel=Channel("", "folder"))
    await begun(store, batch(1), mail(1, MailStatus.WAITING))
    async with store.deliver_lease("test", lambda: NOW) as lease:
        await store.write_mails([sent], lease, NOW)
    assert (await pruned(store)).mails == 0


async def test_a_notice_of_a_run_that_is_not_closed_is_not_sent_anew(store: Store) -> None:
    """The close may write it once more: its mail says that it was sent."""
    run = Run(
        id=new_run_id(1, ago(700)),
        sequence=1,
        requested_by="timer",
        scope=RunScope(),
        created=ago(700),
        deadline=ago(700),
    )
    await store.create_run(run, [])
    await begun(store, batch(1), mail(1, MailStatus.SENT))
    done = await pruned(store)
    assert (done.mails, done.months) == (0, ())
    await store.finish_run(msgspec.structs.replace(run, sequence=0))
    for name in ("latest", "latest-whole"):
        await store._put(rows.base(keys.RUN, name) | {"sequence": rows.number(9), "run": new_run_id(9, NOW)})
    done = await pruned(store)
    assert (done.mails, done.months) == (2, (f"{ago(700):%Y%m}",))


async def test_a_notice_of_a_silence_that_is_being_ended_is_not_sent_anew(store: Store) -> None:
    await begun(store, batch(7), mail(7, MailStatus.SENT))
    await store.begin_ending("aa", Ending(run=RunRef("202401-000000000007", 7), at=ago(700), keys=()))
    assert (await pruned(store)).mails == 0
    await store.finish_ending("aa")
    assert (await pruned(store)).mails == 2


async def test_rows_beside_a_batch_that_was_never_written_go(store: Store) -> None:
    *beside, own = rows.batch_rows(batch(1, [RowRef(SUBSCRIPTION, "x" * 300) for _ in range(1500)]))
    for row in beside:
        await store._put(row)
    assert (await pruned(store)).mails == len(beside)
    assert own["parts"] == len(beside)


async def test_while_somebody_delivers_mails_changes_and_clusters_wait(store: Store) -> None:
    await removed(store, 3, 800)
    await begun(store, batch(1), mail(1, MailStatus.SENT))
    async with store.deliver_lease("another", lambda: NOW):
        done = await pruned(store)
    assert (done.clusters, done.mails, done.waits, done.unfinished) == (0, 0, mails.DELIVERS, True)
    done = await pruned(store)
    assert (done.clusters, done.mails, done.waits, done.unfinished) == (1, 2, "", False)


async def test_who_was_notified_is_forgotten_with_the_cluster_and_then_the_channel(store: Store) -> None:
    await removed(store, 3, 800)
    await flips(store, 2, 10, OTHER)
    async with store.deliver_lease("test", lambda: NOW) as lease:
        rate = store.rate_row(CHANNEL, [ago(800)])
        await store.write_mails([], lease, NOW, more=[rate])
    subjects = [(name.lower(), REGISTRY, "access") for name in (CLUSTER, OTHER)]
    await store.set_notified(CHANNEL, dict.fromkeys(subjects, ("somebody",)))
    await pruned(store)
    assert set(await store.notified(CHANNEL)) == {subjects[1]}
    assert await store.channels() == (CHANNEL,)
    await store.set_notified(CHANNEL, {subjects[1]: ()})
    assert (await pruned(store)).mails == 1
    assert await store.channels() == ()


# ---- clusters ----------------------------------------------------------------------------------------------------


async def test_a_cluster_that_was_gone_for_long_leaves_nothing_and_others_stay(store: Store) -> None:
    await removed(store, 3, 800)
    await removed(store, 3, 60, OTHER)
    unseen = f"{CLUSTER}-unseen"
    await flips(store, 3, 3000, unseen)
    late = decide(
        (await store.load_state(unseen)).state, report("pass"), RunRef("202401-000000000001", 1), AT_ONCE, NOW
    )  # type: ignore[union-attr]
    await store.commit(msgspec.structs.replace(late, run=RunRef("202401-000000000001", 1)), None, None)
    assert (await pruned(store)).clusters == 1
    names = [state.cluster for state in (await store.list_states(SUBSCRIPTION)).items]
    assert names == [OTHER, unseen]
    shown = (await store.load_overview(SUBSCRIPTION)).overview.clusters
    assert [entry.cluster for entry in shown] == [OTHER, unseen]
    assert await store.list_changes(CLUSTER) == ()
    assert len(await store.list_changes(unseen)) == 3, "the weeks before its last look stay"
    assert await agrees(store, OTHER)
    assert await agrees(store, unseen)
    assert await keys_of(store, SUBSCRIPTION, "late") == [], "its run is not kept any more"


async def test_a_history_that_is_too_long_for_one_transaction_is_folded_before_its_cluster_leaves(
    memory: Store,
) -> None:
    await removed(memory, BESIDE + 30, 800)
    done = await pruned(memory)
    assert (done.clusters, done.changes, done.unfinished) == (1, BESIDE + 31, False)
    assert await keys_of(memory, SUBSCRIPTION, "state", "change", "checkpoint") == []


async def test_a_turn_does_as_much_as_it_may_and_the_next_ones_the_rest(memory: Store) -> None:
    await removed(memory, 160, 800, OTHER)
    await flips(memory, 130, 900)
    await look(memory, 131, "pass", 1)
    done = [await pruned(memory, rows=110) for _ in range(3)]
    assert [one.unfinished for one in done] == [True, True, False]
    assert [one.changes for one in done] == [110, 108, 73]
    assert await agrees(memory)
    assert [state.cluster for state in (await memory.list_states(SUBSCRIPTION)).items] == [CLUSTER]
    checkpoint = await memory.find_checkpoint(CLUSTER)
    assert checkpoint is not None
    assert (checkpoint.changes, len(await memory.list_changes(CLUSTER))) == (130, 1)


async def test_a_cluster_that_is_found_again_meanwhile_stays(store: Store) -> None:
    await removed(store, 3, 800)
    remove = store.remove_cluster

    async def found_again(cluster: str, left: Any) -> bool:
        def left_then(state: Any) -> bool:
            answer: bool = left(state)
            return answer

        load = store._transact

        async def after_a_run(operations: Any, table: str = keys.TABLE) -> Any:
            with mock.patch.object(store, "_transact", load):
                await look(store, 9, "pass", 0)
            return await load(operations, table)

        with mock.patch.object(store, "_transact", after_a_run):
            return await remove(cluster, left_then)

    with mock.patch.object(store, "remove_cluster", found_again):
        assert (await pruned(store)).clusters == 0
    stored = await store.load_state(CLUSTER)
    assert stored is not None
    assert stored.state.gone_since is None
    assert await agrees(store)
    (entry,) = (await store.load_overview(SUBSCRIPTION)).overview.clusters
    assert entry.gone_since is None


async def test_of_two_that_fold_the_same_one_is_too_late_and_nothing_is_lost(store: Store) -> None:
    await flips(store, 4, 800)
    await look(store, 5, "pass", 1)
    await store.fold_changes(CLUSTER, 1, NOW)
    read = store._between

    async def another_folds(*arguments: Any, **more: Any) -> AsyncIterator[Any]:
        found = [row async for row in read(*arguments, **more)]
        with mock.patch.object(store, "_between", read):
            await store.fold_changes(CLUSTER, 3, NOW)
        for row in found:
            yield row

    with mock.patch.object(store, "_between", another_folds), pytest.raises(Conflict):
        await store.fold_changes(CLUSTER, 2, NOW)
    checkpoint = await store.find_checkpoint(CLUSTER)
    assert checkpoint is not None
    assert (checkpoint.through, checkpoint.changes) == (3, 3)
    assert await agrees(store)


async def test_what_a_later_release_wrote_is_left_alone(store: Store) -> None:
    await flips(store, 4, 800)
    await look(store, 5, "pass", 1)
    await store._put(rows.base(SUBSCRIPTION, keys.checkpoint(CLUSTER)) | {"v": rows.VERSION + 1})
    done = await pruned(store)
    assert (done.changes, done.failed) == (0, 1)
    assert len(await store.list_changes(CLUSTER)) == 5


@pytest.mark.parametrize("row", [keys.change(CLUSTER, 2), keys.checkpoint(CLUSTER), keys.state(CLUSTER)])
async def test_a_cluster_of_which_a_later_release_wrote_something_does_not_leave(store: Store, row: str) -> None:
    await removed(store, 3, 800)
    before = await store._get(SUBSCRIPTION, row)
    await store._put({**(before or rows.base(SUBSCRIPTION, row)), "v": rows.VERSION + 1})
    kept = await keys_of(store, SUBSCRIPTION, "state", "change", "checkpoint")
    done = await pruned(store)
    assert (done.clusters, done.changes) == (0, 0)
    assert await keys_of(store, SUBSCRIPTION, "state", "change", "checkpoint") == kept


# ---- records, runs, clocks ---------------------------------------------------------------------------------------


async def test_records_that_nobody_looks_at_any_more_go(store: Store) -> None:
    for age in (100, 1):
        await store.record_poison("pullwatch-scan", "text", "given up", ago(age))
        refusal = Refusal(recipient=f"{age}@contoso.example", transport="smtp", reason="no", at=ago(age))
        await store._put(store.refusal_row(refusal))
        asked = AskedRun(request="r", at=ago(age), run_id="202401-000000000001")
        await store.keep_asked([f"sub-{age}"], asked, "")
    assert (await pruned(store)).records == 3
    assert [at for at, _, _ in await store.list_poison()] == [ago(1)]
    assert [one.at for one in await store.list_refusals(ago(1000))] == [ago(1)]
    assert (await store.load_asked(["sub-1"])).asked is not None
    assert (await store.load_asked(["sub-100"])).asked is None
    assert (await pruned(store)).records == 0


async def test_doubts_and_rows_set_aside_go_by_when_the_storage_took_them(storage: str) -> None:
    async with TableServiceClient.from_connection_string(storage) as service:
        store = Store(service)
        await store.ensure_tables()
        for asked, doubt in (((), Doubt(3)), (("one",), Doubt(3)), (("two",), Doubt(3, degraded=True))):
            await store.save_doubt(asked, doubt)
        await store._index(SUBSCRIPTION)
        for kind in ("aside|change|rg:aks|1", "aside|pending|1|rg:aks", "aside|postponed|1|rg:aks"):
            await store._put(rows.base(SUBSCRIPTION, kind))
        assert (await pruned(store)).records == 0
        later = datetime.now(UTC) + timedelta(days=401)
        assert (await prune(store, KEEP, lambda: later)).records == 2
        assert sorted(await keys_of(store, keys.RUN, "doubt")) == sorted([keys.doubt(()), keys.doubt(("two",))])
        assert len(await keys_of(store, SUBSCRIPTION, "aside")) == 2


async def test_a_clock_that_jumped_ahead_deletes_nothing(storage: str) -> None:
    async with TableServiceClient.from_connection_string(storage) as service:
        store = Store(service)
        await store.ensure_tables()
        await removed(store, 3, 10)
        await begun(store, batch(1, age=1), mail(1, MailStatus.SENT, age=1))
        ticket = await store.next_sequence(NOW)
        run = Run(id=ticket.run_id, sequence=1, requested_by="timer", scope=RunScope(), created=NOW, deadline=NOW)
        await store.create_run(run, [])
        await store.drop_open(run.id)
        jumped = datetime.now(UTC) + timedelta(days=5000)
        done = await prune(store, KEEP, lambda: jumped)
        assert done.is_nothing
        assert await store.load_run(run.id) is not None


async def test_the_sweep_prunes_once_a_day_and_once_only(store: Store) -> None:
    day = timedelta(days=1)
    assert await store.claim_pruning(NOW, day)
    assert not await store.claim_pruning(NOW + timedelta(hours=23), day)
    both = await asyncio.gather(*(store.claim_pruning(NOW + day, day) for _ in range(2)))
    assert sorted(both) == [False, True]
    assert await store.claim_pruning(NOW, day), "a time that lies ahead is void"
    await store._put(rows.base(keys.RUN, "pruned") | {"at": "never"})
    assert await store.claim_pruning(NOW, day), "and so is one that cannot be read"
    await store.release_pruning()
    assert await store.claim_pruning(NOW, day)


async def test_a_subscription_is_not_introduced_again_and_notices_that_wait_stay(store: Store) -> None:
    await removed(store, 3, 800)
    run = Run(
        id=new_run_id(1, ago(800)), sequence=1, requested_by="timer", scope=RunScope(), created=ago(800), deadline=NOW
    )
    assert await store.claim_summary(SUBSCRIPTION, run)
    await store.complete_baseline(SUBSCRIPTION)
    notice = Notice(kind=NoticeKind.DEGRADED, run=run.id, sequence=1, at=ago(800), title="x")
    await store.add_notice(notice)
    assert (await pruned(store)).clusters == 1
    assert await store.baseline_complete() == {SUBSCRIPTION}
    assert not await store.claim_summary(SUBSCRIPTION, msgspec.structs.replace(run, id=new_run_id(2, NOW)))
    assert [item.notice for item in (await store.list_pending()).items] == [rows.text_of(notice)]
    assert await store.known_subscriptions() == (SUBSCRIPTION,)


async def test_the_month_of_the_latest_run_stays_and_so_does_that_of_one_that_is_open(store: Store) -> None:
    """An app that was stopped for years still says what its last run came to."""
    for number, age in enumerate((900, 800, 700, 600), 1):
        at = ago(age)
        run = Run(
            id=new_run_id(number, at), sequence=number, requested_by="timer", scope=RunScope(), created=at, deadline=at
        )
        await store.create_run(run, [])
        if number in (1, 3):
            await store.finish_run(run)
        if number == 4:
            await store.drop_open(run.id)
    assert (await pruned(store)).months == (f"{ago(900):%Y%m}", f"{ago(600):%Y%m}")
    latest = await store.latest_run()
    assert latest is not None
    assert latest.sequence == 3
    assert await store.load_run(new_run_id(1, ago(900))) is None
    assert await store.load_shard(new_run_id(1, ago(900)), "s-0") is None
    assert await store.open_runs() == (new_run_id(2, ago(800)),)
