"""Pointers become batches: what has one root cause, or belongs to one notice, is notified of together."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from checks.changes import Change, Notice, NoticeKind
from checks.history.errors import SchemaError
from checks.history.model import Batch, Pending, RowRef
from checks.jobs.delivery.reading import several
from checks.jobs.delivery.turn import Turn
from checks.jobs.messages import DELIVER
from checks.jobs.watch import give_up
from checks.notify.incidents import group, mail_id

LOG = logging.getLogger(__name__)

MAX_ITEMS = 2000  # pointers of one round

Member = tuple[Pending, Change]


async def begin_batches(turn: Turn) -> bool:
    """Writes batches of the pointers that are there, and sets those aside that cannot be read; false: there were none.

    What waits for a first summary, or cannot be read, takes no place of what can be sent.
    """
    store = turn.context.store
    pending = await store.list_pending()
    for problem in pending.unreadable:
        LOG.error("a pointer cannot be read and is postponed: %s", problem.why)
    await several(store.postpone, [problem.ref for problem in pending.unreadable])
    items = (await store.deliverable(pending.items, turn.context.clock()))[:MAX_ITEMS]
    any_items = bool(items)
    notices = [(item, notice) for item in items if item.notice and (notice := await _notice(turn, item)) is not None]
    if any(notice.kind is NoticeKind.BASELINE for _, notice in notices):
        # A first summary says what was seen by then, be it by another run that still waits for its own.
        there = {item.ref for item in items}
        items = (*items, *(item for item in pending.items if item.summary_of and item.ref not in there))
    rest = await _members(turn, items)
    for item, notice in notices:
        members: list[Member] = []
        if notice.kind is NoticeKind.BASELINE:
            members, rest = [one for one in rest if one[0].summary_of], [one for one in rest if not one[0].summary_of]
        await _begin(turn, [item, *(member for member, _ in members)], item.notice)
    for indexes in group([change for _, change in rest]):
        await _begin(turn, [rest[index][0] for index in indexes])
    return any_items or bool(pending.unreadable)


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


async def _members(turn: Turn, items: Sequence[Pending]) -> list[Member]:
    """The pointers to changes, with the changes. One whose change is gone is recorded and taken away.

    One whose change cannot be read is postponed, for a program that can: it keeps no other from being sent.
    """
    found = await turn.read(item.change for item in items if item.change is not None)
    members: list[Member] = []
    unreadable: list[RowRef] = []
    for item in items:
        change = found.get(item.change) if item.change is not None else None
        if isinstance(change, SchemaError):
            LOG.error("a change cannot be read, and its notification is postponed: %s", change)
            unreadable.append(item.ref)
        elif change is not None:
            members.append((item, change))
        elif item.change is not None:
            await give_up(turn.context, DELIVER, f"{item.ref.partition} {item.ref.row}", "what it points to is gone")
            await turn.context.store.remove_pending([item.ref])
    await several(turn.context.store.postpone, unreadable)
    return members


async def _notice(turn: Turn, item: Pending) -> Notice | None:
    """The notice in a pointer; one that cannot be read is postponed."""
    try:
        return msgspec.json.decode(item.notice, type=Notice)
    except msgspec.DecodeError as error:
        LOG.error("a notice cannot be read and is postponed: %s: %s", item.ref.row, error)
        await turn.context.store.postpone(item.ref)
        return None
