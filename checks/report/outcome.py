"""What a cluster's report comes to: whether it fails, and whether it leaves something open. Exit codes rest on it."""

from __future__ import annotations

from checks.catalog import check_of
from checks.findings import ClusterReport, Fail, Severity, Unknown


def failing(report: ClusterReport) -> bool:
    """Whether anything in a report fails. A finding that only warns, or only informs, fails nothing."""
    rows = any(isinstance(facet.verdict, Fail) for row in report.registries for _, facet in row.facets())
    return rows or any(isinstance(f.verdict, Fail) and f.severity is Severity.ERROR for f in report.findings)


def pods_read(report: ClusterReport) -> bool:
    """Whether the pods of a cluster were read, all of them: only then does it use no registry but those of its rows."""
    return report.problem is None and all(line.looked for line in report.coverage if line.what == "pods")


def unsettled(report: ClusterReport) -> bool:
    """Whether it is open that the cluster can pull: it was not checked, a row's answer is Unknown, or a finding is.

    Unknowns of checks that only advise, or that look from where Pullwatch runs, leave nothing open about the nodes.
    """
    pulls = any(isinstance(row.pull.verdict, Unknown) for row in report.registries)
    open_findings = any(isinstance(f.verdict, Unknown) and check_of(f).settles for f in report.findings)
    return report.problem is not None or pulls or open_findings
