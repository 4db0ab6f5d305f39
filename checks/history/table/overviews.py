"""Overviews in the store: a row for each subscription, all in one partition, so that one query reads the whole fleet.

They follow from states and changes and are written after these, each by its ETag: what a death left out, the close of a
run finds and makes good. A row holds at most half a million characters: the JSON is packed, and where it is still too
long the longest texts go, which the cluster's own row has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from checks.changes import Change
from checks.history.errors import Conflict, LimitError, SchemaError
from checks.history.model import ClusterState, RowRef, Unreadable
from checks.history.overview import (
    KEEP_ENDED,
    ClusterEntry,
    EndedFailure,
    Overview,
    ended_in,
    entry_of,
    is_news,
    with_entries,
    with_unreadable,
    without_ended,
    without_texts,
)
from checks.history.table import keys, rows
from checks.history.table.clusters import Clusters
from checks.history.table.tables import etag_of
from checks.packing import packed, unpacked

LOG = logging.getLogger(__name__)
ENDED_CUT = 2  # the level at which failures that are over are left out
TRIES = 20  # shards of one subscription end side by side
MAX_TEXT = 460_000  # characters in a row: at 2 bytes each it stays below what the service takes


class Look(msgspec.Struct, frozen=True):
    """A state that was written, or found, and what its commit changed.

    ``before``: the sequence of the state before it, None where there was none; -1 where nobody knows.
    """

    state: ClusterState
    change: Change | None = None
    before: int | None = -1


class StoredOverview(msgspec.Struct, frozen=True):
    """An overview as it was read; without an ETag where there is no row.

    ``cut`` is what was cut (``KeptOverview``) of entries up to the run ``cut_at`` (a sequence).
    """

    overview: Overview
    etag: str = ""
    cut: int = 0
    cut_at: int = 0


class KeptOverview(msgspec.Struct, frozen=True):
    """An overview and what its row has no room for: 0 nothing, 1 texts, 2 texts and failures that are over.

    Entries of earlier looks may have less, or more, than ``cut`` says of the last.
    """

    overview: Overview
    cut: int = 0


class OverviewList(msgspec.Struct, frozen=True):
    """The overviews that were found, and the rows of those that cannot be read."""

    items: tuple[Overview, ...]
    unreadable: tuple[Unreadable, ...] = ()


class Overviews(Clusters):
    """The rows that lists and pages are made of."""

    async def list_overviews(self) -> OverviewList:
        """The overview of every subscription. A row that cannot be read stops no other."""
        items: list[Overview] = []
        unreadable: list[Unreadable] = []
        async for row in self._range(keys.OVERVIEW, "subscription"):
            try:
                items.append(read_overview(row))
            except SchemaError as error:
                unreadable.append(Unreadable(RowRef(row["PartitionKey"], row["RowKey"]), str(error)))
        return OverviewList(tuple(items), tuple(unreadable))

    async def find_overview(self, subscription: str) -> KeptOverview | None:
        """The overview of a subscription as it is kept, None where none is. SchemaError where it cannot be read."""
        row = await self._get(keys.OVERVIEW, keys.overview(subscription))
        return None if row is None else KeptOverview(read_overview(row), rows.integer(row, "cut"))

    async def load_overview(self, subscription: str) -> StoredOverview:
        """The overview of a subscription; an empty one where there is none, or none that can be read.

        Raises SchemaError where a later release wrote it: that is not this one's to replace.
        """
        guid = subscription.lower()
        row = await self._get(keys.OVERVIEW, keys.overview(guid))
        if row is None:
            return StoredOverview(Overview(guid))
        try:
            cut_at = rows.integer(row, "cut_at") if "cut_at" in row else 0
            return StoredOverview(read_overview(row), etag_of(row), rows.integer(row, "cut"), cut_at)
        except SchemaError as error:
            if rows.is_newer(row):
                raise
            LOG.error("the overview of subscription %s is made anew: %s", guid, error)
            return StoredOverview(Overview(guid), etag_of(row))

    async def fold_into_overview(
        self,
        subscription: str,
        looks: Sequence[Look],
        name: str = "",
        unreadable: tuple[Container[str], datetime] | None = None,
    ) -> None:
        """Enter what is held now of clusters of a subscription, and its display name. Repeatable, and in any order.

        ``unreadable``: clusters (ids in lower case) whose states cannot be read as of then.

        Raises Conflict where others wrote all the time.
        """
        for attempt in range(TRIES):
            stored = await self.load_overview(subscription)
            known = {entry.cluster.lower(): entry for entry in stored.overview.clusters}
            # Failures that are over and were cut are in the history.
            whole = known if stored.cut < ENDED_CUT else {}
            entries = [
                await self._entry(look, whole.get(look.state.cluster.lower()))
                for look in looks
                if is_news(look.state.sequence, known.get(look.state.cluster.lower()))
            ]
            known_name = stored.overview.name
            made = msgspec.structs.replace(with_entries(stored.overview, entries), name=name or known_name)
            if unreadable is not None:
                made = with_unreadable(made, *unreadable)
            if made == stored.overview:
                return
            try:
                await self._write_overview(made, stored.etag, stored)
            except Conflict:
                if attempt == TRIES - 1:
                    raise
            else:
                return

    async def rebuild_overview(self, subscription: str) -> Overview:
        """Make the overview of a subscription anew, from the states and the history of its clusters.

        An entry that stands for a state that cannot be read stays. Raises SchemaError for another such state.
        """
        for attempt in range(TRIES):
            stored = await self.load_overview(subscription)
            entries = await self._entries_anew(stored.overview)
            made = with_entries(Overview(subscription.lower(), name=stored.overview.name), entries)
            try:
                await self._write_overview(made, stored.etag)
            except Conflict:
                if attempt == TRIES - 1:
                    raise
            else:
                return made
        raise AssertionError("a loop that always ends by itself")

    async def _entries_anew(self, shown: Overview) -> list[ClusterEntry]:
        marked = {keys.state(one.cluster): one for one in shown.clusters if one.unreadable_since is not None}
        listed = await self.list_states(shown.subscription)
        entries = [marked[broken.ref.row] for broken in listed.unreadable if broken.ref.row in marked]
        for summary in listed.items:
            try:
                state = await self.load_state(summary.cluster)
            except SchemaError:
                if keys.state(summary.cluster) not in marked:
                    raise
                entries.append(marked[keys.state(summary.cluster)])
                continue
            if state is not None:
                entries.append(await self.entry_anew(state.state))
        return entries

    async def entry_anew(self, state: ClusterState) -> ClusterEntry:
        """What is shown of a cluster, from its state and its history; nothing is written."""
        return await self._entry(Look(state), None)

    async def _entry(self, look: Look, known: ClusterEntry | None) -> ClusterEntry:
        """A cluster's entry; where looks between this one and the one that is known are missing, from its history."""
        if look.before is None and known is None:
            return entry_of(look.state, ended_in([look.change] if look.change else []))
        if known is not None and known.sequence == look.before:
            return entry_of(look.state, [*known.ended, *ended_in([look.change] if look.change else [])])
        return entry_of(look.state, await self._ended(look.state))

    async def _ended(self, state: ClusterState) -> list[EndedFailure]:
        """The failures that ended in the last days before a state, from the cluster's history."""
        prefix = f"change|{keys.cluster_key(state.cluster)}"
        changes: list[Change] = []
        async for row in self._range(keys.subscription_key(state.cluster), prefix):
            change = rows.read_change(row)
            if change.at <= state.updated - KEEP_ENDED:
                break
            if change.sequence <= state.sequence:
                changes.append(change)
        return ended_in(changes)

    async def _write_overview(self, overview: Overview, etag: str, before: StoredOverview | None = None) -> None:
        entity = overview_row(overview)
        level, latest = rows.integer(entity, "cut"), max((entry.sequence for entry in overview.clusters), default=0)
        entity["cut_at"] = latest if level else 0
        stays = before is not None and any(entry.sequence <= before.cut_at for entry in overview.clusters)
        if (
            before is not None and stays and before.cut > level
        ):  # what was cut of an entry that stays is not there again
            entity |= {"cut": before.cut, "cut_at": before.cut_at}
        if etag:
            await self._replace(entity, etag)
        elif not await self._create(entity):
            raise Conflict(f"row {entity['RowKey']!r} was made in between")


