"""Batches become mails: one for each channel, which takes the place of what still waits there about the same clusters.

So whoever was not notified of a failure yet gets one mail that says from when to when it failed, and nobody gets the
recovery before the failure. A mail that may have gone out already is finished first; what is newer waits for it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence

import msgspec

from checks.history.errors import LeaseLost, SchemaError
from checks.history.model import Batch, Channel, MailRow, MailStatus
from checks.jobs.delivery.turn import Turn, notice_in
from checks.notify.message import message_id_of
from checks.notify.routes import Route, route_named

LOG = logging.getLogger(__name__)
MERGED_AT_ONCE = 30  # a transaction has room for these, with the mails that follow them


async def spread_all(turn: Turn) -> None:
    """Every batch that is not mails of all its channels yet becomes so, the oldest first."""
    for name in await turn.context.store.unspread():
        await _guarded(turn, name)


async def take_over(turn: Turn) -> None:
    """What waits for a transport that the settings no longer name goes to those that they do.

    Whoever changes the transport may do so because the one before sends nothing.
    """
    for mail in [mail for mail in turn.mails.values() if mail.channel.transport not in turn.transports]:
        LOG.warning("mail %s waits for %s, which is not set any more", mail.id, mail.channel.transport)
        await turn.context.store.spread_again(mail.batches, turn.lease, turn.context.clock())
        await turn.save([finished(mail, MailStatus.MERGED, turn, "its transport is not set any more")])


async def _guarded(turn: Turn, name: str) -> None:
    """One batch, with whatever goes wrong kept to it.

    This is one of the places where a broad ``except`` stands: a batch that cannot be read must keep no other from
    being sent. It stays as it is, so it is tried again and can be seen.
    """
    try:
        batch = await turn.batch(name)
        if batch is not None:
            await _spread(turn, batch)
        await turn.context.store.end_spread(name, turn.lease, turn.context.clock())
    except LeaseLost:
        raise
    except Exception:
        LOG.exception("batch %s could not be handled; it is kept", name)


async def _spread(turn: Turn, batch: Batch) -> None:
    await turn.context.store.remove_pending(batch.pointers)
    changes = await turn.changes_of(batch.changes)
    routes = turn.routes(changes, [notice_in(batch)] if batch.notice else [])
    routes = await _with_begun(turn, batch, await turn.former_routes(changes) | routes)
    for channel in turn.channels(routes):
        name = _mail_id(batch.id, channel)
        if name not in turn.mails and await turn.context.store.load_mail(name) is None:
            await _begin_mail(turn, name, batch, channel, routes[channel.route].recipients)


async def _with_begun(turn: Turn, batch: Batch, routes: dict[str, Route]) -> dict[str, Route]:
    """The routes, and those that a mail about the same clusters is open for: who is about to hear that it fails.

    By now a tag may name somebody else.
    """
    if batch.notice:
        return routes
    for mail in turn.mails.values():
        name = mail.channel.route
        if name not in routes and await _share(turn, mail, batch):
            begun = route_named(name, turn.context.settings)
            routes = routes if begun is None else {**routes, name: begun}
    return routes


async def _begin_mail(turn: Turn, name: str, batch: Batch, channel: Channel, route: Sequence[str]) -> None:
    """Writes the mail of a channel, with what it takes the place of, in one transaction.

    Where a part of the recipients has had a mail that it takes the place of, there is one mail for each such part.
    """
    related = [mail for mail in turn.mails.values() if mail.channel == channel and await _share(turn, mail, batch)]
    waiting = [mail for mail in related if mail.status is MailStatus.WAITING][:MERGED_AT_ONCE]
    first = [mail.id for mail in related if mail not in waiting]
    mail = MailRow(
        id=name,
        channel=channel,
        message_id=message_id_of(name, turn.context.settings.mail_from[0]),
        batches=(batch.id,),
        since=batch.since,
        created=turn.context.clock(),
        after=tuple(first),
    )
    parts = list(_parts(mail, waiting, route))
    merged = [finished(one, MailStatus.MERGED, turn) for one in waiting]
    await turn.save([*parts, *merged, *following(turn, waiting, parts)])


def _parts(mail: MailRow, waiting: Sequence[MailRow], route: Sequence[str]) -> Iterable[MailRow]:
    """The new mail, for everybody of the route or for each part of them that has had other mails before."""
    whole = [one for one in waiting if not one.recipients]
    partial = [one for one in waiting if one.recipients]
    if not partial:
        yield merge(mail, whole)
        return
    by_lack: dict[tuple[str, ...], list[str]] = {(): []}  # its own id always names a mail: it is looked for by it
    for who in route:
        lacks = tuple(one.id for one in partial if who in one.recipients)
        by_lack.setdefault(lacks, []).append(who)
    for lacks, some in by_lack.items():
        taken = merge(mail, [*whole, *(one for one in partial if one.id in lacks)])
        if lacks:
            suffix = hashlib.sha256("|".join(lacks).encode()).hexdigest()[:8]
            name = f"{mail.id}-{suffix}"
            message_id = mail.message_id.replace(mail.id, name)
            yield msgspec.structs.replace(taken, id=name, message_id=message_id, recipients=tuple(some))
        elif some:
            yield msgspec.structs.replace(taken, recipients=tuple(some))
        else:  # nobody of the route is without one that waits
            yield msgspec.structs.replace(taken, status=MailStatus.MERGED)


def merge(mail: MailRow, others: Iterable[MailRow]) -> MailRow:
    """A mail that says what others would have said besides."""
    others = tuple(others)
    everything = dict.fromkeys(name for one in (*others, mail) for name in one.batches)
    replaced = {one.id for one in others}
    after = dict.fromkeys(name for one in (*others, mail) for name in one.after if name not in replaced)
    return msgspec.structs.replace(
        mail,
        batches=tuple(everything),
        after=tuple(after),
        since=min(one.since for one in (*others, mail)),
        held_back=sum(one.held_back for one in (*others, mail)),
    )


def finished(mail: MailRow, status: MailStatus, turn: Turn, reason: str = "") -> MailRow:
    """A mail that is open no longer."""
    return msgspec.structs.replace(
        mail, status=status, next_try=None, reason=reason or mail.reason, finished=turn.context.clock()
    )


def following(turn: Turn, replaced: Sequence[MailRow], by: Sequence[MailRow]) -> list[MailRow]:
    """Mails that wait for one that is replaced, waiting for what takes its place."""
    gone = {mail.id for mail in replaced}
    names = [mail.id for mail in by if mail.status.is_open]
    awaited = {name for mail in by for name in mail.after}
    return [
        msgspec.structs.replace(mail, after=(*(name for name in mail.after if name not in gone), *names))
        for mail in turn.mails.values()
        if mail.id not in gone | awaited and gone & set(mail.after)
    ]


async def _share(turn: Turn, mail: MailRow, batch: Batch) -> bool:
    """Whether a mail is about a cluster that a batch is about, too. One that cannot be read keeps no other waiting.

    What the lines of a run's own notice say is looked at anew when it is sent, so only one that may have gone out is.
    """
    clusters = await turn.clusters_of(batch.id)
    for name in mail.batches if clusters else ():
        try:
            about = await turn.clusters_of(name)
            if mail.status is MailStatus.SENDING:
                about |= await turn.listed_by(name)
        except SchemaError as error:
            LOG.warning("what mail %s is about cannot be read: %s", mail.id, error)
            continue
        if not clusters.isdisjoint(about):
            return True
    return False


def _mail_id(batch_id: str, channel: Channel) -> str:
    named = hashlib.sha256(f"{channel.route}\n{channel.transport}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{batch_id}-{named[:8]}"
