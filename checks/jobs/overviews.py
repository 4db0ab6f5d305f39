"""Keeps what lists and pages show in step with what is held: after each shard, and at the close for what was left out.

Nothing that is decided or notified rests on it. So where it cannot be written the shard has ended all the same, and the
next close makes it good.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

from azure.core.exceptions import AzureError

from checks.arm_ids import subscription_of
from checks.history.errors import HistoryError, SchemaError
from checks.history.model import KnownCluster
from checks.history.overview import Overview
from checks.history.table.overviews import Look, behind
from checks.jobs.context import JobContext

LOG = logging.getLogger(__name__)


async def keep_up(context: JobContext, looks: Iterable[Look]) -> None:
    """Enters what was just committed."""
    by_subscription: dict[str, list[Look]] = {}
    for look in looks:
        by_subscription.setdefault(subscription_of(look.state.cluster), []).append(look)
    for subscription, own in sorted(by_subscription.items()):
        await _fold(context, subscription, own)


async def catch_up(
    context: JobContext,
    known: Mapping[str, Sequence[KnownCluster]],
    names: Mapping[str, str],
    unreadable: Collection[str] = (),
) -> None:
    """Enters what is held and not shown: of a death before the entry, of somebody else's faster write, of the release
    that knew no overview.

    ``known`` are the clusters of each subscription that are not gone, ``names`` the display names of subscriptions.
    ``unreadable`` are clusters (ids in lower case) whose states could not be read: where that is still so, nothing that
    was known of them before is shown as known.
    """
    shown = {overview.subscription: overview for overview in (await context.store.list_overviews()).items}
    for subscription, clusters in sorted(known.items()):
        guid, name = subscription.lower(), names.get(subscription, "")
        overview = shown.get(guid, Overview(guid))
        own = [cluster for cluster in unreadable if subscription_of(cluster) == guid]
        old = sorted({*behind(overview, [(one.id, one.sequence) for one in clusters]), *own})
        if old or (name and clusters and name != overview.name):
            looks, broken = await _look_at(context, old)
            await _fold(context, guid, looks, name, broken)


async def _look_at(context: JobContext, clusters: Iterable[str]) -> tuple[list[Look], list[str]]:
    """The states of the clusters that have one, and the clusters whose states cannot be read."""
    looks: list[Look] = []
    broken: list[str] = []
    for cluster in clusters:
        try:
            stored = await context.store.load_state(cluster)
        except SchemaError as error:
            LOG.warning("a cluster's state cannot be shown: %s", error)
            broken.append(cluster)
            continue
        looks += [] if stored is None else [Look(stored.state)]
    return looks, broken


async def _fold(
    context: JobContext, subscription: str, looks: Sequence[Look], name: str = "", unreadable: Sequence[str] = ()
) -> None:
    try:
        await context.store.fold_into_overview(subscription, looks, name, (unreadable, context.clock()))
    except (HistoryError, AzureError) as error:
        LOG.error("the overview of subscription %s is behind until a run closes: %s", subscription, error)
