"""Calls the app's functions directly: for Pythons below 3.13, where Microsoft's worker library cannot be installed.

The functions, bindings and data are the same; what is missing is the worker's check of every signature against its
bindings at load, so an app that loads here may still be refused in Azure.
"""

import asyncio
import importlib
import inspect
import json
import sys
import traceback
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from localhost.functions_host.model import Function, HostError, HttpInput, HttpReply, Input, Outcome, QueueInput


class _Out:
    """A parameter of type func.Out."""

    def __init__(self) -> None:
        self.value: object = None

    def set(self, value: object) -> None:
        self.value = value

    def get(self) -> object:
        return self.value


class DirectApp:
    """The app in `folder`, imported and called without a worker library."""

    runner = f"direct calls (Python {sys.version_info.major}.{sys.version_info.minor})"

    def __init__(self, folder: Path) -> None:
        """Import function_app.py and list its functions. Raises HostError where there are none."""
        self._sdk: Any = importlib.import_module("azure.functions")
        self._queue: Any = importlib.import_module("azure.functions.queue")
        self._timer: Any = importlib.import_module("azure.functions.timer")
        module = importlib.import_module("function_app")
        apps = [each for each in vars(module).values() if isinstance(each, self._sdk.FunctionRegister)]
        if len(apps) != 1:
            raise HostError(f"{folder}/function_app.py has {len(apps)} top-level function apps; it needs one")
        # May be called only once: a second call says that every name is taken.
        built = apps[0].get_functions()
        self._code: dict[str, Callable[..., Any]] = {f.get_function_name(): f.get_user_function() for f in built}
        self.functions = tuple(
            Function(f.get_function_name(), tuple(json.loads(raw) for raw in f.get_raw_bindings())) for f in built
        )

    def call(self, function: Function, given: Input) -> Outcome:
        """Run the function in this thread."""
        code = self._code[function.name]
        outs = {name: _Out() for name in function.queue_outputs() if name != "$return"}
        arguments: dict[str, object] = {str(function.trigger["name"]): self._decode(given), **outs}
        if "context" in inspect.signature(code).parameters:
            arguments["context"] = SimpleNamespace(function_name=function.name, invocation_id=str(uuid.uuid4()))
        try:
            returned = code(**arguments)
            if inspect.iscoroutine(returned):
                returned = asyncio.run(returned)
        except Exception as error:  # noqa: BLE001 - the host outlives any function of its app, as in Azure
            return Outcome(error=repr(error), traceback=traceback.format_exc())
        values = {name: out.value for name, out in outs.items()}
        if "$return" in function.queue_outputs():
            values["$return"] = returned
        messages = {name: _messages(value) for name, value in values.items() if value is not None}
        reply = _reply(returned) if function.trigger_type == "httpTrigger" else None
        return Outcome(outputs=messages, reply=reply)

    def _decode(self, given: Input) -> object:
        """The azure.functions object for the trigger's parameter."""
        if isinstance(given, HttpInput):
            request: object = self._sdk.HttpRequest(
                given.method,
                given.url,
                headers=given.headers,
                params=given.query,
                route_params=given.route_params,
                body=given.body,
            )
            return request
        if isinstance(given, QueueInput):
            message: object = self._queue.QueueMessage(
                id=given.id,
                body=given.body,
                dequeue_count=given.dequeue_count,
                expiration_time=given.expires,
                insertion_time=given.inserted,
                time_next_visible=given.next_visible,
                pop_receipt=given.pop_receipt,
            )
            return message
        tick: object = self._timer.TimerRequest(past_due=given.past_due)
        return tick


def _messages(value: object) -> list[bytes]:
    """One message for a text, bytes or QueueMessage, one per item for a list of them."""
    if isinstance(value, str):
        return [value.encode()]
    if isinstance(value, bytes):
        return [value]
    if hasattr(value, "get_body"):
        return [value.get_body()]
    if isinstance(value, Iterable):
        return [message for item in value for message in _messages(item)]
    raise HostError(f"a queue output cannot be a {type(value).__name__}")


def _reply(returned: Any) -> HttpReply:
    """An HTTP answer of an HttpResponse or a text."""
    if returned is None:
        return HttpReply(204)
    if isinstance(returned, str):
        return HttpReply(200, (("content-type", "text/plain; charset=utf-8"),), returned.encode())
    headers = list(returned.headers.items())
    if not any(name.lower() == "content-type" for name, _ in headers):
        charset = f"; charset={returned.charset}" if returned.mimetype.startswith("text/") else ""
        headers.append(("content-type", f"{returned.mimetype}{charset}"))
    return HttpReply(returned.status_code, tuple(headers), returned.get_body() or b"")
