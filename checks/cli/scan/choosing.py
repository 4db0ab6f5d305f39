"""Which clusters and findings of a scan are written; totals and the exit code are always those of all."""

from __future__ import annotations

import msgspec

from checks.cli.scan.screen.page import Shown
from checks.findings import ClusterReport, Fail, ScanReport, Severity
from checks.report.outcome import outcome_of

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def chosen(report: ScanReport, shown: Shown, least: Severity | None) -> tuple[ClusterReport, ...]:
    """The clusters that come to what is wanted (all where nothing is), without failures milder than ``least``."""
    listed = (c for c in report.clusters if not shown.outcomes or outcome_of(c) in shown.outcomes)
    return tuple(listed) if least is None else tuple(_without_milder(cluster, least) for cluster in listed)


def _without_milder(report: ClusterReport, least: Severity) -> ClusterReport:
    kept = tuple(f for f in report.findings if not isinstance(f.verdict, Fail) or _RANK[f.severity] >= _RANK[least])
    return msgspec.structs.replace(report, findings=kept)
