"""A scan of many clusters while Azure Resource Manager limits requests as it does: what is lost, and what it takes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from checks import settings
from checks.causes import ReadCause
from checks.collect.arm.client import open_azure
from checks.facts.observation import NotSeenReason
from checks.findings import ClusterReport, Facet, RegistryRow, ScanReport, Unknown
from checks.jobs import scan_cluster
from checks.jobs.choosing.scope import ScanScope
from simulator import RequestRecord, running
from simulator.arm.buckets import DOCUMENTED, Limits, operation_of
from tests.benchmarks.figures import Figure, Section, at_most
from tests.benchmarks.processes import generated, spend
from tests.support.cli import clean

SUBSCRIPTIONS = 1  # whose buckets then decide; with four, this machine does
MAX_RATIO = 1.2


def measure(clusters: int = 1000, subscriptions: int = SUBSCRIPTIONS) -> Section:
    """The figures of a scan with buckets, beside one without."""
    found = scans(clusters, subscriptions)
    figures = (
        at_most("rows that are Unknown by throttling", found["unknown_throttled"], 0),
        at_most("other things not read because of it", found["gaps_throttled"], 0),
        Figure("answers 429", found["refused"]),
        Figure("on the clock", found["seconds"], "s"),
        Figure("what the buckets force", found["forced_seconds"], "s"),
        Figure("on the clock, without buckets", found["unlimited_seconds"], "s"),
        at_most("the scan over the longer of these two", found["ratio"], MAX_RATIO),
    )
    how = f"{clusters:,} clusters in {subscriptions} subscription{'' if subscriptions == 1 else 's'}; 250 reads + 25/s"
    return Section("Throttling", how, figures)


def scans(clusters: int, subscriptions: int) -> dict[str, float]:
    """Scans a tenant of so many clusters twice: without limits, and with buckets as Azure documents them.

    ``unknown``: rows whose access, path or pull is Unknown; ``unknown_throttled``: rows of which anything is so because
    of throttling; ``gaps_throttled``: other things that were not read because of it; ``seconds`` that the scan took;
    ``unlimited_seconds`` without limits; ``forced_seconds``: as long as the busiest bucket needs to give its tokens
    out; ``ratio``: ``seconds`` to the longer of these two, which is the least it may take; ``refused``: answers 429.
    """
    with tempfile.TemporaryDirectory() as folder:
        tenant = generate(Path(folder), clusters, subscriptions)
        unlimited = measure_tenant(tenant, {})["seconds"]
        figures = measure_tenant(tenant, DOCUMENTED)
        least = max(unlimited, figures["forced_seconds"])
        ratio = figures["seconds"] / least
        return {"clusters": float(clusters), **figures, "unlimited_seconds": unlimited, "ratio": ratio}


def generate(folder: Path, clusters: int, subscriptions: int) -> Path:
    """Writes a tenant in which every cluster pulls; where it lies."""
    return generated(folder, subscriptions=subscriptions, clusters=clusters, registries=clusters, pods=3, seed=3)


def measure_tenant(tenant: Path, limits: Limits) -> dict[str, float]:
    """Serves a tenant with such buckets (simulator/arm/buckets.py) and scans it from a process of its own."""
    (tenant / "buckets.json").write_text(json.dumps(limits))
    with running(tenant, still=True) as simulator:
        scanned = spend([sys.executable, "-m", "tests.benchmarks.throttling"], clean(simulator.environment)).answer()
        forced = forced_seconds(simulator.requests, limits)
        refused = sum(record.status == 429 for record in simulator.requests if record.service == "arm")
    return {**scanned, "forced_seconds": forced, "refused": float(refused)}


def forced_seconds(requests: Iterable[RequestRecord], limits: Limits) -> float:
    """The seconds that buckets need to give out what was taken of them: the longest, for they do so side by side."""
    asked = (record for record in requests if record.service == "arm" and record.status != 429)
    taken = Counter((record.subscription, operation_of(record.method)) for record in asked)
    seconds = [0.0]
    for (subscription, operation), count in taken.items():
        limit = limits.get("subscription" if subscription else "tenant", {}).get(operation)
        if limit is not None:
            seconds.append((count - limit["capacity"]) / limit["per_second"])
    return max(seconds)


async def _scan() -> dict[str, float]:
    async with open_azure(settings.load(os.environ)) as azure:
        began = time.monotonic()
        report = await scan_cluster.scan(azure, ScanScope(), lambda line: None)
        return {"seconds": time.monotonic() - began, **lost(report)}


def lost(report: ScanReport) -> dict[str, float]:
    """How many rows of a report are Unknown, and how many of these, and other gaps, throttling is the cause of."""
    rows = [row for cluster in report.clusters for row in cluster.registries]
    unknown = [row for row in rows if any(isinstance(f.verdict, Unknown) for f in (row.access, row.path, row.pull))]
    throttled = [row for row in rows if ReadCause.THROTTLED in (f.cause for f in _facets(row))]
    results = [result for result in report.subscriptions if result.cause == ReadCause.THROTTLED]
    return {
        "rows": len(rows),
        "unknown": len(unknown),
        "unknown_throttled": len(throttled),
        "gaps_throttled": sum(map(_gaps, report.clusters)) + len(results) + len(report.errors),
    }


def _facets(row: RegistryRow) -> tuple[Facet, ...]:
    return (row.access, row.path, row.pull, row.images)


def _gaps(cluster: ClusterReport) -> int:
    """What was not read of a cluster, or not judged, because of throttling, whatever the rows say."""
    coverage = sum(line.reason == NotSeenReason.THROTTLED.value for line in cluster.coverage)
    findings = sum(finding.cause == ReadCause.THROTTLED for finding in cluster.findings)
    return coverage + findings + bool(cluster.problem)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_scan())) + "\n")
