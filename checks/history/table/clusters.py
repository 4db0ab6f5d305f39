"""Clusters in the store: their state, their history, the intents to tell that are written with them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping

from checks.changes import Change
from checks.facts import subscription_of
from checks.findings import ClusterReport
from checks.history.errors import Conflict, LimitError, SchemaError
from checks.history.model import (
    ClusterState,
    Committed,
    Decision,
    KnownCluster,
    Pending,
    RowRef,
    Run,
    Sight,
    StateList,
    StateSummary,
    StoredState,
    Unreadable,
)
from checks.history.table import keys, rows
from checks.history.table.tables import BATCH, Operation, Tables, etag_of, unmodified

LOG = logging.getLogger(__name__)
OTHERS = 4  # rows of other clusters that are read over for each that is wanted


class FoundState:
    """A state that a query found, not yet read: a row that cannot be read is its own cluster's trouble.

    Without the report, which is most of a row.
    """

    def __init__(self, row: rows.Row) -> None:
        self._row = {name: value for name, value in row.items() if not name.startswith("report_")}
        self._etag = etag_of(row)

    def read(self) -> StoredState:
        """The state with its ETag. Raises SchemaError."""
        return StoredState(rows.read_state(self._row), self._etag)


class Clusters(Tables):
    """The rows of clusters, each in the partition of its subscription."""

    async def load_state(self, cluster: str) -> StoredState | None:
        """The state of a cluster (ARM id, any spelling) with its ETag, or None where it was never seen."""
        row = await self._get(keys.subscription_key(cluster), keys.state(cluster))
        return None if row is None else StoredState(rows.read_state(row), etag_of(row))

    async def find_states(self, subscription: str, clusters: Iterable[str]) -> dict[str, FoundState | None]:
        """The states of clusters of a subscription in one query, by the ids that were given; None for one never seen.

        Left out is what ``load_state`` has to be asked for: a cluster whose id gives no key here, and what lies behind
        too many rows of other clusters (those that are gone).
        """
        wanted = _rows_of(subscription, clusters)
        if not wanted:
            return {}
        ordered = sorted(wanted, key=keys.order)
        found: dict[str, FoundState | None] = {}
        others, last = 0, ordered[-1]
        page = (OTHERS + 1) * len(ordered) + 1
        async for row in self._between(subscription.lower(), ordered[0], f"{last}!", page=page):
            name = str(row["RowKey"])
            if name in wanted:
                found[wanted.pop(name)] = FoundState(row)
                continue
            others += 1
            if others > OTHERS * len(ordered):
                last = name
                break
        never_seen = (cluster for name, cluster in wanted.items() if keys.order(name) <= keys.order(last))
        return found | dict.fromkeys(never_seen, None)

    async def load_report(self, cluster: str) -> ClusterReport | None:
        """The latest report of a cluster as far as it fitted; None where there is none (never seen, or gone)."""
        row = await self._get(keys.subscription_key(cluster), keys.state(cluster))
        if row is None or "report_n" not in rows.versioned(row):
            return None
        return rows.read(ClusterReport, rows.joined(row, "report"), row.get("RowKey"))

    async def list_states(self, subscription: str) -> StateList:
        """The small columns of a subscription's clusters, in key order. A row that cannot be read stops no other."""
        states: list[StateSummary] = []
        unreadable: list[Unreadable] = []
        async for row in self._range(subscription.lower(), "state", select=rows.STATE_COLUMNS):
            try:
                states.append(rows.read_summary(row))
            except SchemaError as error:
                unreadable.append(Unreadable(RowRef(row["PartitionKey"], row["RowKey"]), str(error)))
        return StateList(tuple(states), tuple(unreadable))

    async def known_clusters(self, subscription: str) -> tuple[KnownCluster, ...]:
        """The clusters earlier runs saw in a subscription and did not find gone.

        A row that cannot be read still names its cluster, in most cases: it is planned, so that its shard says what is
        wrong. One that does not even do that is left out here.
        """
        chunks = [f"registries_{index}" for index in range(4)]  # 100 names of at most 255 characters
        columns = ["PartitionKey", "RowKey", "v", "cluster", "sequence", "gone_since", "registries_n", *chunks]
        known: list[KnownCluster] = []
        async for row in self._range(subscription.lower(), "state", select=columns):
            if row.get("gone_since") is not None:
                continue
            try:
                known.append(rows.read_known(row))
            except SchemaError:
                known += _named(row)
        return tuple(known)

    async def known_subscriptions(self) -> tuple[str, ...]:
        """Every subscription that has rows, in lower case."""
        entities = self._range(keys.INDEX, "subscription", select=["RowKey"])
        return tuple([str(row["RowKey"]).partition("|")[2] async for row in entities])

    async def list_sights(self) -> dict[str, Sight | None]:
        """Whether the identity could see each subscription; None where the row is not this version's to read."""
        sights: dict[str, Sight | None] = {}
        async for row in self._range(keys.INDEX, "sight"):
            try:
                sights[str(row["RowKey"]).partition("|")[2]] = rows.read_sight(row)
            except SchemaError as error:
                LOG.error("whether a subscription was visible cannot be told: %s", error)
                sights[str(row["RowKey"]).partition("|")[2]] = None
        return sights

    async def save_sights(self, sights: Mapping[str, Sight]) -> None:
        """Keep whether the identity could see subscriptions. Repeatable."""
        written = [rows.checked(rows.sight_row(guid, sight)) for guid, sight in sorted(sights.items())]
        for start in range(0, len(written), BATCH):
            operations: list[Operation] = [("upsert", row) for row in written[start : start + BATCH]]
            await self._transact(operations)

    async def baseline_complete(self) -> frozenset[str]:
        """The subscriptions that had a complete look: what fails there from now on is new."""
        names = [row async for row in self._range(keys.INDEX, "baseline", select=["RowKey", "complete"])]
        return frozenset(str(row["RowKey"]).partition("|")[2] for row in names if row.get("complete") is True)

    async def claim_summary(self, subscription: str, run: Run) -> bool:
        """Whether this run is the one whose summary introduces a subscription: the first that asks, for good.

        "" is the installation itself. What a newer version wrote is somebody else's.
        """
        name = keys.check(f"baseline|{subscription}")
        if await self._create(rows.checked(rows.base(keys.INDEX, name) | {"run": run.id, "complete": False})):
            return True
        row = await self._get(keys.INDEX, name)
        return row is not None and row.get("run") == run.id

    async def complete_baseline(self, subscription: str) -> None:
        """A subscription had a complete look. Repeatable."""
        row = await self._get(keys.INDEX, keys.check(f"baseline|{subscription}"))
        if row is None or row.get("complete") is True or rows.is_newer(row):
            return
        entity = rows.base(keys.INDEX, str(row["RowKey"])) | {"run": str(row.get("run", "")), "complete": True}
        await self._put(rows.checked(entity))

    async def list_changes(self, cluster: str, limit: int = 100) -> tuple[Change, ...]:
        """The history of a cluster, the newest first."""
        prefix = f"change|{keys.cluster_key(cluster)}"
        changes: list[Change] = []
        async for row in self._range(keys.subscription_key(cluster), prefix):
            changes.append(rows.read_change(row))
            if len(changes) >= limit:
                break
        return tuple(changes)

    async def walk_changes(self, cluster: str) -> AsyncIterator[Change | Unreadable]:
        """The whole history of a cluster, the newest first. A row that cannot be read stops no other."""
        async for row in self._range(keys.subscription_key(cluster), f"change|{keys.cluster_key(cluster)}"):
            try:
                yield rows.read_change(row)
            except SchemaError as error:
                yield Unreadable(RowRef(row["PartitionKey"], row["RowKey"]), str(error))

    async def load_change(self, ref: RowRef) -> Change | None:
        """The change a pointer points to."""
        row = await self._get(ref.partition, ref.row)
        return None if row is None else rows.read_change(row)

    async def commit(self, decision: Decision, report: ClusterReport | None, etag: str | None) -> Committed:
        """Write a decision in ONE transaction: the state, the change, the intent to tell.

        ``etag`` is the one the previous state was read with (None: there was none). Conflict where somebody wrote in
        between: load, decide and commit again. An answer that got lost is found to be done already. A stale decision
        leaves a ``late`` row where it is older than what was counted, and nothing else.
        """
        if decision.stale:
            await self._record_late(decision)
            return Committed(written=False)
        partition = keys.subscription_key(decision.state.cluster)
        await self._index(partition)
        entity = rows.state_row(decision.state, report)
        keeps = decision.keeps_report  # a merge leaves the columns of the report as they are
        first: Operation = ("create", entity) if etag is None else unmodified(entity, etag, merge=keeps)
        try:
            etags = await self._transact([first, *_outbox(partition, decision)])
        except Conflict:
            stored = await self.load_state(decision.state.cluster)
            if stored is None or (stored.state.run, stored.state.sequence) != (decision.run.id, decision.run.sequence):
                raise
            return Committed(written=False, etag=stored.etag)
        return Committed(written=True, etag=etags[0])

    async def _index(self, subscription: str) -> None:
        """Enter a subscription into the list that delivering walks, before its first row can be pending."""
        if subscription not in self._indexed:
            await self._put(rows.checked(rows.base(keys.INDEX, f"subscription|{subscription}")))
            self._indexed.add(subscription)

    async def _record_late(self, decision: Decision) -> None:
        state: ClusterState = decision.state
        if decision.run.sequence >= state.sequence:
            return
        entity = rows.base(keys.subscription_key(state.cluster), keys.late(state.cluster, decision.run.sequence))
        entity |= {"cluster": state.cluster, "run": decision.run.id, "counted": rows.number(state.sequence)}
        await self._put(rows.checked(entity))


