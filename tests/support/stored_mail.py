"""What storage holds of mail, read and aged from outside the app, beside it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from azure.data.tables import TableServiceClient, UpdateMode

from checks.history.model import MailRow
from checks.history.table import keys, lease
from checks.history.table.store import open_store


def mails(storage: str) -> tuple[MailRow, ...]:
    """All mails that are kept, the oldest first."""

    async def read() -> tuple[MailRow, ...]:
        async with open_store(connection_string=storage) as store:
            return await store.list_mails()

    return asyncio.run(read())


def has_unsent(storage: str) -> bool:
    """Whether anything is left to be sent."""

    async def read() -> bool:
        async with open_store(connection_string=storage) as store:
            return await store.has_unsent()

    return asyncio.run(read())


def lease_seconds(storage: str) -> float:
    """For how long whoever delivers may still be delivering, as others see it; 0 or less: nobody is."""
    with TableServiceClient.from_connection_string(storage) as service:
        row = service.get_table_client(keys.TABLE).get_entity(keys.MAIL, lease.ROW)
    if not row["holder"]:
        return 0.0
    left: timedelta = row["expires"] + lease.SKEW - datetime.now(UTC)
    return left.total_seconds()


def age_lease(storage: str, by: timedelta) -> None:
    """Has the lease been given that much earlier, as if the time had passed."""
    with TableServiceClient.from_connection_string(storage) as service:
        table = service.get_table_client(keys.TABLE)
        row = table.get_entity(keys.MAIL, lease.ROW)
        row["expires"] -= by
        table.upsert_entity(row, mode=UpdateMode.REPLACE)
