"""Closing over real storage: once, with what is missing named; the calm first summary; what left; when in doubt."""

import asyncio
from datetime import timedelta
from unittest import mock

import msgspec
import pytest
from azure.core.exceptions import ServiceRequestError

from checks.arm_ids import name_of
from checks.changes import Reason
from checks.findings import Pass, SubscriptionResult, Unknown
from checks.fleet.load import load_fleet
from checks.history.decide import Policy, decide
from checks.history.model import MarkerStatus, RowRef, Run, RunScope, Shard, Totals, new_run_id
from checks.jobs.close import close_run, record_poison, sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.report.outcome import Outcome
from localhost.mailbox import Mailbox
from tests.support.reports import CLUSTER, report
from tests.support.storage import Clock, app_settings, job_context

SUBSCRIPTION = CLUSTER.split("/")[2]
EMPTY = "22222222-2222-4222-8222-222222222222"
DONE = Totals(clusters=1, passing=1)
FIRST = {"baseline": True, "baseline_subscriptions": (SUBSCRIPTION,)}


def shard_id(number: int) -> str:
    """As plans name them."""
    return f"{SUBSCRIPTION}-{number}"


async def planned(job: JobContext, number: int, clusters: dict[str, str], **more: object) -> Run:
    """A run over clusters, each a shard of its own and looked at with the word given; "" leaves its shard out."""
    run = Run(
        id=new_run_id(number, job.clock()),
        sequence=number,
        requested_by="timer",
        scope=RunScope((SUBSCRIPTION,)),
        created=job.clock(),
        deadline=job.clock() + timedelta(minutes=25),
        expected=tuple(shard_id(index) for index in range(len(clusters))),
        inventory_complete=True,
    )
    run = msgspec.structs.replace(run, **more)
    shards = [Shard(shard_id(index), SUBSCRIPTION, (cluster,)) for index, cluster in enumerate(clusters)]
    assert await job.store.create_run(run, shards)
    for shard, (cluster, word) in zip(shards, clusters.items(), strict=True):
        if not word:
            continue
        policy = Policy(baseline=run.is_baseline(SUBSCRIPTION))
        seen = report(word, cluster=cluster)
        stored = await job.store.load_state(cluster)
        decision = decide(stored.state if stored else None, seen, run.ref, policy, job.clock())
        await job.store.commit(decision, seen, stored.etag if stored else None)
        await job.store.mark_shard(run.id, shard.id, MarkerStatus.DONE, DONE, job.clock())
    return run


def named(count: int) -> list[str]:
    return [f"{CLUSTER[:-1]}{number}" for number in range(count)]


async def closed(job: JobContext, run: Run) -> Run:
    """The run as it is after closing."""
    assert (await close_run(job, run.id)).reason == "closed"
    stored = await job.store.load_run(run.id)
    assert stored is not None
    return stored.run


async def test_a_run_waits_for_its_shards_and_at_its_deadline_names_what_is_missing(storage: str) -> None:
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        run = await planned(job, 1, {CLUSTER: "pass", f"{CLUSTER}2": ""})
        assert (await close_run(job, run.id)).reason == "waiting"
        assert await sweep_runs(job) == 0
        clock.forward(minutes=26)
        assert await sweep_runs(job) == 1
        assert (await close_run(job, run.id)).missing == (shard_id(1),)
        assert (await close_run(job, run.id)).reason == "repeated"
        assert await sweep_runs(job) == 0


async def test_two_that_close_at_once_close_once_and_tell_once(storage: str, smtp: Mailbox) -> None:
    async with (
        job_context(app_settings(storage, smtp), Clock()) as one,
        job_context(app_settings(storage, smtp), Clock()) as other,
    ):
        run = await planned(one, 1, {CLUSTER: "fail"}, **FIRST)
        results = await asyncio.gather(close_run(one, run.id), close_run(other, run.id))
        assert sorted(result.reason for result in results) == ["closed", "repeated"]
        await deliver_all(one)
        await deliver_all(other)
    assert len(smtp.messages) == 1


