"""Rows of runs and of delivery that cannot be read: each way of breaking each of them, and every job that meets it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import product

import msgspec
import pytest

from checks.history.decide import Policy, decide
from checks.history.errors import SchemaError
from checks.history.model import MarkerStatus, Run, RunScope, RunStatus, Shard, Totals, new_run_id
from checks.history.table import keys
from checks.history.table.rows import Row
from checks.history.table.runs import MARGIN
from checks.jobs.close import close_run, record_poison, sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.deliver import Delivered, deliver_all
from checks.jobs.messages import SCAN, PlanMessage, ScanMessage
from checks.jobs.plan import plan
from checks.jobs.scan import scan_shard
from checks.jobs.watch import look_at_signals, read_signals, watch
from localhost.mailbox import Mailbox
from tests.support.broken_rows import BREAKS, EACH_WAY, damage, damage_text, rows_of, stored_row
from tests.support.http import ask
from tests.support.reports import CLUSTER, report
from tests.support.sampling import sampled
from tests.support.storage import Clock, app_settings, job_context

SUBSCRIPTION = CLUSTER.split("/")[2]
FIRST, SECOND, THIRD = (new_run_id(number, Clock().now) for number in (1, 2, 3))
TABLE = keys.run_table(FIRST)
ROWS = {
    "sequence": (keys.RUN, "sequence", keys.TABLE),
    "latest run": (keys.RUN, "latest", keys.TABLE),
    "latest whole run": (keys.RUN, "latest-whole", keys.TABLE),
    "open run": (keys.RUN, f"open|{SECOND}", keys.TABLE),
    "lease": (keys.MAIL, "lease", keys.TABLE),
    "unsent mail": (keys.MAIL, keys.UNSENT, keys.TABLE),
    "run": (SECOND, "run", TABLE),
    "shard": (SECOND, "shard|s-0", TABLE),
    "marker": (SECOND, "marker|s-0", TABLE),
}
# Not needed or looked at anew: a run without a deadline is overdue, a lease without an end is free.
HARMLESS = {("open run", "missing property"), ("lease", "missing property")} | {
    (row, how) for row in ("unsent mail", "shard", "marker") for how in BREAKS
}


def run_of(number: int, job: JobContext) -> Run:
    """A run of one shard with one cluster."""
    return Run(
        id=new_run_id(number, job.clock()),
        sequence=number,
        requested_by="timer",
        scope=RunScope((SUBSCRIPTION,)),
        created=job.clock(),
        deadline=job.clock() + timedelta(minutes=25),
        expected=("s-0",),
        inventory_complete=True,
    )


async def begun(job: JobContext) -> None:
    """One run is closed; in two others, which are open, a cluster began to fail. The mail of it is still to be sent."""
    clusters = [CLUSTER, f"{CLUSTER}2"]
    for number in (1, 2, 3):
        run = run_of(number, job)
        assert (await job.store.next_sequence(job.clock(), str(number))).run_id == run.id
        await job.store.create_run(run, [Shard("s-0", SUBSCRIPTION, tuple(clusters))])
        if number == 1:
            await look(job, run, clusters, "pass")
            assert (await close_run(job, run.id)).reason == "closed"
    await watch(job)
    await deliver_all(job)
    await look(job, run_of(2, job), clusters[:1], "fail")
    await look(job, run_of(3, job), clusters[1:], "fail")
    job.clock.forward(minutes=26)  # type: ignore[attr-defined]


async def look(job: JobContext, run: Run, clusters: list[str], word: str) -> None:
    """What the scan of a run's only shard keeps."""
    for cluster in clusters:
        seen = report(word, cluster=cluster)
        stored = await job.store.load_state(cluster)
        decision = decide(stored.state if stored else None, seen, run.ref, Policy(), job.clock())
        await job.store.commit(decision, seen, stored.etag if stored else None)
    totals = Totals(clusters=len(clusters), failing=len(clusters))
    await job.store.mark_shard(run.id, "s-0", MarkerStatus.DONE, totals, job.clock())


async def swept(job: JobContext) -> None:
    """What the sweep's timer and the queues do after it, five minutes later."""
    await sweep_runs(job)
    await watch(job)
    for run_id in await job.store.open_runs(past=job.clock()):
        await close_run(job, run_id)
    await deliver_all(job)
    job.clock.forward(minutes=5)  # type: ignore[attr-defined]


