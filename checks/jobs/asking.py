"""Ask for a run, once: who asks for the same while it waits, or has just begun, gets the same run.

The row of the scope says which run that is, by compare-and-set across hosts. It is written before the run gets its
message, and again after, so that nobody is given a run that nobody plans: who finds one without a message waits a
moment, and then sends it. The same request is the same run however often it is sent.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress
from datetime import timedelta

import msgspec

from checks.history.errors import Conflict, SchemaError
from checks.history.model import RunStatus
from checks.history.table.asked import SKEW, AskedRun
from checks.jobs.context import JobContext
from checks.jobs.messages import PLAN, PlanMessage

LOG = logging.getLogger(__name__)
TRIES = 50
WAITS = 25  # for the message of somebody else's run
PAUSE = 0.2  # seconds between them
UNSENT = timedelta(seconds=10)  # after which nobody is on the way to send it
WAITING = timedelta(minutes=10)  # since a run was asked for that is not planned yet
OPEN = timedelta(seconds=30)  # since one was asked for that has begun to look: what was changed since may not be in it


class AskedFor(msgspec.Struct, frozen=True):
    """The run that comes of a request, and whether somebody else had asked for it before."""

    run_id: str
    joined: bool = False


async def ask_for_run(context: JobContext, subscriptions: tuple[str, ...], caller: str) -> AskedFor:
    """A run over these subscriptions (none: all), new or joined.

    Raises SchemaError where the sequence of runs cannot be read, Conflict where 50 tries were overtaken.
    """
    for attempt in range(TRIES):
        mine = AskedRun(uuid.uuid4().hex, context.clock())
        try:
            stored = await context.store.load_asked(subscriptions)
        except SchemaError as error:
            LOG.warning("no run is joined: %s", error)
            return AskedFor(await _send(context, subscriptions, caller, mine))
        asked = stored.asked
        if asked is None or not await _is_joinable(context, asked):
            with suppress(Conflict):
                await context.store.keep_asked(subscriptions, mine, stored.etag)
                return AskedFor(await _send(context, subscriptions, caller, mine))
        elif asked.run_id:
            return AskedFor(asked.run_id, joined=True)
        elif attempt >= WAITS or context.clock() - asked.at >= UNSENT:
            return AskedFor(await _send(context, subscriptions, caller, asked), joined=True)
        else:
            await asyncio.sleep(PAUSE)
    raise Conflict("a run could not be asked for")


async def _is_joinable(context: JobContext, asked: AskedRun) -> bool:
    """Whether a run that was asked for is still to come, or has only just begun."""
    age = context.clock() - asked.at
    if not -SKEW <= age < WAITING:
        return False
    try:
        stored = await context.store.load_run(asked.run_id) if asked.run_id else None
    except SchemaError:
        return False
    return stored is None or (stored.run.status is not RunStatus.CLOSED and age < OPEN)


async def _send(context: JobContext, subscriptions: tuple[str, ...], caller: str, asked: AskedRun) -> str:
    """Takes the run's ticket, sends its message and notes that; the run's id."""
    packed = dict.fromkeys(guid.lower().replace("-", "") for guid in subscriptions)
    message = PlanMessage(request=asked.request, requested_by=caller, subscriptions=tuple(packed))
    ticket = await context.store.next_sequence(context.clock(), asked.request)
    await context.queues.send(PLAN, [message])
    with suppress(Conflict, SchemaError):  # another has sent it too, or the row is a later version's
        stored = await context.store.load_asked(subscriptions)
        if stored.asked == asked:
            sent = msgspec.structs.replace(asked, run_id=ticket.run_id)
            await context.store.keep_asked(subscriptions, sent, stored.etag)
    return ticket.run_id
