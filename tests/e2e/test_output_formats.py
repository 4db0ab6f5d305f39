"""Real scans in every format: JSON as published, CSV and JUnit that say the same as the exit code."""

from __future__ import annotations

import asyncio
import csv
import io
import os
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from checks import settings
from checks.collect.arm.client import open_azure
from checks.findings import ScanReport
from checks.jobs.choosing.scope import ScanScope
from checks.jobs.scan_cluster import scan
from checks.report.fleet.scan_about import ScanAbout
from checks.report.formats.as_csv import csv_report
from checks.report.formats.as_junit import junit_report
from checks.report.outcome import scan_outcome
from simulator import running
from tests.support import cli
from tests.support.scan_schema import problems
from tests.support.tenant_builder import ACR_PULL, Tenant, guid, object_id

IMAGE = "acrone.azurecr.io/team/web:1"
ABOUT = ScanAbout(at=datetime(2026, 3, 1, tzinfo=UTC))


def healthy(tenant: Tenant) -> None:
    """One cluster that pulled just now."""
    tenant.cluster()
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pulled(IMAGE)


def broken(tenant: Tenant) -> None:
    """The role is missing, and another cluster has an image that does not exist."""
    tenant.cluster()
    registry = tenant.registry()
    tenant.pod(IMAGE)
    tenant.cluster("aks-2")
    tenant.assign(object_id("aks-2"), ACR_PULL, registry)
    tenant.pulled(IMAGE, cluster="aks-2")
    image = "acrone.azurecr.io/team/web:gone"
    text = f'failed to resolve reference "{image}": {image}: not found'
    tenant.pod(image, cluster="aks-2", waiting=("ErrImagePull", text))


def unknown(tenant: Tenant) -> None:
    """Pods out of reach, and a subscription that refuses."""
    tenant.cluster()
    tenant.registry()
    other = guid("other subscription")
    tenant.add_subscription(other)
    tenant.caller(denied=[{"scope": f"/subscriptions/{other}", "actions": ["*"]}])


def empty(tenant: Tenant) -> None:
    """A subscription without clusters."""


KINDS = {"pass": (healthy, 0), "fail": (broken, 1), "unknown": (unknown, 2), "nothing": (empty, 2)}


@pytest.mark.parametrize(("make", "code"), KINDS.values(), ids=KINDS)
def test_the_formats_of_a_real_scan_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object, code: int
) -> None:
    tenant = Tenant(tmp_path / "tenant")
    assert callable(make)
    make(tenant)
    with running(tenant.root) as simulator:
        printed = cli.scan(simulator.environment)
        for name in [name for name in os.environ if name.startswith(("PULLWATCH_", "AZURE_", "IDENTITY_"))]:
            monkeypatch.delenv(name)
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        report = asyncio.run(scanned(simulator.environment))
    assert problems(printed.answer) == []
    assert printed.code == code
    assert printed.answer["verdict"] == scan_outcome(report).value == {0: "pass", 1: "fail", 2: "unknown"}[code]
    verdicts = {line["verdict"] for line in csv.DictReader(io.StringIO(csv_report(report, ABOUT)))}
    assert ("fail" in verdicts) == (code == 1)
    assert bool(verdicts & {"fail", "unknown"}) == (code != 0)
    root = ET.fromstring(junit_report(report, ABOUT).encode())
    assert (root.attrib["failures"] != "0") == (code == 1)
    assert (root.attrib["failures"] == root.attrib["errors"] == "0") == (code == 0)


async def scanned(environment: dict[str, str]) -> ScanReport:
    async with open_azure(settings.load(environment)) as azure:
        return await scan(azure, ScanScope(), lambda line: None)


def test_where_there_is_no_cluster_that_is_said(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    with running(tenant.root) as simulator:
        answer = cli.scan(simulator.environment).answer
    assert [(e["cause"], e["summary"]) for e in answer["errors"]] == [
        ("nothing-found", "There is no cluster to check in 1 subscription.")
    ]
