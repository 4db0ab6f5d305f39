"""Reads the fleet, in as many queries however many subscriptions there are, or the part of it in one subscription."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from checks.arm_ids import subscription_of
from checks.fleet.model import Fleet
from checks.history.model import Run, Unreadable
from checks.history.overview import Overview
from checks.history.table.runs import LatestRunError
from checks.history.table.store import Store


async def load_fleet(store: Store, now: datetime) -> Fleet:
    """The fleet as it is held now. A row that cannot be read costs what it is about: the latest run is none then."""
    overviews, silences, (latest, broken) = await asyncio.gather(
        store.list_overviews(), store.list_silences(), _latest(store)
    )
    return Fleet(
        now=now,
        overviews=overviews.items,
        silences=silences.silences,
        latest=latest,
        names=_names(overviews.items, latest),
        unreadable=(*overviews.unreadable, *silences.unreadable, *broken),
        not_shown=_not_shown(overviews.items, latest),
    )


async def load_subscription(store: Store, subscription: str, now: datetime) -> Fleet:
    """What is held of one subscription, without silences. Raises SchemaError where its row cannot be read."""
    kept, (latest, broken) = await asyncio.gather(store.find_overview(subscription), _latest(store))
    overviews = () if kept is None else (kept.overview,)
    return Fleet(now=now, overviews=overviews, latest=latest, names=_names(overviews, latest), unreadable=broken)


async def _latest(store: Store) -> tuple[Run | None, tuple[Unreadable, ...]]:
    try:
        return await store.latest_whole_run(), ()
    except LatestRunError as error:
        return None, (Unreadable(error.ref, str(error)),)


def _not_shown(overviews: Iterable[Overview], latest: Run | None) -> dict[str, int]:
    if latest is None:
        return {}
    shown = {overview.subscription for overview in overviews}
    out = Counter(subscription_of(cluster) for cluster in latest.opted_out)
    found = {one.id.lower(): one.clusters - out[one.id.lower()] for one in latest.subscriptions}
    return {guid: clusters for guid, clusters in found.items() if clusters > 0 and guid not in shown}


def _names(overviews: Iterable[Overview], latest: Run | None) -> dict[str, str]:
    kept = {overview.subscription: overview.name for overview in overviews if overview.name}
    return kept | {one.id.lower(): one.name for one in (latest.subscriptions if latest else ()) if one.name}
