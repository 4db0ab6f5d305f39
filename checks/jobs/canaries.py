"""Canary pods and the storage: their names are kept before they are made, and what is left is deleted later.

The end of a Functions host cannot be caught: a process that dies between a pod's creation and its deletion leaves the
pod's name in the storage. The sweep then deletes it, whatever is looked at next and whatever the settings name by then.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from itertools import groupby

import msgspec
from azure.core.exceptions import AzureError

from checks.collect.kubernetes import canary
from checks.collect.kubernetes.canary_records import CanaryPod
from checks.collect.wire.errors import CollectError, NotFound, Temporary
from checks.history.errors import HistoryError
from checks.history.model import StoredCanary
from checks.history.table.canaries import LONGEST_WAIT
from checks.jobs.context import JobContext

LOG = logging.getLogger(__name__)
MARGIN = timedelta(minutes=2)  # beyond a pod's own end: until then its look deletes it
FIRST_PAUSE = timedelta(minutes=10)  # between tries that fail, longer each time


class StoredCanaries:
    """``CanaryRecords`` in the store of a job."""

    def __init__(self, context: JobContext) -> None:
        self._store = context.store
        self._clock = context.clock

    async def add(self, pod: CanaryPod, seconds: int) -> None:
        """Keeps a name. Raises Temporary where the storage fails: then no pod is made."""
        due = self._clock() + timedelta(seconds=seconds) + MARGIN
        row = StoredCanary(cluster=pod.cluster, namespace=pod.namespace, name=pod.name, due=due)
        try:
            await self._store.put_canary(row)
        except (AzureError, HistoryError) as error:
            raise Temporary(f"the canary pod's name could not be stored, so it was not made: {error}") from error

    async def remove(self, pod: CanaryPod) -> None:
        """Forgets a pod. Where the storage fails the row stays, and the sweep finds that its pod is gone."""
        try:
            await self._store.drop_canary(pod.cluster, pod.namespace, pod.name)
        except (AzureError, HistoryError) as error:
            LOG.warning("the row of the canary pod %s/%s stays: %s", pod.namespace, pod.name, error)


class Swept(msgspec.Struct, frozen=True):
    """What a sweep did: pods that are gone now, and pods that are still there."""

    deleted: int = 0
    left: int = 0


async def sweep_canaries(context: JobContext) -> Swept:
    """Deletes the canary pods that looks left behind; one cluster that cannot be asked holds up no other."""
    due = await context.store.due_canaries(context.clock())
    for why in due.unreadable:
        LOG.error("a canary pod that may be left cannot be looked for: %s", why)
    groups = [list(of) for _, of in groupby(sorted(due.items, key=_cluster), key=_cluster)]
    limit = asyncio.Semaphore(context.settings.clusters_at_once)

    async def bounded(rows: list[StoredCanary]) -> Swept:
        async with limit:
            return await _sweep_cluster(context, rows)

    parts = await asyncio.gather(*(bounded(rows) for rows in groups))
    return Swept(sum(part.deleted for part in parts), sum(part.left for part in parts))


async def _sweep_cluster(context: JobContext, rows: list[StoredCanary]) -> Swept:
    pods = {CanaryPod(row.cluster, row.namespace, row.name): row for row in rows}
    try:
        left = await canary.delete_recorded(context.azure, pods)
    except NotFound:  # the cluster is gone, and its pods with it
        left = {}
    except CollectError as error:
        left = dict.fromkeys(pods, str(error))
    for pod, row in pods.items():
        if pod in left:
            await _try_later(context, row, left[pod])
        else:
            await context.store.drop_canary(pod.cluster, pod.namespace, pod.name)
    return Swept(deleted=len(pods) - len(left), left=len(left))


async def _try_later(context: JobContext, row: StoredCanary, reason: str) -> None:
    LOG.error("canary pod %s/%s of %s could not be deleted: %s", row.namespace, row.name, row.cluster, reason)
    pause = min(FIRST_PAUSE * 2 ** min(row.attempts, 10), LONGEST_WAIT)
    later = msgspec.structs.replace(row, due=context.clock() + pause, attempts=row.attempts + 1, reason=reason)
    await context.store.put_canary(later)


def _cluster(row: StoredCanary) -> str:
    return row.cluster.lower()
