"""Faults a tenant asks for: TENANT/faults.json, a list of rules; the first one that fits a request is applied.

    {"service": "arm" | "graph" | "kubernetes" | "registry" | "identity" | "logs" | "*",
     "path": glob on the path (case does not count), or a regular expression on path?query when it starts with "^",
     "method": "GET", "host": glob,      both optional
     "times": N,                         optional: only the first N requests that fit; null: all
     "after": N,                         optional: the first N that fit are left alone
     "effect": {"latency": seconds} | {"status": 429, "retry_after": seconds, "body": JSON or text, "headers": {}}
               | {"hang": true} | {"garbage": true} | {"truncate": bytes} | {"close": true}}

`latency` goes together with any other effect, or with the true answer. `truncate` sends the true headers and only so
many bytes of the body, then closes. A changed file starts all counts anew.
"""

from __future__ import annotations

import asyncio
import fnmatch
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from simulator.jsonfiles import JsonFile, Report
from simulator.kubernetes.service import TOO_MANY, expired, status_error
from simulator.responses import CloseConnection, answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ARM_CODES = {
    429: (
        "SubscriptionRequestsThrottled",
        "Requests exceeded the limit. Please try again after '{}' seconds.",
    ),
    500: ("InternalServerError", "The server encountered an internal error."),
    502: ("BadGatewayConnection", "The network connectivity issue encountered; cannot fulfill the request."),
    503: ("ServiceUnavailable", "The service is unavailable now."),
    504: ("GatewayTimeout", "The gateway did not receive a response within the specified time period."),
}
GARBAGE = b"<!DOCTYPE html><html><head><title>Blocked</title></head><body>\x00\xff not what you asked for"


@dataclass(slots=True)
class Rule:
    service: str
    path: str
    method: str | None
    host: str | None
    times: int | None
    after: int
    effect: dict[str, Any]
    seen: int = field(default=0)

    def fits(self, service: str, request: web.Request) -> bool:
        if self.service not in ("*", service) or (self.method and self.method.upper() != request.method):
            return False
        if self.host and not fnmatch.fnmatch(request.host.lower(), self.host.lower()):
            return False
        if self.path.startswith("^"):
            return re.search(self.path, str(request.rel_url), re.IGNORECASE) is not None
        return fnmatch.fnmatchcase(request.path.lower(), self.path.lower())

    def takes(self) -> bool:
        """Counts one request that fits; whether it is this one's turn."""
        self.seen += 1
        turn = self.seen - self.after
        return turn > 0 and (self.times is None or turn <= self.times)


class Faults:
    """Applies rules around a service's handler. `stop()` lets everything go that hangs."""

    def __init__(self, path: Path, report: Report) -> None:
        self._report = report
        self._file = JsonFile(path, [], report)
        self._generation = -1
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    def find(self, service: str, request: web.Request) -> dict[str, Any] | None:
        with self._lock:
            document = self._file.value()
            if self._file.generation != self._generation:
                self._generation = self._file.generation
                self._rules = self._read(document)
            for rule in self._rules:
                if rule.fits(service, request) and rule.takes():
                    return rule.effect
        return None

    async def apply(self, service: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        effect = self.find(service, request)
        if effect is None:
            return await handler(request)
        if "latency" in effect:
            await self._wait(float(effect["latency"]))
        if effect.get("hang"):
            await self._wait(None)
            raise CloseConnection
        if effect.get("close"):
            raise CloseConnection
        if effect.get("garbage"):
            return web.Response(body=GARBAGE, status=int(effect.get("status", 200)), content_type="text/html")
        if "status" in effect:
            return _status(service, effect, request)
        true_answer = await handler(request)
        if "truncate" in effect:
            return await _truncated(request, true_answer, int(effect["truncate"]))
        return true_answer

    async def _wait(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
        raise CloseConnection

    def _read(self, document: Any) -> list[Rule]:
        rules = []
        for entry in document if isinstance(document, list) else []:
            if not isinstance(entry, dict) or not isinstance(entry.get("effect"), dict):
                self._report(f"faults.json: left out, it is no rule with an effect: {entry!r}")
                continue
            times = entry.get("times")
            rules.append(
                Rule(
                    service=str(entry.get("service", "*")),
                    path=str(entry.get("path", "*")),
                    method=entry.get("method") if isinstance(entry.get("method"), str) else None,
                    host=entry.get("host") if isinstance(entry.get("host"), str) else None,
                    times=times if isinstance(times, int) else None,
                    after=entry["after"] if isinstance(entry.get("after"), int) else 0,
                    effect=entry["effect"],
                )
            )
        return rules


def _status(service: str, effect: dict[str, Any], request: web.Request) -> web.Response:
    """The status asked for, with the body given or the one the service would send."""
    status = int(effect["status"])
    headers = {str(k): str(v) for k, v in dict(effect.get("headers") or {}).items()}
    if "retry_after" in effect:
        headers["Retry-After"] = str(effect["retry_after"])
    body = effect.get("body")
    if body is None and service == "kubernetes" and status == 429:
        # API Priority and Fairness answers in plain text.
        headers, body = {"Retry-After": "1"} | headers, TOO_MANY
    if isinstance(body, str):
        return web.Response(text=body, status=status, headers=headers)
    if body is None:
        body = _default_body(service, status, effect.get("retry_after", 0), request.query.get("continue", ""))
    return answer(body, status, headers)


def _default_body(service: str, status: int, retry_after: Any, token: str) -> Any:
    if service == "kubernetes":
        return expired(token) if status == 410 else status_error(status, "the server says no").body
    if service == "registry":
        code = {429: "TOOMANYREQUESTS", 401: "UNAUTHORIZED", 403: "DENIED"}.get(status, "UNKNOWN")
        return {"errors": [{"code": code, "message": "the simulator was told to refuse this"}]}
    if service == "logs":
        known = {403: "InsufficientAccessError", 404: "WorkspaceNotFoundError", 429: "ThrottledError"}
        words, correlation = "The simulator was told to refuse this", "00000000-0000-0000-0000-000000000000"
        error = {"message": words, "code": known.get(status, "InternalServerError"), "correlationId": correlation}
        return {"error": error}
    code, message = _ARM_CODES.get(status, ("SimulatedFault", "The simulator was told to refuse this."))
    return {"error": {"code": code, "message": message.format(retry_after)}}


async def _truncated(request: web.Request, true_answer: web.StreamResponse, size: int) -> web.StreamResponse:
    if not isinstance(true_answer, web.Response) or not isinstance(true_answer.body, bytes):
        return true_answer
    short = web.StreamResponse(status=true_answer.status, headers=true_answer.headers)
    short.content_length = len(true_answer.body)
    await short.prepare(request)
    await short.write(true_answer.body[:size])
    raise CloseConnection
