"""Reports of fleets of any size, for tests of what shows them: one scan of a simulated fleet, its clusters repeated.

A hundred clusters are broken in three ways and scanned over the wire. Larger and smaller fleets are made of the same
reports; of a healthy cluster that is there twice, the second one has another name.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from checks import settings
from checks.collect.arm.client import open_azure
from checks.findings import ClusterReport, ScanReport
from checks.jobs.choosing.scope import ScanScope
from checks.jobs.scan_cluster import scan
from checks.report.fleet.broken import broken_of
from checks.report.outcome import Outcome, outcome_of
from demo.incidents import break_image, remove_role
from simulator import running
from simulator.fleet.generator import generate
from simulator.fleet.model import Wanted
from tests.support.cli import clean

CLOSED = 1  # the index of the registry whose public access is disabled
ROLES, IMAGES, UNREADABLE = 22, 6, 4


class ScannedFleet:
    """One scan's reports by what the clusters come to."""

    def __init__(self, report: ScanReport) -> None:
        self.subscriptions = report.subscriptions
        self.calls = report.arm_calls
        by_outcome: dict[Outcome, list[ClusterReport]] = {outcome: [] for outcome in Outcome}
        for cluster in report.clusters:
            by_outcome[outcome_of(cluster)].append(cluster)
        self.healthy, self.unknown = by_outcome[Outcome.PASS], by_outcome[Outcome.UNKNOWN]
        self.broken = list(_in_turns(by_outcome[Outcome.FAIL]))

    def of(self, clusters: int, broken: int, unknown: int = 0) -> ScanReport:
        """A scan of so many clusters, of which so many are broken and unknown."""
        assert broken <= len(self.broken) and unknown <= len(self.unknown)
        bad = [*self.broken[:broken], *self.unknown[:unknown]]
        good = [self._healthy(number) for number in range(clusters - len(bad))]
        subscriptions = self.subscriptions if clusters > len(self.subscriptions) else self.subscriptions[:2]
        return ScanReport(subscriptions=subscriptions, clusters=(*bad, *good), arm_calls=self.calls)

    def _healthy(self, number: int) -> ClusterReport:
        again, index = divmod(number, len(self.healthy))
        report = self.healthy[index]
        return msgspec.structs.replace(report, id=f"{report.id}-{again}") if again else report


def scanned_fleet(folder: Path, clusters: int = 100) -> ScannedFleet:
    """Makes a fleet, breaks it, and scans it over the wire."""
    tenant = folder / "tenant"
    now = datetime.now(UTC).replace(microsecond=0)
    made = generate(tenant, Wanted(subscriptions=4, clusters=clusters, registries=12, pods=6, now=now))
    _close(tenant, made.registries[CLOSED].name)
    for seed in range(ROLES):
        remove_role(tenant, seed)
    for seed in range(IMAGES):
        break_image(tenant, seed, not_in="")
    (tenant / "faults.json").write_text(json.dumps([_refused(made.clusters[-1 - n].name) for n in range(UNREADABLE)]))
    with running(tenant) as simulator:
        return ScannedFleet(asyncio.run(_scan(dict(simulator.environment))))


async def _scan(environment: dict[str, str]) -> ScanReport:
    with mock.patch.dict("os.environ", clean(environment), clear=True):
        async with open_azure(settings.load(clean(environment))) as azure:
            return _untimed(await scan(azure, ScanScope(), lambda sentence: None))


def _untimed(report: ScanReport) -> ScanReport:
    """The report with the same times whenever it was made."""
    text = msgspec.json.encode(report).decode()
    text = re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-20T12:00:00Z", text)
    text = re.sub(r"\d+ (minutes?|hours?|seconds?) before this scan", "9 minutes before this scan", text)
    return msgspec.json.decode(text, type=ScanReport)


def _in_turns(reports: list[ClusterReport]) -> Iterator[ClusterReport]:
    """The reports, those that are broken in different ways in turns."""
    kinds: dict[str, list[ClusterReport]] = {}
    for report in reports:
        kinds.setdefault(broken_of(report)[0].cause, []).append(report)
    turns: Any = zip_longest(*(kinds[cause] for cause in sorted(kinds)))
    return (report for report in chain.from_iterable(turns) if report is not None)


def _close(tenant: Path, registry: str) -> None:
    """Disables a registry's public access."""
    for file in sorted((tenant / "arm").glob("*.json")):
        bodies = json.loads(file.read_text())
        for body in bodies if isinstance(bodies, list) else [bodies]:
            if body.get("name") == registry and str(body.get("type", "")).lower().endswith("/registries"):
                body["properties"]["publicNetworkAccess"] = "Disabled"
        file.write_text(json.dumps(bodies))


def _refused(cluster: str) -> dict[str, Any]:
    """A rule: the cluster's API server lists nobody its pods."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
    return {
        "service": "kubernetes",
        "path": f"^.*/{cluster}/api/v1/pods",
        "effect": {"status": 403, "body": json.dumps(status | {"message": "pods is forbidden"})},
    }
