"""Queue triggers by the host's rules: leases that are renewed, retries after a wait, poison queues, base64."""

import base64
import binascii
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient, QueueMessage, QueueServiceClient

from localhost.functions_host.model import Function, HostError, Outcome, QueueInput, QueueRules

POISON = "-poison"
# The real host looks at most once a minute at a quiet queue; a developer would not wait for that.
SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 0.5
# A retry that does not come back within this many seconds of its time was deleted by someone else.
RETRY_GRACE = 5.0
# One page of the service.
MOST_AT_ONCE = 32

# One quick second try: the SDK's own default waits for most of a minute.
_PATIENCE: dict[str, Any] = {"retry_total": 1, "initial_backoff": 1, "increment_base": 1}

_log = logging.getLogger(__name__)


class QueueStorage:
    """The queue service of one storage account."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service

    @classmethod
    def by_connection_string(cls, connection: str) -> "QueueStorage":
        """The account of a connection string. Raises HostError where it is none."""
        try:
            return cls(QueueServiceClient.from_connection_string(connection, **_PATIENCE))
        except ValueError as error:
            raise HostError(f"the storage connection string cannot be used: {error}") from error

    @classmethod
    def by_identity(cls, uri: str) -> "QueueStorage":
        """The queue service at a URI, with tokens of the app's own identity."""
        return cls(QueueServiceClient(uri, credential=DefaultAzureCredential(), **_PATIENCE))

    def queue(self, name: str) -> QueueClient:
        """A client that neither encodes nor decodes: that is done here, where a failure can be handled."""
        return self._service.get_queue_client(name)

    def send(self, queue: str, message: bytes, in_base64: bool) -> None:
        """Put a message, making the queue where it is missing, as an output binding does. Raises AzureError."""
        text = base64.b64encode(message).decode() if in_base64 else message.decode()
        client = self.queue(queue)
        try:
            client.send_message(text)
        except ResourceNotFoundError:
            create(client)
            client.send_message(text)


def create(client: QueueClient) -> None:
    """Make the queue unless it exists."""
    try:
        client.create_queue()
    except ResourceExistsError:
        _log.debug("queue %s is there already", client.queue_name)


