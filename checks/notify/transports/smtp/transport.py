"""Transport ``smtp``: submission with STARTTLS (port 587; Azure blocks port 25).

4xx and a broken connection are temporary, 5xx is permanent, and so for each recipient by itself. A refused sign-in or
a missing STARTTLS is the account's or the server's trouble, not the message's: temporary, so that the mail still goes
when it is repaired.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from enum import StrEnum

import aiosmtplib
import msgspec

from checks.notify.transports.base import Outgoing, PermanentDelivery, Receipt, TemporaryDelivery
from checks.text import one_line


class Tls(StrEnum):
    """Whether the connection is encrypted: from the first byte, by STARTTLS, by STARTTLS where offered, or not."""

    IMPLICIT = "implicit"
    REQUIRED = "required"
    OFFERED = "offered"
    OFF = "off"


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail is submitted. ``timeout`` in seconds for each step. No user name: no sign-in."""

    host: str
    port: int = 587
    tls: Tls = Tls.REQUIRED
    username: str = ""
    password: str = ""
    timeout: float = 30.0

    def __repr__(self) -> str:
        """Without the password: settings end up in logs."""
        return f"SmtpSettings({self.host}:{self.port}, tls={self.tls}, username={self.username!r})"


class SmtpTransport:
    """Submits through one connection a mail. ``tls_context`` None: the system's authorities."""

    name = "smtp"

    def __init__(self, settings: SmtpSettings, tls_context: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._context = tls_context

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Submit it. TemporaryDelivery or PermanentDelivery where nobody got it."""
        client = self._client()
        try:
            await self._connect(client)
            return await _submit(client, outgoing.message, sender, recipients)
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        tls = self._settings.tls
        return aiosmtplib.SMTP(
            hostname=self._settings.host,
            port=self._settings.port,
            use_tls=tls is Tls.IMPLICIT,
            start_tls={Tls.REQUIRED: True, Tls.OFFERED: None}.get(tls, False),
            timeout=self._settings.timeout,
            tls_context=self._context or ssl.create_default_context(),
            username=self._settings.username or None,
            password=self._settings.password or None,
        )

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            raise TemporaryDelivery(f"smtp: sign-in refused ({error.code})") from None
        except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
            raise TemporaryDelivery(f"smtp: no session with {self._settings.host}: {_short(error)}") from None


async def _submit(client: aiosmtplib.SMTP, message: EmailMessage, sender: str, recipients: tuple[str, ...]) -> Receipt:
    """MAIL, RCPT, DATA, and a polite end that no longer matters."""
    try:
        refusals, _ = await client.sendmail(
            sender, list(recipients), message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        return _receipt({one.recipient: (one.code, one.message) for one in error.recipients})
    except aiosmtplib.SMTPResponseException as error:
        kind = TemporaryDelivery if error.code < 500 else PermanentDelivery
        raise kind(f"smtp: {error.code} {_line(error.message)}") from None
    except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
        # Whether the server took it before the line broke cannot be known.
        raise TemporaryDelivery(f"smtp: {_short(error)}", uncertain=True) from None
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, asyncio.TimeoutError):
        await client.quit()
    return _receipt({one: (answer.code, answer.message) for one, answer in refusals.items()})


def _receipt(refusals: Mapping[str, tuple[int, str]]) -> Receipt:
    replies = {who: f"smtp: {code} {_line(text)}" for who, (code, text) in refusals.items()}
    return Receipt(
        refused={who: replies[who] for who, (code, _) in refusals.items() if code >= 500},
        later={who: replies[who] for who, (code, _) in refusals.items() if code < 500},
    )


def _line(text: str) -> str:
    """A server's reply as one bounded line. A server may repeat what it was told, and that was a password."""
    return " ".join(one_line(text).split())[:200]


def _short(error: BaseException) -> str:
    return f"{type(error).__name__} {_line(str(error))}".strip()
