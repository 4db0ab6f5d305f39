"""A process that dies at a chosen point, and the host that starts it again: queues, timers and a clock.

A point lies before or after one operation on something outside the process: a table, a queue, a mail server, Azure.
After a death the process does nothing more, its message comes again when its lease has run out, and timers go on.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, Protocol, TypeVar

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from checks.jobs.canaries import sweep_canaries
from checks.jobs.close import close_run, record_poison, sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.messages import (
    CLOSE,
    DELIVER,
    PLAN,
    POISON,
    SCAN,
    CloseMessage,
    DeliverMessage,
    PlanMessage,
    ScanMessage,
    read,
)
from checks.jobs.plan import plan
from checks.jobs.scan import scan_shard
from checks.jobs.watch import watch
from checks.notify.transports.base import Outgoing, Receipt
from tests.support.storage import Clock, Death

LEASE = timedelta(minutes=10)  # for which the host hides a message it has taken; a dead host renews nothing
TRIES = 5  # host.json: a message that was taken so often in vain is poison
SWEEP = timedelta(minutes=5)
HANDLING = timedelta(seconds=20)  # what a message takes
MOST = 400  # messages and ticks until all is quiet, at most

T = TypeVar("T")


class Reaper:
    """Counts the points of a process's life, two around each operation, and ends it at those it is told.

    ``names`` says what each point was. ``deaths`` are the points at which it died so far.
    """

    def __init__(self, *at: int) -> None:
        self.at = frozenset(at)
        self.names: list[str] = []
        self.deaths: list[int] = []
        self.dead = False

    async def step(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """One operation, between two points. Nothing more has an effect once the process died."""
        await asyncio.sleep(0)  # others go on meanwhile, as they do where it goes over a wire
        self._point(f"before {name}")
        try:
            done = await work()
        except Exception:  # an answer as well, such as that a row is not there
            self._point(f"after {name}")
            raise
        self._point(f"after {name}")
        return done

    def _point(self, name: str) -> None:
        if self.dead:
            raise Death
        point = len(self.names)
        self.names.append(name)
        if point in self.at:
            self.dead = True
            self.deaths.append(point)
            raise Death

    def mortal(self, name: str, work: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """A function of which each call is an operation."""

        async def stepped(*args: Any, **options: Any) -> T:
            return await self.step(name, lambda: work(*args, **options))

        return stepped


class MortalTables:
    """A client of the table service, each operation of which is one of the reaper's."""

    def __init__(self, tables: Any, reaper: Reaper) -> None:
        self._tables = tables
        self._reaper = reaper
        self.create_table_if_not_exists = reaper.mortal("create table", tables.create_table_if_not_exists)

    def get_table_client(self, table_name: str) -> MortalTable:
        """A client of one table."""
        return MortalTable(self._tables.get_table_client(table_name), self._reaper)

    async def delete_table(self, table_name: str) -> None:
        """Drops a table."""
        await self._reaper.step("delete table", lambda: self._tables.delete_table(table_name))

    async def list_tables(self) -> AsyncIterator[Any]:
        """The tables: one operation, however many."""

        async def listed() -> list[Any]:
            return [table async for table in self._tables.list_tables()]

        for table in await self._reaper.step("list tables", listed):
            yield table


