"""The HTTP interface: ``POST /api/checks``, ``GET /api/runs/{id}``, ``GET /api/health``, ``GET /api/health/details``.

Bodies are JSON. A request that cannot be used gets 400 with ``{"error": …}`` that says what is wrong; nothing a caller
sends is ever a host to connect to.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from azure.core.exceptions import AzureError

from checks import watchdog
from checks.collect.wire.errors import CollectError
from checks.findings import SubscriptionResult
from checks.history.errors import HistoryError, SchemaError
from checks.history.model import Run
from checks.jobs import scan_cluster
from checks.jobs.canaries import StoredCanaries
from checks.jobs.choosing.scope import ScanScope
from checks.jobs.context import JobContext
from checks.jobs.queues import PLAN, PlanMessage
from checks.jobs.watch import MAX_POISON, Signals, look_at_signals, read_signals
from checks.report.fleet.scan_about import ScanAbout
from checks.report.formats.as_json import scan_answer, subscription_answer
from checks.rules.patterns import is_pattern
from checks.rules.registry_names import is_host_or_name
from checks.text import one_line, redacted

LOG = logging.getLogger(__name__)
SCAN_SECONDS = 200  # the platform cuts an HTTP answer off at 230 s
HEALTH_SECONDS = 15  # whoever asks how the app is does not wait for storage that is away
DETAILS_SECONDS = 60
NO_STORAGE = (AzureError, HistoryError, TimeoutError)
MAX_BODY = 65_536
SHARED_NAMESPACE = "default"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RUN_ID = re.compile(r"[0-9]{6}-[0-9]{12}")

OpenContext = Callable[[], AbstractAsyncContextManager[JobContext]]


class HttpResponse(msgspec.Struct, frozen=True):
    """A status, a JSON body and headers beside Content-Type."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = {}

    def encoded(self) -> bytes:
        """The body as JSON."""
        return msgspec.json.encode(self.body)


class ChecksRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be asked: one cluster now (name or ARM id), or a run over subscriptions (none: all in scope).

    ``canary`` asks the cluster's nodes to pull (PW305), where PULLWATCH_CANARY allows it.
    """

    cluster: str | None = None
    subscriptions: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    canary: bool = False


class BadRequest(ValueError):
    """The request cannot be used; the text says why."""


def read_request(body: bytes) -> ChecksRequest:
    """A request out of a body; an empty one asks for everything. Raises BadRequest."""
    if len(body) > MAX_BODY:
        raise BadRequest(f"the body is longer than {MAX_BODY} bytes")
    try:
        request = msgspec.json.decode(body or b"{}", type=ChecksRequest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not what is expected: {redacted(str(error))[:300]}") from None
    for guid in request.subscriptions:
        if not _GUID.fullmatch(guid):
            raise BadRequest(f"{redacted(guid)[:80]!r} is no subscription id")
    if request.cluster is not None and is_pattern(request.cluster):
        raise BadRequest("cluster takes one name or ARM id, and no pattern")
    for host in request.registries:
        if not is_host_or_name(host):
            raise BadRequest(f"{redacted(host)[:80]!r} is no registry's name or login server")
    if request.registries and request.cluster is None:
        raise BadRequest("registries go with cluster: a run checks every registry that is used")
    if request.canary and request.cluster is None:
        raise BadRequest("canary goes with cluster: runs do it where PULLWATCH_CANARY is scheduled")
    return request


async def post_checks(context: JobContext, body: bytes, caller: str) -> HttpResponse:
    """One cluster: 200 with the report, 404 where there is none. Otherwise a run: 202 with Location."""
    try:
        request = read_request(body)
    except BadRequest as error:
        return HttpResponse(400, {"error": str(error)})
    refused = _refused_canary(context) if request.canary else None
    if refused is not None:
        return refused
    if request.cluster is not None:
        return await _scan_now(context, request)
    message = PlanMessage(request=uuid.uuid4().hex, requested_by=caller, subscriptions=request.subscriptions)
    try:
        ticket = await context.store.next_sequence(context.clock(), message.request)
    except SchemaError as error:
        return _unreadable(error)
    await context.queues.send(PLAN, [message])
    location = f"/api/runs/{ticket.run_id}"
    return HttpResponse(202, {"run": ticket.run_id, "status": "requested"}, {"Location": location, "Retry-After": "5"})


def _refused_canary(context: JobContext) -> HttpResponse | None:
    """Canaries that the settings do not allow over HTTP, or not where they would stand among somebody's own pods."""
    settings = context.settings
    if settings.canary == "off":
        return HttpResponse(403, {"error": "canary is off: PULLWATCH_CANARY has to be on-demand or scheduled"})
    if settings.canary_namespace == SHARED_NAMESPACE:
        why = (
            f"canary needs a namespace of its own, not {SHARED_NAMESPACE}: create one in the cluster, grant the "
            "identity Azure Kubernetes Service RBAC Writer on it, and set PULLWATCH_CANARY_NAMESPACE to its name"
        )
        return HttpResponse(403, {"error": why, "fix": ["kubectl create namespace pullwatch-canary"]})
    return None


