"""Canary pods in the store: their names, from before they are made until they are gone.

A row is in the partition of its cluster's subscription, which is entered into the index before it: a sweep walks the
subscriptions of the index.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from checks.history.errors import SchemaError
from checks.history.model import CanaryList, RowRef, StoredCanary
from checks.history.table import keys, rows
from checks.history.table.clusters import Clusters

LONGEST_WAIT = timedelta(hours=12)  # for a pod to be deleted; a time further ahead is of a clock that had jumped


class Canaries(Clusters):
    """The rows of canary pods."""

    async def put_canary(self, canary: StoredCanary) -> None:
        """Keep a pod's name, or when it is to be deleted next."""
        entity = rows.canary_row(canary)
        await self._index(str(entity["PartitionKey"]))
        await self._put(entity)

    async def drop_canary(self, cluster: str, namespace: str, name: str) -> None:
        """Forget a pod. One that is not kept is no error."""
        await self._drop([RowRef(keys.subscription_key(cluster), keys.canary(cluster, namespace, name))])

    async def due_canaries(self, now: datetime) -> CanaryList:
        """The pods that are to be deleted by now, of all subscriptions. A row that cannot be read stops no other."""
        found: list[StoredCanary] = []
        unreadable: list[str] = []
        for partition in await self.known_subscriptions():
            async for row in self._range(partition, "canary"):
                try:
                    found.append(rows.read_canary(row))
                except SchemaError as error:
                    unreadable.append(str(error))
        due = [canary for canary in found if not timedelta() < canary.due - now <= LONGEST_WAIT]
        return CanaryList(tuple(due), tuple(unreadable))
