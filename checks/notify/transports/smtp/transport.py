"""Transport ``smtp``: submission with STARTTLS (port 587; Azure blocks port 25).

Whatever the server says of the session, the sign-in, the sender or the message is the account's, the server's or the
setting's trouble, and the mail still goes when it is repaired. Of recipients see ``replies``. Those whose address is
not ASCII get the message in a transaction of their own with SMTPUTF8 (RFC 6531), so that it costs nobody else the mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from email.message import EmailMessage
from enum import StrEnum
from typing import cast

import aiosmtplib
import msgspec

from checks.notify.transports.addresses import in_ascii, on_the_wire
from checks.notify.transports.base import SEND_SECONDS, NotDelivered, Outgoing, Receipt, reason_of
from checks.notify.transports.progress import Progress
from checks.notify.transports.smtp.replies import refuses_mailbox

QUIT_SECONDS = 2.0
_START_INPUT = 354
_LINE_END = re.compile(rb"\r\n|\r|\n")
_DOT = re.compile(rb"^\.", re.MULTILINE)


class Tls(StrEnum):
    """Whether the connection is encrypted: from the first byte, by STARTTLS, or not."""

    IMPLICIT = "implicit"
    REQUIRED = "required"
    OFF = "off"


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail is submitted. No user name: no sign-in."""

    host: str
    port: int = 587
    tls: Tls = Tls.REQUIRED
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without the password: settings end up in logs."""
        return f"SmtpSettings({self.host}:{self.port}, tls={self.tls}, username={self.username!r})"


class SmtpTransport:
    """Submits through one connection a mail. ``tls_context`` None: the system's authorities."""

    name = "smtp"
    addressed = True

    def __init__(
        self, settings: SmtpSettings, tls_context: ssl.SSLContext | None = None, seconds: float = SEND_SECONDS
    ) -> None:
        self._settings = settings
        self._context = tls_context
        self._seconds = seconds

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Submit it. NotDelivered where nobody got it."""
        progress = Progress(self.name, sender, recipients)
        if not progress.left:
            return progress.receipt
        submission = _Submission(self._client(), sender, progress)
        try:
            await self._submit(submission, outgoing.message)
        finally:
            submission.close()
        return progress.receipt

    async def _submit(self, submission: _Submission, message: EmailMessage) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._connect(submission.client)
                await submission.run(message)
        except TimeoutError:
            submission.interrupted(f"{self._settings.host} was not done within {self._seconds:g} s")
        except (aiosmtplib.SMTPException, OSError) as error:
            submission.interrupted(_short(error))
        await submission.quit()

    def _client(self) -> aiosmtplib.SMTP:
        """A client that waits for as long as it is let: the whole send has a deadline, not its steps."""
        tls = self._settings.tls
        return aiosmtplib.SMTP(
            hostname=self._settings.host,
            port=self._settings.port,
            use_tls=tls is Tls.IMPLICIT,
            start_tls=tls is Tls.REQUIRED,
            timeout=None,
            tls_context=self._context or ssl.create_default_context(),
            username=self._settings.username or None,
            password=self._settings.password or None,
        )

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
        except aiosmtplib.SMTPAuthenticationError as error:
            raise NotDelivered(f"smtp: sign-in refused ({error.code})") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # A ValueError: a host, a user or a password that the protocol cannot carry. It may quote them.
            said = _short(error) if isinstance(error, (aiosmtplib.SMTPException, OSError)) else type(error).__name__
            raise NotDelivered(f"smtp: no session with {self._settings.host}: {said}") from None


class _Submission:
    """One message on one connection: what became of whom."""

    def __init__(self, client: aiosmtplib.SMTP, sender: str, progress: Progress) -> None:
        self.client = client
        self._sender = sender
        self._progress = progress
        self._unanswered = False  # the message was written, and no reply came

    async def run(self, message: EmailMessage) -> None:
        """The transactions: one for those whose address is ASCII, one for the others."""
        utf8 = self.client.supports_extension("smtputf8")
        if not self._sender.isascii() and not utf8:
            raise NotDelivered("smtp: PULLWATCH_MAIL_FROM is not ASCII, and the server does not offer SMTPUTF8")
        plain = [who for who in self._progress.left if who.isascii() and self._sender.isascii()]
        others = [who for who in self._progress.left if who not in plain]
        if plain:
            await self._transaction(in_ascii(message), plain, utf8=False)
        if others and not utf8:
            for who in others:
                self._progress.refuse(who, "the address is not ASCII, and the server does not offer SMTPUTF8")
        elif others:
            await self.client.execute_command(b"RSET")
            await self._transaction(message, others, utf8=True)

    async def _transaction(self, message: EmailMessage, recipients: list[str], *, utf8: bool) -> None:
        """MAIL, RCPT, DATA."""
        content = _content(message, utf8)
        encoding = "utf-8" if utf8 else "ascii"
        await self.client.mail(self._sender, options=self._options(content, utf8), encoding=encoding)
        taken = [who for who in recipients if await self._takes(who, encoding)]
        if taken:
            self._progress.accept(taken, await self._data(content))

    def _options(self, content: bytes, utf8: bool) -> list[str]:
        offered = self.client.supports_extension
        return [
            *([f"SIZE={len(content)}"] if offered("size") else []),
            *(["BODY=8BITMIME"] if offered("8bitmime") and not content.isascii() else []),
            *(["SMTPUTF8"] if utf8 else []),
        ]

    async def _takes(self, recipient: str, encoding: str) -> bool:
        try:
            await self.client.rcpt(recipient, encoding=encoding)
        except aiosmtplib.SMTPRecipientRefused as error:
            keep = self._progress.refuse if refuses_mailbox(error.code, error.message) else self._progress.postpone
            keep(recipient, f"{error.code} {reason_of(error.message)}")
            return False
        return True

    async def _data(self, content: bytes) -> str:
        """DATA in steps, to know whether the message was already on its way when something breaks; the answer."""
        started = await self.client.execute_command(b"DATA")
        if started.code != _START_INPUT:
            raise aiosmtplib.SMTPDataError(started.code, started.message)
        protocol = self.client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        self._unanswered = True
        protocol.write(_DOT.sub(b"..", content) + b".\r\n")
        reply = await protocol.read_response()
        self._unanswered = False
        if not 200 <= reply.code <= 299:
            raise aiosmtplib.SMTPDataError(reply.code, reply.message)
        return f"{reply.code} {reply.message}"

    def interrupted(self, reason: str) -> None:
        """The session ended before its time. NotDelivered where nobody got it."""
        self._progress.stop(reason, uncertain=self._unanswered and not self._holds_unsent())

    def _holds_unsent(self) -> bool:
        """Whether the message's end has not left this process: then the server cannot have accepted it."""
        transport = self._transport()
        return transport is not None and transport.get_write_buffer_size() > 0

    def _transport(self) -> asyncio.WriteTransport | None:
        protocol = self.client.protocol
        return cast("asyncio.WriteTransport", protocol.transport) if protocol and protocol.transport else None

    async def quit(self) -> None:
        """A polite end, which no longer matters: what was accepted is accepted."""
        if self._unanswered:
            return
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            async with asyncio.timeout(QUIT_SECONDS):
                await self.client.quit()

    def close(self) -> None:
        """Closes the connection. What was not sent by now goes out no more: it counts as not delivered."""
        transport = self._transport()
        if self._unanswered and transport is not None:
            transport.abort()
        self.client.close()


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def _content(message: EmailMessage, utf8: bool) -> bytes:
    """The message as it is sent: lines end as SMTP's do, the last one too."""
    content = _LINE_END.sub(b"\r\n", on_the_wire(message, utf8=utf8))
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _short(error: BaseException) -> str:
    """What an error says: a reply by its code and text."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        stage = "MAIL FROM (PULLWATCH_MAIL_FROM): " if isinstance(error, aiosmtplib.SMTPSenderRefused) else ""
        return f"{stage}{error.code} {reason_of(error.message)}".strip()
    return f"{type(error).__name__} {reason_of(str(error))}".strip()
