"""The watchdog's signals over real storage, and the lines that are logged of them."""

import logging
from datetime import timedelta

import pytest

from checks import watchdog
from checks.changes import Notice, NoticeKind
from checks.findings import ClusterReport, PullTime
from checks.history.model import MarkerStatus, Run, RunScope, Shard, Totals, new_run_id
from checks.jobs.close import close_run, record_poison
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.watch import log_given_up, log_scanned, look_at_signals, read_signals, watch
from checks.watchdog import Unsent
from localhost.mailbox import Mailbox
from tests.support.storage import Clock, app_settings, job_context

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of the watchdog alone."""
    caplog.set_level(logging.INFO, watchdog.LOGGER)
    return caplog


def starting(lines: pytest.LogCaptureFixture, text: str) -> list[str]:
    """The watchdog's lines that start with a text."""
    return [r.getMessage() for r in lines.records if r.name == watchdog.LOGGER and r.getMessage().startswith(text)]


async def _a_planned_run(job: JobContext, number: int, *, shards: int, part: bool = False) -> Run:
    """A run of some shards, past its deadline."""
    run = Run(
        id=new_run_id(number, job.clock()),
        sequence=number,
        requested_by="timer",
        scope=RunScope((SUBSCRIPTION,), asked=(SUBSCRIPTION,) if part else ()),
        created=job.clock() - timedelta(minutes=26),
        deadline=job.clock() - timedelta(minutes=1),
        expected=tuple(f"s-{index}" for index in range(shards)),
    )
    assert await job.store.create_run(run, [Shard(name, SUBSCRIPTION) for name in run.expected])
    return run


async def a_run(job: JobContext, number: int, *, ended: int, shards: int = 2, part: bool = False) -> str:
    """A run of some shards of which some ended, closed past its deadline."""
    run = await _a_planned_run(job, number, shards=shards, part=part)
    totals = Totals(clusters=2, passing=1, failing=1)
    for name in run.expected[:ended]:
        await job.store.mark_shard(run.id, name, MarkerStatus.DONE, totals, job.clock())
    assert (await close_run(job, run.id)).reason == "closed"
    return run.id


async def a_notice(job: JobContext, number: int = 1) -> None:
    """Something that is to be sent."""
    at = job.clock()
    await job.store.add_notice(Notice(kind=NoticeKind.BASELINE, run=f"r-{number}", sequence=number, at=at, title="t"))


async def test_the_end_of_a_run_is_logged_once_with_its_counts(storage: str, lines: pytest.LogCaptureFixture) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        run = await a_run(job, 1, ended=1)
        assert (await close_run(job, run)).reason == "repeated"
    assert starting(lines, watchdog.RUN_COMPLETED) == [
        f"run completed run={run} clusters=2 passing=1 failing=1 unknown=0 errors=0 not_seen=0 gone=0 changes=0"
        " subscriptions_not_read=0 missing_shards=1 doubtful=1 seconds=1560 incidents=0"
    ]


async def test_what_scanning_a_piece_of_a_run_cost_is_logged_with_how_long_pulls_took(
    storage: str, lines: pytest.LogCaptureFixture
) -> None:
    clusters = tuple(f"/subscriptions/{SUBSCRIPTION}/managedClusters/aks-{number}" for number in range(3))
    times = (
        PullTime("one.azurecr.io|pool|s", 1.5, 3, "2026-11-24T08:00:00Z"),
        PullTime("two.azurecr.io|pool|s", 4.0, 5, "2026-11-24T08:00:00Z"),
        PullTime("one.azurecr.io|pool|s/MiB", 0.25, 7, "2026-11-24T08:00:00Z"),
    )
    reports = [ClusterReport(id=clusters[0], pull_times=times[:1]), ClusterReport(id=clusters[1], pull_times=times[1:])]
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        run = await _a_planned_run(job, 1, shards=1)
        began = job.clock() - timedelta(seconds=40)
        log_scanned(job, run, Shard("s-0", SUBSCRIPTION, clusters), began, reports)
        log_scanned(job, run, Shard("s-1", SUBSCRIPTION, clusters), job.clock(), [])
    cost = "arm_calls=0 arm_throttled=0 arm_asked_seconds=0"
    assert starting(lines, watchdog.SHARD_SCANNED) == [
        f"shard scanned run={run.id} shard=s-0 clusters=3 seconds=40 {cost} pulls=15 pull_seconds=2.750"
        " pull_seconds_most=4.000 gib_seconds=256.000 gib_seconds_most=256.000",
        f"shard scanned run={run.id} shard=s-1 clusters=3 seconds=0 {cost} pulls=0",
    ]


async def test_a_run_without_shards_is_completed(storage: str, lines: pytest.LogCaptureFixture) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await a_run(job, 1, ended=0, shards=0)
    assert len(starting(lines, watchdog.RUN_COMPLETED)) == 1


