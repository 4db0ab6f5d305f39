"""`python tools/benchmark_overview.py`: what it costs to read all that lists and pages show.

The reports of a simulated fleet of 100 clusters, of which some are broken, become the states of 5,000 clusters in 50
subscriptions, and their overviews are kept in Azurite. Then the fleet is read as the API and pages read it. Figures are
CPU seconds of this process, best of five. Limits: subscriptions + 3 queries, 300 ms, 1 MB. The exit code is 1 where one
is missed.
"""

from __future__ import annotations

import argparse
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

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402
from azure.data.tables.aio import TableClient  # noqa: E402
from benchmark import served  # noqa: E402

from checks import settings  # noqa: E402
from checks.cli.progress import Progress  # noqa: E402
from checks.cli.scan.running import look  # noqa: E402
from checks.findings import ClusterReport  # noqa: E402
from checks.fleet.answers import cluster_shown, incident_shown  # noqa: E402
from checks.fleet.clusters import Wanted as Chosen  # noqa: E402
from checks.fleet.clusters import chosen  # noqa: E402
from checks.fleet.incidents import incidents_of  # noqa: E402
from checks.fleet.load import load_fleet  # noqa: E402
from checks.fleet.model import Fleet  # noqa: E402
from checks.history.decide import Policy, decide  # noqa: E402
from checks.history.model import RunRef  # noqa: E402
from checks.history.table.overviews import Look  # noqa: E402
from checks.history.table.store import Store, open_store  # noqa: E402
from checks.jobs.choosing.scope import ScanScope  # noqa: E402
from demo.incidents import remove_role  # noqa: E402
from localhost.azurite import azurite  # noqa: E402
from simulator.fleet.generator import generate  # noqa: E402
from simulator.fleet.model import Wanted  # noqa: E402

MOST_SECONDS, MOST_BYTES, MORE_QUERIES = 0.3, 1_000_000, 3
ROLES = 12  # that are taken away in the 100 clusters that are scanned
TRIES = 5


def main() -> int:
    """Prints the figures; 0 where the limits hold."""
    parser = argparse.ArgumentParser(
        prog="benchmark_overview.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clusters", type=int, default=5000, help="default: %(default)s")
    parser.add_argument("--subscriptions", type=int, default=50, help="default: %(default)s")
    options = parser.parse_args()
    reports = simulated_reports()
    with azurite() as storage:
        return asyncio.run(_measured(storage.connection_string, reports, options.clusters, options.subscriptions))


def simulated_reports() -> tuple[ClusterReport, ...]:
    """What a scan over the wire says of 100 clusters."""
    with tempfile.TemporaryDirectory() as folder:
        tenant = Path(folder) / "tenant"
        generate(tenant, Wanted(subscriptions=2, clusters=100, registries=12, pods=20))
        for seed in range(ROLES):
            remove_role(tenant, seed)
        with served(tenant):
            scanned = asyncio.run(look(settings.load(os.environ), ScanScope(), Progress(sys.stderr, quiet=True)))
    return scanned.report.clusters


async def _measured(connection: str, reports: tuple[ClusterReport, ...], clusters: int, subscriptions: int) -> int:
    async with open_store(connection_string=connection) as store:
        await store.ensure_tables()
        spent = await fill(store, reports, clusters, subscriptions)
        each = 1000 * spent / clusters
        print(f"{clusters} clusters in {subscriptions} subscriptions entered: {each:.2f} ms of CPU each")
        queries, size, fleet = await _read(store)
        held = [
            is_within("queries", queries, subscriptions + MORE_QUERIES),
            is_within("bytes", size, MOST_BYTES),
            is_within("CPU ms", 1000 * min([await _timed(store) for _ in range(TRIES)]), 1000 * MOST_SECONDS),
        ]
    before = time.process_time()
    incidents = [incident_shown(one, fleet) for one in incidents_of(fleet)]
    answer = msgspec.json.encode(incidents)
    spent = 1000 * (time.process_time() - before)
    print(f"     {len(incidents)} incidents out of it: {spent:.0f} ms, {len(answer):,} bytes")
    before = time.process_time()
    shown = [cluster_shown(one, fleet) for one in chosen(fleet, Chosen())]
    print(f"     all {len(shown)} clusters as they are answered: {1000 * (time.process_time() - before):.0f} ms")
    return 0 if all(held) else 1


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


def is_within(what: str, figure: float, most: float) -> bool:
    """Prints one figure beside its limit; whether it is within."""
    print(f"{'ok  ' if figure <= most else 'MISS'} {what}: {figure:,.0f} of at most {most:,.0f}")
    return figure <= most


if __name__ == "__main__":
    sys.exit(main())
