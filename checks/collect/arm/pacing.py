"""The pace of a job's requests to Azure Resource Manager: they wait here instead of being refused one by one.

One gate per subscription and kind of operation, shared by all clusters of the job. Who comes first goes first.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy

from checks.arm_ids import subscription_of
from checks.collect.arm.budget import LIMITS, Budget, Left, left, operation_of
from checks.collect.wire import deadlines
from checks.collect.wire.errors import Temporary
from checks.collect.wire.throttling import FIRST_PAUSE, LONGEST_PAUSE
from checks.retry_after import asked_seconds

# What Azure Resource Manager itself answers; a resource provider has other words, and limits of its own.
_OWN_CODES = ("SubscriptionRequestsThrottled", "TenantRequestsThrottled")
RECHECK = 0.1  # seconds: answers that come meanwhile may tell of more


class _Error(msgspec.Struct, frozen=True):
    code: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: _Error = _Error()


def subscription_in(url: str) -> str:
    """The subscription that a request is about, lower case; "" for one at the tenant's level."""
    return subscription_of(urlsplit(url).path)


def _too_late(asked: float) -> Temporary:
    return Temporary(f"throttled: Azure Resource Manager asks to wait {asked:.0f} s", asked)


class Gate:
    """Lets requests to one bucket through, one after the other, as soon as there is room for them."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._turn = asyncio.Lock()

    async def enter(self, until: float) -> None:
        """Waits for a request's turn. Raises Temporary where that would not be before ``until`` (the loop's time).

        The caller says what became of the request: ``budget.answered``.
        """
        loop = asyncio.get_running_loop()
        came = loop.time()
        if self.budget.wait(came) == 0 and not self._turn.locked():
            self.budget.send(came)
            return
        if self.budget.opens > until:
            raise _too_late(self.budget.opens - came)
        try:
            async with asyncio.timeout_at(until), self._turn:
                await self._send_when_there_is_room(until)
        except TimeoutError:  # those before it took all the time
            raise _too_late(max(self.budget.wait(loop.time()), FIRST_PAUSE)) from None

    async def _send_when_there_is_room(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while (wait := self.budget.wait(now := loop.time())) > 0:
            if now + wait > until:
                raise _too_late(wait)
            await asyncio.sleep(min(wait, RECHECK))
        self.budget.send(now)


class Gates:
    """The gates of a job, by subscription and kind of operation."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str], Gate] = {}

    def of(self, method: str, url: str) -> Gate:
        """The gate that a request goes through."""
        operation = operation_of(method)
        key = (subscription_in(url), operation)
        if key not in self._gates:
            self._gates[key] = Gate(Budget(LIMITS[operation]))
        return self._gates[key]


class Paced(AsyncHTTPPolicy[Any, Any]):
    """Sends each request when its gate lets it through, and again where Azure answers 429 and asks to wait.

    Waiting is not counted against the call's deadline. It ends with the cluster's: ``call_seconds`` are every call's,
    ``most_seconds`` those of a call that belongs to no cluster. Raises Temporary at once where a wait would end later.
    """

    def __init__(self, gates: Gates, call_seconds: float, most_seconds: float) -> None:
        super().__init__()
        self._gates = gates
        self._call_seconds = call_seconds
        self._most_seconds = most_seconds

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """The answer; 429 only where it does not ask to wait, which is no throttling (azure-core tries again)."""
        url, method = request.http_request.url, request.http_request.method
        gate, pause = self._gates.of(method, url), FIRST_PAUSE
        until = deadlines.waits_end(self._call_seconds, self._most_seconds)
        while True:
            with deadlines.paused():
                await gate.enter(until)
            response = await self._through(gate, request)
            asked = _asked(response)
            if asked is None:
                return response
            own, now = _is_own(request, response), asyncio.get_running_loop().time()
            if own:
                # "0", or a time that is over, would otherwise be asked again at once, for ever.
                asked = max(asked, FIRST_PAUSE)
                gate.budget.refused(now, asked)
            else:
                asked, pause = max(asked, pause), min(2 * pause, LONGEST_PAUSE)
            if now + asked > until:
                raise _too_late(asked)
            if not own:  # others need not wait for a resource provider's limit, which may be one resource's
                with deadlines.paused():
                    await asyncio.sleep(asked)

    async def _through(self, gate: Gate, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """One attempt; whatever becomes of it, it is on its way no longer."""
        told = Left()
        try:
            response = await self.next.send(request)
            told = _left(request, response)
            return response
        finally:
            gate.budget.answered(asyncio.get_running_loop().time(), told)


def _asked(response: PipelineResponse[Any, Any]) -> float | None:
    """The seconds that an answer 429 asks to wait; None for any other answer."""
    if response.http_response.status_code != 429:
        return None
    return asked_seconds(response.http_response.headers.get("Retry-After", ""), datetime.now(UTC))


def _left(request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> Left:
    sent = request.http_request
    in_subscription = bool(subscription_in(sent.url))
    return left(response.http_response.headers, operation_of(sent.method), in_subscription=in_subscription)


def _is_own(request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> bool:
    """Whether Azure Resource Manager's own limit was met: its code says so, or that nothing is left."""
    told = _left(request, response)
    return told.own == 0 or told.shared == 0 or _code(response) in _OWN_CODES


def _code(response: PipelineResponse[Any, Any]) -> str:
    try:
        return msgspec.json.decode(response.http_response.body(), type=_Refusal).error.code
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
