"""The queues between the jobs. Messages are small JSON objects of ids, base64 as the Functions host expects them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TypeVar

import msgspec
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from checks.text import redacted

PLAN = "pullwatch-plan"
SCAN = "pullwatch-scan"
CLOSE = "pullwatch-close"
DELIVER = "pullwatch-deliver"
POISON = "-poison"
VERSION = 1
MAX_BYTES = 49_152  # of payload: 64 KiB once it is base64

T = TypeVar("T", bound="Message")


class MessageError(ValueError):
    """A message that cannot be handled; the text says why. It will never get better: it belongs with the poison."""


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all messages carry: the version of their form."""

    v: int = VERSION


class PlanMessage(Message, frozen=True, kw_only=True):
    """Plan a run. ``request`` makes it repeatable: the same request is the same run. Empty lists: everything.

    ``subscriptions`` are ids, with or without dashes: 1,300 of them fit a message only without.
    """

    request: str
    requested_by: str
    subscriptions: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The subscriptions as Azure writes their ids. Raises MessageError where one is no id."""
        try:
            return tuple(str(uuid.UUID(guid)) for guid in self.subscriptions)
        except ValueError:
            raise MessageError("no PlanMessage: a subscription is no id") from None


class ScanMessage(Message, frozen=True, kw_only=True):
    """Scan one shard of a run."""

    run: str
    shard: str


class CloseMessage(Message, frozen=True, kw_only=True):
    """Close a run."""

    run: str


class DeliverMessage(Message, frozen=True, kw_only=True):
    """Deliver what is pending. ``why`` is for the log."""

    why: str


def read(kind: type[T], body: bytes | str) -> T:
    """A message out of its body. Raises MessageError with what is wrong; the text is bounded."""
    try:
        message = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"no {kind.__name__}: {redacted(str(error))[:300]}") from None
    if message.v != VERSION:
        raise MessageError(f"{kind.__name__} of version {message.v}; this program knows version {VERSION}")
    return message


class Queues:
    """Sends messages. One per job: it lives in that job's event loop."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service

    async def send(self, queue: str, messages: Iterable[Message], delay: timedelta = timedelta()) -> int:
        """Sends messages in order, making the queue where it is not there; returns how many were sent."""
        sent = 0
        async with self._queue(queue) as client:
            for message in messages:
                body = msgspec.json.encode(message)
                if len(body) > MAX_BYTES:
                    raise MessageError(f"a message of {len(body)} bytes does not fit a queue")
                await self._put(client, body.decode(), delay)
                sent += 1
        return sent

    async def _put(self, client: QueueClient, text: str, delay: timedelta) -> None:
        seconds = int(delay.total_seconds()) or None
        try:
            await client.send_message(text, visibility_timeout=seconds)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):  # somebody else made it between the two calls
                await client.create_queue()
            await client.send_message(text, visibility_timeout=seconds)

    def _queue(self, name: str) -> QueueClient:
        return self._service.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())


@asynccontextmanager
async def open_queues(
    *,
    connection_string: str | None = None,
    endpoint: str | None = None,
    credential: AsyncTokenCredential | None = None,
) -> AsyncIterator[Queues]:
    """The queues by connection string, or by endpoint and credential. ValueError where neither is given."""
    if connection_string:
        service = QueueServiceClient.from_connection_string(connection_string, retry_total=4)
    elif endpoint and credential is not None:
        service = QueueServiceClient(endpoint, credential=credential, retry_total=4)
    else:
        raise ValueError("storage needs a connection string, or a queue endpoint with a credential")
    async with service:
        yield Queues(service)
