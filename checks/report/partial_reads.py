"""What may be said of a cluster whose pods were read in part: a Pass that speaks of all pods becomes Unknown."""

from __future__ import annotations

import msgspec

from checks.catalog import check_of
from checks.facts import NotSeen, Seen, Workloads
from checks.findings import Finding, Pass, Severity, Unknown
from checks.rules.pull import image_access
from checks.rules.pull.partial_reads import CAUSE, MISSING

# Access that serves every image of a registry, whichever pods were not read.
SERVES_ALL = frozenset({image_access.ANONYMOUS, image_access.PUBLIC_HOST})


def downgrade_passes(findings: tuple[Finding, ...], workloads: Seen[Workloads] | NotSeen) -> tuple[Finding, ...]:
    """The findings, with every Pass that a pod not read could contradict turned into Unknown."""
    if isinstance(workloads, NotSeen) or not workloads.partial:
        return findings
    return tuple(_downgraded(finding, workloads.partial) for finding in findings)


def _downgraded(finding: Finding, partial: str) -> Finding:
    claims_all = isinstance(finding.verdict, Pass) and check_of(finding).speaks_of_all_pods
    if not claims_all or finding.cause in SERVES_ALL:
        return finding
    return msgspec.structs.replace(
        finding,
        verdict=Unknown(MISSING),
        cause=CAUSE,
        summary=f"{partial}. Of what was read: {finding.summary}",
        severity=Severity.WARNING,
    )
