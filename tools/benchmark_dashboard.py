"""`python tools/benchmark_dashboard.py`: what *Now* of the dashboard costs, and how long it is.

The reports of a simulated fleet of 100 clusters, of which some are broken, become the states of 5,000 clusters in 50
subscriptions, and their overviews are kept in Azurite. Then the page is asked for as a browser asks for it: reading the
fleet, choosing its rows and writing HTML. Figures are CPU seconds of this process, best of five. Limits: 300 ms, 1 MB.
The exit code is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmark_overview import TRIES, fill, is_within, simulated_reports  # noqa: E402

from checks import settings  # noqa: E402
from checks.collect.arm.client import open_azure  # noqa: E402
from checks.collect.arm.inventories import InventoryCache  # noqa: E402
from checks.findings import ClusterReport  # noqa: E402
from checks.history.table.store import open_store  # noqa: E402
from checks.jobs.context import JobContext  # noqa: E402
from checks.jobs.queues import open_queues  # noqa: E402
from checks.web.dashboard.pages import page  # noqa: E402
from checks.web.dashboard.viewer import Viewer  # noqa: E402
from checks.web.http import Asked  # noqa: E402
from localhost.azurite import azurite  # noqa: E402

MOST_SECONDS, MOST_BYTES = 0.3, 1_000_000
OPERATOR = Viewer(name="operator@contoso.example", operator=True, form_token="token")
# What is asked for: a name, and the query.
ASKED: tuple[tuple[str, dict[str, list[str]]], ...] = (
    ("what is not fine", {}),
    ("all clusters", {"all": ["1"]}),
    ("all clusters, filtered", {"all": ["1"], "q": ["westeurope pull"]}),
)


def main() -> int:
    """Prints the figures; 0 where the limits hold."""
    parser = argparse.ArgumentParser(
        prog="benchmark_dashboard.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clusters", type=int, default=5000, help="default: %(default)s")
    parser.add_argument("--subscriptions", type=int, default=50, help="default: %(default)s")
    options = parser.parse_args()
    reports = simulated_reports()
    with azurite() as storage, mock.patch.dict(os.environ, {"AzureWebJobsStorage": storage.connection_string}):
        return asyncio.run(_measured(reports, options.clusters, options.subscriptions))


async def _measured(reports: tuple[ClusterReport, ...], clusters: int, subscriptions: int) -> int:
    loaded = settings.load(os.environ)
    async with (
        open_azure(loaded) as azure,
        open_store(connection_string=loaded.storage) as store,
        open_queues(connection_string=loaded.storage) as queues,
    ):
        await store.ensure_tables()
        await fill(store, reports, clusters, subscriptions)
        context = JobContext(loaded, azure, store, queues, InventoryCache(), lambda: datetime.now(UTC))
        print(f"Now, of {clusters} clusters in {subscriptions} subscriptions")
        held = [await _page(context, name, query) for name, query in ASKED]
    return 0 if all(held) else 1


async def _page(context: JobContext, name: str, query: dict[str, list[str]]) -> bool:
    """Prints what one page costs; whether it is within the limits."""
    figures: list[float] = []
    size = 0
    for _ in range(TRIES):
        before = time.process_time()
        answer = await page(context, Asked("GET", {"page": ""}, query), OPERATOR)
        body = answer.encoded()
        figures.append(time.process_time() - before)
        if answer.status != 200:
            raise SystemExit(f"{name}: status {answer.status}")
        size = len(body)
    within = is_within(f"{name}, CPU ms", 1000 * min(figures), 1000 * MOST_SECONDS)
    return is_within(f"{name}, bytes", size, MOST_BYTES) and within


if __name__ == "__main__":
    sys.exit(main())
