"""What *Now* of the dashboard costs, and how long it is: asked for as a browser asks, over the fleet of `overview`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from unittest import mock

from checks import settings
from checks.collect.arm.client import open_azure
from checks.collect.arm.inventories import InventoryCache
from checks.findings import ClusterReport
from checks.history.table.store import open_store
from checks.jobs.context import JobContext
from checks.jobs.queues import open_queues
from checks.web.dashboard.pages import page
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked
from localhost.azurite import azurite
from tests.benchmarks.figures import Figure, Section, at_most
from tests.benchmarks.overview import CLUSTERS, SUBSCRIPTIONS, TRIES, fill, simulated_reports
from tests.benchmarks.processes import Failed

MOST_MS, MOST_BYTES = 300, 1_000_000
OPERATOR = Viewer(name="operator@contoso.example", operator=True, form_token="token")
# What is asked for: a name, and the query.
ASKED: tuple[tuple[str, dict[str, list[str]]], ...] = (
    ("what is not fine", {}),
    ("all clusters", {"all": ["1"]}),
    ("all clusters, filtered", {"all": ["1"], "q": ["westeurope pull"]}),
)


def measure(clusters: int = CLUSTERS, subscriptions: int = SUBSCRIPTIONS) -> Section:
    """The figures: CPU and bytes of each page."""
    reports = simulated_reports()
    with azurite() as storage, mock.patch.dict(os.environ, {"AzureWebJobsStorage": storage.connection_string}):
        figures = asyncio.run(_measured(reports, clusters, subscriptions))
    how = f"{clusters:,} clusters in {subscriptions} subscriptions, out of Azurite; CPU, best of {TRIES}"
    return Section("The dashboard's Now", how, figures)


async def _measured(reports: tuple[ClusterReport, ...], clusters: int, subscriptions: int) -> tuple[Figure, ...]:
    loaded = settings.load(os.environ)
    async with (
        open_azure(loaded) as azure,
        open_store(connection_string=loaded.storage) as store,
        open_queues(connection_string=loaded.storage) as queues,
    ):
        await store.ensure_tables()
        await fill(store, reports, clusters, subscriptions)
        context = JobContext(loaded, azure, store, queues, InventoryCache(), lambda: datetime.now(UTC))
        return tuple([figure for name, query in ASKED for figure in await _page(context, name, query)])


async def _page(context: JobContext, name: str, query: dict[str, list[str]]) -> Iterator[Figure]:
    """What one page costs. Raises Failed where there is none."""
    seconds: list[float] = []
    size = 0
    for _ in range(TRIES):
        before = time.process_time()
        answer = await page(context, Asked("GET", {"page": ""}, query), OPERATOR)
        body = answer.encoded()
        seconds.append(time.process_time() - before)
        if answer.status != 200:
            raise Failed(f"{name}: status {answer.status}")
        size = len(body)
    return iter(
        (
            at_most(name, 1000 * min(seconds), MOST_MS, "ms of CPU"),
            at_most(f"{name}: length", size, MOST_BYTES, "bytes"),
        )
    )
