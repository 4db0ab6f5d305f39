"""Reads the fleet, in as many queries however many subscriptions there are, or the part of it in one subscription."""

from __future__ import annotations

import asyncio
from datetime import datetime

from checks.fleet.model import Fleet
from checks.history.model import Run
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
        names=_names(latest),
        unreadable=(*overviews.unreadable, *silences.unreadable),
    )


async def load_subscription(store: Store, subscription: str, now: datetime) -> Fleet:
    """What is held of one subscription, without silences. Raises SchemaError where a row of it cannot be read."""
    stored, latest = await asyncio.gather(store.load_overview(subscription), store.latest_run())
    return Fleet(now=now, overviews=(stored.overview,), latest=latest, names=_names(latest))


def _names(latest: Run | None) -> dict[str, str]:
    return {result.id.lower(): result.name for result in (latest.subscriptions if latest else ()) if result.name}