class MortalTable:
    """A client of a table, each operation of which is one of the reaper's."""

    def __init__(self, table: Any, reaper: Reaper) -> None:
        self._table = table
        self._reaper = reaper

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        return self._reaper.mortal(operation, getattr(self._table, operation))

    async def query_entities(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
        """The rows of a range: one operation, however many."""

        async def listed() -> list[Any]:
            return [row async for row in self._table.query_entities(*args, **options)]

        for row in await self._reaper.step("query_entities", listed):
            yield row


@dataclass
class QueueMessage:
    """A message in a queue: hidden until ``visible``; taken ``tries`` times. ``received``: as a service gave it."""

    queue: str
    text: str
    visible: datetime
    tries: int = 0
    received: Any = None


class MemoryQueues:
    """The part of ``QueueServiceClient`` that the product uses, in memory, and what the host does with it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.names: set[str] = set()
        self.messages: list[QueueMessage] = []

    def next_visible(self) -> QueueMessage | None:
        """The message that the host takes next: the one that has been visible longest."""
        there = [message for message in self.messages if message.visible <= self.clock()]
        return min(there, key=lambda message: message.visible, default=None)

    def delete(self, message: QueueMessage) -> None:
        """Takes away what was handled."""
        self.messages.remove(message)


class ServedQueues:
    """Queues of a real service, as the host sees them: what it has taken is hidden there and kept here."""

    def __init__(self, connection_string: str, clock: Clock) -> None:
        self._connection_string = connection_string
        self.clock = clock
        self.messages: list[QueueMessage] = []

    def next_visible(self) -> QueueMessage | None:
        """The message that the host takes next: the one that has been visible longest."""
        with QueueServiceClient.from_connection_string(self._connection_string) as service:
            for queue in service.list_queues():
                for message in service.get_queue_client(queue.name).receive_messages(visibility_timeout=3600):
                    text = base64.b64decode(message.content).decode()
                    taken = QueueMessage(queue.name, text, self.clock(), received=message)
                    self.messages.append(taken)
        there = [message for message in self.messages if message.visible <= self.clock()]
        return min(there, key=lambda message: message.visible, default=None)

    def delete(self, message: QueueMessage) -> None:
        """Takes away what was handled."""
        with QueueServiceClient.from_connection_string(self._connection_string) as service:
            service.get_queue_client(message.queue).delete_message(message.received)
        self.messages.remove(message)


class MortalQueues:
    """A client of the queues, each operation of which is one of the reaper's."""

    def __init__(self, queues: MemoryQueues, reaper: Reaper) -> None:
        self._queues = queues
        self._reaper = reaper

    def get_queue_client(self, queue: str, *, message_encode_policy: object) -> MortalQueue:
        """A client of one queue. The text stays as it is: how it is encoded is tested elsewhere."""
        return MortalQueue(self._queues, queue, self._reaper)


class MortalQueue:
    """A client of a queue, each operation of which is one of the reaper's."""

    def __init__(self, queues: MemoryQueues, name: str, reaper: Reaper) -> None:
        self._queues = queues
        self._name = name
        self.send_message = reaper.mortal(f"send {name}", self._send)
        self.create_queue = reaper.mortal("create queue", self._create)

    async def __aenter__(self) -> MortalQueue:
        return self

    async def __aexit__(self, *reason: object) -> None:
        return None

    async def _send(self, text: str, visibility_timeout: int | None) -> None:
        if self._name not in self._queues.names:
            raise ResourceNotFoundError("The specified queue does not exist.")
        visible = self._queues.clock() + timedelta(seconds=visibility_timeout or 0)
        self._queues.messages.append(QueueMessage(self._name, text, visible))

    async def _create(self) -> None:
        self._queues.names.add(self._name)


@dataclass(frozen=True)
class Accepted:
    """A mail that the server took, and how often the process had died by then."""

    message_id: str
    subject: str
    text: str
    deaths: int


@dataclass
class RecordingTransport:
    """Takes every mail, as an operation of the reaper's: a death before it loses the mail, one after it the answer."""

    reaper: Reaper
    accepted: list[Accepted] = field(default_factory=list)
    name: str = "smtp"
    addressed: bool = True

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Takes it."""
        return await self.reaper.step("send mail", lambda: self._take(outgoing.message))

    async def _take(self, message: EmailMessage) -> Receipt:
        self.accepted.append(accepted(message, len(self.reaper.deaths)))
        return Receipt()


def accepted(message: EmailMessage, deaths: int) -> Accepted:
    """What is to be known of a mail that was taken."""
    body = message.get_body(("plain",))
    assert body is not None
    return Accepted(str(message["Message-ID"]), str(message["Subject"]), str(body.get_content()), deaths)


class HostQueues(Protocol):
    """What the host does with queues. ``messages`` are those that are known to be there."""

    messages: list[QueueMessage]

    def next_visible(self) -> QueueMessage | None:
        """The message to be handled next."""

    def delete(self, message: QueueMessage) -> None:
        """Takes away what was handled."""


async def _handle(context: JobContext, message: QueueMessage) -> None:
    """What the function of a queue does."""
    if message.queue.endswith(POISON):
        await record_poison(context, message.queue.removesuffix(POISON), message.text.encode())
    elif message.queue == PLAN:
        await plan(context, read(PlanMessage, message.text))
    elif message.queue == SCAN:
        await scan_shard(context, read(ScanMessage, message.text))
    elif message.queue == CLOSE:
        await close_run(context, read(CloseMessage, message.text).run)
    else:
        assert message.queue == DELIVER
        read(DeliverMessage, message.text)
        await deliver_all(context)


SWEEPS: tuple[Callable[[JobContext], Awaitable[object]], ...] = (sweep_runs, watch, sweep_canaries)


class Host:
    """Hands messages to their jobs and fires the sweep, one after another; starts a process that died again."""

    def __init__(
        self,
        queues: HostQueues,
        clock: Clock,
        reaper: Reaper,
        opened: Callable[[], AbstractAsyncContextManager[JobContext]],
        restarted: Callable[[], None],
        tries: Mapping[str, int] | None = None,
    ) -> None:
        """``restarted``: called where another process begins. ``tries``: of a queue, fewer than the usual."""
        self._queues = queues
        self._clock = clock
        self._reaper = reaper
        self._opened = opened
        self._restarted = restarted
        self._tries = tries or {}
        self._next_sweep = clock() + SWEEP

    async def settle(self, is_quiet: Callable[[], Awaitable[bool]]) -> None:
        """Goes on until nothing is left to do; then past every lease and deadline, where nothing may come up."""
        await self._until(is_quiet)
        self._clock.forward(minutes=45)
        await self._sweep()
        await self._until(is_quiet)

    async def _until(self, is_quiet: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(MOST):
            message = self._queues.next_visible()
            if message is not None:
                await self._take(message)
            elif not self._queues.messages and await is_quiet():
                return
            else:
                await self._wait()
        raise AssertionError("it never gets quiet")

    async def _wait(self) -> None:
        """Until a message is visible or the sweep is due."""
        moments = [message.visible for message in self._queues.messages]
        self._clock.now = max(self._clock(), min([*moments, self._next_sweep]))
        if self._clock() >= self._next_sweep:
            await self._sweep()

    async def _sweep(self) -> None:
        self._next_sweep = self._clock() + SWEEP
        await self._lived(self._swept)

    async def _swept(self) -> None:
        for job in SWEEPS:
            async with self._opened() as context:
                await job(context)

    async def _take(self, message: QueueMessage) -> None:
        if message.tries >= self._tries.get(message.queue, TRIES):
            message.queue, message.tries = message.queue + POISON, 0
        message.tries += 1
        message.visible = self._clock() + LEASE
        self._clock.now += HANDLING
        await self._lived(lambda: self._handled(message))

    async def _handled(self, message: QueueMessage) -> None:
        async with self._opened() as context:
            await _handle(context, message)
        await self._reaper.step("delete message", lambda: self._deleted(message))

    async def _deleted(self, message: QueueMessage) -> None:
        self._queues.delete(message)

    async def _lived(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does something in the process. Of one that dies nothing goes on; another is started."""
        try:
            await work()
        except Death:
            assert self._reaper.dead
        if self._reaper.dead:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            self._reaper.dead = False
            self._restarted()
