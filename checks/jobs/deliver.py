"""Deliver what people are to be notified of: one holder at a time (lease), at least once, nothing dropped silently.

Pointers become batches, batches become mails of every channel, mails are composed and sent (``checks.jobs.delivery``).
A death at any point leaves the pointers, the batch or the mail; what is sent again carries the same Message-ID and says
that it may be a repeat.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from pathlib import Path

import msgspec

from checks.collect.arm.client import Azure
from checks.history.errors import LeaseHeld, LeaseLost, SchemaError
from checks.jobs.context import JobContext
from checks.jobs.delivery.batching import begin_batches
from checks.jobs.delivery.sending import FAILED, LATER, SENT, send_all
from checks.jobs.delivery.spreading import spread_all, take_over
from checks.jobs.delivery.turn import Turn
from checks.jobs.messages import DELIVER, DeliverMessage
from checks.notify.transports.base import Transport
from checks.notify.transports.folder import FolderTransport
from checks.notify.transports.graph import GraphTransport
from checks.notify.transports.smtp import SmtpSettings, SmtpTransport, Tls
from checks.notify.transports.webhook import WebhookTransport
from checks.settings import Settings

LOG = logging.getLogger(__name__)
ROUNDS = 10  # of pointers that came while others were being delivered
BUSY = timedelta(seconds=15)
_TLS = {"starttls": Tls.REQUIRED, "tls": Tls.IMPLICIT, "none": Tls.OFF}


class Delivered(msgspec.Struct, frozen=True):
    """What delivering did: mails that were accepted, that wait for later, that everybody refused for good."""

    sent: int = 0
    later: int = 0
    failed: int = 0
    busy: bool = False


def transports(settings: Settings, azure: Azure) -> tuple[Transport, ...]:
    """The transports that the settings name. That of Microsoft Graph sends under the app's own identity."""
    made: list[Transport] = []
    if "folder" in settings.mail_transports:
        made.append(FolderTransport(Path(settings.mail_folder)))
    if "smtp" in settings.mail_transports:
        made.append(
            SmtpTransport(
                SmtpSettings(
                    host=settings.smtp_host,
                    port=settings.smtp_port,
                    tls=_TLS[settings.smtp_tls],
                    username=settings.smtp_user,
                    password=settings.smtp_password,
                )
            )
        )
    if "graph" in settings.mail_transports:
        made.append(GraphTransport(settings.graph, lambda: azure.token(f"{settings.cloud.graph}/.default")))
    if "webhook" in settings.mail_transports:
        made.append(WebhookTransport(settings.webhook_url, settings.webhook_secret))
    return tuple(made)


async def deliver_all(context: JobContext) -> Delivered:
    """Delivers all pending notifications. Where somebody else is delivering, asks again a little later."""
    holder = uuid.uuid4().hex
    by_transport = transports(context.settings, context.azure)
    try:
        async with context.store.deliver_lease(holder, context.clock) as lease:
            return await _deliver(Turn(context, by_transport, lease))
    except LeaseHeld as held:
        LOG.info("not delivering: %s", held)
        await context.queues.send(DELIVER, [DeliverMessage(why="somebody else was delivering")], BUSY)
        return Delivered(busy=True)
    except LeaseLost:
        LOG.warning("the right to deliver was lost; what is left stays for whoever has it now")
        return Delivered(busy=True)


async def _deliver(turn: Turn) -> Delivered:
    ends = dict.fromkeys(await _open_mails(turn), LATER)
    await take_over(turn)
    await spread_all(turn)
    for _ in range(ROUNDS):
        began = await begin_batches(turn)
        await spread_all(turn)
        await send_all(turn, ends)
        if not began:
            break
    found = list(ends.values())
    return Delivered(found.count(SENT), found.count(LATER), found.count(FAILED))


async def _open_mails(turn: Turn) -> list[str]:
    """Reads the mails that were begun; those that cannot be read, which the sweep records."""
    unreadable = []
    for name in await turn.context.store.open_mails():
        try:
            mail = await turn.context.store.load_mail(name)
        except SchemaError as error:
            LOG.error("a mail cannot be read and is kept: %s", error)
            unreadable.append(name)
            continue
        if mail is not None:
            turn.mails[name] = mail
    return unreadable
