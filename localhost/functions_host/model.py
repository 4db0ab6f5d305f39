"""What passes between the host's parts: functions as the app declared them, what a call is given, what it gave back."""

import json
import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

JSON = dict[str, object]


class HostError(RuntimeError):
    """The app or its settings cannot be run; the message says what to change."""


@dataclass(frozen=True)
class Function:
    """One function of the app. `bindings` are the raw dicts of a function.json, the trigger among them."""

    name: str
    bindings: tuple[JSON, ...]

    @property
    def trigger(self) -> JSON:
        """The one binding whose type ends in Trigger."""
        return next(binding for binding in self.bindings if str(binding["type"]).endswith("Trigger"))

    @property
    def trigger_type(self) -> str:
        """`timerTrigger`, `queueTrigger` or `httpTrigger`."""
        return str(self.trigger["type"])

    def queue_outputs(self) -> dict[str, JSON]:
        """The queue output bindings by parameter name; `$return` for the return value."""
        return {str(b["name"]): b for b in self.bindings if b["type"] == "queue" and b.get("direction") == "OUT"}


@dataclass(frozen=True)
class TimerInput:
    """A tick."""

    past_due: bool = False


@dataclass(frozen=True)
class QueueInput:
    """A queue message, its body already decoded. Times are aware and in UTC."""

    body: str
    id: str
    dequeue_count: int
    pop_receipt: str
    inserted: datetime | None = None
    expires: datetime | None = None
    next_visible: datetime | None = None


@dataclass(frozen=True)
class HttpInput:
    """A request as the app sees it: the whole URL, and query and route parameters decoded."""

    method: str
    url: str
    headers: dict[str, str]
    query: dict[str, str]
    route_params: dict[str, str]
    body: bytes


Input = TimerInput | QueueInput | HttpInput


@dataclass(frozen=True)
class HttpReply:
    """What an HTTP function answered. Headers may repeat (Set-Cookie)."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """How one call ended. `outputs` are the messages per queue binding, as text or bytes, not yet base64."""

    error: str | None = None
    traceback: str = ""
    outputs: dict[str, list[bytes]] = field(default_factory=dict)
    reply: HttpReply | None = None


class LoadedApp(Protocol):
    """An app that is loaded and can be called, whichever way that is done."""

    runner: str
    functions: tuple[Function, ...]

    def call(self, function: Function, given: Input) -> Outcome:
        """Run the function to its end. A function that raises gives an Outcome with `error`, never an exception."""
        ...


@dataclass(frozen=True)
class QueueRules:
    """The queue settings of host.json, times in seconds.

    `visibility_timeout` is the wait before a failed message comes again. `lease` is something else: how long a message
    that is being worked on stays hidden; the real host fixes it at ten minutes and renews it at half time, so that is
    how long the message of a host that died stays away.
    """

    batch_size: int = 16
    new_batch_threshold: int = 8
    visibility_timeout: float = 0.0
    max_dequeue_count: int = 5
    base64: bool = True
    lease: float = 600.0


@dataclass(frozen=True)
class HostSettings:
    """What host.json says, as far as this host honours it."""

    route_prefix: str
    queues: QueueRules


def read_host_json(text: str) -> HostSettings:
    """HostSettings of the text of a host.json, with the host's own defaults for what it leaves out."""
    extensions = json.loads(text).get("extensions", {})
    queues = extensions.get("queues", {})
    batch_size = int(queues.get("batchSize", 16))
    rules = QueueRules(
        batch_size=batch_size,
        new_batch_threshold=int(queues.get("newBatchThreshold", batch_size // 2)),
        visibility_timeout=seconds(str(queues.get("visibilityTimeout", "00:00:00"))),
        max_dequeue_count=int(queues.get("maxDequeueCount", 5)),
        base64=str(queues.get("messageEncoding", "base64")).lower() == "base64",
    )
    return HostSettings(str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"), rules)


def seconds(timespan: str) -> float:
    """130.0 for "00:02:10". Raises HostError for anything that is not hh:mm:ss."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", timespan)
    if match is None:
        raise HostError(f"host.json: {timespan!r} is not a time span of the form hh:mm:ss")
    hours, minutes, rest = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def resolve(text: str) -> str:
    """`%NAME%` replaced by the app setting NAME, as the host does for queue names and schedules. Raises HostError."""

    def setting(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise HostError(f"{text!r} needs the app setting {name}, which is not set")
        return os.environ[name]

    return re.sub(r"%([^%]+)%", setting, text)
