"""What reports come to: whether a cluster fails or leaves something open, and how many rows have which verdict."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from checks.catalog import check_of, pw301_pull_failures
from checks.causes import ScanCause
from checks.findings import Basis, ClusterReport, Fail, Pass, RegistryRow, ScanReport, Unknown, word
from checks.report.coverage import REGISTRIES_CUT, REGISTRIES_UNUSABLE

# Errors that leave nothing open: somebody wants it so.
ON_PURPOSE = frozenset({ScanCause.OPTED_OUT})
FacetCounts = dict[str, dict[str, int]]
STOPPED = pw301_pull_failures.PodsCause.CLUSTER_NOT_RUNNING.value


class Outcome(StrEnum):
    """What a whole cluster comes to. Runs, mails and tables count clusters by it."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


def outcome_of(report: ClusterReport) -> Outcome:
    """Fail where anything fails, else Unknown where it is open that the cluster can pull."""
    if failing(report):
        return Outcome.FAIL
    return Outcome.UNKNOWN if unsettled(report) else Outcome.PASS


def scan_outcome(report: ScanReport) -> Outcome:
    """What a whole scan comes to, as the exit code says: fail where any cluster fails; pass where clusters were found
    and nothing is open, neither of a cluster nor of a subscription nor of what was named."""
    if any(failing(cluster) for cluster in report.clusters):
        return Outcome.FAIL
    looked = all(isinstance(result.verdict, Pass) for result in report.subscriptions)
    named = all(error.cause in ON_PURPOSE for error in report.errors)
    settled = not any(unsettled(cluster) for cluster in report.clusters)
    return Outcome.PASS if report.clusters and looked and named and settled else Outcome.UNKNOWN


def count_rows(reports: Iterable[ClusterReport]) -> FacetCounts:
    """How many rows have which verdict, by facet: ``{"images": {"fail": 1, "pass": 3}}``."""
    counts: FacetCounts = {}
    for row in (row for report in reports for row in report.registries):
        for name, facet in row.facets():
            verdict = word(facet.verdict)
            by_verdict = counts.setdefault(name, {})
            by_verdict[verdict] = by_verdict.get(verdict, 0) + 1
    return counts


def add_counts(parts: Iterable[FacetCounts]) -> FacetCounts:
    """The sum of counts."""
    total: FacetCounts = {}
    for part in parts:
        for name, by_verdict in part.items():
            summed = total.setdefault(name, {})
            for verdict, count in by_verdict.items():
                summed[verdict] = summed.get(verdict, 0) + count
    return total


def failing(report: ClusterReport) -> bool:
    """Whether anything in a report fails. A finding that only warns, or only informs, fails nothing."""
    rows = any(isinstance(facet.verdict, Fail) for row in report.registries for _, facet in row.facets())
    return rows or any(f.failed for f in report.findings)


def proven_by(row: RegistryRow) -> Basis | None:
    """Who proves that a row's pulls work: nodes, or else the registry's log; None where it is inferred, or not so."""
    proofs = (Basis.NODES, Basis.REGISTRY) if isinstance(row.pull.verdict, Pass) else ()
    return next((basis for basis in proofs if basis in row.basis), None)


def pods_read(report: ClusterReport) -> bool:
    """Whether the pods of a cluster were read, all of them: only then does it use no registry but those of its rows."""
    return report.problem is None and all(line.looked for line in report.coverage if line.what == "pods")


def unsettled(report: ClusterReport) -> bool:
    """Whether it is open that the cluster can pull: it was not checked, a row's answer is Unknown, or a finding is.

    So it is where registries were cut, or a tag names what can be none: of those nothing is known; and where no
    registry is known of a cluster whose pods were not read (a stopped one): nothing was judged there.

    Unknowns of checks that only advise, or that look from where Pullwatch runs, leave nothing open about the nodes.
    """
    pulls = any(isinstance(row.pull.verdict, Unknown) for row in report.registries)
    cut = any(line.what in (REGISTRIES_CUT, REGISTRIES_UNUSABLE) for line in report.coverage)
    open_findings = any(isinstance(f.verdict, Unknown) and check_of(f).settles for f in report.findings)
    return report.problem is not None or pulls or cut or open_findings or nothing_judged(report)


def nothing_judged(report: ClusterReport) -> bool:
    """Whether no registry is known that a cluster uses, while its pods were not read."""
    return not report.registries and not pods_read(report)


class Beside(msgspec.Struct, frozen=True, array_like=True):
    """What is to be said of a cluster beside its rows: "fail", "unknown" or "skipped", and the cause.

    ``registry``: the one that it is about; "" for the whole cluster.
    """

    verdict: str
    cause: str
    registry: str = ""


def beside_rows(report: ClusterReport) -> Beside | None:
    """What fails and is in no row; else what leaves open whether the cluster can pull, besides the pulls of its rows;
    else that it is stopped. What is about the whole cluster comes first."""
    if report.problem is not None:
        return Beside("unknown", report.problem.cause)
    ordered = sorted(report.findings, key=lambda finding: finding.subject.registry or "")
    if not any(isinstance(facet.verdict, Fail) for row in report.registries for _, facet in row.facets()):
        failed = next((finding for finding in ordered if finding.failed), None)
        if failed is not None:
            return Beside("fail", failed.cause, failed.subject.registry or "")
    unknown = next((f for f in ordered if isinstance(f.verdict, Unknown) and check_of(f).settles), None)
    if unknown is not None:
        return Beside("unknown", unknown.cause, unknown.subject.registry or "")
    cut = next((line for line in report.coverage if line.what in (REGISTRIES_CUT, REGISTRIES_UNUSABLE)), None)
    if cut is not None:
        return Beside("unknown", f"{cut.what} not read")
    open_verdict = "unknown" if nothing_judged(report) else "skipped"
    return Beside(open_verdict, STOPPED) if any(f.cause == STOPPED for f in ordered) else None