def subjects(box: Mailbox, word: str) -> list[str]:
    return [str(message["Subject"]) for message in box.messages if word in str(message["Subject"])]


@pytest.mark.parametrize(("row", "how"), sampled(product(ROWS, EACH_WAY), 7))
async def test_everything_else_is_closed_and_notified_and_the_row_is_named_once(
    storage: str, smtp: Mailbox, row: str, how: str
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        before = damage(storage, how, *ROWS[row])
        for _ in range(5):
            await swept(job)
        await read_signals(job)
        for run_id in (SECOND, THIRD):
            if (row, run_id) == ("run", SECOND):
                assert (await close_run(job, run_id)).reason == "unreadable"
                continue
            stored = await job.store.load_run(run_id)
            assert stored is not None
            assert stored.run.status is RunStatus.CLOSED
        assert await job.store.open_runs() == ((SECOND,) if row == "run" else ())
        assert (await job.store.list_pending()).items == ()
    (incident,) = subjects(smtp, "FAIL")
    assert "aks-1 and 1 more cluster" in incident, "both are notified"
    assert len(subjects(smtp, "checker error")) == int((row, how) not in HARMLESS)
    if row in ("sequence", "run", "shard") or (
        how == "version 999" and row in ("latest run", "latest whole run", "marker")
    ):
        assert stored_row(storage, *ROWS[row]) == before, "it is left as it was"


@pytest.mark.parametrize("how", EACH_WAY)
async def test_without_the_sequence_no_run_is_planned_and_that_is_said(storage: str, smtp: Mailbox, how: str) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        damage(storage, how, *ROWS["sequence"])
        with pytest.raises(SchemaError, match="the run sequence cannot be read, so that no run can be planned"):
            await plan(job, PlanMessage(request="fourth", requested_by="timer"))
        asked = (await ask(job, "post_checks", body=b"{}"), await ask(job, "runs", path={"id": "202611-000000000009"}))
        for status, body in asked:
            assert (status, body["type"]) == (503, "urn:pullwatch:problem:row-unreadable")
            assert "the run sequence cannot be read" in body["detail"]
        signals = await look_at_signals(job)
        assert signals.is_recent


@pytest.mark.parametrize(("row", "how"), sampled(product(("latest run", "latest whole run"), EACH_WAY), 5))
async def test_a_latest_run_that_cannot_be_read_is_none_of_late_until_the_next_closes(
    storage: str, smtp: Mailbox, row: str, how: str
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        damage(storage, how, *ROWS[row])
        assert (await read_signals(job)).is_stale == (row == "latest whole run")
        assert (await close_run(job, THIRD)).reason == "closed"
        assert not (await read_signals(job)).is_stale
        assert (await close_run(job, SECOND)).reason == "closed"
        for latest in (await job.store.latest_run(), await job.store.latest_whole_run()):
            assert latest is not None
            assert latest.id == THIRD, "never backwards"


@pytest.mark.parametrize("how", [how for how in BREAKS if how != "missing property"])
async def test_a_lease_that_cannot_be_read_is_set_aside_when_its_holder_cannot_have_it_any_more(
    storage: str, smtp: Mailbox, how: str
) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        await begun(job)
        damage(storage, how, *ROWS["lease"])
        for seconds in (0, 60, 100):
            clock.now = Clock().now + timedelta(minutes=26, seconds=seconds)
            await sweep_runs(job)
            assert await deliver_all(job) == Delivered(busy=True)
        # Somebody of another version holds on: the age begins anew.
        before = damage(storage, how, *ROWS["lease"])
        clock.forward(seconds=90)
        await sweep_runs(job)
        clock.forward(seconds=100)
        await sweep_runs(job)
        assert await deliver_all(job) == Delivered(busy=True)
        clock.forward(seconds=10)
        await sweep_runs(job)
        delivered = await deliver_all(job)
        assert delivered.sent >= 2
    (aside,) = rows_of(storage, keys.MAIL, "aside|lease")
    assert aside.get("expires") == before.get("expires"), "kept whole"


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_shard_that_cannot_be_read_ends_as_failed_and_nothing_of_it_is_gone(
    storage: str, smtp: Mailbox, how: str
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        run = run_of(4, job)
        await job.store.create_run(run, [Shard("s-0", SUBSCRIPTION, (CLUSTER, f"{CLUSTER}2"))])
        damage(storage, how, run.id, "shard|s-0", TABLE)
        assert (await scan_shard(job, ScanMessage(run=run.id, shard="s-0"))).totals == Totals()
        (marker,) = await job.store.list_markers(run.id)
        assert (marker.status, "shard|s-0" in marker.reason) == (MarkerStatus.FAILED, True)
        assert (await close_run(job, run.id)).reason == "closed"
        stored = await job.store.load_run(run.id)
        assert stored is not None
        assert (stored.run.totals.gone, stored.run.degraded) == (0, True)
        for cluster in (CLUSTER, f"{CLUSTER}2"):
            kept = await job.store.load_state(cluster)
            assert kept is not None
            assert kept.state.missed is None, "no inventory missed it"


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_message_of_a_shard_that_cannot_be_read_is_recorded_and_ends_it(storage: str, how: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        run = run_of(1, job)
        await job.store.create_run(run, [Shard("s-0", SUBSCRIPTION, (CLUSTER,))])
        damage(storage, how, run.id, "shard|s-0", TABLE)
        body = b'{"v": 1, "run": "%s", "shard": "s-0"}' % run.id.encode()
        await record_poison(job, SCAN, body)
        (marker,) = await job.store.list_markers(run.id)
        assert marker.status is MarkerStatus.FAILED
        (recorded,) = rows_of(storage, keys.POISON, "poison|")
        damage(storage, how, keys.POISON, recorded["RowKey"])
        await record_poison(job, "another", b"{}")
        assert [queue for _, queue, _ in await job.store.list_poison()] == ["another"]


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_marker_that_cannot_be_read_is_one_shards_failure(storage: str, smtp: Mailbox, how: str) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        before = damage(storage, how, *ROWS["marker"])
        (marker,) = await job.store.list_markers(SECOND)
        assert (marker.shard, marker.status, marker.totals) == ("s-0", MarkerStatus.FAILED, Totals())
        await job.store.mark_shard(SECOND, "s-0", MarkerStatus.DONE, Totals(clusters=1, failing=1), job.clock())
        (marker,) = await job.store.list_markers(SECOND)
        newer = how == "version 999"
        assert marker.status is (MarkerStatus.FAILED if newer else MarkerStatus.DONE)
        if newer:
            assert stored_row(storage, *ROWS["marker"]) == before


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_run_that_cannot_be_read_is_answered_and_takes_no_message_for_ever(
    storage: str, smtp: Mailbox, how: str
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        damage(storage, how, *ROWS["run"])
        status, body = await ask(job, "runs", path={"id": SECOND})
        assert (status, "row 'run'" in body["detail"]) == (503, True)
        assert await sweep_runs(job) == 1, "only the other is asked to close"


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_record_that_cannot_be_read_itself_notifies_nobody_again(storage: str, smtp: Mailbox, how: str) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        damage(storage, how, *ROWS["sequence"])
        await swept(job)
        (record,) = rows_of(storage, keys.MAIL, "unreadable|")
        damage(storage, how, keys.MAIL, record["RowKey"])
        for _ in range(3):
            await swept(job)
        assert await job.store.open_runs() == ()
    assert len(subjects(smtp, "checker error")) == 1


async def test_an_open_run_that_nobody_repairs_is_given_up_with_a_record(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        await begun(job)
        damage(storage, "garbage JSON", *ROWS["run"])
        await swept(job)
        clock.forward(days=7)
        for _ in range(2):
            await swept(job)
        assert await job.store.open_runs() == ()
        assert [reason for *_, reason in await job.store.list_poison()] == ["its row could not be read for a week"]
        assert await job.store.list_unreadable() == ()


@pytest.mark.parametrize(("kind", "how"), sampled(product(("pending|", "change|", "notice", "digest|"), BREAKS), 5))
async def test_mail_that_cannot_be_read_is_notified_once_and_holds_up_no_other(
    storage: str, smtp: Mailbox, kind: str, how: str
) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        if kind == "notice":
            run = msgspec.structs.replace(run_of(9, job), baseline=True, expected=())
            await job.store.create_run(run, [])
            await look(job, run, [CLUSTER], "fail")
            await close_run(job, run.id)
        else:
            await begun(job)
        if kind == "digest|":
            smtp.refuse("data", 451, "try again later", times=1)
            await deliver_all(job)
        partition = keys.MAIL if kind in ("notice", "digest|") else SUBSCRIPTION
        newest = kind if kind != "notice" else "pending|"
        key = next(row["RowKey"] for row in rows_of(storage, partition, newest) if row.get("status") != "sent")
        if kind == "change|":
            key = next(item.change.row for item in (await job.store.list_pending()).items if item.change)
        if (kind, how) == ("notice", "garbage JSON"):
            before = damage_text(storage, "notice", partition, key)
        else:
            before = damage(storage, how, partition, key)
        other = f"{CLUSTER}3"
        for number, word in ((11, "pass"), (12, "fail")):
            await look(job, run_of(number, job), [other], word)
        for _ in range(4):
            await swept(job)
        # What is still a pointer is kept where it is in nobody's way.
        kept = key.replace("pending|", "postponed|")
        assert _content(stored_row(storage, partition, kept)) == _content(before)
        clock.forward(days=8)
        for _ in range(3):
            await swept(job)
    incidents = [message.get_body(("plain",)) for message in smtp.messages if "FAIL" in str(message["Subject"])]
    assert any("aks-13" in str(body.get_content()) for body in incidents if body is not None), "the other is notified"
    assert len(subjects(smtp, "checker error")) == 1
    if kind == "digest|" or how == "version 999":
        assert _content(stored_row(storage, partition, kept)) == _content(before)
    else:
        assert [row["RowKey"].split("|")[1] for row in rows_of(storage, partition, "aside|")] == [kept.split("|")[0]]


def _content(row: Row) -> Row:
    """A row less where it is."""
    return {name: value for name, value in row.items() if name not in ("RowKey", "etag")}


@pytest.mark.parametrize("how", EACH_WAY)
async def test_the_sequence_is_never_set_aside(storage: str, smtp: Mailbox, how: str) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        await begun(job)
        before = damage(storage, how, *ROWS["sequence"])
        for _ in range(3):
            await swept(job)
            clock.forward(days=8)
    assert stored_row(storage, *ROWS["sequence"]) == before


async def test_a_sequence_that_is_lost_goes_on_above_every_run(
    storage: str, smtp: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        await lose(job, "sequence")
        assert [run.id for run in (await job.store.list_runs(5)).items] == [THIRD, SECOND, FIRST]
        status, body = await ask(job, "post_checks", body=b"{}")
        assert (status, body["run"]) == (202, new_run_id(3 + MARGIN + 1, job.clock())), "the third is open"
        assert "the run sequence was lost" in caplog.text
        ticket = await job.store.next_sequence(job.clock(), "another")
        assert ticket.run_id == new_run_id(3 + MARGIN + 2, job.clock())
        await job.store.create_run(run_of(ticket.sequence, job), [])
        assert [run.id for run in (await job.store.list_runs(5)).items] == [ticket.run_id, THIRD, SECOND, FIRST]


async def test_a_sequence_is_found_in_the_tables_of_runs_where_the_latest_is_lost_too(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await begun(job)
        for run_id in (SECOND, THIRD):
            assert (await close_run(job, run_id)).reason == "closed"
        await lose(job, "sequence", "latest")
        tickets = await asyncio.gather(*(job.store.next_sequence(job.clock(), str(number)) for number in range(9)))
        assert sorted(ticket.sequence for ticket in tickets) == list(range(3 + MARGIN + 1, 3 + MARGIN + 10))


@pytest.mark.parametrize("how", EACH_WAY)
async def test_no_run_is_planned_where_the_sequence_is_lost_and_the_latest_run_cannot_be_read(
    storage: str, smtp: Mailbox, how: str
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await begun(job)
        await lose(job, "sequence")
        damage(storage, how, *ROWS["latest run"])
        status, body = await ask(job, "post_checks", body=b"{}")
        assert (status, body["type"]) == (503, "urn:pullwatch:problem:row-unreadable")
        assert "the run sequence is lost" in body["detail"]


async def lose(job: JobContext, *names: str) -> None:
    for name in names:
        await job.store._delete(keys.RUN, name)
