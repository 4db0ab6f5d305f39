"""What a report comes to: failing by a Fail of severity error, unsettled by an Unknown that is about the nodes."""

import pytest

from checks.findings import (
    ClusterProblem,
    ClusterReport,
    Coverage,
    Facet,
    Fail,
    Finding,
    Pass,
    RegistryRow,
    Severity,
    Skipped,
    Subject,
    Unknown,
)
from checks.report.cluster_report import problem_report
from checks.report.outcome import Beside, Outcome, beside_rows, failing, outcome_of, unsettled

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


ABOUT_THE_NODES = ("PW101", "PW102", "PW204", "PW301", "PW304", "PW501")
ONLY_SHOWN = ("PW103", "PW201", "PW302", "PW401", "PW404", "PW406")


@pytest.mark.parametrize("code", [*ABOUT_THE_NODES, *ONLY_SHOWN])
def test_an_unknown_leaves_a_cluster_open_only_where_its_check_is_about_the_nodes(code: str) -> None:
    finding = Finding(code=code, subject=Subject(CLUSTER), verdict=Unknown("Reader"))
    assert unsettled(ClusterReport(id=CLUSTER, findings=(finding,))) is (code in ABOUT_THE_NODES)


def test_a_cluster_that_could_not_be_checked_is_open_without_borrowing_a_checks_code() -> None:
    report = problem_report(CLUSTER, ("b.azurecr.io", "a.azurecr.io"), ClusterProblem("not-listed", "It is gone.", "x"))
    assert unsettled(report)
    assert not failing(report)
    assert report.findings == ()
    assert [row.registry for row in report.registries] == ["a.azurecr.io", "b.azurecr.io"]
    assert all(
        facet == Facet(Unknown("x"), "not-listed", (), "It is gone.") for _, facet in report.registries[0].facets()
    )


def test_a_cluster_of_which_nothing_is_known_does_not_pass() -> None:
    """A stopped one: its pods cannot be read, and nothing else names a registry."""
    stopped = ClusterReport(id=CLUSTER, coverage=(Coverage("pods", False, "the cluster is stopped"),))
    assert outcome_of(stopped) is Outcome.UNKNOWN
    assert outcome_of(ClusterReport(id=CLUSTER, coverage=(Coverage("pods", True),))) is Outcome.PASS


def test_what_no_row_says_is_said_beside_them_what_fails_first() -> None:
    def found(code: str, verdict: Fail | Unknown | Pass, cause: str, registry: str | None = None) -> Finding:
        subject = Subject(CLUSTER, registry=registry)
        return Finding(code=code, subject=subject, verdict=verdict, cause=cause, severity=Severity.ERROR)

    good, bad = Facet(Pass(), "role-held"), Facet(Fail(), "role-missing")
    fine, broken = (RegistryRow(registry="acr", access=one, path=good, pull=one) for one in (good, bad))
    failed = found("PW101", Fail(), "identity-deleted", "acr")
    pods, role = found("PW301", Unknown("pods"), "look-unreachable"), found("PW102", Unknown("Reader"), "x", "acr")
    advice = found("PW404", Unknown("events"), "look-off")

    def beside(*findings: Finding, row: RegistryRow = fine) -> Beside | None:
        return beside_rows(ClusterReport(id=CLUSTER, registries=(row,), findings=findings))

    assert beside(role, pods, failed) == Beside("fail", "identity-deleted", "acr")
    assert beside(role, pods, failed, row=broken) == Beside("unknown", "look-unreachable")
    assert beside(role, advice) == Beside("unknown", "x", "acr")
    assert beside(advice) is beside() is None
    problem = problem_report(CLUSTER, (), ClusterProblem("not-listed", "It is gone.", "x"))
    assert beside_rows(problem) == Beside("unknown", "not-listed")


def test_a_stopped_cluster_is_open_only_where_nothing_of_it_was_judged() -> None:
    stopped = Finding(code="PW301", subject=Subject(CLUSTER), verdict=Skipped("stopped"), cause="cluster-not-running")
    good = Facet(Pass(), "role-held")
    row = RegistryRow(registry="acr", access=good, path=good, pull=good)
    unread = (Coverage("pods", False, "the cluster is stopped"),)
    bare = ClusterReport(id=CLUSTER, findings=(stopped,), coverage=unread)
    assert beside_rows(bare) == Beside("unknown", "cluster-not-running")
    judged = ClusterReport(id=CLUSTER, registries=(row,), findings=(stopped,), coverage=unread)
    assert beside_rows(judged) == Beside("skipped", "cluster-not-running")
