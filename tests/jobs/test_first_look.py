"""The first look at a subscription: who introduces it, when its baseline is over, and what opts out."""

from checks.findings import Pass, SubscriptionResult, Unknown
from checks.history.model import MarkerStatus, RunScope, Totals
from checks.jobs.close import close_run
from checks.jobs.deliver import deliver_all
from localhost.mailbox import Mailbox
from tests.jobs.test_close import FIRST, SUBSCRIPTION, closed, named, planned
from tests.support.reports import CLUSTER
from tests.support.storage import Clock, app_settings, job_context

LOOKED = (SubscriptionResult(id=SUBSCRIPTION, verdict=Pass(), cause="looked-at", summary="Looked at."),)


def subjects(box: Mailbox) -> list[str]:
    return [str(message["Subject"]).removeprefix("[Pullwatch] ") for message in box.messages]


async def test_of_two_first_runs_one_introduces_the_subscription(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        runs = [await planned(job, number, {CLUSTER: "fail"}, subscriptions=LOOKED, **FIRST) for number in (1, 2)]
        for run in reversed(runs):
            await closed(job, run)
        await deliver_all(job)
    assert subjects(smtp) == ["baseline: 1 cluster watched, 1 failing"]


async def test_a_baseline_is_over_with_the_first_complete_look_and_not_before(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        run = await planned(job, 1, {CLUSTER: "pass", f"{CLUSTER}2": ""}, subscriptions=LOOKED, **FIRST)
        job.clock.forward(minutes=30)  # type: ignore[attr-defined]
        await close_run(job, run.id)
        assert await job.store.baseline_complete() == frozenset(), "a shard did not end"
        run = await planned(job, 2, {CLUSTER: ""}, subscriptions=LOOKED, **FIRST)
        await job.store.mark_shard(run.id, f"{SUBSCRIPTION}-0", MarkerStatus.FAILED, Totals(), job.clock())
        await closed(job, run)
        assert await job.store.baseline_complete() == frozenset(), "a shard failed"
        await closed(job, await planned(job, 3, {CLUSTER: "pass"}, subscriptions=LOOKED, **FIRST))
        assert await job.store.baseline_complete() == {SUBSCRIPTION}


async def test_a_subscription_that_cannot_be_seen_yet_is_introduced_when_it_can(storage: str, smtp: Mailbox) -> None:
    hidden = (SubscriptionResult(id=SUBSCRIPTION, verdict=Unknown("Reader"), cause="not-visible", summary="No role."),)
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {}, subscriptions=hidden, **FIRST))
        await deliver_all(job)
        await closed(job, await planned(job, 2, dict.fromkeys(named(6), "fail"), subscriptions=LOOKED, **FIRST))
        await deliver_all(job)
    assert subjects(smtp)[-1] == "baseline: 6 clusters watched, 6 failing"
    assert len(smtp.messages) == 2


async def test_what_comes_after_the_summary_and_before_the_baseline_is_over_is_one_mail(
    storage: str, smtp: Mailbox
) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass"}, subscriptions=LOOKED, **FIRST))
        await deliver_all(job)
        await closed(job, await planned(job, 2, dict.fromkeys(named(5), "fail"), subscriptions=LOOKED, **FIRST))
        await deliver_all(job)
    first, second = subjects(smtp)
    assert first == "baseline: 1 cluster watched, 0 failing"
    assert second.startswith("FAIL: ")
    assert "and 4 more clusters" in second


async def test_a_cluster_that_opts_out_is_removed_at_once(storage: str, smtp: Mailbox) -> None:
    other = f"{CLUSTER}2"
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass", other: "fail"}, scope=RunScope((SUBSCRIPTION,))))
        run = await planned(job, 2, {CLUSTER: "pass"}, opted_out=(other,), inventory_complete=False)
        assert (await closed(job, run)).totals.gone == 1
        await deliver_all(job)
        assert [known.id for known in await job.store.known_clusters(SUBSCRIPTION)] == [CLUSTER]
    assert [subject.partition(":")[0] for subject in subjects(smtp)] == ["REMOVED"], (
        "the failure itself was not sent yet"
    )
