"""Mails that were sent long ago go, while nobody delivers; and what is still needed of everything else is found out."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
from azure.core.exceptions import AzureError

from checks.history.decide.retention import Needed, is_over, may_forget_batch, may_forget_mail
from checks.history.errors import Conflict, HistoryError, LeaseHeld, LeaseLost
from checks.history.table.lease import FENCED, Lease
from checks.jobs.retention.turn import NOTHING, Pruned, Turn

LOG = logging.getLogger(__name__)
TRIES = 3  # of getting the right to deliver
PAUSE = 5.0  # seconds between them
LONGEST_HOLD = timedelta(seconds=60)  # so long nobody else delivers
DELIVERS = "mail is being delivered, so mails, changes and clusters wait"
UNREADABLE = "mail that is to be sent cannot be read, so mails, changes and clusters wait"


class MailsPruned(msgspec.Struct, frozen=True):
    """What went of mails, and what is needed of all else; None where that could not be found out for certain."""

    done: Pruned
    needed: Needed | None = None


async def prune_mails(turn: Turn) -> MailsPruned:
    """Deletes mails that were sent long ago."""
    try:
        async with _right_to_deliver(turn) as lease:
            needed = await turn.store.needed_by_mail()
            if lease is not None:
                await turn.store.renew(lease, turn.clock())  # nobody else had it while that was read
            if not needed.certain:
                return MailsPruned(Pruned(waits=UNREADABLE))
            return MailsPruned(await _sent(turn, lease, needed), needed)
    except (LeaseHeld, LeaseLost, Conflict) as error:
        LOG.info("mails are not pruned: %s", error)
        return MailsPruned(Pruned(waits=DELIVERS, unfinished=True))
    except (HistoryError, AzureError) as error:
        LOG.warning("mails are not pruned: %s", error)
        return MailsPruned(Pruned(failed=1))


@asynccontextmanager
async def _right_to_deliver(turn: Turn) -> AsyncIterator[Lease | None]:
    """The right to deliver; None for a dry run, which writes nothing. Raises LeaseHeld where somebody keeps it."""
    if turn.dry_run:
        yield None
        return
    holder = f"prune-{uuid.uuid4().hex[:12]}"
    for attempt in range(TRIES):
        try:
            async with turn.store.deliver_lease(holder, turn.clock) as lease:
                yield lease
                return
        except LeaseHeld:
            if attempt == TRIES - 1:
                raise
        await asyncio.sleep(PAUSE)


async def _sent(turn: Turn, lease: Lease | None, needed: Needed) -> Pruned:
    """Deletes what may go, a transaction at a time, for as long as others can wait for the right to deliver."""
    until = turn.clock() + LONGEST_HOLD
    done = NOTHING
    names: list[str] = []
    async for name in _old_rows(turn, needed):
        names.append(name)
        if len(names) == FENCED:
            done += await _drop(turn, lease, names)
            names = []
        if done.unfinished or turn.clock() >= until:
            return done + Pruned(unfinished=True)
    return done + await _drop(turn, lease, names)


async def _drop(turn: Turn, lease: Lease | None, names: list[str]) -> Pruned:
    granted = turn.granted(len(names))
    if lease is not None:
        await turn.store.drop_of_mail(names[:granted], lease, turn.clock())
    return Pruned(mails=granted, unfinished=granted < len(names))


async def _old_rows(turn: Turn, needed: Needed) -> AsyncIterator[str]:
    """The keys of what may go: mails, batches with the rows beside them, channels that nobody uses any more."""
    store, before = turn.store, turn.now - turn.keep.mails
    async for kept in store.finished_before(before):
        if may_forget_mail(kept.mail, needed, turn.keep, turn.now):
            yield kept.row
    for batch in await store.kept_batches():
        # Rows beside a batch that was never written: whoever begins it again writes them anew.
        orphaned = batch.since is None and not batch.has_own_row and is_over(batch.id, needed)
        if orphaned or may_forget_batch(batch.id, batch.since, needed, turn.keep, turn.now):
            for name in batch.rows:
                yield name
    for name in await store.idle_rates(before):
        yield name
