"""A scan as JUnit XML: what pipelines count, and that it is XML of the common schema whatever is in it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.findings import Fail, ScanError, ScanReport
from checks.report.formats.as_junit import MAX_ALSO, MAX_TEXT, junit_report
from checks.report.outcome import Outcome, scan_outcome
from tests.support.flat_scans import ABOUT, RESULT, SCANS, finding, with_findings
from tests.support.reports import CLUSTER, REGISTRY, report

# The elements of junit-10.xsd (the Jenkins xUnit plugin's, which pytest tests against) with their attributes.
SCHEMA = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "timestamp", "time", "id", "package", "hostname"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time", "group"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
}
REQUIRED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}, "property": {"name", "value"}}


def read(scan: ScanReport, **options: object) -> ET.Element:
    return ET.fromstring(junit_report(scan, ABOUT, **options).encode())


def kinds(root: ET.Element) -> list[str]:
    return [child.tag for case in root.iter("testcase") for child in case] or ["passed"]


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_elements_and_attributes_are_those_of_the_common_schema(scan: ScanReport) -> None:
    for element in read(scan).iter():
        assert REQUIRED.get(element.tag, set()) <= set(element.attrib) <= SCHEMA[element.tag]


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_counts_are_those_of_the_tests(scan: ScanReport) -> None:
    root = read(scan)
    for element in (root, *root.iter("testsuite")):
        assert int(element.attrib["tests"]) == len(list(element.iter("testcase")))
        assert int(element.attrib["failures"]) == len(list(element.iter("failure")))
        assert int(element.attrib["errors"]) == len(list(element.iter("error")))
    for suite in root.iter("testsuite"):
        assert int(suite.attrib["skipped"]) == len(list(suite.iter("skipped")))


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_a_gate_on_failures_and_errors_passes_only_where_the_exit_code_does(scan: ScanReport) -> None:
    root = read(scan)
    passes = root.attrib["failures"] == root.attrib["errors"] == "0" and root.attrib["tests"] != "0"
    assert passes == (scan_outcome(scan) is Outcome.PASS)
    assert (root.attrib["failures"] != "0") == (scan_outcome(scan) is Outcome.FAIL)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pass", "passed"), ("fail", "failure"), ("unknown", "error"), ("not judged", "skipped"), ("problem", "error"),
     ("not signed in", "error"), ("refused", "error"), ("opted out", "skipped")],
)  # fmt: skip
def test_each_verdict_has_its_kind(name: str, kind: str) -> None:
    assert kinds(read(SCANS[name])) == [kind]


def test_a_failure_says_what_is_wrong_what_else_fails_and_the_commands() -> None:
    scan = ScanReport(clusters=(with_findings(report("fail"), finding(Fail(), "PW206", cause="nsg-denies")),))
    (case,) = read(scan).iter("testcase")
    assert case.attrib == {"classname": "aks-1", "name": REGISTRY}
    (failure,) = case
    assert failure.attrib == {"type": "role-missing", "message": "It is a fail."}
    assert failure.text == (
        "PW102 role-missing: It is a fail.\n    az role assignment create --role AcrPull\n"
        "PW206 nsg-denies: PW206 says nsg-denies.\n    fix nsg-denies"
    )


def test_suites_are_clusters_with_their_id_and_when_it_was() -> None:
    root = read(SCANS["pass"])
    (suite,) = root
    assert root.attrib["time"] == "1234.568"
    assert (suite.attrib["name"], suite.attrib["timestamp"]) == ("aks-1", "2026-03-01T08:30:05")
    assert [p.attrib for p in suite.iter("property")] == [{"name": "cluster", "value": CLUSTER}]


def test_only_what_is_to_be_shown_is_listed_and_errors_always_are() -> None:
    other = report("pass", cluster=CLUSTER.replace("aks-1", "aks-2"))
    missed = (ScanError("no-such-cluster", "x"), ScanError("no-such-cluster", "y"))
    root = read(ScanReport(errors=missed, clusters=(report("fail"), other)), shown=(other,))
    assert [suite.attrib["name"] for suite in root] == ["scan", "aks-2"]
    assert [case.attrib["name"] for case in root[0]] == ["no-such-cluster", "no-such-cluster 2"]


def test_a_test_of_many_findings_is_bounded_and_says_so() -> None:
    findings = [finding(Fail(), "PW206", cause=f"c{number}") for number in range(MAX_ALSO + 5)]
    (failure,) = read(ScanReport(clusters=(with_findings(report("fail"), *findings),))).iter("failure")
    assert failure.text is not None
    assert failure.text.endswith("and 5 more findings that fail")
    long = [msgspec.structs.replace(one, summary="x" * 5_000) for one in findings]
    (failure,) = read(ScanReport(clusters=(with_findings(report("fail"), *long),))).iter("failure")
    assert failure.text is not None
    assert len(failure.text) == MAX_TEXT
    assert failure.text.endswith("…")


HOSTILE = st.text(st.characters(exclude_categories=()), max_size=40)


@given(HOSTILE, HOSTILE)
def test_whatever_a_text_holds_the_document_is_xml(summary: str, fix: str) -> None:
    (row,) = report("fail").registries
    bad = msgspec.structs.replace(
        row, pull=msgspec.structs.replace(row.pull, summary=f"{summary}]]></x>\x00\x1b\uffff", fix=(fix,))
    )
    cluster = msgspec.structs.replace(report("fail"), registries=(bad,))
    root = read(ScanReport(subscriptions=(RESULT,), clusters=(cluster,)))
    (failure,) = root.iter("failure")
    assert "]]></x>" in failure.attrib["message"]
    assert "\x1b" not in failure.attrib["message"]
