"""One worker: takes messages out of real queues as the Functions host does, and handles them by the app's own jobs.

A message that is worked on stays hidden for a lease, which is renewed at half of it, and is deleted only after it was
handled: what a worker that died was at comes again when the lease is over. One message at a time, each with its own
clients; the inventories are the process's, as in function_app. It begins at a line on standard input, ends where that
ends, and prints a line of JSON for whatever it does (``events.Event``). The storage is AzureWebJobsStorage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueMessage, TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from checks import settings
from checks.collect.arm.inventories import InventoryCache
from checks.jobs import messages
from checks.jobs.context import open_job_context
from tests.support import queued_jobs
from tests.support.workers.events import DID, READY, TOOK, Event

PAUSE = 0.05  # seconds before a look at empty queues again


def _say(event: Event) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


@asynccontextmanager
async def _leased(client: QueueClient, message: QueueMessage, seconds: int) -> AsyncIterator[None]:
    """Keeps a message hidden while the block runs. A renewal, which changes the receipt, is never cut short."""
    over = asyncio.Event()

    async def renew() -> None:
        while not over.is_set():
            try:
                await asyncio.wait_for(over.wait(), seconds / 2)
            except TimeoutError:
                # By its id: given the message, the SDK would write its decoded text back.
                receipt = message.pop_receipt
                renewed = await client.update_message(message.id, pop_receipt=receipt, visibility_timeout=seconds)
                message.pop_receipt = renewed.pop_receipt

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        over.set()
        await renewing


async def _take(client: QueueClient, lease: int) -> QueueMessage | None:
    try:
        return await client.receive_message(visibility_timeout=lease)
    except ResourceNotFoundError:  # nothing was ever sent to it
        return None


async def work(names: Sequence[str], lease: int, ended: threading.Event) -> None:
    """Handles what is in these queues, the first ones first, until it is to end. Raises what a job raises."""
    loaded, inventories = settings.load(os.environ), InventoryCache()

    async def one(client: QueueClient) -> bool:
        """Whether there was a message."""
        message = await _take(client, lease)
        if message is None:
            return False
        wanted = messages.read(queued_jobs.KINDS[client.queue_name], message.content)
        shard = wanted.shard if isinstance(wanted, messages.ScanMessage) else ""
        _say(Event(TOOK, client.queue_name, shard))
        async with _leased(client, message, lease), open_job_context(loaded, inventories) as context:
            word = await queued_jobs.handle(context, wanted)
        await client.delete_message(message)
        _say(Event(DID, client.queue_name, shard, word))
        return True

    async with QueueServiceClient.from_connection_string(loaded.storage or "") as service:
        clients = [service.get_queue_client(name, message_decode_policy=TextBase64DecodePolicy()) for name in names]
        while not ended.is_set():
            for client in clients:
                if await one(client):
                    break
            else:
                await asyncio.sleep(PAUSE)


def main() -> None:
    """Works until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lease", type=int, required=True, metavar="SECONDS")
    parser.add_argument("queues", nargs="+", choices=tuple(queued_jobs.KINDS))
    options = parser.parse_args()
    _say(Event(READY))
    sys.stdin.readline()
    ended = threading.Event()

    def until_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=until_the_end, daemon=True).start()
    asyncio.run(work(options.queues, options.lease, ended))


if __name__ == "__main__":
    main()
