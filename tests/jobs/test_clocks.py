"""Times of a clock that had jumped hold nothing up: runs, summaries, mail and reminders go on. Jumps x components."""

from datetime import datetime, timedelta

import pytest

from checks.history.model import StoredCanary
from checks.jobs.close import close_run, sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.deliver import Delivered, deliver_all
from localhost.mailbox import Mailbox
from tests.jobs.test_close import FIRST, closed, planned
from tests.support.reports import CLUSTER
from tests.support.sampling import sampled
from tests.support.storage import Clock, app_settings, job_context

YEAR = timedelta(days=365)
AHEAD = [timedelta(days=1), YEAR]


async def put_clock(job: JobContext, by: timedelta) -> datetime:
    """Moves the clock, whichever way."""
    job.clock.now += by  # type: ignore[attr-defined]
    return job.clock()


@pytest.mark.parametrize("jump", AHEAD)
async def test_a_run_planned_by_a_clock_ahead_is_closed_by_the_next_sweep(storage: str, jump: timedelta) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await put_clock(job, jump)
        run = await planned(job, 1, {CLUSTER: ""})
        await put_clock(job, -jump)
        assert await sweep_runs(job) == 1
        assert (await close_run(job, run.id)).reason == "closed"


@pytest.mark.parametrize("jump", AHEAD)
async def test_a_summary_of_a_run_that_a_clock_ahead_planned_is_not_waited_for(
    storage: str, smtp: Mailbox, jump: timedelta
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await put_clock(job, jump)
        await planned(job, 1, {CLUSTER: "fail"}, **FIRST)
        await put_clock(job, -jump)
        assert await deliver_all(job) == Delivered(sent=1)


async def test_a_run_that_never_closes_keeps_no_failure_for_its_summary(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        run = await planned(job, 1, {CLUSTER: "fail", f"{CLUSTER}2": ""}, **FIRST)
        assert await deliver_all(job) == Delivered(), "its summary is to come"
        await put_clock(job, run.deadline - job.clock() + timedelta(minutes=59))
        assert await deliver_all(job) == Delivered()
        await put_clock(job, timedelta(minutes=2))
        assert await deliver_all(job) == Delivered(sent=1)
    assert str(smtp.messages[0]["Subject"]).startswith("[Pullwatch] FAIL: aks-1")


@pytest.mark.parametrize("jump", AHEAD)
async def test_a_lease_taken_by_a_clock_ahead_holds_nobody_up(storage: str, smtp: Mailbox, jump: timedelta) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass"}))
        await closed(job, await planned(job, 2, {CLUSTER: "fail"}))
        now = await put_clock(job, jump)
        await job.store._take_lease("a process that died", now)
        await put_clock(job, -jump)
        assert await deliver_all(job) == Delivered(sent=1)


@pytest.mark.parametrize("jump", AHEAD)
async def test_a_next_try_set_by_a_clock_ahead_is_due(storage: str, smtp: Mailbox, jump: timedelta) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass"}))
        await closed(job, await planned(job, 2, {CLUSTER: "fail"}))
        await put_clock(job, jump)
        smtp.refuse("data", 451, "try again later")
        assert await deliver_all(job) == Delivered(later=1)
        await put_clock(job, -jump)
        assert await deliver_all(job) == Delivered(sent=1)


@pytest.mark.parametrize("jump", AHEAD)
async def test_a_canary_due_by_a_clock_ahead_is_due(storage: str, jump: timedelta) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        due = job.clock() + jump
        await job.store.put_canary(StoredCanary(cluster=CLUSTER, namespace="canary", name="pod-1", due=due))
        assert [canary.name for canary in (await job.store.due_canaries(job.clock())).items] == ["pod-1"]


@pytest.mark.parametrize("jump", sampled([*AHEAD, -YEAR], 2))
async def test_a_clock_that_jumps_for_one_run_makes_one_reminder_more_at_most(
    storage: str, smtp: Mailbox, jump: timedelta
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "fail"}))
        for number in range(2, 40):
            await put_clock(job, timedelta(hours=1))
            await put_clock(job, jump if number == 10 else timedelta())
            await closed(job, await planned(job, number, {CLUSTER: "fail"}))
            await put_clock(job, -jump if number == 10 else timedelta())
        await deliver_all(job)
    reminders = [str(message["Subject"]) for message in smtp.messages if "STILL FAILING" in str(message["Subject"])]
    assert 1 <= len(reminders) <= 2
