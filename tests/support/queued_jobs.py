"""The jobs as the Functions host runs them: the messages of the real queues, one after the other, in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy

from checks.jobs.close import close_run
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.messages import CLOSE, DELIVER, PLAN, SCAN, CloseMessage, DeliverMessage, Message, PlanMessage, read
from checks.jobs.messages import ScanMessage as Scan
from checks.jobs.plan import plan
from checks.jobs.scan import scan_shard

KINDS: dict[str, type[Message]] = {PLAN: PlanMessage, SCAN: Scan, CLOSE: CloseMessage, DELIVER: DeliverMessage}


async def handle(job: JobContext, message: Message) -> str:
    """Handles one message; a word for what that did."""
    match message:
        case PlanMessage():
            return "planned" if (await plan(job, message)).new else "repeated"
        case Scan():
            return "repeated" if (await scan_shard(job, message)).repeated else "scanned"
        case CloseMessage(run=run):
            return (await close_run(job, run)).reason
        case _:
            return "busy" if (await deliver_all(job)).busy else "delivered"


def queue_of(message: Message) -> str:
    """The queue that a message is sent to."""
    return next(queue for queue, kind in KINDS.items() if isinstance(message, kind))


def take(storage: str) -> list[Message]:
    """Takes every message out of the queues: those of plans first, those of deliveries last."""
    taken: list[Message] = []
    with QueueServiceClient.from_connection_string(storage) as service:
        for queue, kind in KINDS.items():
            client = service.get_queue_client(queue, message_decode_policy=TextBase64DecodePolicy())
            try:
                for message in client.receive_messages(messages_per_page=32):
                    client.delete_message(message)
                    taken.append(read(kind, message.content))
            except ResourceNotFoundError:  # nothing was ever sent to it
                continue
    return taken


async def drain(storage: str, handled: Callable[[Message], Awaitable[object]]) -> None:
    """Handles what is in the queues, and what that sends, until nothing is left."""
    while waiting := take(storage):
        for message in waiting:
            await handled(message)
