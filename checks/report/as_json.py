"""A report as the plain data that the command line (``--json``) and HTTP answer with.

``{"subscriptions":[{"id","clusters","verdict","cause","summary","fix"}],"clusters":[{"id","coverage","registries":
[{"registry","access","path","pull","images","basis","names",…}],"findings":[{"code","subject","verdict","cause",
"summary","evidence","severity","fix"}],"problem"}],"totals":{"clusters","passing","failing","unknown","rows":
{facet:{verdict:count}}}}``; a facet is ``{"verdict","cause","decided_by":[codes]}``; a verdict is "pass", "fail",
"unknown" or "skipped" (in a row: nobody can judge it); ``problem`` is ``{"cause","summary","missing"}`` where a cluster
could not be checked.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

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
from checks.report.outcome import Outcome, count_rows, outcome_of


def scan_answer(report: ScanReport) -> dict[str, Any]:
    """A whole scan."""
    return {
        "subscriptions": [subscription_answer(result) for result in report.subscriptions],
        "clusters": [cluster_answer(cluster) for cluster in report.clusters],
        "totals": _totals(report),
    }


def _totals(report: ScanReport) -> dict[str, Any]:
    """Clusters by what they come to, and rows by facet and verdict, counted as runs count them."""
    outcomes = Counter(outcome_of(cluster) for cluster in report.clusters)
    return {
        "clusters": len(report.clusters),
        "passing": outcomes[Outcome.PASS],
        "failing": outcomes[Outcome.FAIL],
        "unknown": outcomes[Outcome.UNKNOWN],
        "rows": count_rows(report.clusters),
    }


def subscription_answer(result: SubscriptionResult) -> dict[str, Any]:
    """One subscription's result. ``clusters`` is how many it holds."""
    return {
        "id": result.id,
        "clusters": result.clusters,
        **verdict_answer(result.verdict),
        "cause": result.cause,
        "summary": result.summary,
        "fix": list(result.fix),
    }


def cluster_answer(report: ClusterReport) -> dict[str, Any]:
    """One cluster's report."""
    return {
        "id": report.id,
        "coverage": [msgspec.to_builtins(line) for line in report.coverage],
        "registries": [_row(row) for row in report.registries],
        "findings": [finding_answer(finding) for finding in report.findings],
        "problem": msgspec.to_builtins(report.problem),
    }


def _row(row: RegistryRow) -> dict[str, Any]:
    return {
        "registry": row.registry,
        **{name: _facet(facet) for name, facet in row.facets()},
        "basis": [basis.value for basis in row.basis],
        "names": list(row.names),
        "sources": list(row.sources),
        "image_troubles": row.image_troubles,
        "disagreements": list(row.disagreements),
        "fix": list(row.fix),
    }


def _facet(facet: Facet) -> dict[str, Any]:
    return {
        **verdict_answer(facet.verdict),
        "cause": facet.cause,
        "decided_by": list(facet.decided_by),
        "summary": facet.summary,
        "fix": list(facet.fix),
    }


def finding_answer(finding: Finding) -> dict[str, Any]:
    """One finding."""
    return {
        "code": finding.code,
        "subject": msgspec.to_builtins(finding.subject),
        **verdict_answer(finding.verdict),
        "cause": finding.cause,
        "summary": finding.summary,
        "evidence": [msgspec.to_builtins(item) for item in finding.evidence],
        "severity": finding.severity.value,
        "fix": list(finding.fix),
    }


def verdict_answer(verdict: Verdict) -> dict[str, Any]:
    """The verdict's word, with what an Unknown misses and what a Skipped names."""
    if isinstance(verdict, Unknown):
        return {"verdict": word(verdict), "missing": verdict.missing, "look_failed": verdict.look_failed}
    if isinstance(verdict, Skipped):
        return {"verdict": word(verdict), "because": verdict.because}
    return {"verdict": word(verdict)}
