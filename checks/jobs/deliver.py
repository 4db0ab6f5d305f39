"""Deliver pending notifications: one at a time (lease), at least once, nothing dropped without a record.

Mails that were begun come first. Then pending pointers are grouped, each mail is written with its members and its
Message-ID, the pointers go, the mail is sent and marked. A death at any point leaves the pointers or the mail, and what
is sent again carries the same Message-ID and says that it may be a repeat.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from checks.changes import Change, Notice, NoticeKind
from checks.collect.arm.client import Azure
from checks.history.errors import LeaseHeld, LeaseLost, SchemaError
from checks.history.model import DeliveryAttempt, MailRow, MailStatus, Pending, StoredMail
from checks.history.table.outbox import Lease
from checks.jobs.context import JobContext
from checks.jobs.queues import DELIVER, DeliverMessage
from checks.jobs.watch import give_up
from checks.notify.incidents import DEFAULT_ROUTE, MAX_CHANGES, Mail, group, mail_id, mail_of, notice_mail
from checks.notify.message import compose, message_id_of
from checks.notify.notice_lines import first_sight_lines, with_lines
from checks.notify.transports.base import NotDelivered, Outgoing, Receipt, Transport
from checks.notify.transports.folder import FolderTransport
from checks.notify.transports.graph import GraphTransport
from checks.notify.transports.smtp import SmtpSettings, SmtpTransport, Tls
from checks.notify.transports.webhook import WebhookTransport
from checks.settings import Settings

LOG = logging.getLogger(__name__)
ROUNDS = 10  # of pointers that came while others were being delivered
BUSY = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)
_TLS = {"starttls": Tls.REQUIRED, "tls": Tls.IMPLICIT, "none": Tls.OFF}


class Delivered(msgspec.Struct, frozen=True):
    """What delivering did: mails that are done, mails kept for later, mails that no transport would ever take."""

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
            return await _Delivery(context, by_transport, lease).run()
    except LeaseHeld as held:
        LOG.info("not delivering: %s", held)
        await context.queues.send(DELIVER, [DeliverMessage(why="somebody else was delivering")], BUSY)
        return Delivered(busy=True)
    except LeaseLost:
        LOG.warning("the right to deliver was lost; what is left stays for whoever has it now")
        return Delivered(busy=True)


class _Delivery:
    """One holder's turn."""

    def __init__(self, context: JobContext, by_transport: tuple[Transport, ...], lease: Lease) -> None:
        self._context = context
        self._transports = by_transport
        self._lease = lease
        self._ends: dict[str, str] = {}
        self._began: set[str] = set()

    async def run(self) -> Delivered:
        await self._finish_begun()
        for _ in range(ROUNDS):
            if not await self._begin_pending():
                break
            await self._finish_begun()
        ends = list(self._ends.values())
        return Delivered(ends.count("sent"), ends.count("later"), ends.count("failed"))

    async def _finish_begun(self) -> None:
        for name in await self._context.store.open_mails():
            if name not in self._ends:
                self._ends[name] = await self._guarded(name)

    async def _guarded(self, name: str) -> str:
        """One mail, with whatever goes wrong kept to it.

        This is one of the places where a broad ``except`` stands: a mail that cannot be read or rendered
        must not keep the others from being sent. It stays begun, so it is tried again and can be seen.
        """
        try:
            stored = await self._context.store.load_mail(name)
            if stored is None:
                return "gone"
            if not stored.mail.marks and name not in self._began:
                # Whoever began it may have died before it took the pointers away.
                await self._context.store.remove_pending(stored.mail.members)
            return await self._send(stored)
        except LeaseLost:
            raise
        except Exception:
            LOG.exception("mail %s could not be handled; it is kept", name)
            return "later"

    async def _begin_pending(self) -> bool:
        """Turns pointers into written mails; false where there was nothing to turn."""
        store = self._context.store
        pending = await store.list_pending()
        for problem in pending.unreadable:
            LOG.error("a pending notification cannot be read and stays where it is: %s", problem.why)
        items = await store.deliverable(pending.items, self._context.clock())
        notices = [(item, notice) for item in items if (notice := _notice(item)) is not None]
        if any(notice.kind is NoticeKind.BASELINE for _, notice in notices):
            # A first summary says what was seen by then, be it by another run that still waits for its own.
            items = (*items, *(item for item in pending.items if item.summary_of and item not in items))
        changes = [(item, change) for item in items if (change := await self._change(item)) is not None]
        rest = changes
        for item, notice in notices:
            rest = await self._begin_notice(item, notice, rest)
        for indexes in group([change for _, change in rest], lambda change: DEFAULT_ROUTE):
            members = [rest[index] for index in indexes]
            sequence = max(item.sequence for item, _ in members)
            name = mail_id([f"{i.ref.partition}|{i.ref.row}" for i, _ in members], sequence)
            mail = mail_of([change for _, change in members], name)
            await self._begin([item for item, _ in members], mail)
        return bool(changes or notices)

    async def _begin_notice(
        self, item: Pending, notice: Notice, changes: list[tuple[Pending, Change]]
    ) -> list[tuple[Pending, Change]]:
        """Begins the mail of a run's notice; the changes that are not in it. A summary takes what was seen first."""
        members: list[tuple[Pending, Change]] = []
        if notice.kind is NoticeKind.BASELINE:
            members = [one for one in changes if one[0].summary_of][:MAX_CHANGES]
            notice = with_lines(notice, first_sight_lines(change for _, change in members))
        name = mail_id([f"{item.ref.partition}|{item.ref.row}"], item.sequence)
        await self._begin([item, *(one for one, _ in members)], notice_mail(notice, name))
        taken = {one.ref for one, _ in members}
        return [one for one in changes if one[0].ref not in taken]

    async def _change(self, item: Pending) -> Change | None:
        """The change that a pointer means. One whose change is gone is recorded and taken away.

        One whose change cannot be read stays where it is, for a program that can: it keeps no other from being sent.
        """
        if item.change is None:
            return None
        try:
            change = await self._context.store.load_change(item.change)
        except SchemaError as error:
            LOG.error("a change that is to be reported cannot be read and stays where it is: %s", error)
            return None
        if change is None:
            text = f"{item.ref.partition} {item.ref.row}"
            await give_up(self._context, DELIVER, text, "what it points to is gone")
            await self._context.store.remove_pending([item.ref])
        return change

    async def _begin(self, items: list[Pending], mail: Mail) -> None:
        """Writes a mail before its pointers go. One that was begun before is not written again."""
        settings = self._context.settings
        row = MailRow(
            id=mail.id,
            route=mail.route,
            message_id=message_id_of(mail.id, settings.mail_from[0]),
            recipients=settings.mail_to or settings.mail_from,
            members=tuple(item.ref for item in items),
            content=msgspec.json.encode(mail).decode(),
            created=self._context.clock(),
        )
        members = row.members
        if (mail.sections or mail.notice) and not await self._context.store.begin_mail(row):
            there = await self._context.store.load_mail(mail.id)
            members = there.mail.members if there is not None else ()
        await self._context.store.remove_pending(members)
        self._began.add(mail.id)

    async def _send(self, stored: StoredMail) -> str:
        """Hands a mail to every transport that has not had it, and marks what became of it."""
        for transport in self._transports:
            mark = stored.mail.marks.get(transport.name, DeliveryAttempt())
            if mark.state in (MailStatus.SENT, MailStatus.FAILED):
                continue
            if mark.next_try is not None and self._is_ahead(mark.next_try):
                continue
            stored = await self._send_by(transport, stored, mark)
        marks = [stored.mail.marks.get(transport.name, DeliveryAttempt()) for transport in self._transports]
        if not all(mark.state in (MailStatus.SENT, MailStatus.FAILED) for mark in marks):
            return "later"
        sent = any(mark.state is MailStatus.SENT for mark in marks)
        status = MailStatus.SENT if sent else MailStatus.FAILED
        await self._context.store.save_mail(msgspec.structs.replace(stored.mail, status=status), stored.etag)
        if not sent:
            LOG.error("mail %s was refused for good: %s", stored.mail.id, "; ".join(m.reason for m in marks))
        return "sent" if sent else "failed"

    async def _send_by(self, transport: Transport, stored: StoredMail, mark: DeliveryAttempt) -> StoredMail:
        repeat = mark.state is MailStatus.SENDING
        sending = msgspec.structs.replace(mark, state=MailStatus.SENDING, attempts=mark.attempts + 1)
        stored = await self._marked(transport, stored, sending)
        await self._lease.renew(self._context.clock())
        recipients = mark.remaining or stored.mail.recipients
        mail = msgspec.json.decode(stored.mail.content, type=Mail)
        sender = self._context.settings.mail_from[0]
        message = compose(
            mail,
            message_id=stored.mail.message_id,
            sender=sender,
            recipients=stored.mail.recipients,
            now=stored.mail.created,
            repeat=repeat,
        )
        try:
            receipt = await transport.send(Outgoing(message=message, mail=mail), sender, recipients)
        except NotDelivered as error:
            state = MailStatus.SENDING if error.uncertain else MailStatus.WRITING
            next_try = self._next_try(sending.attempts, error.retry_after)
            after = msgspec.structs.replace(sending, state=state, reason=str(error), next_try=next_try)
        else:
            after = self._received(sending, receipt, stored.mail.recipients)
        if after.reason:
            LOG.warning("mail %s by %s: %s", stored.mail.id, transport.name, after.reason)
        return await self._marked(transport, stored, after)

    def _received(self, mark: DeliveryAttempt, receipt: Receipt, everyone: tuple[str, ...]) -> DeliveryAttempt:
        """What a receipt makes of a mark: those to be tried later keep it open; those refused are recorded.

        It failed only where each of ``everyone`` was refused, in this try or in an earlier one.
        """
        refused = {**mark.refused, **receipt.refused}
        reason = "; ".join(f"{who}: {why}" for who, why in {**receipt.refused, **receipt.later}.items())[:1000]
        if receipt.later:
            return msgspec.structs.replace(
                mark,
                state=MailStatus.SENDING if receipt.uncertain else MailStatus.WRITING,
                remaining=tuple(receipt.later),
                refused=refused,
                reason=reason,
                next_try=self._next_try(mark.attempts),
            )
        nobody = set(everyone) <= set(refused)
        state = MailStatus.FAILED if nobody else MailStatus.SENT
        return msgspec.structs.replace(mark, state=state, refused=refused, reason=reason, next_try=None)

    def _is_ahead(self, next_try: datetime) -> bool:
        """Whether a try is still to wait for. No wait is that long; a time further ahead is of a clock that jumped."""
        return timedelta() < next_try - self._context.clock() <= LONGEST_WAIT

    def _next_try(self, attempts: int, asked: float | None = None) -> datetime:
        """Later after each try, and not before a service asks for it (``asked`` seconds), but always within an hour."""
        wait = max(timedelta(minutes=2 ** min(attempts - 1, 10)), timedelta(seconds=asked or 0))
        return self._context.clock() + min(wait, LONGEST_WAIT)

    async def _marked(self, transport: Transport, stored: StoredMail, mark: DeliveryAttempt) -> StoredMail:
        marks = {**stored.mail.marks, transport.name: mark}
        mail = msgspec.structs.replace(stored.mail, marks=marks, status=MailStatus.SENDING)
        return await self._context.store.save_mail(mail, stored.etag)


def _notice(item: Pending) -> Notice | None:
    """The notice in a pointer; None where it has none, or none that can be read (it stays where it is)."""
    if not item.notice:
        return None
    try:
        return msgspec.json.decode(item.notice, type=Notice)
    except msgspec.DecodeError as error:
        LOG.error("a notice that is to be sent cannot be read and stays where it is: %s: %s", item.ref.row, error)
        return None
