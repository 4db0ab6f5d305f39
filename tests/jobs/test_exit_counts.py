"""What counts as failing: a Fail of severity error, in a finding or a row; a warning counts for nothing."""

import pytest

from checks.findings import ClusterReport, Facet, Fail, Finding, Pass, RegistryRow, Severity, Subject
from checks.report.cluster_report import failing

CLUSTER = "/subscriptions/x/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1"


@pytest.mark.parametrize(
    ("severity", "counts"), [(Severity.ERROR, True), (Severity.WARNING, False), (Severity.INFO, False)]
)
def test_only_a_fail_of_severity_error_counts_as_failing(severity: Severity, counts: bool) -> None:
    finding = Finding(code="PW401", subject=Subject(CLUSTER), verdict=Fail(), severity=severity)
    assert failing(ClusterReport(id=CLUSTER, findings=(finding,))) is counts


def test_a_row_that_fails_counts_whatever_the_findings_say() -> None:
    good, bad = Facet(Pass(), "role-held"), Facet(Fail(), "role-missing")
    row = RegistryRow(registry="acrone.azurecr.io", access=bad, path=good, pull=bad)
    assert failing(ClusterReport(id=CLUSTER, registries=(row,)))
