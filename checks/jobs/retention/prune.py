"""One turn of pruning: what is old enough goes, and nothing that mail which is to be sent refers to.

What went is not there the next time: no place has to be kept. Runs go by whole months. Ages are counted to the last run
that was asked for, by the clock of the storage, where the clock here is ahead of it: one that jumped deletes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from checks.history.decide.retention import Keep, old_months
from checks.history.table import keys
from checks.history.table.store import Store
from checks.jobs.context import JobContext
from checks.jobs.retention.clusters import prune_subscription
from checks.jobs.retention.mails import prune_mails
from checks.jobs.retention.turn import NOTHING, ROWS, Pruned, Say, Turn, contained, keep_of
from checks.watchdog import REFUSED_FOR

EVERY = timedelta(days=1)


def _nothing_said(text: str) -> None:
    """Nobody watches."""


async def prune_daily(context: JobContext) -> Pruned | None:
    """A turn, once a day, and again at the next sweep where it was not enough; None where it is not time yet."""
    store = context.store
    if not await store.claim_pruning(context.clock(), EVERY):
        return None
    done = await prune(store, keep_of(context.settings), context.clock)
    if done.unfinished:
        await store.release_pruning()
    return done


async def prune(
    store: Store,
    keep: Keep,
    clock: Callable[[], datetime],
    *,
    dry_run: bool = False,
    rows: int = ROWS,
    say: Say = _nothing_said,
) -> Pruned:
    """Deletes at most so many rows that are older than they are kept; counts all of them in a ``dry_run``."""
    turn = Turn(store, keep, await _counted_to(store, clock()), clock, dry_run=dry_run, rows=rows)
    say("runs and records")
    done = await contained("a month of runs", _months(turn)) + await contained("a record", _records(turn))
    say("mails")
    mails = await prune_mails(turn)
    done += mails.done
    if mails.needed is None:
        return done
    channels = await store.channels()
    subscriptions = await store.known_subscriptions()
    first = turn.now.toordinal() % max(len(subscriptions), 1)  # whose turn comes first: no one always waits
    for number, subscription in enumerate(subscriptions[first:] + subscriptions[:first], 1):
        if turn.is_spent:
            return done + Pruned(unfinished=True)
        say(f"subscription {number} of {len(subscriptions)}: {subscription}")
        work = prune_subscription(turn, subscription, mails.needed, channels)
        done += await contained(f"subscription {subscription}", work)
    return done


async def _counted_to(store: Store, now: datetime) -> datetime:
    planned = await store.last_planned()
    return now if planned is None else min(now, planned)


async def _months(turn: Turn) -> Pruned:
    """Months all of whose runs are old: whole tables."""
    old = old_months(await turn.store.months(), await turn.store.needed_months(), turn.keep, turn.now)
    if not turn.dry_run:
        for month in old:
            await turn.store.drop_month(month)
    return Pruned(months=old)


async def _records(turn: Turn) -> Pruned:
    """What is recorded beside runs and mails, and nobody looks at after a while."""
    store, before = turn.store, turn.now - max(turn.keep.mails, REFUSED_FOR)
    messages = await store.old_messages(before)
    found = [*await store.old_refusals(before), *await store.old_asked(before), *await store.old_doubts(before)]
    for partition in (keys.MAIL, keys.RUN, keys.SILENCE, *await store.known_subscriptions()):
        found += await store.old_aside(partition, turn.now - turn.keep.changes)
    count = len(messages) + len(found)
    granted = turn.granted(count)
    if turn.dry_run:
        return Pruned(records=count)
    await store.drop_rows(messages[:granted])
    dropped = await store.drop_old(found[: max(0, granted - len(messages))])
    return NOTHING + Pruned(records=min(granted, len(messages)) + dropped, unfinished=granted < count)
