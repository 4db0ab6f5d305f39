"""What tests of the jobs share: emptied storage, tools on it, and how a process dies."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from unittest import mock

from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from checks import settings
from checks.collect.arm.client import Azure, open_azure
from checks.collect.arm.inventories import InventoryCache
from checks.history.table import store as stores
from checks.history.table.store import Store
from checks.jobs.context import JobContext
from checks.jobs.queues import open_queues
from localhost.mailbox import Mailbox
from tests.support.cli import clean


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Moves on."""
        self.now += timedelta(**by)


class Death(BaseException):
    """The process died. No ``except Exception`` may survive it."""


def empty(connection_string: str) -> None:
    """Drops every table and queue of an emulator."""
    with TableServiceClient.from_connection_string(connection_string) as tables:
        for table in list(tables.list_tables()):
            tables.delete_table(table.name)
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        for queue in list(queues.list_queues()):
            queues.delete_queue(queue.name)


def app_settings(storage: str, box: Mailbox | None = None, **more: str) -> dict[str, str]:
    """The app settings of a test: its storage, its mail server, what else it names (without the prefix)."""
    made = {"AzureWebJobsStorage": storage, **{f"PULLWATCH_{name}": value for name, value in more.items()}}
    if box is not None:
        made |= {
            "PULLWATCH_MAIL_TRANSPORTS": "smtp",
            "PULLWATCH_MAIL_TO": "team@contoso.example",
            "PULLWATCH_MAIL_FROM": "pullwatch@contoso.example",
            "PULLWATCH_SMTP_HOST": box.host,
            "PULLWATCH_SMTP_PORT": str(box.port),
            "PULLWATCH_SMTP_TLS": "none",
        }
    return made


@asynccontextmanager
async def job_context(
    environment: Mapping[str, str], clock: Callable[[], datetime], kind: type[Store] = Store
) -> AsyncIterator[JobContext]:
    """The tools of a job under test."""
    with mock.patch.dict(os.environ, clean(environment), clear=True):
        loaded = settings.load(os.environ)
        with mock.patch.object(stores, "Store", kind):
            async with (
                open_azure(loaded) as azure,
                stores.open_store(connection_string=loaded.storage) as store,
                open_queues(connection_string=loaded.storage) as queues,
            ):
                await store.ensure_tables()
                yield JobContext(loaded, azure, store, queues, InventoryCache(), clock)


def unasked_azure(loaded: settings.Settings) -> Azure:
    """Azure's clients for a test that looks at nothing: with neither credential nor session, asking fails."""
    return Azure(loaded, None, None)  # type: ignore[arg-type]
