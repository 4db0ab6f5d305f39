"""What it costs to read all that lists and pages show.

The reports of a simulated fleet of 100 clusters, of which some are broken, become the states of many clusters, and
their overviews are kept in Azurite. Then the fleet is read as the API and pages read it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from azure.data.tables.aio import TableClient

from checks import settings
from checks.cli.progress import Progress
from checks.cli.scan.running import look
from checks.findings import ClusterReport
from checks.fleet.answers import cluster_shown, incident_shown
from checks.fleet.clusters import Wanted as Chosen
from checks.fleet.clusters import chosen
from checks.fleet.incidents import incidents_of
from checks.fleet.load import load_fleet
from checks.fleet.model import Fleet
from checks.history.decide import Policy, decide
from checks.history.model import RunRef
from checks.history.table.overviews import Look
from checks.history.table.store import Store, open_store
from checks.jobs.choosing.scope import ScanScope
from demo.incidents import remove_role
from localhost.azurite import azurite
from simulator import running
from simulator.fleet.generator import generate
from simulator.fleet.model import Wanted
from tests.benchmarks.figures import Figure, Section, at_most
from tests.support.cli import clean

CLUSTERS, SUBSCRIPTIONS = 5_000, 50
MOST_MS, MOST_BYTES, MORE_QUERIES = 300, 1_000_000, 3
ROLES = 12  # that are taken away in the 100 clusters that are scanned
TRIES = 5


def measure(clusters: int = CLUSTERS, subscriptions: int = SUBSCRIPTIONS) -> Section:
    """The figures: queries, bytes and CPU of one look at the fleet, and of what is made of it."""
    reports = simulated_reports()
    with azurite() as storage:
        figures = asyncio.run(_measured(storage.connection_string, reports, clusters, subscriptions))
    how = f"{clusters:,} clusters in {subscriptions} subscriptions, out of Azurite; CPU, best of {TRIES}"
    return Section("Reading the fleet", how, figures)


def simulated_reports() -> tuple[ClusterReport, ...]:
    """What a scan over the wire says of 100 clusters."""
    with tempfile.TemporaryDirectory() as folder:
        tenant = Path(folder) / "tenant"
        generate(tenant, Wanted(subscriptions=2, clusters=100, registries=12, pods=20))
        for seed in range(ROLES):
            remove_role(tenant, seed)
        with running(tenant) as sim, mock.patch.dict(os.environ, clean(sim.environment), clear=True):
            scanned = asyncio.run(look(settings.load(os.environ), ScanScope(), Progress(sys.stderr, quiet=True)))
    return scanned.report.clusters


async def _measured(
    connection: str, reports: tuple[ClusterReport, ...], clusters: int, subscriptions: int
) -> tuple[Figure, ...]:
    async with open_store(connection_string=connection) as store:
        await store.ensure_tables()
        spent = await fill(store, reports, clusters, subscriptions)
        queries, size, fleet = await _read(store)
        seconds = min([await _timed(store) for _ in range(TRIES)])
    before = time.process_time()
    incidents = [incident_shown(one, fleet) for one in incidents_of(fleet)]
    answer = msgspec.json.encode(incidents)
    of_incidents = time.process_time() - before
    before = time.process_time()
    shown = [cluster_shown(one, fleet) for one in chosen(fleet, Chosen())]
    return (
        Figure("entering a cluster", 1000 * spent / clusters, "ms of CPU"),
        at_most("queries", queries, subscriptions + MORE_QUERIES),
        at_most("bytes read", size, MOST_BYTES),
        at_most("reading", 1000 * seconds, MOST_MS, "ms of CPU"),
        Figure(f"{len(incidents)} incidents out of it", 1000 * of_incidents, "ms of CPU"),
        Figure("these as JSON", len(answer), "bytes"),
        Figure(f"all {len(shown)} clusters as they are answered", 1000 * (time.process_time() - before), "ms of CPU"),
    )


async def fill(store: Store, reports: tuple[ClusterReport, ...], clusters: int, subscriptions: int) -> float:
    """Enters the states of all clusters; the CPU seconds of that, without deciding."""
    now, spent = datetime.now(UTC), 0.0
    for number in range(subscriptions):
        guid = f"{number:08d}-1111-4111-8111-111111111111"
        looks = [
            Look(decide(None, report, RunRef("run-1", 1), Policy(), now).state, None, None)
            for report in _copies(reports, guid, clusters // subscriptions)
        ]
        before = time.process_time()
        await store.fold_into_overview(guid, looks)
        spent += time.process_time() - before
    return spent


def _copies(reports: tuple[ClusterReport, ...], subscription: str, count: int) -> Iterator[ClusterReport]:
    for number in range(count):
        report = reports[number % len(reports)]
        parts = report.id.split("/")
        parts[2], parts[-1] = subscription, f"{parts[-1]}-{number}"
        yield msgspec.structs.replace(report, id="/".join(parts))


async def _read(store: Store) -> tuple[int, int, Fleet]:
    """One look at the fleet: how many queries and how many characters of rows that took."""
    queries = size = 0
    listed, got = TableClient.query_entities, TableClient.get_entity

    def query(self: TableClient, *arguments: Any, **options: Any) -> Any:
        nonlocal queries
        queries += 1
        return _counted(listed(self, *arguments, **options))

    async def _counted(rows: Any) -> Any:
        nonlocal size
        async for row in rows:
            size += sum(len(name) + len(str(value)) for name, value in row.items())
            yield row

    async def get(self: TableClient, *arguments: Any, **options: Any) -> Any:
        nonlocal queries
        queries += 1
        return await got(self, *arguments, **options)

    with mock.patch.object(TableClient, "query_entities", query), mock.patch.object(TableClient, "get_entity", get):
        fleet = await load_fleet(store, datetime.now(UTC))
    return queries, size, fleet


async def _timed(store: Store) -> float:
    before = time.process_time()
    await load_fleet(store, datetime.now(UTC))
    return time.process_time() - before
