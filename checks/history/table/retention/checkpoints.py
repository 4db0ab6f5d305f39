"""Checkpoints in the store: what the oldest changes of a cluster came to, in a row beside its state.

A checkpoint is written first, by its ETag, and what it covers is deleted after it: a death in between leaves changes
that count no more, which the next turn deletes. What is committed meanwhile is newer than all that is folded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

import msgspec

from checks.changes import Change
from checks.history.decide.replay import Checkpoint, folded_into
from checks.history.decide.retention import Dated
from checks.history.errors import Conflict, SchemaError
from checks.history.model import ClusterState, RowRef, Unreadable
from checks.history.table import keys, rows
from checks.history.table.clusters import Clusters
from checks.history.table.tables import etag_of

TRIES = 5  # of reading a history that is folded meanwhile


class History(msgspec.Struct, frozen=True):
    """A cluster's state with its whole history: changes as far as they are kept, and what older ones came to."""

    state: ClusterState
    changes: tuple[Change, ...]
    checkpoint: Checkpoint | None = None
    unreadable: tuple[Unreadable, ...] = ()


class ClusterChanges(msgspec.Struct, frozen=True):
    """The changes of the cluster with that name in the keys, by place and time, the newest first."""

    name: str
    changes: tuple[Dated, ...]


class Checkpoints(Clusters):
    """The rows of checkpoints, and the changes they cover."""

    async def find_checkpoint(self, cluster: str) -> Checkpoint | None:
        """What a cluster's oldest changes came to; None where none were folded. SchemaError for a row of no use."""
        row = await self._get(keys.subscription_key(cluster), keys.checkpoint(cluster))
        return None if row is None else read_checkpoint(row)

    async def load_history(self, cluster: str) -> History | None:
        """A cluster's state with its whole history, also while it is written; None where there is no state.

        SchemaError where the state or the checkpoint cannot be read. Conflict where it was folded all the time.
        """
        for _ in range(TRIES):
            # In this order: a change that is gone by the time it is looked for is in the checkpoint by then.
            stored = await self.load_state(cluster)
            if stored is None:
                return None
            found = [one async for one in self.walk_changes(cluster)]
            checkpoint = await self.find_checkpoint(cluster)
            if checkpoint is None or checkpoint.through <= stored.state.sequence:
                changes = tuple(one for one in found if isinstance(one, Change))
                unreadable = tuple(one for one in found if isinstance(one, Unreadable))
                return History(stored.state, changes, checkpoint, unreadable)
        raise Conflict(f"the history of {cluster} is written all the time")

    async def folded_through(self, subscription: str) -> dict[str, int]:
        """Through which sequence the changes of a subscription's clusters are folded, by their names in the keys.

        A row that cannot be read says 0 here; whoever folds finds out.
        """
        found: dict[str, int] = {}
        async for row in self._range(subscription.lower(), "checkpoint", select=["RowKey", "v", "through"]):
            try:
                through = rows.integer(rows.versioned(row), "through")
            except SchemaError:
                through = 0
            found[str(row["RowKey"]).partition("|")[2]] = through
        return found

    async def dated_changes(self, subscription: str) -> AsyncIterator[ClusterChanges]:
        """All changes of a subscription by cluster, of each only its place and its time."""
        name, changes = "", list[Dated]()
        async for row in self._range(subscription.lower(), "change", select=["RowKey", "v", "at"]):
            cluster = str(row["RowKey"]).partition("|")[2].rpartition("|")[0]
            if cluster != name:
                if changes:
                    yield ClusterChanges(name, tuple(changes))
                name, changes = cluster, []
            sequence = keys.sequence_of(str(row["RowKey"]))
            if sequence is not None:
                changes.append(Dated(sequence, _time_of(row)))
        if changes:
            yield ClusterChanges(name, tuple(changes))

    async def fold_changes(self, cluster: str, through: int, now: datetime) -> int:
        """Fold a cluster's changes through a sequence into its checkpoint; how many were. None is deleted here.

        SchemaError where one cannot be read: then none is folded. Conflict where somebody else folds them right now.
        """
        partition, name = keys.subscription_key(cluster), keys.checkpoint(cluster)
        there = await self._get(partition, name)
        before = None if there is None else read_checkpoint(there)
        low, high = keys.change_range(cluster, before.through if before else -1, through)
        changes = [rows.read_change(row) async for row in self._between(partition, low, high)]
        if not changes:
            return 0
        entity = checkpoint_row(folded_into(before, changes, now))
        if there is not None:
            await self._replace(entity, etag_of(there))
        elif not await self._create(entity):
            raise Conflict(f"row {name!r} was made in between")
        return len(changes)

    async def drop_changes(self, cluster: str, sequences: Iterable[int]) -> None:
        """Delete changes that a checkpoint covers. One that is gone is no error."""
        partition = keys.subscription_key(cluster)
        await self._drop([RowRef(partition, keys.change(cluster, one)) for one in sorted(sequences)])


def checkpoint_row(checkpoint: Checkpoint) -> rows.Entity:
    """The row of a checkpoint."""
    entity = rows.base(keys.subscription_key(checkpoint.cluster), keys.checkpoint(checkpoint.cluster))
    entity |= {"cluster": checkpoint.cluster, "through": rows.number(checkpoint.through), "folded": checkpoint.folded}
    return rows.checked(entity | rows.chunked("checkpoint", rows.text_of(checkpoint)))


def read_checkpoint(row: rows.Row) -> Checkpoint:
    """The checkpoint in a row."""
    return rows.read(Checkpoint, rows.joined(rows.versioned(row), "checkpoint"), row.get("RowKey"))


def _time_of(row: rows.Row) -> datetime | None:
    try:
        return rows.moment(rows.versioned(row), "at")
    except SchemaError:
        return None