async def _scan_now(context: JobContext, request: ChecksRequest) -> HttpResponse:
    """Scans at once and changes nothing: history counts runs only."""
    hosts = tuple(host.lower() for host in request.registries)
    began = context.clock()
    scope = ScanScope(request.subscriptions, (request.cluster or "",), hosts, canaries=request.canary)
    try:
        async with asyncio.timeout(SCAN_SECONDS):
            report = await scan_cluster.scan(context.azure, scope, lambda line: None, StoredCanaries(context))
    except TimeoutError:
        return HttpResponse(504, {"error": f"not done within {SCAN_SECONDS} s; ask for a run and read its result"})
    except CollectError as error:
        return HttpResponse(502, {"error": f"nothing could be read: {error}", "fix": list(error.as_gap().fix)})
    if not report.clusters:
        body = {"error": f"no cluster {redacted(request.cluster or '')[:200]!r} was found"}
        found = {"subscriptions": _subscriptions(report.subscriptions), "errors": msgspec.to_builtins(report.errors)}
        return HttpResponse(404, body | found)
    about = ScanAbout(
        at=began,
        seconds=(context.clock() - began).total_seconds(),
        subscriptions=scope.subscriptions,
        clusters=scope.clusters,
        registries=scope.registries,
        canaries=scope.canaries,
    )
    return HttpResponse(200, msgspec.to_builtins(scan_answer(report, about)))


async def get_run(context: JobContext, run_id: str) -> HttpResponse:
    """200 with where a run stands, 404 where there is none. One that was asked for and not yet planned is there."""
    if not _RUN_ID.fullmatch(run_id):
        return HttpResponse(404, {"error": "there is no such run"})
    try:
        stored = await context.store.load_run(run_id)
        promised = stored is None and await context.store.is_promised(run_id)
    except SchemaError as error:
        return _unreadable(error)
    if stored is None:
        if promised:
            return HttpResponse(200, {"run": run_id, "status": "requested"}, {"Retry-After": "5"})
        return HttpResponse(404, {"error": "there is no such run"})
    ended = {marker.shard for marker in await context.store.list_markers(run_id)}
    return HttpResponse(200, _run(stored.run, len(ended & set(stored.run.expected))))


def _run(run: Run, ended: int) -> dict[str, Any]:
    return {
        "run": run.id,
        "sequence": run.sequence,
        "status": run.status.value,
        "requested_by": run.requested_by,
        "created": run.created.isoformat(),
        "deadline": run.deadline.isoformat(),
        "closed": run.closed.isoformat() if run.closed else None,
        "shards": len(run.expected),
        "shards_ended": ended,
        "missing": list(run.missing),
        "degraded": run.degraded,
        "baseline": run.baseline,
        "totals": msgspec.to_builtins(run.totals),
        "subscriptions": _subscriptions(run.subscriptions),
    }


