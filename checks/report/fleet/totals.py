"""How many clusters of a scan can pull, cannot, or are in between. Pure.

Each cluster counts once, for the worst of it; the sum of the kinds is the number of clusters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from checks.findings import ClusterReport, Fail, Severity
from checks.report.fleet.broken import Harm, harm_of
from checks.report.outcome import Outcome, outcome_of


class FleetTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Clusters by what they come to. ``warnings`` are findings that fail and are no error: they fail no cluster."""

    clusters: int
    can_pull: int
    cannot_pull: int
    at_risk: int
    image_errors: int
    unknown: int
    warnings: int


def fleet_totals(reports: Iterable[ClusterReport]) -> FleetTotals:
    """Counts a scan's clusters."""
    listed = tuple(reports)
    outcomes = {report.id: outcome_of(report) for report in listed}
    harms = Counter(harm_of(report) for report in listed if outcomes[report.id] is Outcome.FAIL)
    counted = Counter(outcomes.values())
    return FleetTotals(
        clusters=len(listed),
        can_pull=counted[Outcome.PASS],
        cannot_pull=harms[Harm.CANNOT_PULL],
        at_risk=harms[Harm.AT_RISK],
        image_errors=harms[Harm.IMAGES],
        unknown=counted[Outcome.UNKNOWN],
        warnings=sum(
            isinstance(finding.verdict, Fail) and finding.severity is not Severity.ERROR
            for report in listed
            for finding in report.findings
        ),
    )
