"""Looking at clusters: collect and judge, a few at once, one hung or broken cluster never holding up another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from operator import itemgetter

import msgspec

from checks.causes import ScanCause
from checks.collect import cluster
from checks.collect.arm import inventory, reads
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.kubernetes.canary_records import CanaryRecords, Unrecorded
from checks.collect.wire.deadlines import waits_within
from checks.collect.wire.errors import CollectError
from checks.facts import Cluster, ClusterFacts, Subscription, subscription_of
from checks.facts.pulls import PullTimeBaseline
from checks.facts.resources import NOTIFY_TAG
from checks.findings import (
    CHECKER_ERROR,
    ClusterProblem,
    ClusterReport,
    Coverage,
    ScanReport,
    SubscriptionResult,
    Unknown,
)
from checks.jobs import nearby
from checks.jobs.choosing import clusters as named_clusters
from checks.jobs.choosing import registries, subscriptions
from checks.jobs.choosing.scope import ScanScope, clusters_of
from checks.jobs.choosing.subscriptions import Choice, choose
from checks.notify.routes import allowed_domains, outside
from checks.report.cluster_report import build_report, only_of_rows, problem_report, subscription_result
from checks.report.outcome import pods_read
from checks.rules import visibility
from checks.rules.mail_addresses import MAX_NAMED
from checks.settings import Settings
from checks.text import counted, listed

LOG = logging.getLogger(__name__)
Progress = Callable[[str], None]
Gather = Callable[[cluster.Looked], Awaitable[ClusterFacts]]


async def visible(azure: Azure) -> tuple[Subscription, ...]:
    """The subscriptions the identity can see, less the excluded ones. Raises CollectError."""
    listed = (await reads.subscriptions(azure)).value
    return tuple(s for s in listed if s.id not in azure.settings.exclude_subscriptions)


def in_scope(visible: Iterable[Subscription], wanted: tuple[str, ...]) -> tuple[Subscription, ...]:
    """Those of the visible subscriptions that are wanted (all where nothing is named)."""
    names = {name.lower() for name in wanted}
    return tuple(s for s in visible if not names or s.id in names)


async def scan(azure: Azure, scope: ScanScope, progress: Progress, records: CanaryRecords | None = None) -> ScanReport:
    """Looks at everything in a scope once, without history. Raises CollectError where not even a list can be had.

    ``records`` keeps the names of canary pods, where there is a storage. What was named and is not there is among the
    report's errors.
    """
    progress("Listing subscriptions …")
    settings = azure.settings
    shown = (await reads.subscriptions(azure)).value
    choice = choose(shown, settings.exclude_subscriptions, scope.subscriptions or settings.subscriptions)
    progress(
        f"{len(choice.ids)} of {counted(len(choice.visible), 'subscription')} in scope; "
        "reading clusters, registries and roles …"
    )
    near = await nearby.find(azure, choice, scope) if nearby.may_be_near(scope) else None
    if near is not None:
        return await _scan_near(azure, scope, choice, *near, progress, records)
    listing = await inventory.read(azure, choice.visible)
    clusters = [c for guid in choice.ids for c in clusters_of(listing, guid) if scope.wants(c)]
    progress(f"{counted(len(clusters), 'cluster')} to check …")
    canaries = (records or Unrecorded()) if scope.canaries else None
    reports = await scan_clusters(
        azure, listing, clusters, progress, scope.registries, unused_too=bool(scope.clusters), canaries=canaries
    )
    errors = (
        *subscriptions.errors(choice, listing),
        *named_clusters.errors(scope, choice, listing),
        *registries.errors(scope, listing, reports),
    )
    return ScanReport(
        errors=errors or named_clusters.nothing_found(choice, listing, reports),
        subscriptions=(
            *(subscription_result(listing.subscriptions[guid], listing.visibility.object_id) for guid in choice.ids),
            *(unseen(settings, listing, guid) for guid in choice.unseen),
        ),
        clusters=tuple(report for report in reports if _concerns(report, scope)),
        arm_calls=dict(azure.calls),
    )


async def _scan_near(
    azure: Azure,
    scope: ScanScope,
    choice: Choice,
    listing: Inventory,
    target: Cluster,
    progress: Progress,
    records: CanaryRecords | None,
) -> ScanReport:
    """The report of one cluster, of what it refers to."""
    canaries = (records or Unrecorded()) if scope.canaries else None

    async def gather(looked: cluster.Looked) -> ClusterFacts:
        return await nearby.gather(azure, listing, target, looked, scope)

    report = await _judged(azure, target, gather, (), scope.registries, None, canaries)
    progress(f"[1/1] {target.name}")
    read = [guid for guid in choice.ids if guid in listing.subscriptions and clusters_of(listing, guid)]
    return ScanReport(
        errors=tuple(registries.errors(scope, listing, (report,))),
        subscriptions=tuple(
            subscription_result(listing.subscriptions[guid], listing.visibility.object_id) for guid in read
        ),
        clusters=(report,),
        arm_calls=dict(azure.calls),
    )


def _concerns(report: ClusterReport, scope: ScanScope) -> bool:
    """Whether a report belongs to what was asked: for who depends on a registry, clusters that do not are left out."""
    return bool(scope.clusters or not scope.registries or report.registries or not pods_read(report))


def unseen(settings: Settings, listing: Inventory, guid: str) -> SubscriptionResult:
    """The result of a subscription that was asked for and is not among the visible ones."""
    return excluded(guid) if guid.lower() in settings.exclude_subscriptions else not_visible(listing, guid)


def excluded(guid: str) -> SubscriptionResult:
    """The result of a subscription that was asked for and that the settings exclude."""
    return SubscriptionResult(
        id=guid.lower(),
        verdict=Unknown("PULLWATCH_EXCLUDE_SUBSCRIPTIONS without this subscription"),
        cause=ScanCause.EXCLUDED,
        summary="PULLWATCH_EXCLUDE_SUBSCRIPTIONS names this subscription, so it is not checked.",
    )


def not_visible(listing: Inventory, guid: str) -> SubscriptionResult:
    """The result of a subscription that was asked for and that the identity cannot see."""
    return SubscriptionResult(
        id=guid.lower(),
        verdict=Unknown(visibility.READER),
        cause=ScanCause.NOT_VISIBLE,
        summary="The identity cannot see this subscription: it does not exist, or the identity has no role on it.",
        fix=visibility.grant(listing.visibility, guid.lower()),
    )


async def scan_clusters(
    azure: Azure,
    listing: Inventory,
    clusters: Iterable[Cluster],
    progress: Progress,
    only: tuple[str, ...] = (),
    *,
    unused_too: bool = True,
    canaries: CanaryRecords | None = None,
) -> tuple[ClusterReport, ...]:
    """Reports of clusters, in their order, without a past.

    ``only`` narrows the rows to these registries, ``unused_too`` for clusters that do not use them as well.
    """
    limit = asyncio.Semaphore(azure.settings.clusters_at_once)
    listed = list(clusters)
    turns = by_turns(listed)
    done = 0

    async def bounded(target: Cluster) -> ClusterReport:
        nonlocal done
        async with limit:
            report = await scan_cluster(azure, listing, target, (), only, unused_too=unused_too, canaries=canaries)
        done += 1
        progress(f"[{done}/{len(listed)}] {target.name}")
        return report

    reports = await asyncio.gather(*(bounded(listed[place]) for place in turns))
    return tuple(report for _, report in sorted(zip(turns, reports, strict=True), key=itemgetter(0)))


def by_turns(clusters: Sequence[Cluster]) -> list[int]:
    """The places of clusters in an order in which subscriptions take turns.

    Azure limits requests per subscription: those of clusters of one, all at once, would wait while others have room.
    """
    places: dict[str, list[int]] = {}
    for place, target in enumerate(clusters):
        places.setdefault(subscription_of(target.id), []).append(place)
    return [place for turn in zip_longest(*places.values()) for place in turn if place is not None]


async def scan_cluster(
    azure: Azure,
    listing: Inventory,
    target: Cluster,
    remembered: tuple[str, ...],
    only: tuple[str, ...] = (),
    baselines: Mapping[str, PullTimeBaseline] | None = None,
    *,
    unused_too: bool = True,
    canaries: CanaryRecords | None = None,
) -> ClusterReport:
    """One cluster, with whatever goes wrong kept to it. ``remembered`` are registries that earlier runs saw it use."""

    async def gather(looked: cluster.Looked) -> ClusterFacts:
        return await cluster.gather(azure, listing, target, remembered, only, unused_too=unused_too, looked=looked)

    return await _judged(azure, target, gather, remembered, only, baselines, canaries)


async def _judged(
    azure: Azure,
    target: Cluster,
    gather: Gather,
    remembered: tuple[str, ...],
    only: tuple[str, ...],
    baselines: Mapping[str, PullTimeBaseline] | None,
    canaries: CanaryRecords | None,
) -> ClusterReport:
    """What a look at a cluster and the facts about it come to.

    This is one of the places where a broad ``except`` stands: a defect met on one cluster must not cost the others
    their answer. It is logged with its traceback, and the cluster is Unknown, never silently missing.
    """
    try:
        with waits_within(azure.settings.cluster_seconds):
            facts = await gather(await cluster.look(azure, target, ready_nodes=canaries is not None))
        if canaries is not None:
            facts = await cluster.with_canaries(azure, facts, canaries)
        report = build_report(msgspec.structs.replace(facts, baselines=dict(baselines or {})))
        return with_refused(only_of_rows(report) if only else report, azure.settings)
    except CollectError as error:
        return problem_report(
            target.id, remembered, ClusterProblem(ScanCause.NOT_LOOKED_AT, str(error), "a run that reaches it")
        )
    except Exception as error:
        LOG.exception("checker error at %s", target.id)
        why = f"Pullwatch itself failed while checking this cluster ({type(error).__name__})."
        return problem_report(target.id, remembered, ClusterProblem(CHECKER_ERROR, why, "a repair of Pullwatch"))


def with_refused(report: ClusterReport, settings: Settings) -> ClusterReport:
    """The report with a line that says whom the cluster's tag names in vain: whoever set the tag reads it there.

    Without a word of who may be named, as on a desk, nobody is notified at all.
    """
    refused = outside(report.notify, settings)
    if not refused or not (settings.mail_to or settings.notify_domains is not None):
        return report
    allowed = listed(sorted(allowed_domains(settings)), MAX_NAMED) or "none"
    why = f"no mail to {listed(refused, MAX_NAMED)}: the domains of PULLWATCH_NOTIFY_DOMAINS are {allowed}"
    line = Coverage(f"tag {NOTIFY_TAG}", False, why)
    return msgspec.structs.replace(report, coverage=(*report.coverage, line))