def _subscriptions(results: tuple[SubscriptionResult, ...]) -> Any:
    return msgspec.to_builtins([subscription_answer(result) for result in results])


async def get_health(open_context: OpenContext) -> HttpResponse:
    """For anybody, cheap: 200 with "ok" or "stale" (no run closed in two intervals, or mail that is stuck), or 503."""
    try:
        async with asyncio.timeout(HEALTH_SECONDS), open_context() as context:
            signals = await read_signals(context)
    except NO_STORAGE as error:
        return _unavailable(error)
    return HttpResponse(200, {"status": _word(signals)})


async def get_health_details(open_context: OpenContext) -> HttpResponse:
    """For holders of a key: the signals behind the word, looked up now."""
    try:
        async with asyncio.timeout(DETAILS_SECONDS), open_context() as context:
            signals = await look_at_signals(context)
            poison = await context.store.list_poison(MAX_POISON)
    except NO_STORAGE as error:
        return _unavailable(error)
    return HttpResponse(200, _details(signals, poison))


def not_configured(problem: str = "") -> HttpResponse:
    """A setting cannot be used, so nothing else can be answered; ``problem`` is for holders of a key."""
    return HttpResponse(503, {"status": "not configured"} | ({"error": problem} if problem else {}))


def _unreadable(error: SchemaError) -> HttpResponse:
    """A row that the answer needs cannot be read; only who holds a key asks for those."""
    LOG.error("not answered: %s", error)
    return HttpResponse(503, {"error": redacted(one_line(str(error)))[:300]})


def _unavailable(error: Exception) -> HttpResponse:
    """Why is for the log alone."""
    LOG.error("storage does not answer: %s: %s", type(error).__name__, one_line(str(error)))
    return HttpResponse(503, {"status": "unavailable"})


def _word(signals: Signals) -> str:
    return "stale" if signals.is_stale else "ok"


def _details(signals: Signals, poison: tuple[tuple[datetime, str, str], ...]) -> dict[str, Any]:
    unsent = signals.unsent
    return {
        "status": _word(signals),
        "now": signals.now.isoformat(),
        "interval_minutes": _minutes(signals.interval),
        "overdue_after_minutes": _minutes(watchdog.overdue_after(signals.interval)),
        "latest_run": _latest(signals),
        "mail": {
            "waiting": unsent.waiting if unsent else 0,
            "set_aside": unsent.unreadable if unsent else 0,
            "oldest_minutes": _age(signals, unsent.oldest if unsent else None),
            "oldest_pointer_minutes": _age(signals, unsent.oldest_pointer if unsent else None),
            "oldest_mail_minutes": _age(signals, unsent.oldest_mail if unsent else None),
            "refused": unsent.refused if unsent else {},
            "stuck": signals.is_stuck,
        },
        "poison": {"recorded": len(poison), "latest": _poison(poison[-1]) if poison else None},
    }


def _age(signals: Signals, since: datetime | None) -> int | None:
    return None if since is None else _minutes(max(signals.now - since, timedelta()))


def _latest(signals: Signals) -> dict[str, Any] | None:
    run = signals.latest
    if run is None or run.closed is None:
        return None
    return {
        "run": run.id,
        "closed": run.closed.isoformat(),
        "age_minutes": _minutes(signals.now - run.closed),
        "recent": signals.is_recent,
        "degraded": run.degraded,
        "missing_shards": run.missing_count,
    }


def _poison(recorded: tuple[datetime, str, str]) -> dict[str, str]:
    at, queue, reason = recorded
    return {"at": at.isoformat(), "queue": queue, "reason": reason}


def _minutes(age: timedelta) -> int:
    return int(age / timedelta(minutes=1))
