"""Scans of many clusters, for tests of pages that show them."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

import msgspec

from checks.causes import ScanCause
from checks.findings import ClusterProblem, ClusterReport, Coverage, Pass, ScanReport, SubscriptionResult, Unknown
from checks.report.cluster_report import build_report, problem_report
from checks.report.fleet.scan_about import ScanAbout
from tests.support.access_facts import SUBSCRIPTION
from tests.support.image_facts import ACR, NO_ROLE, container, facts, pulled
from tests.support.network_world import World
from tests.support.sample_chains import NASTY, judged, unlinked_report

ABOUT = ScanAbout(at=datetime(2026, 11, 24, 8, 0, tzinfo=UTC), seconds=41.7)


@functools.cache
def kinds() -> dict[str, ClusterReport]:
    """One report of each kind, judged: the names are those of the fleet's clusters without their number."""
    absent = container(waiting_reason="ErrImagePull", waiting_message=f"{ACR}/team/web:1: not found")
    problem = ClusterProblem(ScanCause.NOT_LOOKED_AT, "The cluster's API did not answer.", "a run that reaches it")
    healthy = judged(World().healthy_private(), container(), events=(pulled(),))
    return {
        "role": build_report(facts(container(), authorization=NO_ROLE)),
        "dns": unlinked_report(),
        "image": build_report(facts(absent)),
        "healthy": healthy,
        "unread": problem_report(healthy.id, (ACR,), problem),
    }


def named(report: ClusterReport, name: str) -> ClusterReport:
    """The report as one of another cluster."""
    raw = msgspec.json.encode(report).replace(b"aks-1", name.encode())
    return msgspec.json.decode(raw, type=ClusterReport)


def fleet(clusters: int, broken: int) -> ScanReport:
    """A scan of that many clusters: those that are broken lack the role, the DNS zone or an image; a few are unread."""
    made: list[ClusterReport] = []
    for number in range(clusters):
        kind = ("role", "dns", "role", "image", "role")[number % 5] if number < broken else "healthy"
        kind = "unread" if kind == "healthy" and number % 50 == 0 else kind
        made.append(named(kinds()[kind], f"aks-shop-{number:04d}"))
    subscription = SubscriptionResult(id=SUBSCRIPTION, name="Shop Production", clusters=clusters, verdict=Pass())
    return ScanReport(subscriptions=(subscription,), clusters=tuple(made))


def hostile_scan() -> ScanReport:
    """Hostile names and texts in every field of a scan."""
    reports = []
    for kind, report in kinds().items():
        rows = tuple(
            msgspec.structs.replace(
                row,
                registry=f"{NASTY}{row.registry}",
                names=(NASTY,),
                disagreements=(NASTY,),
                pull=msgspec.structs.replace(row.pull, cause=NASTY, summary=NASTY * 30, fix=(NASTY, f"# {NASTY}")),
            )
            for row in report.registries
        )
        findings = tuple(
            msgspec.structs.replace(
                finding,
                subject=msgspec.structs.replace(
                    finding.subject, registry=f"{NASTY}{finding.subject.registry}" if finding.subject.registry else None
                ),
                cause=finding.cause if finding.code == "PW301" else NASTY,
                summary=f"{NASTY} {'W' * 300}",
                fix=(NASTY, f"// Bicep: {NASTY}\n{NASTY}"),
                evidence=tuple(msgspec.structs.replace(item, what=NASTY, source=NASTY) for item in finding.evidence),
            )
            for finding in report.findings
        )
        coverage = (*report.coverage, Coverage(NASTY, False, NASTY, (NASTY,)))
        problem = report.problem and ClusterProblem(NASTY, NASTY, NASTY)
        reports.append(
            msgspec.structs.replace(
                report,
                id=f"{report.id}-{kind}{NASTY}{'x' * 300}",
                registries=rows,
                findings=findings,
                coverage=coverage,
                problem=problem,
            )
        )
    unread = SubscriptionResult(id=NASTY, name=NASTY, verdict=Unknown(NASTY), cause=NASTY, summary=NASTY, fix=(NASTY,))
    return ScanReport(subscriptions=(unread,), clusters=tuple(reports))
