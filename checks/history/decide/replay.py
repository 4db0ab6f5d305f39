"""History and state agree: what the changes of a cluster come to is what its state holds.

Old changes are folded into a checkpoint, which says what they came to. One that it covers counts no more, be it deleted
already or not: so a death between the two changes nothing of what the history comes to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from checks.changes import Change, Status
from checks.history.model import ClusterState

Key = tuple[str, str]


class Held(msgspec.Struct, frozen=True):
    """What history must agree with the state on."""

    status: Status
    cause: str
    since: datetime


class FoldedSubject(msgspec.Struct, frozen=True, array_like=True):
    """What is held of one (registry, facet), as a checkpoint has it."""

    registry: str
    facet: str
    held: Held


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the oldest changes of a cluster (ARM id) came to.

    ``through``: the sequence of the newest of them; ``until``: when that was; ``folded``: when it was folded last;
    ``changes``: how many there were in all.
    """

    cluster: str
    through: int
    until: datetime
    folded: datetime
    changes: int
    subjects: tuple[FoldedSubject, ...] = ()


def statuses(state: ClusterState) -> dict[Key, Held]:
    """What the state holds of each subject: equal to ``replay`` of its history."""
    return {subject.key: Held(subject.status, subject.cause, subject.since) for subject in state.subjects}


def replay(changes: Iterable[Change], checkpoint: Checkpoint | None = None) -> dict[Key, Held]:
    """What a whole history comes to: its checkpoint, and the changes after it, in any order."""
    if checkpoint is None:
        return fold(changes)
    start = {(one.registry, one.facet): one.held for one in checkpoint.subjects}
    return fold((change for change in changes if change.sequence > checkpoint.through), start)


def fold(changes: Iterable[Change], start: dict[Key, Held] | None = None) -> dict[Key, Held]:
    """What the history says is held of each subject. ``changes`` in any order; ``start``: a checkpoint before them."""
    held = dict(start or {})
    for change in sorted(changes, key=lambda one: one.sequence):
        for moved in change.transitions:
            key = (moved.registry, moved.facet)
            if moved.after is None:
                held.pop(key, None)
            else:
                held[key] = Held(moved.after, moved.cause if moved.after is Status.FAILING else "", moved.since)
    return held


def folded_into(checkpoint: Checkpoint | None, changes: Sequence[Change], now: datetime) -> Checkpoint:
    """The checkpoint that covers these changes as well: one or more, all newer than what it covers already."""
    newest = max(changes, key=lambda change: change.sequence)
    held = replay(changes, checkpoint)
    return Checkpoint(
        cluster=newest.cluster,
        through=newest.sequence,
        until=newest.at,
        folded=now,
        changes=len(changes) + (checkpoint.changes if checkpoint else 0),
        subjects=tuple(FoldedSubject(registry, facet, one) for (registry, facet), one in sorted(held.items())),
    )
