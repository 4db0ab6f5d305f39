"""Calls the app through Microsoft's own worker library, `azure-functions-runtime` (Python 3.13 and newer).

It indexes the app, checks signatures against bindings, decodes inputs and encodes outputs exactly as in Azure, so what
would not load there does not load here. Its seam for hosts is private API: one version is pinned, and the contract test
fails where a newer one differs.
"""

import asyncio
import importlib
import json
import uuid
from datetime import datetime
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from localhost.functions_host.model import (
    JSON,
    Function,
    HostError,
    HttpInput,
    HttpReply,
    Input,
    Outcome,
    QueueInput,
    TimerInput,
)

_PACKAGE = "azure_functions_runtime"


class _Record(SimpleNamespace):
    """Stands in for the protobuf messages that the library fills."""


class _BindingInfo(_Record):
    """The directions by number, as in Microsoft's protobuf definition."""

    inout = 2
    out = 1
    undefined = 0


# `in` cannot be written as a name.
setattr(_BindingInfo, "in", 0)


class WorkerApp:
    """The app in `folder`, loaded by the worker library. Once per process: the library keeps its registry globally."""

    def __init__(self, folder: Path) -> None:
        """Index the app. Raises HostError where the library refuses it, with what the library says."""
        events = importlib.import_module(f"{_PACKAGE}.handle_event")
        self._native: Any = importlib.import_module(f"{_PACKAGE}.native_invocation")
        self._datum: Any = importlib.import_module(f"{_PACKAGE}.bindings.datumdef").Datum
        version = importlib.import_module(f"{_PACKAGE}.version").VERSION
        self.runner = f"{_PACKAGE.replace('_', '-')} {version}"
        setattr(events, "protos", _protos())  # noqa: B010 - the library's own global, set as its host does
        importlib.import_module(f"{_PACKAGE}.bindings.meta").load_binding_registry()
        events.load_function_metadata(str(folder), "functions_host")
        metadata = events._metadata_result
        if not metadata:
            raise HostError(f"{folder} has no function_app.py with functions in it")
        importlib.import_module(f"{_PACKAGE}.utils.threadpool").start_threadpool_executor()
        self._ids: dict[str, str] = {each.name: each.function_id for each in metadata}
        self.functions = tuple(
            Function(each.name, tuple(json.loads(raw) for raw in each.raw_bindings)) for each in metadata
        )

    def call(self, function: Function, given: Input) -> Outcome:
        """Run the function: sync ones on the library's thread pool, async ones on a loop of their own."""
        inputs = [(str(function.trigger["name"]), self._encode(given))]
        arguments = (str(uuid.uuid4()), self._ids[function.name], inputs, self._trigger_metadata(given))
        handled, *rest = self._native.run_invocation_sync(*arguments)
        ok, returned, outputs, error, traceback = (
            rest if handled else asyncio.run(self._native.invocation_request_native(*arguments))
        )
        if not ok:
            return Outcome(error=error, traceback=traceback or "")
        return self._outcome(function, returned, dict(outputs))

    def _outcome(self, function: Function, returned: Any, outputs: dict[str, Any]) -> Outcome:
        """The library's data as an Outcome."""
        queues = function.queue_outputs()
        messages = {name: _messages(datum) for name, datum in outputs.items() if name in queues}
        if "$return" in queues and returned is not None:
            messages["$return"] = _messages(returned)
        reply = _reply(returned) if function.trigger_type == "httpTrigger" else None
        return Outcome(outputs=messages, reply=reply)

    def _encode(self, given: Input) -> Any:
        """What the trigger's parameter gets, as the library's Datum."""
        if isinstance(given, TimerInput):
            return self._datum(json.dumps(timer_info(given)), "json")
        if isinstance(given, QueueInput):
            return self._datum(given.body, "string")
        return self._datum(self._http(given), "http")

    def _http(self, given: HttpInput) -> dict[str, Any]:
        def texts(pairs: dict[str, str]) -> dict[str, Any]:
            return {name: self._datum(value, "string") for name, value in pairs.items()}

        return {
            "method": self._datum(given.method, "string"),
            "url": self._datum(given.url, "string"),
            "headers": texts(given.headers),
            "query": texts(given.query),
            "params": texts(given.route_params),
            "body": self._datum(given.body, "bytes"),
        }

    def _trigger_metadata(self, given: Input) -> dict[str, Any]:
        if not isinstance(given, QueueInput):
            return {}
        metadata = {
            "Id": self._datum(given.id, "string"),
            "DequeueCount": self._datum(str(given.dequeue_count), "json"),
            "PopReceipt": self._datum(given.pop_receipt, "string"),
        }
        times = {
            "InsertionTime": given.inserted,
            "ExpirationTime": given.expires,
            "NextVisibleTime": given.next_visible,
        }
        return metadata | {name: self._datum(_utc(at), "string") for name, at in times.items() if at is not None}


def _utc(at: datetime) -> str:
    """The form that the library reads: 2026-01-31T08:00:00Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def timer_info(given: TimerInput) -> JSON:
    """What the host sends for a tick. No last and next times: nothing here runs by the clock."""
    return {"IsPastDue": given.past_due, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": None}


def _protos() -> SimpleNamespace:
    return SimpleNamespace(BindingInfo=_BindingInfo, RpcFunctionMetadata=_Record, RpcRetryOptions=_Record)


def _messages(datum: Any) -> list[bytes]:
    """One queue message for a text or bytes, one per item for a list; objects travel as their JSON, as in the host."""
    if datum.type == "bytes":
        return [bytes(datum.value)]
    if datum.type == "string":
        return [datum.value.encode()]
    value = json.loads(datum.value)
    items = value if isinstance(value, list) else [value]
    return [(item if isinstance(item, str) else json.dumps(item)).encode() for item in items]


def _reply(datum: Any) -> HttpReply:
    """An HTTP answer; a function that returned plain text answers 200, one that returned nothing 204."""
    if datum is None:
        return HttpReply(204)
    if datum.type != "http":
        return HttpReply(200, (("content-type", "text/plain; charset=utf-8"),), str(datum.value).encode())
    value = datum.value
    headers = [(name, item.value) for name, item in value["headers"].items()]
    cookies: list[SimpleCookie] = value["cookies"] or []
    headers += [("set-cookie", morsel.OutputString()) for cookie in cookies for morsel in cookie.values()]
    return HttpReply(int(value["status_code"].value), tuple(headers), bytes(value["body"].value))
