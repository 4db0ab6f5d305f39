"""The host: loads an app, listens to its queues, answers its routes, fires its timers when asked."""

import collections
import importlib
import importlib.util
import json
import logging
import os
import sys
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from azure.core.exceptions import AzureError

from localhost.azurite import ACCOUNT, Storage
from localhost.functions_host.model import (
    JSON,
    Function,
    HostError,
    HostSettings,
    HttpInput,
    Input,
    LoadedApp,
    Outcome,
    QueueInput,
    TimerInput,
    read_host_json,
    resolve,
)
from localhost.functions_host.queues import QueueListener, QueueStorage
from localhost.functions_host.routes import Route, find, route_of

STORAGE_SETTING = "AzureWebJobsStorage"
QUEUE_URI = "__queueServiceUri"
# What Core Tools users write in local.settings.json for an Azurite on its usual ports.
DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"
KEPT_INVOCATIONS = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Invocation:
    """One call that ended: `seconds` it took, `error` as repr of the exception."""

    function: str
    ok: bool
    error: str | None
    traceback: str
    seconds: float


class Host:
    """One running app."""

    def __init__(self, app: LoadedApp, settings: HostSettings) -> None:
        """Binds triggers and outputs. Raises HostError for a binding that this host does not have, or no storage."""
        self.app = app
        self.settings = settings
        self._storages: dict[str, QueueStorage] = {}
        self._lock = threading.Lock()
        self._running: collections.Counter[str] = collections.Counter()
        self._changes = 0
        self._invocations: collections.deque[Invocation] = collections.deque(maxlen=KEPT_INVOCATIONS)
        self.routes: list[Route] = [
            route_of(each, settings.route_prefix) for each in app.functions if each.trigger_type == "httpTrigger"
        ]
        self.listeners = [self._listener(each) for each in app.functions if each.trigger_type == "queueTrigger"]
        _refuse_unknown_bindings(app)
        for function in app.functions:
            # Not used, since nothing fires by the clock, but a schedule without its setting stops a timer in Azure.
            resolve(str(function.trigger.get("schedule", "")))
            for binding in function.queue_outputs().values():
                self._storage(binding)

    def start(self) -> None:
        for listener in self.listeners:
            listener.start()

    def stop(self, seconds: float) -> bool:
        """Take no more messages and let what runs end; False if something still ran after the time."""
        ends = time.monotonic() + seconds
        ended = [listener.stop(max(0.0, ends - time.monotonic())) for listener in self.listeners]
        while self._running.total() and time.monotonic() < ends:
            time.sleep(0.02)
        return all(ended) and not self._running.total()

    def function(self, name: str) -> Function | None:
        """The function of that name, in any case."""
        return next((each for each in self.app.functions if each.name.lower() == name.lower()), None)

    def find_route(self, method: str, path: str) -> tuple[Function, dict[str, str]] | None:
        """The HTTP function for a request, and its route parameters."""
        return find(self.routes, method, path)

    def run(self, function: Function, given: Input) -> Outcome:
        """Call the function, write its queue outputs, note how it ended. Never raises what the app raised."""
        self._note(function.name, +1)
        started = time.monotonic()
        try:
            outcome = self._deliver(function, self.app.call(function, given))
        finally:
            self._note(function.name, -1)
        seconds = time.monotonic() - started
        ended = Invocation(function.name, outcome.error is None, outcome.error, outcome.traceback, round(seconds, 4))
        self._invocations.append(ended)
        if outcome.error is None:
            _log.info("%s: ok, %.2f s", function.name, seconds)
        else:
            _log.error("%s: failed after %.2f s: %s", function.name, seconds, " ".join(outcome.error.split()))
            _log.debug("%s", outcome.traceback)
        for listener in self.listeners:
            listener.wake()
        return outcome

    def fire(self, function: Function, text: str) -> Outcome:
        """Run a timer, or a queue function with `text` as its message, now. HTTP functions have their routes."""
        if function.trigger_type == "timerTrigger":
            return self.run(function, TimerInput())
        now = datetime.now(UTC)
        return self.run(function, QueueInput(text, str(uuid.uuid4()), 1, "", inserted=now, expires=now))

    def http(self, function: Function, request: HttpInput) -> Outcome:
        """Answer one request."""
        return self.run(function, request)

    def invocations(self) -> list[JSON]:
        """The calls that ended, oldest first; the latest 10 000 of them."""
        return [asdict(each) for each in list(self._invocations)]

    def busy(self) -> list[str]:
        """What still runs or waits; empty when idle. Storage that does not answer counts as busy."""
        before = self._changes
        reasons = [f"{name} runs" for name, count in self._running.items() if count]
        try:
            reasons += [reason for listener in self.listeners if (reason := listener.busy())]
        except AzureError as error:
            reasons.append(f"storage: {str(error).splitlines()[0]}")
        if not reasons and self._changes != before:
            # Something ended in between and may have sent to a queue that was looked at already.
            reasons.append("calls began or ended during the check")
        return reasons

    def _note(self, name: str, change: int) -> None:
        with self._lock:
            self._running[name] += change
            self._changes += 1

    def _deliver(self, function: Function, outcome: Outcome) -> Outcome:
        """Write the outputs of a call that went well; one that cannot be written makes the call a failure."""
        bindings = function.queue_outputs()
        try:
            for name, messages in outcome.outputs.items():
                queue = resolve(str(bindings[name]["queueName"]))
                for message in messages:
                    self._storage(bindings[name]).send(queue, message, self.settings.queues.base64)
        except AzureError as error:
            return Outcome(error=f"the queue output could not be written: {error!r}")
        return outcome

    def _listener(self, function: Function) -> QueueListener:
        queue = resolve(str(function.trigger["queueName"]))
        storage = self._storage(function.trigger)
        return QueueListener(function, queue, storage, self.settings.queues, self.run)

    def _storage(self, binding: JSON) -> QueueStorage:
        """The account a binding names by its connection setting."""
        setting = str(binding.get("connection") or STORAGE_SETTING)
        if setting not in self._storages:
            self._storages[setting] = _open(setting)
        return self._storages[setting]


