"""History and state agree: what the changes of a cluster come to is what its state holds."""

from __future__ import annotations

from collections.abc import Iterable
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


def statuses(state: ClusterState) -> dict[Key, Held]:
    """What the state holds of each subject: equal to ``fold`` of its history."""
    return {subject.key: Held(subject.status, subject.cause, subject.since) for subject in state.subjects}


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
