"""What may be said of a cluster whose pods were read in part: what was seen counts, what was not proves nothing."""

from __future__ import annotations

import msgspec

from checks.facts import NotSeen, Seen, Workloads
from checks.findings import Finding, Pass, Severity, Unknown
from checks.rules.pull import image_access

CAUSE = "pods-read-in-part"
MISSING = "a whole reading of the cluster's pods"
# The checks whose Pass speaks of every pod or image in use.
OF_ALL = frozenset({"PW301", "PW304", "PW306"})
# Ways that serve every image of a registry, whichever pods were not seen.
SERVES_ALL = frozenset({image_access.ANONYMOUS, image_access.PUBLIC_HOST})


def hedged(findings: tuple[Finding, ...], workloads: Seen[Workloads] | NotSeen) -> tuple[Finding, ...]:
    """The findings, with every Pass that a pod not read could belie turned into Unknown."""
    if isinstance(workloads, NotSeen) or not workloads.partial:
        return findings
    return tuple(_hedged(finding, workloads.partial) for finding in findings)


def _hedged(finding: Finding, partial: str) -> Finding:
    if not isinstance(finding.verdict, Pass) or finding.code not in OF_ALL or finding.cause in SERVES_ALL:
        return finding
    return msgspec.structs.replace(
        finding,
        verdict=Unknown(MISSING),
        cause=CAUSE,
        summary=f"{partial}. Of what was read: {finding.summary}",
        severity=Severity.WARNING,
    )
