"""Transport ``graph``: sendMail of Microsoft Graph, under the app's own identity, without a password.

The message goes as MIME (base64, Content-Type text/plain), so readers get the one that SMTP would carry. 202 means that
Exchange took it. It takes a message whole or not at all, for all that its headers name: these are the recipients of the
send and nobody else. Where it does not take one of them, each gets a message of his own.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator, Sequence
from email.message import EmailMessage
from urllib.parse import quote, urlsplit

import aiohttp
from azure.core.exceptions import AzureError, ClientAuthenticationError

from checks.collect.wire import connections
from checks.notify.transports.addresses import addressed_to, on_the_wire
from checks.notify.transports.base import SEND_SECONDS, NotDelivered, Outgoing, Receipt, reason_of
from checks.notify.transports.graph.answers import ACCEPTED, UNCERTAIN, is_about_recipients, reason
from checks.notify.transports.http import Answer, Upload, post
from checks.notify.transports.progress import Progress
from checks.text import without_bytes


class GraphTransport:
    """Sends as the mailbox of the sender. ``endpoint`` is Microsoft Graph's, ``token`` gets a token for it."""

    name = "graph"
    addressed = True

    def __init__(self, endpoint: str, token: Callable[[], Awaitable[str]], seconds: float = SEND_SECONDS) -> None:
        self._endpoint = endpoint
        self._token = token
        self._seconds = seconds

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Hand it over. NotDelivered where nobody got it."""
        progress = Progress(self.name, sender, recipients)
        if not progress.left:
            return progress.receipt
        deadline = asyncio.get_running_loop().time() + self._seconds
        token = await self._authorized(deadline)
        url = f"{self._endpoint}/v1.0/users/{quote(sender, safe='@')}/sendMail"
        async with connections.session(()) as session:
            requests = _Requests(session, url, token, progress)
            await requests.run(outgoing.message, deadline)
        return progress.receipt

    async def _authorized(self, deadline: float) -> str:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._token()
        except ClientAuthenticationError as error:
            raise NotDelivered(f"graph: no token for Microsoft Graph: {reason_of(error.message)}") from None
        except (TimeoutError, AzureError) as error:
            raise NotDelivered(f"graph: no token for Microsoft Graph: {type(error).__name__}") from None


class _Requests:
    """The requests of one send, until something stops them."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str, progress: Progress) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
        self._progress = progress
        self._upload = Upload(b"")

    async def run(self, message: EmailMessage, deadline: float) -> None:
        """One request for all, and one for each whose address is not ASCII, so that it costs no other the mail."""
        host = urlsplit(self._url).hostname
        try:
            async with asyncio.timeout_at(deadline):
                for recipients in _together(self._progress.left):
                    if not await self._take(message, recipients):
                        return
        except aiohttp.ClientConnectorError as error:
            self._progress.stop(f"no connection to {host}: {reason_of(str(error))}")
        except (TimeoutError, aiohttp.ClientError) as error:
            said = f"{type(error).__name__} {reason_of(without_bytes(str(error)))}".strip()
            self._progress.stop(f"no answer from {host}: {said}", uncertain=self._upload.complete)

    async def _take(self, message: EmailMessage, recipients: Sequence[str]) -> bool:
        """Sends it to these; False where an answer stopped the send."""
        answer = await self._post(addressed_to(message, recipients))
        if answer.status == ACCEPTED:
            self._progress.accept(recipients, f"HTTP {answer.status}")
        elif not is_about_recipients(answer):
            self._progress.stop(reason(answer), uncertain=answer.status in UNCERTAIN, retry_after=answer.retry_after)
            return False
        elif len(recipients) == 1:
            self._progress.refuse(recipients[0], reason(answer))
        else:
            for recipient in recipients:
                if not await self._take(message, [recipient]):
                    return False
        return True

    async def _post(self, message: EmailMessage) -> Answer:
        self._upload = Upload(_encoded(message))
        return await post(self._session, self._url, self._headers, self._upload)


def _together(recipients: Sequence[str]) -> Iterator[Sequence[str]]:
    if plain := [who for who in recipients if who.isascii()]:
        yield plain
    for other in [who for who in recipients if not who.isascii()]:
        yield [other]


def _encoded(message: EmailMessage) -> bytes:
    utf8 = not all(str(message.get(name, "")).isascii() for name in ("To", "From"))
    return base64.b64encode(on_the_wire(message, utf8=utf8))
