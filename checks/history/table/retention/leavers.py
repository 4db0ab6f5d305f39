"""Clusters that were gone for long leave the tables: their state goes last, with what is left of their history."""

from __future__ import annotations

from collections.abc import Callable

from checks.history.errors import Conflict
from checks.history.model import ClusterState, RowRef
from checks.history.overview import ClusterEntry, Overview
from checks.history.table import keys, rows
from checks.history.table.overviews import TRIES, Overviews
from checks.history.table.retention.checkpoints import Checkpoints
from checks.history.table.tables import BATCH, Operation, deletion, etag_of

BESIDE = BATCH - 2  # changes that fit into one transaction with the state and the checkpoint


class Leavers(Checkpoints, Overviews):
    """The rows of clusters that leave."""

    async def remove_cluster(self, cluster: str, left: Callable[[ClusterState], bool]) -> bool:
        """Delete a cluster's state with its checkpoint and at most ``BESIDE`` changes, in one transaction.

        False where it has not ``left`` (any more), has more changes than that, or was written meanwhile.
        SchemaError where its state or its checkpoint cannot be read.
        """
        partition = keys.subscription_key(cluster)
        row = await self._get(partition, keys.state(cluster))
        if row is None or not left(rows.read_state(row)):
            return False
        names = [str(one["RowKey"]) async for one in self._range(partition, _changes(cluster), select=["RowKey"])]
        if len(names) > BESIDE:
            return False
        if await self.find_checkpoint(cluster) is not None:
            names.append(keys.checkpoint(cluster))
        operations: list[Operation] = [deletion(RowRef(partition, keys.state(cluster)), etag_of(row))]
        operations += [("delete", {"PartitionKey": partition, "RowKey": name}) for name in names]
        try:
            await self._transact(operations)
        except Conflict:  # a run found it again, or somebody else removes it
            return False
        return True

    async def late_rows(self, subscription: str) -> tuple[tuple[RowRef, str], ...]:
        """The records of results that came late, each with the run it was of."""
        found = self._range(subscription.lower(), "late", select=["PartitionKey", "RowKey", "v", "run"])
        known = [row async for row in found if not rows.is_newer(row)]
        return tuple((RowRef(row["PartitionKey"], row["RowKey"]), str(row.get("run", ""))) for row in known)

    async def forget_in_overview(self, subscription: str, left: Callable[[ClusterEntry], bool]) -> int:
        """Take clusters out of what is shown that have ``left`` and have no state any more; how many.

        SchemaError where a later release wrote it. Conflict where others wrote all the time.
        """
        for attempt in range(TRIES):
            stored = await self.load_overview(subscription)
            gone = [entry for entry in stored.overview.clusters if left(entry) and not await self._has_state(entry)]
            if not gone:
                return 0
            kept = tuple(entry for entry in stored.overview.clusters if entry not in gone)
            try:
                await self._write_overview(Overview(stored.overview.subscription, kept), stored.etag, stored)
            except Conflict:
                if attempt == TRIES - 1:
                    raise
            else:
                return len(gone)
        raise AssertionError("a loop that always ends by itself")

    async def _has_state(self, entry: ClusterEntry) -> bool:
        return await self._get(keys.subscription_key(entry.cluster), keys.state(entry.cluster)) is not None


def _changes(cluster: str) -> str:
    return f"change|{keys.cluster_key(cluster)}"
