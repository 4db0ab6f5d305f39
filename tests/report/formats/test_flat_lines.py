"""The lines of a cluster say together what the cluster comes to, and name clusters so that they can be told apart."""

from __future__ import annotations

import pytest

from checks.findings import ClusterReport
from checks.report.formats.flat_lines import MAX_LINES, labels, lines_of
from checks.report.outcome import failing, unsettled
from tests.support.flat_scans import CLUSTERS
from tests.support.reports import CLUSTER, REGISTRY, report


@pytest.mark.parametrize("one", CLUSTERS.values(), ids=CLUSTERS)
def test_a_line_fails_where_the_cluster_does_and_one_is_unknown_where_something_is_open(one: ClusterReport) -> None:
    verdicts = {line.verdict for line in lines_of(one)}
    assert ("fail" in verdicts, "unknown" in verdicts) == (failing(one), unsettled(one))
    assert all(line.summary for line in lines_of(one) if line.verdict in ("fail", "unknown"))
    assert all(line.cause for line in lines_of(one) if line.verdict == "fail")


def test_a_row_that_fails_has_the_check_the_cause_and_the_command() -> None:
    (line,) = lines_of(report("fail"))
    assert (line.registry, line.verdict, line.code, line.cause) == (REGISTRY, "fail", "PW102", "role-missing")
    assert line.fix == ("az role assignment create --role AcrPull",)
    assert line.row is not None


def test_what_fails_and_is_in_no_row_has_a_line_of_its_own() -> None:
    passing, failed = lines_of(CLUSTERS["finding of another registry"])
    assert (passing.registry, passing.verdict) == (REGISTRY, "pass")
    assert (failed.registry, failed.verdict, failed.code, failed.row) == ("docker.io", "fail", "PW301", None)


@pytest.mark.parametrize(("name", "verdict"), [("fail", "fail"), ("unknown", "unknown")])
def test_of_more_lines_than_are_shown_the_worst_are_shown(name: str, verdict: str) -> None:
    lines = lines_of(CLUSTERS[f"many, one {'fails' if name == 'fail' else name}"])
    assert len(lines) == MAX_LINES
    assert lines[0].verdict == verdict
    assert lines[-1].summary == "101 more registries are not listed."


def test_clusters_of_one_name_are_told_apart() -> None:
    other_group = CLUSTER.replace("/rg/", "/rg-2/")
    other_subscription = CLUSTER.replace("1111-", "2222-", 1)
    same = [ClusterReport(id=one) for one in (CLUSTER, other_group, other_subscription)]
    assert labels(same) == {
        CLUSTER: CLUSTER,
        other_group: "aks-1 (rg-2)",
        other_subscription: other_subscription,
    }
    assert labels(same[:1]) == {CLUSTER: "aks-1"}