def load(folder: Path) -> LoadedApp:
    """The app in `folder`: by Microsoft's worker library where that is installed, else by direct calls."""
    if not (folder / "function_app.py").is_file():
        raise HostError(f"{folder} has no function_app.py")
    # In front of everything: another function_app.py may lie where Python was started.
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    if importlib.util.find_spec("azure_functions_runtime") is not None:
        worker = importlib.import_module("localhost.functions_host.worker")
        app: LoadedApp = worker.WorkerApp(folder)
        return app
    direct = importlib.import_module("localhost.functions_host.direct")
    _log.warning("no azure-functions-runtime here (it needs Python 3.13): the app is called directly")
    called: LoadedApp = direct.DirectApp(folder)
    return called


def read_settings(folder: Path) -> HostSettings:
    """host.json of the app. Raises HostError where it is missing or not JSON."""
    path = folder / "host.json"
    try:
        return read_host_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HostError(f"{path} is missing: {folder} is not a Functions app") from error
    except json.JSONDecodeError as error:
        raise HostError(f"{path} is not JSON: {error}") from error


def apply_local_settings(folder: Path) -> None:
    """Values of local.settings.json as environment; what the environment has already wins, as with Core Tools."""
    path = folder / "local.settings.json"
    if not path.is_file():
        return
    for name, value in json.loads(path.read_text(encoding="utf-8")).get("Values", {}).items():
        os.environ.setdefault(name, str(value))


def _open(setting: str) -> QueueStorage:
    """The account that an app setting names: a connection string, or SETTING__queueServiceUri with the app's identity.

    Raises HostError where there is neither.
    """
    value, uri = os.environ.get(setting, ""), os.environ.get(f"{setting}{QUEUE_URI}", "")
    if value.strip().rstrip(";").lower() == DEVELOPMENT_STORAGE.lower():
        return QueueStorage.by_connection_string(_azurite_on_usual_ports())
    if value:
        return QueueStorage.by_connection_string(value)
    if uri:
        return QueueStorage.by_identity(uri)
    raise HostError(
        f"the app setting {setting} is not set; pass --storage CONNECTION_STRING, or set it or {setting}{QUEUE_URI}"
    )


def _azurite_on_usual_ports() -> str:
    blob, queue, table = (f"http://127.0.0.1:{port}/{ACCOUNT}" for port in (10000, 10001, 10002))
    return Storage(blob, queue, table, pid=0).connection_string


def _refuse_unknown_bindings(app: LoadedApp) -> None:
    """A binding that would silently do nothing here is an error instead."""
    known = {"timerTrigger", "queueTrigger", "httpTrigger", "http", "queue"}
    for function in app.functions:
        for binding in function.bindings:
            if binding["type"] not in known:
                raise HostError(f"{function.name}: this host has no binding of type {binding['type']}")
