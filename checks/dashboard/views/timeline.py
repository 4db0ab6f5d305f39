"""What changed at a cluster, the newest first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from checks.changes import Change, Reason, Status, Transition
from checks.dashboard import addresses
from checks.dashboard.views.marks import Mark
from checks.dashboard.views.moments import Moment, moment
from checks.report.html import bounded

MAX_CHANGES = 40
MAX_FLIPS = 12  # of one change
_KINDS = {Status.PASSING: "pass", Status.FAILING: "fail", Status.UNKNOWN_YET: "unknown"}
_WORDS = {Status.PASSING: "passing", Status.FAILING: "failing", Status.UNKNOWN_YET: "not known yet"}
_REASONS = {
    Reason.CAUSE_CHANGED: "for another cause",
    Reason.BLIND: "nothing is known any more",
    Reason.SEEN_AGAIN: "known again",
    Reason.FLAPPING: "it flaps",
    Reason.DAMPED: "it flaps, and nobody is notified",
    Reason.SETTLED: "it has settled",
    Reason.GONE: "the cluster is gone",
    Reason.OPTED_OUT: "its tag asks that it is not checked",
    Reason.FORGOTTEN: "not used for a long time",
    Reason.BASELINE: "seen at the first look",
}


class Changes(msgspec.Struct, frozen=True):
    """The newest changes of a cluster. ``more``: there are older ones; ``unreadable`` counts rows among them.

    ``folded``: when changes before the oldest of them were folded, None where none were.
    """

    items: tuple[Change, ...] = ()
    more: bool = False
    unreadable: int = 0
    folded: datetime | None = None


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """One answer's step: of which registries, of which answers, from where to where."""

    registry: str
    facet: str
    before: Mark | None
    after: Mark
    note: str
    cause: str
    summary: str


class ChangeLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one run changed; ``more`` steps are left out."""

    at: Moment
    run: str
    address: str
    flips: tuple[Flip, ...]
    more: int


def timeline(changes: Iterable[Change], now: datetime) -> tuple[ChangeLine, ...]:
    """The changes, each with its steps; answers of one registry that did the same are one step."""
    return tuple(_change(change, now) for change in changes)


def _change(change: Change, now: datetime) -> ChangeLine:
    alike: dict[tuple[object, ...], list[Transition]] = {}
    for moved in change.transitions:
        alike.setdefault((moved.registry, moved.before, moved.after, moved.reason, moved.cause), []).append(moved)
    shown, more = bounded.first([_flip(group) for group in alike.values()], MAX_FLIPS)
    run = bounded.name(change.run)
    return ChangeLine(at=moment(change.at, now), run=run, address=addresses.run(run), flips=shown, more=more)


def _flip(group: Sequence[Transition]) -> Flip:
    moved = group[0]
    return Flip(
        registry=bounded.name(moved.registry),
        facet=", ".join(one.facet for one in group),
        before=_mark(moved.before) if moved.before is not None and moved.before is not moved.after else None,
        after=_mark(moved.after) if moved.after is not None else Mark("no longer kept", "skipped"),
        note=_REASONS.get(moved.reason, ""),
        cause=bounded.name(moved.cause or moved.gap),
        summary=bounded.sentence(next((one.summary for one in group if one.summary), "")),
    )


def _mark(status: Status) -> Mark:
    return Mark(_WORDS[status], _KINDS[status])