async def test_a_run_of_which_no_shard_ended_is_not_completed(storage: str, lines: pytest.LogCaptureFixture) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await a_run(job, 1, ended=0)
    assert starting(lines, watchdog.RUN_COMPLETED) == []


async def test_the_sweep_says_that_the_latest_run_is_recent_for_as_long_as_it_is(
    storage: str, lines: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, SCHEDULE="0 0 6 * * MON"), clock) as job:
        assert (await watch(job)).is_stale, "no run was ever closed"
        assert starting(lines, watchdog.RUN_RECENT) == []
        run = await a_run(job, 1, ended=2)
        clock.forward(days=14)
        assert not (await watch(job)).is_stale
        assert starting(lines, watchdog.RUN_RECENT) == [f"latest run is recent run={run} age_minutes=20160"]
        clock.forward(minutes=1)
        assert (await watch(job)).is_stale
        assert len(starting(lines, watchdog.RUN_RECENT)) == 1


async def test_a_run_over_a_part_does_not_make_a_dead_timer_look_alive(
    storage: str, lines: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        await a_run(job, 1, ended=2, part=True)
        assert (await watch(job)).is_stale, "none over the whole scope was ever closed"
        await a_run(job, 2, ended=2)
        assert not (await watch(job)).is_stale
        clock.forward(hours=2)
        part = await a_run(job, 3, ended=2, part=True)
        signals = await watch(job)
        assert signals.is_stale
        latest = await job.store.latest_run()
        assert latest is not None
        assert latest.id == part
    assert len(starting(lines, watchdog.RUN_COMPLETED)) == 1
    assert len(starting(lines, watchdog.PART_COMPLETED)) == 2
    assert len(starting(lines, watchdog.RUN_RECENT)) == 1


async def test_what_an_earlier_release_kept_as_the_latest_counts_until_the_next_closes(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await a_run(job, 1, ended=2)
        await job.store._delete("run", "latest-whole")
        assert not (await read_signals(job)).is_stale


async def test_mail_that_a_server_does_not_take_for_long_is_stuck_until_it_is_sent(
    storage: str, smtp: Mailbox, lines: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        await a_run(job, 1, ended=2)
        await a_notice(job)
        smtp.refuse("data", 451, "try again later")
        await deliver_all(job)
        clock.forward(minutes=60)
        assert not (await watch(job)).is_stuck
        clock.forward(minutes=1)
        assert (await watch(job)).is_stuck
        assert starting(lines, watchdog.MAIL_STUCK) == ["mail stuck oldest_minutes=61 waiting=1"]
        assert (await read_signals(job)).is_stuck
        await deliver_all(job)
        assert not (await look_at_signals(job)).is_stuck
        assert (await read_signals(job)).is_stuck, "it goes by the last sweep"
        await watch(job)
        assert not (await read_signals(job)).is_stuck
    assert len(starting(lines, watchdog.MAIL_STUCK)) == 1


async def test_the_oldest_is_named_whether_its_mail_was_begun_or_not(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        begun = clock()
        await a_notice(job, 1)
        smtp.refuse("data", 451, "try again later")
        await deliver_all(job)
        clock.forward(minutes=5)
        await a_notice(job, 2)
        assert await job.store.look_at_unsent(clock()) == Unsent(
            seen=clock(), oldest_pointer=clock(), oldest_mail=begun, waiting=2
        )


async def test_a_mail_that_cannot_be_read_is_counted_and_hides_no_other(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        await a_notice(job, 1)
        smtp.refuse("data", 451, "try again later")
        await deliver_all(job)
        (name,) = await job.store.open_mails()
        row = await job.store._get("digest", f"digest|{name}")
        assert row is not None
        await job.store._put({**row, "v": 999})
        await a_notice(job, 2)
        assert await job.store.look_at_unsent(clock()) == Unsent(
            seen=clock(), oldest_pointer=clock(), waiting=1, unreadable=1
        )


async def test_a_message_that_is_given_up_is_logged(storage: str, lines: pytest.LogCaptureFixture) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await record_poison(job, "pullwatch-plan", b"nonsense")
        await close_run(job, "202611-000000000007")
    assert starting(lines, watchdog.POISON_RECORDED) == [
        "poison recorded queue=pullwatch-plan reason=given up after the last try",
        "poison recorded queue=pullwatch-close reason=the run was begun and never planned",
    ]


def test_a_message_that_is_given_up_is_logged_beyond_the_length_of_a_line(caplog: pytest.LogCaptureFixture) -> None:
    subscriptions = ",".join(f'"{number:08}-0000-0000-0000-000000000000"' for number in range(40))
    log_given_up("pullwatch-plan", f'{{"subscriptions":[{subscriptions}],"x":"\x1b[31m"}}'.encode())
    (record,) = caplog.records
    assert '"00000039-0000-0000-0000-000000000000"' in record.getMessage() and "\x1b" not in record.getMessage()
    caplog.clear()
    log_given_up("pullwatch-plan", b"a " * 100_000)
    assert len(caplog.records[0].getMessage()) < 5_000
