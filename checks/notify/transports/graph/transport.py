"""Transport ``graph``: sendMail of Microsoft Graph, under the app's own identity, without a password.

The message goes as MIME (base64, Content-Type text/plain), so readers get the one that SMTP would carry. 202 means that
Exchange took it. Throttling, 5xx and a broken connection are temporary. So is what the identity may not do (401, 403)
and a mailbox that is not there (404): that is the account's or the setting's trouble, not the message's. Any other 4xx
is a message that would be refused again.

Source: "user: sendMail" in the reference of Microsoft Graph v1.0. It takes a message whole or not at all, for all that
its headers name.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from azure.core.exceptions import AzureError, ClientAuthenticationError

from checks.collect.wire import connections
from checks.notify.transports.base import DeliveryError, Outgoing, PermanentDelivery, Receipt, TemporaryDelivery
from checks.retry_after import asked_seconds
from checks.text import one_line, without_bytes

ACCEPTED = 202
SECONDS = 30.0
MAX_ANSWER = 16_384
MAX_TOLD = 200
# What is no fault of the message, of all 4xx.
_NOT_THE_MESSAGE = frozenset({401, 403, 404, 408, 429})
# After these the message may have been taken all the same.
_UNCERTAIN = frozenset({500, 502, 504})
_HINTS = {
    401: "the app's identity was not accepted",
    403: "the app's identity needs Mail.Send for this mailbox, and PULLWATCH_MAIL_FROM has to be its own address",
    404: "PULLWATCH_MAIL_FROM has to be a mailbox",
}


class _Error(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Answer(msgspec.Struct, frozen=True):
    error: _Error = _Error()


class GraphTransport:
    """Sends as the mailbox of the sender. ``endpoint`` is Microsoft Graph's, ``token`` gets a token for it."""

    name = "graph"

    def __init__(self, endpoint: str, token: Callable[[], Awaitable[str]], timeout: float = SECONDS) -> None:
        self._endpoint = endpoint
        self._token = token
        self._timeout = timeout

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Hand it over. TemporaryDelivery or PermanentDelivery where Exchange did not take it."""
        url = f"{self._endpoint}/v1.0/users/{quote(sender, safe='@')}/sendMail"
        headers = {"Authorization": f"Bearer {await self._authorized()}", "Content-Type": "text/plain"}
        host = urlsplit(url).hostname
        try:
            async with asyncio.timeout(self._timeout):
                return await _post(url, headers, _encoded(outgoing.message))
        except aiohttp.ClientConnectorError as error:
            raise TemporaryDelivery(f"graph: no connection to {host}: {_line(str(error))}") from None
        except (TimeoutError, aiohttp.ClientError) as error:
            # Whether it was taken before the line broke cannot be known.
            reason = f"graph: no answer from {host}: {type(error).__name__} {_line(without_bytes(str(error)))}".strip()
            raise TemporaryDelivery(reason, uncertain=True) from None

    async def _authorized(self) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._token()
        except ClientAuthenticationError as error:
            raise TemporaryDelivery(f"graph: no token for Microsoft Graph: {_line(error.message)}") from None
        except (TimeoutError, AzureError) as error:
            raise TemporaryDelivery(f"graph: no token for Microsoft Graph: {type(error).__name__}") from None


async def _post(url: str, headers: dict[str, str], body: bytes) -> Receipt:
    """One request, to this address and no other."""
    async with (
        connections.session(()) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        if response.status == ACCEPTED:
            return Receipt()
        raise _refusal(response, await response.content.read(MAX_ANSWER))


def _encoded(message: EmailMessage) -> bytes:
    return base64.b64encode(message.as_bytes(policy=message.policy.clone(linesep="\r\n")))


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> DeliveryError:
    """What an answer other than 202 means for the message."""
    status = response.status
    hint = f" ({_HINTS[status]})" if status in _HINTS else ""
    reason = f"graph: {status} {_told(body)}".strip() + hint
    if 400 <= status < 500 and status not in _NOT_THE_MESSAGE:
        return PermanentDelivery(reason)
    asked = asked_seconds(response.headers.get("Retry-After", ""), datetime.now(UTC))
    return TemporaryDelivery(reason, uncertain=status in _UNCERTAIN, retry_after=asked)


def _told(body: bytes) -> str:
    """Code and message of an error, or whatever else it says."""
    try:
        error = msgspec.json.decode(body, type=_Answer).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _line(body.decode("utf-8", "replace"))
    return _line(f"{error.code}: {error.message}" if error.code else error.message)


def _line(text: str) -> str:
    """A foreign text as one bounded line without secrets."""
    return " ".join(one_line(text).split())[:MAX_TOLD]
