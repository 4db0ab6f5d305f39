"""A report as JSON: the members that are a contract, and the published schema that says so."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from checks.causes import ScanCause
from checks.findings import (
    ClusterProblem,
    ClusterReport,
    Fail,
    Finding,
    Pass,
    ScanError,
    ScanReport,
    Severity,
    Subject,
    SubscriptionResult,
    Unknown,
)
from checks.report.fleet.scan_about import ScanAbout
from checks.report.formats.as_json import scan_answer
from checks.version import VERSION
from tests.support.reports import CLUSTER, REGISTRY, VERDICTS, report
from tests.support.scan_schema import problems, published

ABOUT = ScanAbout(at=datetime(2026, 3, 1, 8, 30, 5, 999, tzinfo=UTC), seconds=2.34567, registries=("acr*",))
OTHER = CLUSTER.replace("aks-1", "aks-2")
THIRD = CLUSTER.replace("aks-1", "aks-3")


def answer(scan: ScanReport, **options: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(msgspec.json.encode(scan_answer(scan, ABOUT, **options)))
    return document


def looked_at(*clusters: ClusterReport, **more: Any) -> ScanReport:
    result = SubscriptionResult(id="1", clusters=len(clusters), verdict=Pass(), cause="looked-at", summary="Found.")
    return ScanReport(subscriptions=(result,), clusters=clusters, **more)


def with_each_verdict() -> ClusterReport:
    findings = tuple(
        Finding(code="PW102", subject=Subject(CLUSTER, registry=REGISTRY), verdict=verdict, severity=Severity.ERROR)
        for verdict in VERDICTS.values()
    )
    return msgspec.structs.replace(report("unknown", "skipped", "fail"), findings=findings)


SCANS = {
    "nothing": ScanReport(),
    "not signed in": ScanReport(errors=(ScanError(ScanCause.NOT_SIGNED_IN, "Nobody is.", ("az login",)),)),
    "healthy": looked_at(report("pass")),
    "each verdict": looked_at(with_each_verdict()),
    "a problem": looked_at(ClusterReport(id=CLUSTER, problem=ClusterProblem("not-looked-at", "It hung.", "a run"))),
    "refused": ScanReport(subscriptions=(SubscriptionResult(id="1", verdict=Unknown("Reader"), cause="not-allowed"),)),
}


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_what_is_emitted_is_what_the_schema_names(scan: ScanReport) -> None:
    assert problems(answer(scan)) == []


def test_a_wrong_document_is_refused() -> None:
    right = answer(SCANS["each verdict"])
    wrong: list[dict[str, Any]] = [{}, {**right, "more": 1}, {**right, "verdict": "skipped"}, {**right, "totals": None}]
    for path in (("clusters", 0, "name"), ("clusters", 0, "registries", 0, "pull"), ("totals", "at_risk"), ("tool",)):
        document = deepcopy(right)
        part: Any = document
        for step in path[:-1]:
            part = part[step]
        del part[path[-1]]
        wrong.append(document)
    wrong.append({**right, "schema_version": "2.0"})
    wrong.append({**right, "started_at": 7})
    assert all(problems(document) for document in wrong)


def test_the_published_schema_names_itself_and_tells_what_its_parts_mean() -> None:
    schema = published()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:pullwatch:")
    assert all(part.get("description") for part in schema["$defs"].values())
    assert "``" not in json.dumps(schema)


def test_a_scan_says_what_made_it_when_and_of_what() -> None:
    about = ScanAbout(
        at=datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=1))), subscriptions=("shop",), canaries=True
    )
    document = json.loads(msgspec.json.encode(scan_answer(ScanReport(), about)))
    assert (document["schema_version"], document["tool"]) == ("1.0", {"name": "pullwatch", "version": VERSION})
    assert document["started_at"] == "2026-03-01T08:30:00Z"
    assert document["scope"] == {"subscriptions": ["shop"], "clusters": [], "registries": [], "canary": True}


def test_a_cluster_has_its_name_its_subscription_and_what_it_comes_to() -> None:
    (cluster,) = answer(looked_at(report("fail")))["clusters"]
    assert (cluster["name"], cluster["verdict"]) == ("aks-1", "fail")
    assert cluster["subscription"] == "11111111-1111-4111-8111-111111111111"


def test_members_of_a_verdict_are_there_only_where_they_mean_something() -> None:
    (row,) = answer(looked_at(with_each_verdict()))["clusters"][0]["registries"]
    assert {"missing": "Reader", "look_failed": True}.items() <= row["access"].items()
    assert row["path"]["because"] == "another way is taken"
    assert not {"missing", "look_failed", "because"} & row["pull"].keys()


def test_totals_are_of_the_whole_scan_whatever_is_listed() -> None:
    warning = Finding(
        code="PW107", subject=Subject(CLUSTER), verdict=Fail(), severity=Severity.WARNING, cause="admin-user"
    )
    passing = msgspec.structs.replace(report("pass"), findings=(warning,))
    scan = looked_at(passing, report("fail", cluster=OTHER), report("pass", "fail", "pass", cluster=THIRD))
    document = answer(scan, shown=(passing,))
    assert [cluster["name"] for cluster in document["clusters"]] == ["aks-1"]
    assert document["verdict"] == "fail"
    counted = {name: count for name, count in document["totals"].items() if name != "rows"}
    assert counted == {
        "clusters": 3,
        "passing": 1,
        "failing": 2,
        "unknown": 0,
        "can_pull": 1,
        "cannot_pull": 1,
        "at_risk": 1,
        "image_errors": 0,
        "warnings": 1,
    }
    assert document["totals"]["rows"]["pull"] == {"pass": 2, "fail": 1}


MISSED = ScanError(ScanCause.NO_SUCH_CLUSTER, "aks-9 is not among the 1 cluster.")
LEFT_OUT = ScanError(ScanCause.OPTED_OUT, "aks-2 opts out.")


@pytest.mark.parametrize(
    ("scan", "verdict"),
    [
        (ScanReport(), "unknown"),
        (looked_at(), "unknown"),
        (looked_at(report("pass")), "pass"),
        (looked_at(report("pass"), report("unknown", cluster=OTHER)), "unknown"),
        (looked_at(report("unknown"), report("fail", cluster=OTHER)), "fail"),
        (looked_at(report("pass"), errors=(MISSED,)), "unknown"),
        (looked_at(report("fail"), errors=(MISSED,)), "fail"),
        (looked_at(report("pass"), errors=(LEFT_OUT,)), "pass"),
        (looked_at(errors=(LEFT_OUT,)), "unknown"),
    ],
)
def test_the_verdict_is_what_the_exit_code_says(scan: ScanReport, verdict: str) -> None:
    assert answer(scan)["verdict"] == verdict
