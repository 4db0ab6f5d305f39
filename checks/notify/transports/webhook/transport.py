"""Transport ``webhook``: what a mail says as JSON, in one POST to one receiver, whoever the recipients of mail are.

Any 2xx is an acceptance, everything else is tried again. The receiver's address comes from the settings alone and is
public: its name is resolved once, its addresses are vetted, and the request goes to exactly these, past any proxy,
without redirects and without credentials of the environment (~/.netrc). What the address holds behind its host may be a
secret (Teams, Slack): no reason repeats it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp

from checks.collect.wire import connections
from checks.notify.transports.base import SEND_SECONDS, NotDelivered, Outgoing, Receipt, reason_of
from checks.notify.transports.http import Answer, Upload, post
from checks.notify.transports.webhook.payload import SCHEMA, payload_of
from checks.notify.transports.webhook.signature import HEADER, signature_of
from checks.settings import ConnectTo
from checks.text import without_bytes


def _now() -> datetime:
    return datetime.now(UTC)


class WebhookTransport:
    """Posts to ``url``, signed with ``secret`` where there is one.

    ``connect_to``, ``context`` and ``lookup`` are for tests, whose server is on loopback: no setting leads to them.
    """

    name = "webhook"
    addressed = False  # one receiver, whoever a route names

    def __init__(
        self,
        url: str,
        secret: str = "",
        *,
        seconds: float = SEND_SECONDS,
        clock: Callable[[], datetime] = _now,
        connect_to: tuple[ConnectTo, ...] = (),
        context: ssl.SSLContext | None = None,
        lookup: connections.Lookup = connections.system_lookup,
    ) -> None:
        self._url = url
        self._host = urlsplit(url).hostname or ""
        self._secret = secret
        self._seconds = seconds
        self._clock = clock
        self._connect_to = connect_to
        self._context = context
        self._lookup = lookup

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Hand it over. NotDelivered where the receiver did not accept it."""
        upload = Upload(payload_of(outgoing.mail, str(outgoing.message["Subject"] or "")))
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._posted(upload, outgoing.mail.id)
        except connections.Refused as refused:
            raise NotDelivered(f"webhook: {reason_of(str(refused))}") from None
        except (TimeoutError, OSError, UnicodeError, aiohttp.ClientError) as error:
            raise NotDelivered(f"webhook: {self._broken(error)}", uncertain=upload.complete) from None
        if not 200 <= answer.status <= 299:
            uncertain = answer.status >= 500
            raise NotDelivered(self._reason(answer), uncertain=uncertain, retry_after=answer.retry_after)
        return Receipt(answer=f"HTTP {answer.status}")

    async def _posted(self, upload: Upload, mail_id: str) -> Answer:
        host = await connections.resolve(self._connect_to, self._host, lookup=self._lookup)
        context = self._context or ssl.create_default_context()
        async with connections.pinned_session(host, context) as session:
            return await post(session, self._url, self._headers(upload.body, mail_id), upload)

    def _headers(self, body: bytes, mail_id: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Pullwatch",
            "Idempotency-Key": mail_id,
            "X-Pullwatch-Id": mail_id,
            "X-Pullwatch-Schema": SCHEMA,
        }
        return headers | ({HEADER: signature_of(self._secret, body, self._clock())} if self._secret else {})

    def _broken(self, error: Exception) -> str:
        """What broke, by the host alone: errors of aiohttp may quote the whole address."""
        if isinstance(error, socket.gaierror):
            return f"{self._host} could not be resolved: {error.strerror}"
        said = reason_of(self._without_address(without_bytes(str(error))))
        what = "no connection to" if isinstance(error, aiohttp.ClientConnectorError) else "no answer from"
        return f"{what} {self._host}: {type(error).__name__} {said}".strip()

    def _reason(self, answer: Answer) -> str:
        said = self._without_address(answer.body.decode("utf-8", "replace"))
        return f"webhook: {answer.status} {reason_of(said)}".strip()

    def _without_address(self, text: str) -> str:
        parts = urlsplit(self._url)
        for secret in sorted({parts.path, parts.query, *parts.path.split("/"), *parts.query.split("&")}, key=len)[::-1]:
            text = text.replace(secret, "***") if len(secret) > 7 else text
        return text
