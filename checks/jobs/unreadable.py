"""What to do about rows that cannot be handled: say so once, forget it once they can be, set aside what nobody repairs.

A row of a newer version waits for the newer version, however long that takes. One that is broken is kept whole under
another key after a week, and what it was about begins anew; the lease, which blocks all delivery, when it is older than
any lasts. The run sequence is never set aside: to begin it anew would make every later run older than what is known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from checks.changes import UNREADABLE_ROWS, Notice, NoticeKind
from checks.history.errors import Conflict
from checks.history.model import RecordedRow, RowRef, Unreadable
from checks.history.table import keys
from checks.history.table.lease import LEASE, SKEW
from checks.history.table.runs import LATEST, LATEST_WHOLE
from checks.jobs.context import JobContext

LOG = logging.getLogger(__name__)
KEEP_FOR = timedelta(days=7)
MAX_NAMED = 20
TRIES = 5  # of a record that somebody else writes at the same time

LEASE_ROW = RowRef(keys.MAIL, "lease")
SEQUENCE_ROW = RowRef(keys.RUN, "sequence")
LATEST_ROW = RowRef(keys.RUN, LATEST)
LATEST_WHOLE_ROW = RowRef(keys.RUN, LATEST_WHOLE)

_NAMES = {
    LEASE_ROW: "The right to deliver",
    SEQUENCE_ROW: "The run sequence",
    LATEST_ROW: "The latest run's entry",
    LATEST_WHOLE_ROW: "The entry of the latest run over the whole scope",
}

_KINDS = {
    "pending": "A notification that waits",
    "postponed": "A notification that waits",
    "batch": "A mail",
    "change": "What changed at a cluster",
    "digest": "A mail",
    "silence": "A silence, which silences nothing until it can be read",
    "held": "What a silence held back",
    "ending": "The end of a silence",
}


async def report_unreadable(
    context: JobContext,
    found: Iterable[Unreadable],
    looked_at: Callable[[RowRef], bool],
    *,
    run: str = "",
    sequence: int = 0,
) -> None:
    """Records and notifies what was ``found`` and is not known yet; forgets what was ``looked_at`` and is well again.

    Of what is known nobody is notified again. What a later run met is not forgotten by an older one that closes late.
    """
    now = context.clock()
    by_ref = {item.ref: item for item in found}
    for attempt in range(TRIES):
        recorded = {record.ref: record for record in await context.store.list_unreadable()}
        new = [item for ref, item in sorted(by_ref.items()) if ref not in recorded]
        try:
            if new:
                notice = _notice(new, run, sequence, context)
                await context.store.record_unreadable(new, notice, now)
        except Conflict:
            if attempt == TRIES - 1:
                raise
        else:
            break
    for item in new:
        LOG.error("a row cannot be handled: %s", item.why)
    well = [
        ref for ref, record in recorded.items() if looked_at(ref) and ref not in by_ref and record.sequence <= sequence
    ]
    if well:
        await context.store.forget_unreadable(well)
    for ref in by_ref.keys() & recorded.keys():
        if recorded[ref].sequence < sequence:
            await context.store.met_again(recorded[ref], sequence)
        await _set_aside_when_ripe(context, recorded[ref], by_ref[ref], max(sequence, recorded[ref].sequence))


async def _set_aside_when_ripe(context: JobContext, record: RecordedRow, found: Unreadable, sequence: int) -> None:
    """Moves a row out of the way that has been the same for long enough."""
    # Mails are kept where they are looked for.
    kept = record.ref == SEQUENCE_ROW or record.ref.row.startswith(("digest|", "batch|"))
    if kept or found.readable or not record.etag:
        return
    now = context.clock()
    if await context.store.etag_now(record.ref) != record.etag:
        await context.store.renew_unreadable(found, now, sequence)
        return
    lease = record.ref == LEASE_ROW  # whoever holds it, by whatever version, does not any more when it is that old
    age = LEASE + SKEW if lease else KEEP_FOR
    if now - record.since >= age and await context.store.set_aside(record, newer=lease):
        LOG.error("row %s is set aside: nobody repaired it since %s", record.ref.row, record.since.isoformat())
        await context.store.forget_unreadable([record.ref])


def _notice(new: list[Unreadable], run: str, sequence: int, context: JobContext) -> Notice:
    facts = [f"{_name(item.ref)}: {item.why}" for item in new[:MAX_NAMED]]
    if len(new) > MAX_NAMED:
        facts.append(f"… and {len(new) - MAX_NAMED} more.")
    facts += [
        "Nothing is known of these until they are repaired: no alert is raised of them and none is resolved. "
        "Everything else goes on.",
        "After an upgrade was rolled back, upgrade again: a row of a newer version is left as it is. "
        "A broken one is set aside after a week, and what it is about begins anew.",
    ]
    if any(item.ref == SEQUENCE_ROW for item in new):
        facts.append("Without the run sequence no run is planned, and it is not set aside.")
    one = f"{_name(new[0].ref)} cannot be handled"
    title = one if len(new) == 1 else f"{len(new)} rows of storage cannot be handled"
    return Notice(
        kind=NoticeKind.DEGRADED,
        run=run or "none",
        sequence=sequence,
        at=context.clock(),
        title=f"{UNREADABLE_ROWS}{title}",
        facts=tuple(facts),
    )


def _name(ref: RowRef) -> str:
    """What a row is about, in words."""
    kind, _, name = ref.row.partition("|")
    if ref in _NAMES:
        return _NAMES[ref]
    if kind == "state":
        return f"Cluster {name.replace(':', '/')} of subscription {ref.partition}"
    if kind in _KINDS:
        return f"{_KINDS[kind]} ({name})"
    if kind == "open":
        return f"The entry of run {name} among the open runs"
    return f"Run {ref.partition}" if kind == "run" else f"Row {ref.partition} {ref.row}"
