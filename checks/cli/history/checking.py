"""Every cluster of a subscription checked: its history against its state, what is shown of it against both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import msgspec

from checks.arm_ids import name_of, same_id
from checks.cli.history.side_by_side import side_by_side
from checks.history.agreement import Difference, entry_differences, history_differences
from checks.history.errors import HistoryError
from checks.history.model import RowRef, StateSummary, Unreadable
from checks.history.overview import ClusterEntry, Overview
from checks.history.table import keys
from checks.history.table.overviews import KeptOverview, shorter
from checks.history.table.store import Store

Say = Callable[[str], None]


class Checked(msgspec.Struct, frozen=True):
    """What was checked. ``changes`` are history rows; what cannot be read is compared with nothing.

    ``folded``: how many older changes are held as what they came to.
    """

    clusters: int = 0
    changes: int = 0
    differences: tuple[Difference, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    folded: int = 0

    def __add__(self, other: Checked) -> Checked:
        return Checked(
            self.clusters + other.clusters,
            self.changes + other.changes,
            self.differences + other.differences,
            self.unreadable + other.unreadable,
            self.folded + other.folded,
        )


async def check_subscription(store: Store, subscription: str, cluster: str, say: Say) -> Checked:
    """Checks a subscription's clusters, or those that ``cluster`` (a name or an ARM id) names; "" is all of them.

    The app may write meanwhile: an overview that differs is compared once more, with what is held by then.
    """
    checked, unread = await _histories(store, subscription, cluster, say)
    differences, unreadable = await _overview(store, subscription, cluster, unread, say)
    if differences:
        again, unreadable = await _overview(store, subscription, cluster, unread, say)
        lasting = {(one.cluster.lower(), one.registry) for one in differences}
        differences = [one for one in again if (one.cluster.lower(), one.registry) in lasting]
    new = tuple(one for one in unreadable if one not in checked.unreadable)
    return checked + Checked(differences=tuple(differences), unreadable=new)


def is_named(cluster: str, given: str) -> bool:
    """Whether a name or an ARM id is that of a cluster; "" is that of every one."""
    if not given:
        return True
    return same_id(cluster, given) if given.startswith("/") else name_of(cluster).lower() == given.lower()


async def _named_states(store: Store, subscription: str, cluster: str) -> tuple[list[StateSummary], list[Unreadable]]:
    """The states that are named, and those that cannot be read and may be."""
    listed = await store.list_states(subscription)
    named = [state for state in listed.items if is_named(state.cluster, cluster)]
    return named, [broken for broken in listed.unreadable if _may_be(broken.ref, cluster)]


def _may_be(ref: RowRef, cluster: str) -> bool:
    """Whether a state's row may be that of a cluster: the end of its key is the name, except of ids of odd shape."""
    if cluster.startswith("/"):
        return ref.row == keys.state(cluster)
    return not cluster or ref.row.startswith("state|~") or ref.row.rpartition(":")[2] == cluster.lower()


async def _histories(store: Store, subscription: str, cluster: str, say: Say) -> tuple[Checked, set[str]]:
    """What the histories come to, and the clusters (lower case) of which something cannot be read."""
    states, broken = await _named_states(store, subscription, cluster)
    each = await side_by_side(
        [state.cluster for state in states],
        lambda name: _history(store, name),
        lambda done: say(f"{subscription}: the history of {done} of {len(states)} clusters"),
    )
    unread = {state.cluster.lower() for state, one in zip(states, each, strict=True) if one.unreadable}
    checked = sum(each, Checked(unreadable=tuple(broken)))
    return checked, unread


async def _history(store: Store, cluster: str) -> Checked:
    """One cluster, with what older changes were folded into. Changes that are newer than its state are left out."""
    try:
        kept = await store.load_history(cluster)
    except HistoryError as error:
        return Checked(1, 0, (), (Unreadable(keys.state_ref(cluster), str(error)),))
    if kept is None:  # it left in between
        return Checked()
    differences = [] if kept.unreadable else history_differences(kept.state, kept.changes, kept.checkpoint)
    folded = kept.checkpoint.changes if kept.checkpoint else 0
    return Checked(1, len(kept.changes), tuple(differences), kept.unreadable, folded)


async def _overview(
    store: Store, subscription: str, cluster: str, unread: set[str], say: Say
) -> tuple[list[Difference], list[Unreadable]]:
    """Where the overview is not what it would be, were it made anew; without clusters that cannot be read."""
    try:
        kept = await store.find_overview(subscription) or KeptOverview(Overview(subscription))
    except HistoryError as error:
        return [], [Unreadable(RowRef(keys.OVERVIEW, keys.overview(subscription)), str(error))]
    made, broken = await _made(store, subscription, cluster, unread, say)
    rows = {one.ref.row for one in broken}
    shown = _by_name(entry for entry in kept.overview.clusters if is_named(entry.cluster, cluster))
    anew = [_by_name(one.clusters) for one in islice(shorter(made), kept.cut + 1)]
    return [
        difference
        for name in sorted(shown.keys() | anew[0].keys())
        if name not in unread and keys.state(name) not in rows
        for difference in _entry_differences(shown.get(name), [one.get(name) for one in anew])
    ], broken


def _entry_differences(shown: ClusterEntry | None, anew: Sequence[ClusterEntry | None]) -> list[Difference]:
    """What is left out of a row for want of room is no difference. ``anew``: whole first, then with less and less."""
    return [] if shown in anew else entry_differences(shown, anew[-1])


async def _made(
    store: Store, subscription: str, cluster: str, unread: set[str], say: Say
) -> tuple[Overview, list[Unreadable]]:
    """The overview as it would be kept, made of what can be read."""
    states, broken = await _named_states(store, subscription, cluster)
    made = await side_by_side(
        [state.cluster for state in states if state.cluster.lower() not in unread],
        lambda name: _entry(store, name),
        lambda done: say(f"{subscription}: the overview of {done} of {len(states)} clusters"),
    )
    entries = [one for one in made if isinstance(one, ClusterEntry)]
    broken += [one for one in made if isinstance(one, Unreadable)]
    return Overview(subscription, tuple(entries)), broken


async def _entry(store: Store, cluster: str) -> ClusterEntry | Unreadable | None:
    """What is shown of a cluster, made anew; None where it left in between."""
    try:
        stored = await store.load_state(cluster)
        return None if stored is None else await store.entry_anew(stored.state)
    except HistoryError as error:  # of one cluster: it stops no other
        return Unreadable(keys.state_ref(cluster), str(error))


def _by_name(entries: Iterable[ClusterEntry]) -> dict[str, ClusterEntry]:
    return {entry.cluster.lower(): entry for entry in entries}
