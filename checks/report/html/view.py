"""All that the page shows, as bounded texts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

import msgspec

from checks.findings import ClusterReport, Pass, ScanReport, SubscriptionResult, word
from checks.report.fleet.broken import BrokenGroup, broken_groups
from checks.report.fleet.scan_about import ScanAbout
from checks.report.fleet.totals import FleetTotals, fleet_totals
from checks.report.html import bounded
from checks.report.html.broken_view import BrokenPart, Fix, broken_parts, fix_of
from checks.report.html.lists_view import ClusterLine, Grouped, cluster_lines, gaps, unknowns, warnings
from checks.text import counted
from checks.version import VERSION


class Tile(msgspec.Struct, frozen=True):
    """A total: how many clusters come to it. ``kind`` is a verdict's word, for its colour."""

    count: int
    label: str
    kind: str


class Trouble(msgspec.Struct, frozen=True):
    """What could not be looked at at all, why, and what helps."""

    what: str
    why: str
    fix: Fix


class Lists(msgspec.Struct, frozen=True):
    """Groups, and how many are left out."""

    groups: tuple[Grouped, ...]
    more: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The page. ``clusters_more`` counts clusters that the table leaves out."""

    title: str
    headline: str
    kind: str
    facts: tuple[str, ...]
    tiles: tuple[Tile, ...]
    troubles: tuple[Trouble, ...]
    broken: tuple[BrokenPart, ...]
    clusters: tuple[ClusterLine, ...]
    clusters_more: int
    unknowns: Lists
    warnings: Lists
    warned: int
    gaps: Lists
    version: str


def view_of(report: ScanReport, about: ScanAbout, shown: Iterable[ClusterReport] | None = None) -> View:
    """What is shown of a scan. ``shown`` are the clusters to list (None: all); totals are those of the report."""
    totals = fleet_totals(report.clusters)
    names = {result.id: result.name for result in report.subscriptions}
    wanted = report.clusters if shown is None else tuple(shown)
    groups = broken_groups(wanted, report.clusters)
    broken = broken_parts(groups, wanted, names)
    clusters = cluster_lines(wanted, names, _anchors(groups, broken))
    listed, more = bounded.first(clusters, bounded.MAX_CLUSTERS)
    headline, kind = _headline(totals, sum(not isinstance(r.verdict, Pass) for r in report.subscriptions))
    return View(
        title=f"Pullwatch: {headline}",
        headline=headline,
        kind=kind,
        facts=_facts(report, about),
        tiles=_tiles(totals),
        troubles=_troubles(report),
        broken=broken,
        clusters=listed,
        clusters_more=more,
        unknowns=_lists(unknowns(wanted)),
        warnings=_lists(warnings(wanted)),
        warned=totals.warnings,
        gaps=_lists(gaps(wanted)),
        version=VERSION,
    )


def _anchors(groups: tuple[BrokenGroup, ...], parts: tuple[BrokenPart, ...]) -> dict[str, str]:
    """Where on the page a cluster's first picture is, by its id."""
    anchors: dict[str, str] = {}
    for group, part in zip(groups, parts, strict=True):
        for member, row in zip(group.members, part.rows, strict=False):
            anchors.setdefault(member.cluster, row.anchor)
    return anchors


def _headline(totals: FleetTotals, unread: int) -> tuple[str, str]:
    """The worst that is true of the fleet, and the verdict's word for its colour."""
    of_all = f"of {counted(totals.clusters, 'cluster')}"
    if not totals.clusters:
        return "No cluster was checked", "unknown"
    if totals.cannot_pull:
        return f"{totals.cannot_pull} {of_all} cannot pull", "fail"
    if totals.at_risk or totals.image_errors:
        return f"{totals.at_risk + totals.image_errors} {of_all} at risk or with image errors", "fail"
    if totals.unknown:
        return f"Nothing fails; of {totals.unknown} {of_all} it is not known whether nodes can pull", "unknown"
    if unread:
        said = f"{totals.can_pull} {of_all} that were read can pull"
        return f"{said}; {counted(unread, 'subscription')} could not be read, or only in part", "unknown"
    return f"{totals.can_pull} {of_all} can pull", "pass"


def _tiles(totals: FleetTotals) -> tuple[Tile, ...]:
    return (
        Tile(totals.cannot_pull, "cannot pull", "fail"),
        Tile(totals.at_risk, "at risk", "fail"),
        Tile(totals.image_errors, "image errors", "fail"),
        Tile(totals.unknown, "unknown", "unknown"),
        Tile(totals.can_pull, "can pull", "pass"),
    )


def _facts(report: ScanReport, about: ScanAbout) -> tuple[str, ...]:
    """When, of what, and how it was looked."""
    began = about.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    scope = [
        f"{what} {bounded.named(given, bounded.MAX_FEW)}"
        for what, given in (
            ("subscriptions", about.subscriptions),
            ("clusters", about.clusters),
            ("registries", about.registries),
        )
        if given
    ]
    looked = counted(sum(isinstance(r.verdict, Pass) for r in report.subscriptions), "subscription")
    return (
        f"Checked on {began}, in {about.seconds:.0f} s.",
        f"Asked for: {'; '.join(scope) or 'everything that the identity can see'}. {looked} looked at.",
        "Canary pods asked nodes to pull." if about.canaries else "Read-only: no pod was made.",
    )


def _troubles(report: ScanReport) -> tuple[Trouble, ...]:
    """What was asked for and could not be looked at: errors of the scan, then subscriptions."""
    errors = [Trouble("The scan", bounded.sentence(error.summary), fix_of(error.fix)) for error in report.errors]
    unread = [result for result in report.subscriptions if word(result.verdict) != "pass"]
    listed, more = bounded.first([_unread(result) for result in unread], bounded.MAX_GROUPS)
    rest = (Trouble(f"{counted(more, 'more subscription')}", "could not be read in full.", Fix()),) if more else ()
    return (*errors[: bounded.MAX_GROUPS], *listed, *rest)


def _unread(result: SubscriptionResult) -> Trouble:
    named = f"{result.name} ({result.id})" if result.name else result.id
    return Trouble(f"Subscription {bounded.name(named)}", bounded.sentence(result.summary), fix_of(result.fix))


def _lists(groups: tuple[Grouped, ...]) -> Lists:
    return Lists(*bounded.first(groups, bounded.MAX_GROUPS))