@dataclass
class _Held:
    """A message being worked on. The receipt changes with each renewal, so whoever uses it holds the lock."""

    message: QueueMessage
    receipt: str
    renew_at: float
    done: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class QueueListener:
    """Receives the messages of one queue trigger and settles each by how its call ended."""

    def __init__(
        self,
        function: Function,
        queue: str,
        storage: QueueStorage,
        rules: QueueRules,
        run: Callable[[Function, QueueInput], Outcome],
    ) -> None:
        self.function = function
        self.queue = queue
        self._storage = storage
        self._client = storage.queue(queue)
        self._rules = rules
        self._run = run
        self._held: dict[str, _Held] = {}
        self._retries: dict[str, float] = {}
        # Held while messages are taken and noted, so that `busy` never looks between the two.
        self._taking = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"queue-{queue}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look now instead of at the end of the pause."""
        self._wake.set()

    def stop(self, seconds: float) -> bool:
        """Take no more messages; True if those being worked on ended within the time (they stay leased otherwise)."""
        self._stopping.set()
        self._wake.set()
        ends = time.monotonic() + seconds
        while self._held and time.monotonic() < ends:
            time.sleep(0.02)
        return not self._held

    def busy(self) -> str | None:
        """What is still to do: visible messages, held ones, retries that wait. Raises AzureError."""
        with self._taking:
            if self._held:
                return f"{len(self._held)} in flight in {self.queue}"
            now = time.monotonic()
            waiting = [due for due in self._retries.copy().values() if due + RETRY_GRACE > now]
            if waiting:
                return f"{len(waiting)} in {self.queue} wait for their retry, the next in {min(waiting) - now:.1f} s"
            try:
                visible = len(self._client.peek_messages(MOST_AT_ONCE))
            except ResourceNotFoundError:
                return None
        return f"{visible} visible in {self.queue}" if visible else None

    def _listen(self) -> None:
        """Fetch and renew until stopped; pauses grow while the queue is quiet."""
        pause = SHORTEST_PAUSE
        while not (self._stopping.is_set() and not self._held):
            try:
                taken = self._take()
                self._renew()
            except ResourceNotFoundError:
                taken = 0  # the trigger does not make its queue: whoever sends to it does
            except AzureError as error:
                taken = 0
                _log.warning("queue %s: %s", self.queue, str(error).splitlines()[0])
            pause = SHORTEST_PAUSE if taken else min(pause * 2, LONGEST_PAUSE, self._rules.lease / 4)
            if self._wake.wait(self._until_next(pause)):
                self._wake.clear()
                pause = SHORTEST_PAUSE

    def _until_next(self, pause: float) -> float:
        """The pause, cut short where a retry is due earlier."""
        now = time.monotonic()
        dues = [due - now for due in self._retries.copy().values()]
        return max(0.01, min([pause, *dues])) if dues else pause

    def _take(self) -> int:
        """Receive a batch where the host would, and start each message on a thread of its own."""
        if self._stopping.is_set() or len(self._held) > self._rules.new_batch_threshold:
            return 0
        with self._taking:
            pages = self._client.receive_messages(
                messages_per_page=self._rules.batch_size,
                max_messages=self._rules.batch_size,
                visibility_timeout=math.ceil(self._rules.lease),
            )
            received = list(pages)
            for message in received:
                self._retries.pop(message.id, None)
                renew_at = time.monotonic() + self._rules.lease / 2
                self._held[message.id] = _Held(message, _text(message.pop_receipt), renew_at)
        for message in received:
            work = threading.Thread(target=self._work, args=(self._held[message.id],), daemon=True)
            work.name = f"{self.function.name}-{message.id[:8]}"
            work.start()
        return len(received)

    def _renew(self) -> None:
        """Extend each lease that is half over."""
        for held in list(self._held.values()):
            with held.lock:
                if held.done or time.monotonic() < held.renew_at:
                    continue
                changed = self._client.update_message(
                    held.message.id, pop_receipt=held.receipt, visibility_timeout=math.ceil(self._rules.lease)
                )
                held.receipt = _text(changed.pop_receipt)
                held.renew_at = time.monotonic() + self._rules.lease / 2

    def _work(self, held: _Held) -> None:
        """Run one message and settle it, whatever happens to the storage meanwhile."""
        try:
            self._settle(held, self._judge(held.message))
        except AzureError as error:
            _log.warning("%s: message %s is not settled: %s", self.queue, held.message.id, str(error).splitlines()[0])
        finally:
            held.done = True
            self._held.pop(held.message.id, None)
            self._wake.set()

    def _judge(self, message: QueueMessage) -> str:
        """Call the function unless the message is beyond that. Answers `delete`, `retry`, `poison` or `leave`."""
        last = not self._has_poison
        count = message.dequeue_count or 0
        try:
            body = self._decode(message.content)
        except ValueError:
            _log.error("%s: message %s cannot be decoded", self.queue, message.id)
            return "leave" if last else "poison"
        if count > self._rules.max_dequeue_count:
            # As in the real host: the function of a poison queue does not get a message more often either.
            return "leave" if last else "poison"
        outcome = self._run(self.function, _queue_input(message, body))
        if outcome.error is None:
            return "delete"
        if last:
            # As in the real host: where there is no poison queue, a failed message stays hidden till its lease ends.
            return "leave"
        return "poison" if count >= self._rules.max_dequeue_count else "retry"

    def _settle(self, held: _Held, how: str) -> None:
        """Delete, hide or move the message."""
        with held.lock:
            held.done = True
            if how == "retry":
                wait = math.ceil(self._rules.visibility_timeout)
                self._retries[held.message.id] = time.monotonic() + wait
                self._client.update_message(held.message.id, pop_receipt=held.receipt, visibility_timeout=wait)
            if how == "poison":
                self._move_to_poison(held.message)
            if how in ("poison", "delete"):
                self._client.delete_message(held.message.id, pop_receipt=held.receipt)

    @property
    def _has_poison(self) -> bool:
        return not self.queue.endswith(POISON)

    def _move_to_poison(self, message: QueueMessage) -> None:
        """Copy the message's text as it is, undecodable ones too."""
        poison = self._storage.queue(self.queue + POISON)
        create(poison)
        poison.send_message(message.content)
        _log.warning("%s: message %s moved to %s", self.queue, message.id, poison.queue_name)

    def _decode(self, content: str) -> str:
        """The text of a message. Raises ValueError where it is not base64 of UTF-8, though it should be."""
        if not self._rules.base64:
            return content
        try:
            return base64.b64decode(content, validate=True).decode()
        except binascii.Error as error:
            raise ValueError("not base64") from error


def _queue_input(message: QueueMessage, body: str) -> QueueInput:
    return QueueInput(
        body=body,
        id=message.id,
        dequeue_count=message.dequeue_count or 0,
        pop_receipt=_text(message.pop_receipt),
        inserted=message.inserted_on,
        expires=message.expires_on,
        next_visible=message.next_visible_on,
    )


def _text(value: Any) -> str:
    return str(value or "")
