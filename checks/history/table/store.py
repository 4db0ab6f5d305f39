"""The store: everything that is kept, in Azure Table Storage.

Table ``pullwatch``: a partition per subscription with ``state|``, ``change|``, ``checkpoint|``, ``late|``,
``pending|`` and ``canary|`` rows; the partitions ``index``, ``overview``, ``run``, ``asked``, ``digest`` (mail),
``silence`` and ``poison``, and ``notified-<channel>``.
Monthly tables ``pullwatchruns<YYYYMM>``: a partition per run with ``run``, ``part|``, ``shard|`` and ``marker|`` rows.
Errors: ``checks.history.errors``; what the service itself fails with is ``azure.core.exceptions`` and passes through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineResponse
from azure.data.tables.aio import TableServiceClient

from checks.history.table.asked import AskedRuns
from checks.history.table.canaries import Canaries
from checks.history.table.retention.leavers import Leavers
from checks.history.table.retention.mails import OldMails
from checks.history.table.retention.records import OldRecords
from checks.history.table.silences import Silences
from checks.history.table.unreadable import UnreadableRows
from checks.retry_after import asked_seconds

LONGEST_PAUSE = 8  # seconds between two tries


class Store(AskedRuns, Canaries, Leavers, OldMails, OldRecords, Silences, UnreadableRows):
    """What history offers to the jobs. One per job: it lives in that job's event loop."""


def _shorten_wait(response: PipelineResponse[Any, Any]) -> None:
    """azure-core waits for as long as Retry-After says, be it hours: here as long as between other tries at most."""
    headers = response.http_response.headers
    asked = asked_seconds(headers.get("Retry-After", ""), datetime.now(UTC))
    if asked is not None and asked > LONGEST_PAUSE:
        headers["Retry-After"] = str(LONGEST_PAUSE)


@asynccontextmanager
async def open_store(
    *,
    connection_string: str | None = None,
    endpoint: str | None = None,
    credential: AsyncTokenCredential | None = None,
) -> AsyncIterator[Store]:
    """A store by connection string, or by table endpoint and credential. ValueError where neither is given.

    Calls are tried again a few times and never wait for long: a queue message has its own patience.
    """
    patience: dict[str, Any] = {
        **{"retry_total": 4, "retry_backoff_max": LONGEST_PAUSE, "connection_timeout": 10, "read_timeout": 30},
        "raw_response_hook": _shorten_wait,
    }
    if connection_string:
        service = TableServiceClient.from_connection_string(connection_string, **patience)
    elif endpoint and credential is not None:
        service = TableServiceClient(endpoint, credential=credential, **patience)
    else:
        raise ValueError("storage needs a connection string, or a table endpoint with a credential")
    async with service:
        yield Store(service)
