"""Which subscriptions a run is asked for x what the identity sees of them x what is known of their clusters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from checks.causes import ScanCause
from checks.history.decide import Policy, decide, opted_out
from checks.history.model import Run, RunRef
from checks.jobs.close import close_run
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.messages import PlanMessage, ScanMessage
from checks.jobs.plan import plan
from checks.jobs.scan import scan_shard
from localhost.mailbox import Mailbox
from simulator import Simulator, running
from tests.support.reports import report
from tests.support.storage import Clock, app_settings, job_context
from tests.support.tenant_builder import SUBSCRIPTION, Tenant

ONE = SUBSCRIPTION
OTHER = "22222222-2222-4222-8222-222222222222"
NEW = "33333333-3333-4333-8333-333333333333"
STRANGE = "99999999-9999-4999-8999-999999999999"
LOST, BACK = "cannot be seen any more", "can be seen again"


class Estate:
    """Two subscriptions that are known, with a cluster each, and one that is new; any of them can be hidden."""

    def __init__(self, tenant: Tenant) -> None:
        tenant.add_subscription(OTHER)
        tenant.add_subscription(NEW)
        self.clusters = {ONE: tenant.cluster("aks-one"), OTHER: tenant.cluster("aks-other", sub=OTHER)}
        for name in ("aks-one", "aks-other"):
            tenant.reachable(name)
        self._tenant = tenant
        self.simulator: Simulator

    def show(self, *guids: str) -> None:
        """Hides every subscription but these."""
        actions = ["Microsoft.Resources/subscriptions/read", "*"]
        hidden = {ONE, OTHER, NEW} - set(guids)
        self._tenant.caller(denied=[{"scope": f"/subscriptions/{guid}", "actions": actions} for guid in sorted(hidden)])

    def job(self, storage: str, box: Mailbox, clock: Clock, *excluded: str) -> AbstractAsyncContextManager[JobContext]:
        more = {"EXCLUDE_SUBSCRIPTIONS": ",".join(excluded)} if excluded else {}
        return job_context(self.simulator.environment | app_settings(storage, box, **more), clock)


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    tenant = Tenant(Path(tmp_path_factory.mktemp("scope")) / "tenant")
    made = Estate(tenant)
    with running(tenant.root) as made.simulator:
        yield made


async def known(job: JobContext, estate: Estate, word: str) -> None:
    """A first run saw the clusters so: "pass" or "fail"; "" saw none."""
    await job.store.next_sequence(job.clock(), "first")
    for cluster in estate.clusters.values() if word else ():
        seen = report(word, cluster=cluster)
        decision = decide(None, seen, RunRef("r-1", 1), Policy(), job.clock())
        await job.store.commit(decision, seen, None)
    for guid in estate.clusters:
        await job.store.complete_baseline(guid)


async def planned(job: JobContext, request: str, *asked: str) -> str:
    """A run that is planned and whose shards were scanned."""
    job.clock.forward(minutes=30)  # type: ignore[attr-defined]
    run = (await plan(job, PlanMessage(request=request, requested_by="timer", subscriptions=asked))).run
    for shard in await job.store.list_shards(run):
        await scan_shard(job, ScanMessage(run=run, shard=shard.id))
    return run


async def closed(job: JobContext, run_id: str) -> Run:
    assert (await close_run(job, run_id)).reason == "closed"
    await deliver_all(job)
    stored = await job.store.load_run(run_id)
    assert stored is not None
    return stored.run


async def next_run(job: JobContext, request: str, *asked: str) -> Run:
    return await closed(job, await planned(job, request, *asked))


def mails(box: Mailbox, words: str) -> list[str]:
    """The subjects that say so."""
    return [str(message["Subject"]) for message in box.messages if words in str(message["Subject"])]


@pytest.mark.parametrize("newer", ["saw it", "saw it again"])
async def test_an_older_run_that_closes_late_changes_nothing_about_what_is_visible(
    estate: Estate, storage: str, smtp: Mailbox, newer: str
) -> None:
    """Planned while it was hidden, closed after one that saw it; and the reverse."""
    sights = ((ONE,), (ONE, OTHER)) if newer == "saw it" else ((ONE, OTHER), (ONE,))
    async with estate.job(storage, smtp, Clock()) as job:
        estate.show(ONE, OTHER)
        await known(job, estate, "pass")
        runs = []
        for number, sight in enumerate(sights):
            estate.show(*sight)
            runs.append(await planned(job, f"run {number}"))
        for run in reversed(runs):
            await closed(job, run)
    assert (len(mails(smtp, LOST)), mails(smtp, BACK)) == (int(newer != "saw it"), [])


async def test_a_subscription_is_notified_again_only_after_it_was_seen_again(
    estate: Estate, storage: str, smtp: Mailbox
) -> None:
    async with estate.job(storage, smtp, Clock()) as job:
        await known(job, estate, "pass")
        for number, (sight, lost, back) in enumerate(
            [((ONE,), 1, 0), ((ONE,), 1, 0), ((ONE, OTHER), 1, 1), ((ONE,), 2, 1), ((ONE,), 2, 1)]
        ):
            estate.show(*sight)
            await next_run(job, f"run {number}")
            assert (len(mails(smtp, LOST)), len(mails(smtp, BACK))) == (lost, back)


@pytest.mark.parametrize("asked", [(), (OTHER,)], ids=["all", "one"])
async def test_a_lost_subscription_whose_clusters_had_left_is_no_news_whoever_asks(
    estate: Estate, storage: str, smtp: Mailbox, asked: tuple[str, ...]
) -> None:
    async with estate.job(storage, smtp, Clock()) as job:
        await known(job, estate, "pass")
        stored = await job.store.load_state(estate.clusters[OTHER])
        assert stored is not None
        left = opted_out(stored.state, RunRef("r-2", 2), job.clock())
        await job.store.next_sequence(job.clock(), "second")
        await job.store.commit(left, None, stored.etag)
        estate.show(ONE)
        await next_run(job, "third", *asked)
    assert mails(smtp, LOST) == []


SCOPES = {"all": (), "one": (OTHER,), "two": (ONE, OTHER), "one unknown": (STRANGE,), "one excluded": (OTHER,)}
SIGHTS = {
    "all": (ONE, OTHER),
    "one lost": (ONE,),
    "all lost": (),
    "one new": (ONE, OTHER, NEW),
    "one seen again": (ONE, OTHER),
    "excluded one lost": (ONE,),
}
CLUSTERS = {"none": "", "passing": "pass", "failing and notified": "fail", "failing, not yet notified": "fail"}
ALWAYS = [
    ("one excluded", "all", "failing and notified"),
    ("all", "one lost", "failing and notified"),
    ("one", "one lost", "failing, not yet notified"),
]


def cells() -> Iterator[Any]:
    """Every cell. `make test` takes one in twenty-nine, and some that are named."""
    for number, cell in enumerate(product(SCOPES, SIGHTS, CLUSTERS)):
        sample = number % 29 == 0 or cell in ALWAYS
        yield pytest.param(*cell, id=", ".join(cell), marks=() if sample else pytest.mark.matrix)


@pytest.mark.parametrize(("scope", "sight", "clusters"), list(cells()))
async def test_what_a_run_says_of_subscriptions(
    estate: Estate, storage: str, smtp: Mailbox, scope: str, sight: str, clusters: str
) -> None:
    asked, excluded = SCOPES[scope], {OTHER} if "excluded" in scope + sight else set()
    spoken_of = set(asked or (ONE, OTHER)) - excluded
    lost = (spoken_of - set(SIGHTS[sight])) & set(estate.clusters if clusters != "none" else ())
    back = spoken_of & {OTHER} if sight == "one seen again" and clusters != "none" else set()
    clock = Clock()
    async with estate.job(storage, smtp, clock) as job:
        await known(job, estate, CLUSTERS[clusters])
        if clusters == "failing and notified":
            await deliver_all(job)
        if sight == "one seen again":
            estate.show(ONE)
            await next_run(job, "hidden")
        states = {guid: await job.store.load_state(cluster) for guid, cluster in estate.clusters.items()}
    told, shown = len(smtp.messages), len(mails(smtp, LOST))
    estate.show(*SIGHTS[sight])
    async with estate.job(storage, smtp, clock, *excluded) as job:
        for number in range(2):
            run = await next_run(job, f"asked {number}", *asked)
        for guid, cluster in estate.clusters.items():
            after = await job.store.load_state(cluster)
            if guid not in spoken_of:
                assert _looks(after) == _looks(states[guid]), "nothing was said of it"
            elif guid in lost:
                assert after is not None
                assert (after.state.gone_since, after.state.outcome) == (None, "unknown")
    causes = {result.id: result.cause for result in run.subscriptions}
    assert lost <= {guid for guid, cause in causes.items() if cause == ScanCause.NOT_VISIBLE}
    assert {guid for guid, cause in causes.items() if cause == ScanCause.EXCLUDED} == excluded & set(asked)
    missing = (set(asked) - excluded if asked else lost) - set(SIGHTS[sight])
    assert run.inventory_complete is not bool(missing)
    assert (len(mails(smtp, LOST)) - shown, len(mails(smtp, BACK))) == (int(bool(lost)), int(bool(back)))
    later = [str(message["Subject"]) for message in smtp.messages[told:]]
    assert bool([subject for subject in later if "DEGRADED" in subject]) is bool(lost)
    quiet = [Path(estate.clusters[guid]).name for guid in lost | (set(estate.clusters) - spoken_of)]
    ended = [subject for subject in later if "RECOVERED" in subject or "REMOVED" in subject]
    assert not [subject for subject in ended for name in quiet if name in subject]
    assert not [subject for subject in later if "still fail" in subject]


def _looks(stored: Any) -> Any:
    """What is known by looks at a cluster: delivery may mark it as notified."""
    return None if stored is None else (stored.state.sequence, stored.state.outcome, stored.state.gone_since)