def shorter(overview: Overview) -> Iterator[Overview]:
    """The overview, then without texts, then without the failures that are over as well."""
    cuts: tuple[Callable[[Overview], Overview], ...] = (lambda whole: whole, without_texts, without_ended)
    for cut in cuts:
        overview = cut(overview)
        yield overview


def overview_row(overview: Overview) -> rows.Entity:
    """The row of an overview, without its longest texts where they do not fit. LimitError where nothing helps."""
    for level, cut in enumerate(shorter(overview)):
        text = packed(rows.text_of(cut))
        if len(text) <= MAX_TEXT:
            entity = rows.base(keys.OVERVIEW, keys.overview(overview.subscription))
            entity |= {"clusters": len(cut.clusters), "cut": level}
            return rows.checked(entity | rows.chunked("overview", text))
    raise LimitError(f"the overview of subscription {overview.subscription} has {len(text)} characters")


def read_overview(row: rows.Row) -> Overview:
    """The overview in a row."""
    where = rows.versioned(row).get("RowKey")
    try:
        text = unpacked(rows.joined(row, "overview"))
    except ValueError as error:
        raise SchemaError(f"row {where!r}: {error}") from error
    return rows.read(Overview, text, where)


def as_kept(overview: Overview) -> Overview:
    """The overview as its row holds it: without texts that do not fit. LimitError where nothing helps."""
    return read_overview(overview_row(overview))


def behind(overview: Overview, known: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """The clusters whose entry is older than their state or stands for one that could not be read, or that are shown
    and not there any more.

    ``known`` are the clusters that are there (ARM id) with the sequence of their state.
    """
    sequences = {cluster.lower(): sequence for cluster, sequence in known}
    shown = {entry.cluster.lower(): entry for entry in overview.clusters}
    old = [name for name, sequence in sequences.items() if is_news(sequence, shown.get(name))]
    left = [name for name, entry in shown.items() if entry.gone_since is None and name not in sequences]
    return tuple(sorted([*old, *left]))
