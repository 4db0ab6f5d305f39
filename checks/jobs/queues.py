"""Sending messages to the queues between the jobs, base64 as the Functions host expects them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import msgspec
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from checks.jobs.messages import MAX_BYTES, Message, MessageError


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
