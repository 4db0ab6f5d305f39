"""Scans of every kind for the formats: what fails, what is open, what is skipped, and what is not there."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from checks.causes import ScanCause
from checks.findings import (
    ClusterProblem,
    ClusterReport,
    Coverage,
    Fail,
    Finding,
    Pass,
    RegistryRow,
    ScanError,
    ScanReport,
    Severity,
    Subject,
    SubscriptionResult,
    Unknown,
)
from checks.report.coverage import REGISTRIES_CUT
from checks.report.fleet.scan_about import ScanAbout
from tests.support.reports import CLUSTER, REGISTRY, facet, report

ABOUT = ScanAbout(at=datetime(2026, 3, 1, 8, 30, 5, tzinfo=UTC), seconds=1234.5678)
SUBSCRIPTION = CLUSTER.split("/")[2]
RESULT = SubscriptionResult(id=SUBSCRIPTION, name="Shop", clusters=1, verdict=Pass(), cause="looked-at", summary="1.")
REFUSED = SubscriptionResult(
    id="2", name="Lab", cause="not-allowed", summary="May not be listed.", fix=("az role assignment create",)
)
NOT_SIGNED_IN = ScanError(ScanCause.NOT_SIGNED_IN, "Nobody is signed in.", ("az login",))
OPTED_OUT = ScanError(ScanCause.OPTED_OUT, "aks-9 opted out.")


def finding(verdict: Fail | Unknown, code: str = "PW301", registry: str | None = REGISTRY, cause: str = "x") -> Finding:
    """A finding that matters, about a registry or a whole cluster."""
    return Finding(
        code=code,
        subject=Subject(CLUSTER, registry=registry),
        verdict=verdict,
        cause=cause,
        summary=f"{code} says {cause}.",
        severity=Severity.ERROR,
        fix=(f"fix {cause}",),
    )


def with_findings(one: ClusterReport, *findings: Finding) -> ClusterReport:
    """A report with findings."""
    return msgspec.structs.replace(one, findings=findings)


def many(count: int, last: str) -> ClusterReport:
    """A report of many registries, all of which pass but the last."""
    words = ["pass"] * (count - 1) + [last]
    return ClusterReport(
        id=CLUSTER,
        registries=tuple(
            RegistryRow(registry=f"acr{n}.azurecr.io", access=facet(w), path=facet(w), pull=facet(w))
            for n, w in enumerate(words)
        ),
    )


CLUSTERS = {
    "pass": report("pass"),
    "fail": report("fail"),
    "unknown": report("unknown"),
    "not judged": report("skipped"),
    "no path": report("pass", "fail", "pass"),
    "no rows": ClusterReport(id=CLUSTER),
    "problem": ClusterReport(id=CLUSTER, problem=ClusterProblem("not-looked-at", "It hung.", "a run")),
    "open finding": with_findings(report("pass"), finding(Unknown("Reader"))),
    "open finding of the cluster": with_findings(report("pass"), finding(Unknown("Reader"), registry=None)),
    "open finding without rows": with_findings(ClusterReport(id=CLUSTER), finding(Unknown("Reader"))),
    "finding of another registry": with_findings(report("pass"), finding(Fail(), registry="docker.io")),
    "finding of the cluster": with_findings(report("pass"), finding(Fail(), "PW101", None)),
    "fails, and something is open": with_findings(report("fail"), finding(Unknown("Reader"), registry="ghcr.io")),
    "registries cut": msgspec.structs.replace(report("pass"), coverage=(Coverage(REGISTRIES_CUT, False, "7 more"),)),
    "many, one fails": many(400, "fail"),
    "many, one unknown": many(400, "unknown"),
    "many pass": many(400, "pass"),
}
SCANS = {
    **{name: ScanReport(subscriptions=(RESULT,), clusters=(one,)) for name, one in CLUSTERS.items()},
    "nothing": ScanReport(),
    "not signed in": ScanReport(errors=(NOT_SIGNED_IN,)),
    "refused": ScanReport(subscriptions=(REFUSED,)),
    "opted out": ScanReport(errors=(OPTED_OUT,), subscriptions=(RESULT,), clusters=(report("pass"),)),
}
