"""Silence and acknowledge, for whoever asks: over the API or on the dashboard. The first to acknowledge wins."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count

import msgspec

from checks.fleet.incidents import Incident, incident_called
from checks.fleet.load import load_fleet
from checks.fleet.model import Fleet
from checks.history.errors import Conflict, LimitError
from checks.jobs.context import JobContext
from checks.notify.roots import RootKind
from checks.silences import MAX_AUTHOR, MAX_REASON, Matchers, Silence, SilenceKind, harmless


class Wish(msgspec.Struct, frozen=True):
    """Who asks for quiet, why, and for how many minutes from now. ``wish`` makes one."""

    author: str
    reason: str
    minutes: int


def wish(author: str, reason: str, minutes: int) -> Wish:
    """A wish with texts that can be shown. Raises ValueError where nothing of one can."""
    made = Wish(harmless(author, MAX_AUTHOR), harmless(reason, MAX_REASON), minutes)
    if not made.author or not made.reason:
        raise ValueError(f"{'reason' if made.author else 'author'} has nothing that can be shown")
    return made


class NoIncidentError(Exception):
    """There is no such incident, or it is over."""


class TakenError(Exception):
    """Somebody acknowledged it before: ``first`` is theirs."""

    def __init__(self, first: Silence) -> None:
        super().__init__(f"{first.author} acknowledged it at {first.created.isoformat()}")
        self.first = first


async def silence(context: JobContext, matchers: Matchers, wish: Wish) -> Silence:
    """Keeps a silence of what matches. Raises LimitError where too many hold."""
    made = _made(SilenceKind.SILENCE, secrets.token_hex(4), matchers, wish, context.clock())
    await context.store.add_silence(made)
    return made


async def silence_incident(context: JobContext, incident_id: str, wish: Wish) -> Silence:
    """Keeps a silence of what fails for an incident's root. Raises NoIncidentError, LimitError."""
    incident, _ = await _current(context, incident_id)
    return await silence(context, _of(incident), wish)


async def acknowledge(context: JobContext, incident_id: str, wish: Wish) -> Silence:
    """Keeps an acknowledgement of an incident. Raises NoIncidentError, TakenError, LimitError."""
    incident, fleet = await _current(context, incident_id)
    first = next((failure.silence for failure in incident.failing if failure.silence), None)
    if incident.acknowledged and first is not None:
        raise TakenError(first)
    name = _ack_id(incident, fleet.silences, context.clock())
    made = _made(SilenceKind.ACK, name, _of(incident), wish, context.clock())
    try:
        await context.store.add_silence(made)
    except Conflict:
        there = await context.store.load_silence(made.id)
        if there is None:
            raise
        raise TakenError(there.silence) from None
    return made


class Ended(msgspec.Struct, frozen=True):
    """A silence that is over, and whether that was done just ``now``."""

    silence: Silence
    now: bool


async def end(context: JobContext, silence_id: str) -> Ended | None:
    """Ends a silence or an acknowledgement now; one that is over stays as it is. None where there is none."""
    now = context.clock()
    try:
        before = await context.store.load_silence(silence_id.lower())
        silence = await context.store.end_silence(silence_id.lower(), now) if before else None
        return Ended(silence, not before.silence.is_over(now)) if before and silence else None
    except LimitError:  # no silence has such an id
        return None


async def _current(context: JobContext, incident_id: str) -> tuple[Incident, Fleet]:
    """An incident that goes on, and the fleet that it is of."""
    fleet = await load_fleet(context.store, context.clock())
    incident = incident_called(incident_id, fleet)
    if incident is None or incident.until is not None:
        raise NoIncidentError("there is no such incident, or it is over")
    return incident, fleet


def _made(kind: SilenceKind, name: str, matchers: Matchers, wish: Wish, now: datetime) -> Silence:
    now = now.replace(microsecond=0)
    return Silence(
        id=name,
        kind=kind,
        matchers=matchers,
        author=wish.author,
        reason=wish.reason,
        created=now,
        expires=now + timedelta(minutes=wish.minutes),
    )


def _of(incident: Incident) -> Matchers:
    """What quiet about an incident is of."""
    if incident.root.kind is RootKind.CLUSTER:
        return Matchers(cluster=incident.name, cause=incident.root.cause)
    return Matchers(registry=incident.name, cause=incident.root.cause)


def _ack_id(incident: Incident, silences: Iterable[Silence], now: datetime) -> str:
    """The id of an incident's next acknowledgement: the same for everybody, so that one is first.

    Those that are over have the ids before it.
    """
    over = {one.id for one in silences if one.is_over(now)}
    names = (hashlib.sha256(f"{incident.id} {number}".encode()).hexdigest()[:12] for number in count())
    return next(name for name in names if name not in over)
