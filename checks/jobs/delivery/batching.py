"""Pointers become batches: what has one root cause, or belongs to one notice, is notified of together."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from checks.changes import Change, Notice, NoticeKind
from checks.history.errors import SchemaError
from checks.history.model import Batch, Pending
from checks.jobs.delivery.turn import Turn
from checks.jobs.queues import DELIVER
from checks.jobs.watch import give_up
from checks.notify.incidents import group, mail_id

LOG = logging.getLogger(__name__)

Member = tuple[Pending, Change]


async def begin_batches(turn: Turn) -> bool:
    """Writes batches of the pointers that are there; false where there was nothing to write."""
    store = turn.context.store
    pending = await store.list_pending()
    for problem in pending.unreadable:
        LOG.error("a pointer cannot be read and is postponed: %s", problem.why)
        await store.postpone(problem.ref)
    items = await store.deliverable(pending.items, turn.context.clock())
    notices = [(item, notice) for item in items if item.notice and (notice := await _notice(turn, item)) is not None]
    if any(notice.kind is NoticeKind.BASELINE for _, notice in notices):
        # A first summary says what was seen by then, be it by another run that still waits for its own.
        items = (*items, *(item for item in pending.items if item.summary_of and item not in items))
    rest = [(item, change) for item in items if (change := await _change(turn, item)) is not None]
    any_changes = bool(rest)
    for item, notice in notices:
        members: list[Member] = []
        if notice.kind is NoticeKind.BASELINE:
            members, rest = [one for one in rest if one[0].summary_of], [one for one in rest if not one[0].summary_of]
        await _begin(turn, [item, *(member for member, _ in members)], item.notice)
    for indexes in group([change for _, change in rest]):
        await _begin(turn, [rest[index][0] for index in indexes])
    return any_changes or bool(notices)


async def _begin(turn: Turn, items: Sequence[Pending], notice: str = "") -> None:
    named = items[:1] if notice else items  # a notice is one mail, whoever comes with it
    sequence = max(item.sequence for item in named)
    batch = Batch(
        id=mail_id([f"{item.ref.partition}|{item.ref.row}" for item in named], sequence),
        sequence=sequence,
        since=min(item.at for item in items),
        pointers=tuple(item.ref for item in items),
        changes=tuple(item.change for item in items if item.change is not None),
        notice=notice,
    )
    await turn.context.store.begin_batch(batch, turn.lease, turn.context.clock())


async def _change(turn: Turn, item: Pending) -> Change | None:
    """The change that a pointer means. One whose change is gone is recorded and taken away.

    One whose change cannot be read is postponed, for a program that can: it keeps no other from being sent.
    """
    if item.change is None:
        return None
    store = turn.context.store
    try:
        change = await store.load_change(item.change)
    except SchemaError as error:
        LOG.error("a change cannot be read, and its notification is postponed: %s", error)
        await store.postpone(item.ref)
        return None
    if change is None:
        await give_up(turn.context, DELIVER, f"{item.ref.partition} {item.ref.row}", "what it points to is gone")
        await store.remove_pending([item.ref])
    return change


async def _notice(turn: Turn, item: Pending) -> Notice | None:
    """The notice in a pointer; one that cannot be read is postponed."""
    try:
        return msgspec.json.decode(item.notice, type=Notice)
    except msgspec.DecodeError as error:
        LOG.error("a notice cannot be read and is postponed: %s: %s", item.ref.row, error)
        await turn.context.store.postpone(item.ref)
        return None