def _rows_of(subscription: str, clusters: Iterable[str]) -> dict[str, str]:
    """The clusters by the keys of their rows in the partition of a subscription."""
    named: dict[str, str] = {}
    for cluster in clusters:
        with contextlib.suppress(LimitError):
            if keys.subscription_key(cluster) == subscription.lower():
                named[keys.state(cluster)] = cluster
    return named


def _named(row: rows.Row) -> list[KnownCluster]:
    """The cluster that a row names which cannot be read otherwise; none where name and key do not go together."""
    name = row.get("cluster")
    if not isinstance(name, str):
        return []
    where = (subscription_of(name), f"state|{keys.cluster_key(name)}")
    return [KnownCluster(name)] if where == (row["PartitionKey"], row["RowKey"]) else []


def _outbox(partition: str, decision: Decision) -> list[Operation]:
    """The change and, where people are to be notified, the pointer to it."""
    change = decision.change
    if change is None:
        return []
    operations: list[Operation] = [("create", rows.change_row(change))]
    if change.alerts:
        pending = Pending(
            ref=RowRef(partition, keys.pending(change.cluster, change.sequence)),
            sequence=change.sequence,
            at=change.at,
            change=RowRef(partition, keys.change(change.cluster, change.sequence)),
            summary_of=change.run if change.first_sight else "",
        )
        operations.append(("create", rows.pending_row(pending)))
    return operations
