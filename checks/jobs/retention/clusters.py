"""Old changes are folded, and clusters that were gone for long leave: one subscription, cluster by cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from checks.history.decide.retention import Dated, Needed, fold_before, has_left, is_old, old_months, through_when
from checks.history.model import Channel, RowRef, StateSummary
from checks.history.table import keys
from checks.history.table.retention.leavers import BESIDE
from checks.jobs.retention.turn import NOTHING, Pruned, Turn, contained


class _Cluster(msgspec.Struct, frozen=True):
    """A cluster with its changes. ``folded``: through which sequence; ``needed``: the oldest that is to be notified."""

    state: StateSummary
    changes: tuple[Dated, ...]
    folded: int = 0
    needed: int | None = None

    def after(self, through: int) -> _Cluster:
        """The cluster once its changes through a sequence are folded and deleted."""
        left = tuple(one for one in self.changes if one.sequence > through)
        return msgspec.structs.replace(self, changes=left, folded=through)


async def prune_subscription(turn: Turn, subscription: str, needed: Needed, channels: Sequence[Channel]) -> Pruned:
    """Folds and removes what is old of a subscription's clusters."""
    listing = await turn.store.list_states(subscription)
    states = {keys.cluster_key(state.cluster): state for state in listing.items}
    done = NOTHING
    for cluster in await _clusters(turn, subscription, states, needed):
        if turn.is_spent:
            return done + Pruned(unfinished=True)
        done += await contained(cluster.state.cluster, _one(turn, cluster, channels))
    unreadable = {broken.ref.row.partition("|")[2] for broken in listing.unreadable}
    done += await contained(f"what came late in {subscription}", _late(turn, subscription, {*states, *unreadable}))
    return done + await contained(f"the overview of {subscription}", _overview(turn, subscription))


async def _clusters(
    turn: Turn, subscription: str, states: Mapping[str, StateSummary], needed: Needed
) -> list[_Cluster]:
    """The clusters that something may go of. One whose state cannot be read, or is not there, is none of them."""
    folded = await turn.store.folded_through(subscription)

    def known(name: str, changes: Sequence[Dated] = ()) -> _Cluster:
        # What was committed since the states were listed is another turn's.
        listed = tuple(one for one in changes if one.sequence <= states[name].sequence)
        return _Cluster(states[name], listed, folded.get(name, 0), needed.changes.get((subscription, name)))

    found: dict[str, _Cluster] = {}
    async for one in turn.store.dated_changes(subscription):
        if one.name in states and _has_old(turn, cluster := known(one.name, one.changes)):
            found[one.name] = cluster
    rest = [known(name) for name in states if name not in found]
    return [*found.values(), *(cluster for cluster in rest if _leaves(turn, cluster))]


def _has_old(turn: Turn, cluster: _Cluster) -> bool:
    """Whether something of it may go."""
    folds = _through(turn, cluster) > cluster.folded or _covered(cluster, cluster.folded)
    return bool(folds) or _leaves(turn, cluster)


def _leaves(turn: Turn, cluster: _Cluster) -> bool:
    return cluster.needed is None and has_left(cluster.state, turn.keep, turn.now)


def _through(turn: Turn, cluster: _Cluster) -> int:
    before = fold_before(cluster.state, turn.keep, turn.now)
    return through_when(cluster.changes, before, turn.now, folded=cluster.folded, needed=cluster.needed)


def _covered(cluster: _Cluster, through: int) -> list[int]:
    """The changes that are folded through a sequence, the oldest first."""
    return sorted(one.sequence for one in cluster.changes if one.sequence <= through)


async def _one(turn: Turn, cluster: _Cluster, channels: Sequence[Channel]) -> Pruned:
    if _leaves(turn, cluster):
        return await _leave(turn, cluster, channels)
    done = NOTHING
    through = _through(turn, cluster)
    while _covered(cluster, through) and not done.unfinished:
        done += await _fold(turn, cluster, through)
        cluster = cluster.after(through)
        through = _through(turn, cluster)
    return done


async def _fold(turn: Turn, cluster: _Cluster, through: int) -> Pruned:
    """Folds changes, and deletes as many of them as the turn may."""
    covered = _covered(cluster, through)
    granted = turn.granted(len(covered))
    if granted and not turn.dry_run:
        if through > cluster.folded:
            await turn.store.fold_changes(cluster.state.cluster, through, turn.now)
        await turn.store.drop_changes(cluster.state.cluster, covered[:granted])
    return Pruned(changes=granted, unfinished=granted < len(covered))


async def _leave(turn: Turn, cluster: _Cluster, channels: Sequence[Channel]) -> Pruned:
    """A cluster that was gone for long leaves. What is too much for one transaction is folded before."""
    done = NOTHING
    if any(one.at is None for one in cluster.changes):
        return Pruned(failed=1)  # it cannot be read: a later release may have written it
    while len(cluster.changes) > BESIDE and not done.unfinished:
        through = through_when(cluster.changes, turn.now, turn.now, folded=cluster.folded)
        if not _covered(cluster, through):
            return done + Pruned(failed=1)  # the times of all of them lie ahead
        done += await _fold(turn, cluster, through)
        cluster = cluster.after(through)
    rows = len(cluster.changes) + 2
    if done.unfinished or turn.granted(rows) < rows:
        return done + Pruned(unfinished=True)
    if turn.dry_run:
        return done + Pruned(clusters=1, changes=len(cluster.changes))
    await turn.store.forget_notified(cluster.state.cluster, channels)
    removed = await turn.store.remove_cluster(
        cluster.state.cluster, lambda state: _is_long_gone(turn, state.gone_since)
    )
    return done + (Pruned(clusters=1, changes=len(cluster.changes)) if removed else NOTHING)


def _is_long_gone(turn: Turn, gone_since: datetime | None) -> bool:
    return is_old(gone_since, turn.keep.gone, turn.now)


async def _late(turn: Turn, subscription: str, clusters: set[str]) -> Pruned:
    """Records of results that came late go with the runs they were of, and with their clusters."""
    late = await turn.store.late_rows(subscription)
    months = old_months({run[:6] for _, run in late if run[:6].isdecimal()}, (), turn.keep, turn.now)
    old = [ref for ref, run in late if run[:6] in months or _cluster_of(ref) not in clusters]
    granted = turn.granted(len(old))
    if not turn.dry_run:
        await turn.store.drop_rows(old[:granted])
    return Pruned(records=granted, unfinished=granted < len(old))


def _cluster_of(ref: RowRef) -> str:
    return ref.row.partition("|")[2].rpartition("|")[0]


async def _overview(turn: Turn, subscription: str) -> Pruned:
    """Lists and pages show clusters that left no more."""
    if not turn.dry_run:
        await turn.store.forget_in_overview(subscription, lambda entry: _is_long_gone(turn, entry.gone_since))
    return NOTHING
