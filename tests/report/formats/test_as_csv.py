"""A scan as CSV: what a spreadsheet reads back, and that no cell is a formula."""

from __future__ import annotations

import csv
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.findings import ScanReport
from checks.report.formats.as_csv import COLUMNS, MAX_CELL, csv_report, safe_cell
from checks.report.formats.flat_lines import lines_of
from tests.support.flat_scans import ABOUT, RESULT, SCANS, SUBSCRIPTION
from tests.support.reports import CLUSTER, REGISTRY, report


def read(scan: ScanReport, **options: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_report(scan, ABOUT, **options))))


def test_a_line_has_who_where_what_and_the_first_command() -> None:
    (line,) = read(SCANS["fail"])
    assert line == {
        "subscription": SUBSCRIPTION,
        "subscription_name": "Shop",
        "resource_group": "rg",
        "cluster": "aks-1",
        "registry": REGISTRY,
        "verdict": "fail",
        "access": "fail",
        "path": "pass",
        "pull": "fail",
        "images": "skipped",
        "basis": "nodes azure",
        "code": "PW102",
        "cause": "role-missing",
        "summary": "It is a fail.",
        "first_command": "az role assignment create --role AcrPull",
        "names": "",
    }


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_every_cluster_error_and_unread_subscription_has_a_line(scan: ScanReport) -> None:
    lines = read(scan)
    rows = sum(len(lines_of(cluster)) for cluster in scan.clusters)
    unread = sum(result.cause != "looked-at" for result in scan.subscriptions)
    assert len(lines) == rows + unread + len(scan.errors)
    assert all(line["verdict"] in ("pass", "fail", "unknown", "skipped") for line in lines)


def test_a_cluster_that_could_not_be_checked_has_a_line_without_a_registry() -> None:
    (line,) = read(SCANS["problem"])
    assert (line["cluster"], line["registry"], line["verdict"]) == ("aks-1", "", "unknown")
    assert (line["cause"], line["summary"]) == ("not-looked-at", "It hung.")


def test_what_could_not_be_looked_at_has_lines_without_a_cluster() -> None:
    (error,), (subscription,) = read(SCANS["not signed in"]), read(SCANS["refused"])
    assert (error["cluster"], error["verdict"], error["cause"]) == ("", "unknown", "not-signed-in")
    assert error["first_command"] == "az login"
    assert (subscription["subscription_name"], subscription["verdict"]) == ("Lab", "unknown")


def test_only_what_is_to_be_shown_is_listed() -> None:
    other = report("pass", cluster=CLUSTER.replace("aks-1", "aks-2"))
    scan = ScanReport(subscriptions=(RESULT,), clusters=(report("fail"), other))
    assert [line["cluster"] for line in read(scan, shown=(other,))] == ["aks-2"]


def test_lines_end_with_a_line_feed_and_there_is_a_header_whatever_is_there() -> None:
    assert csv_report(SCANS["nothing"], ABOUT) == f"{','.join(COLUMNS)}\n"
    assert "\r" not in csv_report(SCANS["fail"], ABOUT)


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", '=HYPERLINK("http://x","y")']


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_would_be_a_formula_begins_with_an_apostrophe(text: str) -> None:
    (row,) = report("fail").registries
    hostile = msgspec.structs.replace(row, pull=msgspec.structs.replace(row.pull, summary=text, fix=(text,)))
    scan = ScanReport(clusters=(msgspec.structs.replace(report("fail"), registries=(hostile,)),))
    (line,) = read(scan)
    assert line["summary"].startswith("'")
    assert line["first_command"].startswith("'")


@given(st.text())
def test_no_text_makes_a_formula_or_more_than_one_line(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert len(cell) <= MAX_CELL + 1
    assert cell.isprintable()
    assert list(csv.reader(io.StringIO(cell.join('""')))) or cell
