"""Whether what is kept of a cluster agrees: its history with its state, and what is shown of it with both. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.changes import Change
from checks.history.decide.replay import Checkpoint, Held, replay, statuses
from checks.history.model import ClusterState
from checks.history.overview import ClusterEntry, RowEntry


class Difference(msgspec.Struct, frozen=True, order=True):
    """Where two of what is kept of a cluster (ARM id) differ.

    ``between``: "history and state", or "overview and state". ``registry`` and ``facet``: "" where it is of
    none.
    """

    cluster: str
    between: str
    registry: str
    facet: str
    summary: str


def history_differences(
    state: ClusterState, changes: Iterable[Change], checkpoint: Checkpoint | None = None
) -> list[Difference]:
    """Where the replay of a cluster's whole history is not its state. Changes newer than the state are left out.

    ``checkpoint``: what older changes were folded into.
    """
    told = replay((change for change in changes if change.sequence <= state.sequence), checkpoint)
    held = statuses(state)
    return [
        Difference(
            state.cluster,
            "history and state",
            *key,
            f"history has {_words(told.get(key))}, the state {_words(held.get(key))}",
        )
        for key in sorted(told.keys() | held.keys())
        if told.get(key) != held.get(key)
    ]


def entry_differences(shown: ClusterEntry | None, made: ClusterEntry | None) -> list[Difference]:
    """Where what the overview shows of a cluster is not what is made anew. None: it is not there."""
    one = made or shown
    if shown == made or one is None:
        return []
    if shown is None:
        return [_of_overview(one, "", "is not in the overview")]
    if made is None:
        return [_of_overview(one, "", "is in the overview and has no state")]
    differences = [
        _of_overview(one, "", f"{name} is {_value(shown, name)} in the overview and {_value(made, name)} made anew")
        for name in ("cluster", "sequence", "run", "updated", "outcome", "gone_since", "capped")
        if getattr(shown, name) != getattr(made, name)
    ]
    if shown.ended != made.ended:
        text = f"{len(shown.ended)} failures that ended are in the overview, others ({len(made.ended)}) made anew"
        differences.append(_of_overview(one, "", text))
    return differences + _row_differences(one, shown.rows, made.rows)


def _row_differences(one: ClusterEntry, shown: tuple[RowEntry, ...], made: tuple[RowEntry, ...]) -> list[Difference]:
    before, after = {row.registry: row for row in shown}, {row.registry: row for row in made}
    found = []
    for registry in sorted(before.keys() | after.keys()):
        if registry not in after:
            found.append(_of_overview(one, registry, "is in the overview and not in the state"))
        elif registry not in before:
            found.append(_of_overview(one, registry, "is in the state and not in the overview"))
        elif before[registry] != after[registry]:
            found.append(_of_overview(one, registry, "is in the overview with other answers than in the state"))
    return found


def _of_overview(entry: ClusterEntry, registry: str, summary: str) -> Difference:
    return Difference(entry.cluster, "overview and state", registry, "", summary)


def _value(entry: ClusterEntry, name: str) -> str:
    value = getattr(entry, name)
    return "none" if value is None else str(value)


def _words(held: Held | None) -> str:
    if held is None:
        return "nothing"
    cause = f" ({held.cause})" if held.cause else ""
    return f"{held.status.value}{cause} since {held.since:%Y-%m-%d %H:%M:%SZ}"
