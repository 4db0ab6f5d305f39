"""What one job works with: settings, Azure, the store, the queues and the time. Made for the job, closed after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from checks.collect.arm.client import Azure, open_azure
from checks.collect.arm.inventories import InventoryCache
from checks.history.decide import Policy
from checks.history.table.store import Store, open_store
from checks.jobs.queues import Queues, open_queues
from checks.notify.routes import Threshold
from checks.settings import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, aware and UTC."""
    return datetime.now(UTC)


class JobContext:
    """What one job needs."""

    def __init__(
        self, settings: Settings, azure: Azure, store: Store, queues: Queues, inventories: InventoryCache, clock: Clock
    ) -> None:
        self.settings = settings
        self.azure = azure
        self.store = store
        self.queues = queues
        self.inventories = inventories
        self.clock = clock

    def policy(self, *, baseline: bool = False) -> Policy:
        """The alert policy that the settings make."""
        return Policy(
            fail_after=self.settings.fail_after,
            pass_after=self.settings.pass_after,
            alert_on=frozenset(self.settings.alert_on),
            blind_after=timedelta(hours=self.settings.blind_hours),
            baseline=baseline,
            pulls_alone=Threshold.DOWN.value in self.settings.mail_at_least.values(),
        )


@asynccontextmanager
async def open_job_context(
    settings: Settings, inventories: InventoryCache, clock: Clock = utc_now
) -> AsyncIterator[JobContext]:
    """Opens everything a job needs. Storage is AzureWebJobsStorage: a connection string, or URIs by identity."""
    async with (
        open_azure(settings) as azure,
        open_store(
            connection_string=settings.storage, endpoint=settings.table_endpoint, credential=azure.credential
        ) as store,
        open_queues(
            connection_string=settings.storage, endpoint=settings.queue_endpoint, credential=azure.credential
        ) as queues,
    ):
        await store.ensure_tables()
        yield JobContext(settings, azure, store, queues, inventories, clock)
