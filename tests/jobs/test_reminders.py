"""Reminders: one a day for all that fails, what has failed longest first, and none where nothing does."""

from datetime import timedelta

import pytest

from checks.history.model import RunScope
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from localhost.mailbox import Mailbox
from tests.jobs.test_close import SUBSCRIPTION, closed, planned
from tests.support.reports import CLUSTER
from tests.support.sampling import sampled
from tests.support.storage import Clock, app_settings, job_context

OTHER = f"{CLUSTER}2"


async def hours(job: JobContext, clusters: dict[str, str], first: int, count: int, **more: object) -> None:
    """A run every hour, closed and delivered."""
    for number in range(first, first + count):
        job.clock.forward(hours=1)  # type: ignore[attr-defined]
        await closed(job, await planned(job, number, clusters, **more))
        await deliver_all(job)


def subjects(box: Mailbox) -> list[str]:
    return [str(message["Subject"]).removeprefix("[Pullwatch] ") for message in box.messages]


async def test_what_fails_for_days_is_reminded_of_once_a_day(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await hours(job, {CLUSTER: "pass", OTHER: "fail"}, 1, 2)
        await hours(job, {CLUSTER: "fail", OTHER: "fail"}, 3, 48)
    first, second, *reminders = subjects(smtp)
    assert (first.partition(":")[0], second.partition(":")[0]) == ("FAIL", "FAIL")
    assert reminders == ["STILL FAILING: 2 clusters still fail"] * 2
    body = smtp.messages[2].get_body(("plain",))
    assert body is not None
    text = str(body.get_content())
    assert text.index("aks-12 <- acrone") < text.index("aks-1 <- acrone"), "what has failed longest comes first"
    assert "(access, pull: role-missing, since 2026-11-24 09:00 UTC" in text
    assert "az role assignment create" in text


@pytest.mark.parametrize(
    ("words", "more"), sampled([("unknown", {}), ("pass", {}), ("fail", {"PULLWATCH_REMIND_HOURS": "0"})], 3)
)
async def test_without_a_failure_or_where_it_is_off_nobody_is_reminded(
    storage: str, smtp: Mailbox, words: str, more: dict[str, str]
) -> None:
    async with job_context(app_settings(storage, smtp) | more, Clock()) as job:
        await hours(job, {CLUSTER: words}, 1, 50)
    assert not any("STILL FAILING" in subject for subject in subjects(smtp))


async def test_a_run_over_a_part_reminds_of_nothing(storage: str, smtp: Mailbox) -> None:
    part = RunScope((SUBSCRIPTION,), asked=(SUBSCRIPTION,))
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await hours(job, {CLUSTER: "fail"}, 1, 30, scope=part)
        assert len(subjects(smtp)) == 1
        await hours(job, {CLUSTER: "fail"}, 31, 1)
    assert subjects(smtp)[1:] == ["STILL FAILING: 1 cluster still fails"]


async def test_a_reminder_is_claimed_once_a_day_and_one_that_lies_ahead_is_void(storage: str) -> None:
    clock, day = Clock(), timedelta(hours=24)
    async with job_context(app_settings(storage), clock) as job:
        one, other = await planned(job, 1, {}), await planned(job, 2, {})
        assert await job.store.claim_reminder(one, clock() + 30 * day, day), "by a clock that had jumped"
        assert await job.store.claim_reminder(other, clock(), day)
        assert not await job.store.claim_reminder(one, clock() + day / 2, day)
        assert await job.store.claim_reminder(other, clock() + day / 2, day), "a repeat"
        assert await job.store.claim_reminder(one, clock() + day, day)
