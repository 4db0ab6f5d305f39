"""Reads the fleet: three queries at once, however many subscriptions there are."""

from __future__ import annotations

import asyncio
from datetime import datetime

from checks.fleet.model import Fleet
from checks.history.table.store import Store


async def load_fleet(store: Store, now: datetime) -> Fleet:
    """The fleet as it is held now. Raises SchemaError where the latest run cannot be read."""
    overviews, silences, latest = await asyncio.gather(
        store.list_overviews(), store.list_silences(), store.latest_run()
    )
    return Fleet(
        now=now,
        overviews=overviews.items,
        silences=silences.silences,
        latest=latest,
        unreadable=(*overviews.unreadable, *silences.unreadable),
    )
