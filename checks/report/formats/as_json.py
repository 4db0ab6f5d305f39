"""A report as the plain data that the command line (``-o json``) and HTTP answer with: ``json_shapes`` has the shapes.

A facet of a row is skipped where nobody can judge it; ``problem`` is there where a cluster could not be checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import TypedDict

from checks.arm_ids import subscription_of
from checks.findings import (
    ClusterReport,
    Facet,
    Finding,
    RegistryRow,
    ScanReport,
    Skipped,
    SubscriptionResult,
    Unknown,
    Verdict,
    word,
)
from checks.report.fleet.scan_about import ScanAbout
from checks.report.fleet.totals import fleet_totals
from checks.report.formats.json_shapes import (
    SCHEMA_VERSION,
    ClusterAnswer,
    FacetAnswer,
    FindingAnswer,
    RowAnswer,
    ScanAnswer,
    Scope,
    SubscriptionAnswer,
    Tool,
    Totals,
    WholeWord,
    Word,
)
from checks.report.outcome import Outcome, count_rows, outcome_of, scan_outcome
from checks.version import VERSION

_WORDS: dict[str, Word] = {"pass": "pass", "fail": "fail", "unknown": "unknown", "skipped": "skipped"}
_OUTCOMES: dict[Outcome, WholeWord] = {Outcome.PASS: "pass", Outcome.FAIL: "fail", Outcome.UNKNOWN: "unknown"}


class Judged(TypedDict, total=False):
    """What a verdict adds to an answer."""

    verdict: Word
    missing: str
    look_failed: bool
    because: str


def scan_answer(report: ScanReport, about: ScanAbout, shown: Iterable[ClusterReport] | None = None) -> ScanAnswer:
    """A whole scan. ``shown`` are the clusters to list (None: all); verdict and totals are those of the report."""
    return ScanAnswer(
        schema_version=SCHEMA_VERSION,
        tool=Tool(name="pullwatch", version=VERSION),
        started_at=about.at.astimezone(UTC).replace(microsecond=0),
        seconds=round(about.seconds, 3),
        scope=Scope(
            subscriptions=about.subscriptions,
            clusters=about.clusters,
            registries=about.registries,
            canary=about.canaries,
        ),
        verdict=_OUTCOMES[scan_outcome(report)],
        errors=report.errors,
        subscriptions=tuple(subscription_answer(result) for result in report.subscriptions),
        clusters=tuple(cluster_answer(cluster) for cluster in (report.clusters if shown is None else shown)),
        totals=_totals(report),
    )


def _totals(report: ScanReport) -> Totals:
    """Clusters by what they come to, and rows by facet and verdict, counted as runs count them."""
    counted = fleet_totals(report.clusters)
    return Totals(
        clusters=counted.clusters,
        passing=counted.can_pull,
        failing=counted.cannot_pull + counted.at_risk + counted.image_errors,
        unknown=counted.unknown,
        can_pull=counted.can_pull,
        cannot_pull=counted.cannot_pull,
        at_risk=counted.at_risk,
        image_errors=counted.image_errors,
        warnings=counted.warnings,
        rows=count_rows(report.clusters),
    )


def subscription_answer(result: SubscriptionResult) -> SubscriptionAnswer:
    """One subscription's result."""
    return SubscriptionAnswer(
        id=result.id,
        clusters=result.clusters,
        **judged(result.verdict),
        cause=result.cause,
        summary=result.summary,
        fix=result.fix,
    )


def cluster_answer(report: ClusterReport) -> ClusterAnswer:
    """One cluster's report."""
    return ClusterAnswer(
        id=report.id,
        name=report.name,
        subscription=subscription_of(report.id),
        verdict=_OUTCOMES[outcome_of(report)],
        coverage=report.coverage,
        registries=tuple(_row(row) for row in report.registries),
        findings=tuple(finding_answer(finding) for finding in report.findings),
        problem=report.problem,
    )


def _row(row: RegistryRow) -> RowAnswer:
    return RowAnswer(
        registry=row.registry,
        access=_facet(row.access),
        path=_facet(row.path),
        pull=_facet(row.pull),
        images=_facet(row.images),
        basis=row.basis,
        names=row.names,
        sources=row.sources,
        image_troubles=row.image_troubles,
        disagreements=row.disagreements,
        fix=row.fix,
    )


def _facet(facet: Facet) -> FacetAnswer:
    return FacetAnswer(
        **judged(facet.verdict),
        cause=facet.cause,
        decided_by=facet.decided_by,
        summary=facet.summary,
        fix=facet.fix,
    )


def finding_answer(finding: Finding) -> FindingAnswer:
    return FindingAnswer(
        code=finding.code,
        subject=finding.subject,
        **judged(finding.verdict),
        cause=finding.cause,
        summary=finding.summary,
        evidence=finding.evidence,
        severity=finding.severity,
        fix=finding.fix,
    )


def judged(verdict: Verdict) -> Judged:
    """The verdict's word, with what an Unknown misses and what a Skipped names."""
    said: Judged = {"verdict": _WORDS[word(verdict)]}
    if isinstance(verdict, Unknown):
        return {**said, "missing": verdict.missing, "look_failed": verdict.look_failed}
    if isinstance(verdict, Skipped):
        return {**said, "because": verdict.because}
    return said