async def test_the_first_look_is_one_summary_and_what_it_told_gets_its_recovery(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        clusters = dict.fromkeys(named(60), "fail")
        await closed(job, await planned(job, 1, clusters, **FIRST))
        await deliver_all(job)
        (summary,) = smtp.messages
        assert "60 clusters watched, 60 failing" in str(summary["Subject"])
        body = summary.get_body(("plain",))
        assert body is not None
        text = str(body.get_content())
        assert all(name_of(cluster) in text for cluster in clusters), "each is shown"
        await closed(job, await planned(job, 2, clusters))
        await deliver_all(job)
        assert len(smtp.messages) == 1, "nothing changed"
        await closed(job, await planned(job, 3, {**clusters, named(60)[0]: "pass"}))
        await deliver_all(job)
        assert str(smtp.messages[1]["Subject"]).startswith("[Pullwatch] RECOVERED: aks-0 can pull from")


async def test_a_subscription_without_clusters_is_not_told_of_in_every_run(storage: str, smtp: Mailbox) -> None:
    scope = RunScope((SUBSCRIPTION, EMPTY))
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass"}, **FIRST, scope=scope))
        for number in (2, 3):
            fresh = {"baseline": True, "baseline_subscriptions": (EMPTY,), "scope": scope}
            await closed(job, await planned(job, number, {CLUSTER: "pass"}, **fresh))
        await deliver_all(job)
    assert len(smtp.messages) == 1


@pytest.mark.parametrize("complete", [True, False])
async def test_a_cluster_leaves_only_by_a_complete_inventory(storage: str, smtp: Mailbox, complete: bool) -> None:
    other = f"{CLUSTER}2"
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass", other: "pass"}))
        await closed(job, await planned(job, 2, {CLUSTER: "pass", other: "fail"}))
        await deliver_all(job)
        for number, gone in ((3, 0), (4, 0), (5, int(complete))):
            job.clock.forward(minutes=30 if number > 4 else 0)  # type: ignore[attr-defined]
            run = await closed(job, await planned(job, number, {CLUSTER: "pass"}, inventory_complete=complete))
            await deliver_all(job)
            assert run.totals.gone == gone, "after two lists that are not of the same minute"
            assert (await job.store.load_report(other) is None) is bool(gone)
        stored = await job.store.load_state(other)
        assert stored is not None
        assert bool(stored.state.subjects) is not complete
    subjects = [str(message["Subject"]).split(":")[0] for message in smtp.messages]
    assert subjects == ["[Pullwatch] FAIL"] + ["[Pullwatch] REMOVED"] * complete


async def test_a_cluster_that_a_list_does_not_have_is_shown_as_not_found_by_that_run(storage: str) -> None:
    other = f"{CLUSTER}2"
    async with job_context(app_settings(storage), Clock()) as job:
        looked = await closed(job, await planned(job, 1, {CLUSTER: "pass", other: "pass"}))
        job.clock.forward(minutes=30)  # type: ignore[attr-defined]
        missed = await closed(job, await planned(job, 2, {CLUSTER: "pass"}))
        fleet = await load_fleet(job.store, job.clock())
        entry = next(one for one in fleet.clusters() if one.cluster == other)
        assert entry.looked is not None and entry.looked.run == looked.id
        assert (entry.run, entry.outcome, entry.missed_since) == (missed.id, Outcome.UNKNOWN, job.clock())
        job.clock.forward(minutes=30)  # type: ignore[attr-defined]
        await closed(job, await planned(job, 3, {CLUSTER: "pass", other: "pass"}))
        entry = next(one for one in (await load_fleet(job.store, job.clock())).clusters() if one.cluster == other)
        assert (entry.outcome, entry.missed_since) == (Outcome.PASS, None)


async def test_a_subscription_keeps_its_name_where_it_cannot_be_seen_any_more(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        for number, name in enumerate(("Shop Production", ""), 1):
            seen = (SubscriptionResult(id=SUBSCRIPTION, name=name, clusters=1, verdict=Pass()),)
            await closed(job, await planned(job, number, {CLUSTER: "pass"}, subscriptions=seen))
            assert (await load_fleet(job.store, job.clock())).names == {SUBSCRIPTION.lower(): "Shop Production"}
        await job.store.rebuild_overview(SUBSCRIPTION)
        assert (await load_fleet(job.store, job.clock())).names == {SUBSCRIPTION.lower(): "Shop Production"}


async def test_clusters_of_a_row_that_is_not_there_are_counted_as_not_shown(storage: str) -> None:
    seen = (SubscriptionResult(id=SUBSCRIPTION, name="Shop", clusters=2, verdict=Pass()),)
    async with job_context(app_settings(storage), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass"}, subscriptions=seen, opted_out=(f"{CLUSTER}2",)))
        assert (await load_fleet(job.store, job.clock())).not_shown == {}
        await job.store._drop([RowRef("overview", f"subscription|{SUBSCRIPTION.lower()}")])
        assert (await load_fleet(job.store, job.clock())).not_shown == {SUBSCRIPTION.lower(): 1}


@pytest.mark.parametrize("complete", [True, False])
async def test_a_cluster_that_opts_out_leaves_at_once_whatever_else_is_listed(
    storage: str, smtp: Mailbox, complete: bool
) -> None:
    other = f"{CLUSTER}2"
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass", other: "fail"}))
        await deliver_all(job)
        more = {"inventory_complete": complete, "opted_out": (other.upper(),)}
        run = await closed(job, await planned(job, 2, {CLUSTER: "pass"}, **more))
        assert run.totals.gone == 1
        stored = await job.store.load_state(other)
        assert stored is not None
        assert (stored.state.subjects, stored.state.gone_since) == ((), job.clock())
        (change, *_) = await job.store.list_changes(other)
        assert {moved.reason for moved in change.transitions} == {Reason.OPTED_OUT}
        there = await job.store.load_state(CLUSTER)
        assert there is not None
        assert there.state.gone_since is None
        await deliver_all(job)
    subjects = [str(message["Subject"]).split(":")[0] for message in smtp.messages]
    assert subjects == ["[Pullwatch] FAIL", "[Pullwatch] REMOVED"]


@pytest.mark.parametrize("step", ["add_notice", "commit"], ids=["its notices are written", "a cluster leaves"])
async def test_a_run_whose_storage_is_away_while_it_closes_is_closed_later_and_nothing_is_left_out(
    storage: str, smtp: Mailbox, step: str
) -> None:
    other = f"{CLUSTER}2"
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await closed(job, await planned(job, 1, {CLUSTER: "pass", other: "pass"}))
        run = await planned(job, 2, {CLUSTER: "fail"}, **FIRST, opted_out=(other,))
        away = ServiceRequestError("connection refused")
        with mock.patch.object(job.store, step, side_effect=away), pytest.raises(ServiceRequestError):
            await close_run(job, run.id)
        assert run.id in await job.store.open_runs()
        assert (await closed(job, run)).subscriptions == run.subscriptions
        await deliver_all(job)
        stored = await job.store.load_state(other)
        assert stored is not None
        assert stored.state.gone_since is not None
    subjects = sorted(str(message["Subject"]).partition(":")[0] for message in smtp.messages)
    assert subjects == ["[Pullwatch] FAIL", "[Pullwatch] baseline"]


async def test_a_checker_that_cannot_look_says_so_once_and_when_it_can_again(storage: str, smtp: Mailbox) -> None:
    refused = SubscriptionResult(
        id=SUBSCRIPTION,
        verdict=Unknown("Reader"),
        cause="not-allowed",
        summary="Refused: token=canary-9f1 is not valid.",
    )
    looked = SubscriptionResult(id=SUBSCRIPTION, verdict=Pass(), cause="", summary="Looked at.")
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        for number, blind in enumerate((0, 1, 1, 0, 0, 0, 0), 1):
            results = (refused if blind else looked,)
            run = await planned(job, number, {CLUSTER: ""}, subscriptions=results)
            totals = Totals(clusters=1, unknown=blind, blind=blind, passing=1 - blind)
            await job.store.mark_shard(run.id, shard_id(0), MarkerStatus.DONE, totals, job.clock())
            assert (await closed(job, run)).degraded is bool(blind)
            await deliver_all(job)
    assert [str(message["Subject"]) for message in smtp.messages] == [
        "[Pullwatch] DEGRADED: Pullwatch cannot read many clusters",
        "[Pullwatch] Pullwatch can read enough clusters again",
    ]
    assert all(b"canary-9f1" not in delivery.raw for delivery in smtp.deliveries)


async def test_a_shard_whose_message_is_poison_ends_as_failed_so_that_its_run_closes(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        run = await planned(job, 1, {CLUSTER: ""})
        await record_poison(
            job, "pullwatch-scan", b'{"v": 1, "run": "%s", "shard": "%s"}' % (run.id.encode(), shard_id(0).encode())
        )
        await record_poison(job, "pullwatch-scan", b"\xff\xfe nothing " + b"x" * 10_000)
        assert (await closed(job, run)).degraded
        assert len(await job.store.list_poison()) == 2
