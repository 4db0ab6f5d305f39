"""The query service of Log Analytics: `POST /v1/workspaces/{customerId}/query` with a token for its own audience.

The caller needs `Microsoft.OperationalInsights/workspaces/query/read` at the workspace, and for each table that the
query names `…/workspaces/query/<table>/read`.
"""

from __future__ import annotations

import math
import uuid
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from simulator.arm.resources import Resource
from simulator.entra.tokens import LOGS_AUDIENCES, TokenError, Tokens
from simulator.monitor.clock import Clock, shown
from simulator.monitor.kql.errors import QueryError
from simulator.monitor.kql.query import run
from simulator.monitor.kql.tables import Table
from simulator.monitor.kql.tokens import tokens
from simulator.monitor.monitor import Monitor
from simulator.monitor.rows import within
from simulator.monitor.timespans import span
from simulator.nodes.node_network import table
from simulator.responses import Refusal, answer
from simulator.tenant import Tenant

QUERY_ACTION = "Microsoft.OperationalInsights/workspaces/query/read"
# Of a request: what the tables of its query take besides.
FURTHER_ACTIONS = web.RequestKey("further actions", list)
MOST_TEXT = 65_536
_INVALID = "The request had some invalid properties"
_DENIED = "The provided credentials have insufficient access to perform the requested operation"


class Logs:
    """The service behind `logAnalyticsResourceId` of the clouds' metadata; `origin` is its own address."""

    def __init__(self, tenant: Tenant, tokens: Tokens, monitor: Monitor) -> None:
        self._tenant = tenant
        self._tokens = tokens
        self._monitor = monitor
        self.origin = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._authenticate(request.headers.get("Authorization"))
        parts = [part for part in request.path.split("/") if part]
        if len(parts) != 4 or (parts[0].lower(), parts[1].lower(), parts[3].lower()) != ("v1", "workspaces", "query"):
            raise _error(404, "PathNotFoundError", "The requested path does not exist")
        if request.method != "POST":
            raise _error(405, "MethodNotAllowedError", f"The simulator does not take {request.method} here")
        workspace = self._monitor.workspace(parts[2])
        if workspace is None:
            raise _error(404, "WorkspaceNotFoundError", "The workspace could not be found")
        self._allow(workspace, QUERY_ACTION)
        if table(workspace.body.get("properties")).get("publicNetworkAccessForQuery") == "Disabled":
            inner = {"code": "NspValidationFailedError", "message": "Access to the workspace is private only"}
            raise _error(403, "InsufficientAccessError", _DENIED, inner)
        return answer(await self._run(workspace, request))

    def _authenticate(self, header: str | None) -> None:
        try:
            self._tokens.bearer(header, (*LOGS_AUDIENCES, self.origin))
        except TokenError as error:
            if error.reason == "missing":
                message = "Authentication failed. The 'Authorization' header is missing."
                raise _error(401, "AuthenticationFailed", message) from error
            if error.reason == "audience":
                message = f"The access token has been obtained from wrong audience or resource '{error.detail}'."
                raise _error(403, "InvalidAuthenticationTokenAudience", message) from error
            raise _error(403, "InvalidAuthenticationToken", "The access token is invalid.") from error

    def _allow(self, workspace: Resource, action: str) -> None:
        if self._tenant.caller().is_denied(action, workspace.id):
            raise _error(403, "InsufficientAccessError", _DENIED)

    async def _run(self, workspace: Resource, request: web.Request) -> dict[str, Any]:
        clock = self._monitor.clock()
        text, start, end = _asked(await request.read(), clock)
        held = await self._monitor.tables(workspace, clock)
        try:
            named = sorted({token.text for token in tokens(text) if token.text in held})
            request[FURTHER_ACTIONS] = [f"Microsoft.OperationalInsights/workspaces/query/{name}/read" for name in named]
            for action in request[FURTHER_ACTIONS]:
                self._allow(workspace, action)
            found = run(text, {name: within(one, start, end) for name, one in held.items()}, clock.now)
        except QueryError as error:
            inner = {"code": error.code, "message": error.message, **error.details}
            about = "A recognition error occurred in the query." if error.kind == "SyntaxError" else (
                "A semantic error occurred.")  # fmt: skip
            raise _bad({"code": error.kind, "message": about, "innererror": inner}) from error
        return {"tables": [_shown(found)]}


def _asked(data: bytes, clock: Clock) -> tuple[str, datetime | None, datetime | None]:
    """The query and the time span of a request's body. Raises Refusal (400)."""
    try:
        body = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise _bad({"code": "InvalidJsonBody", "message": "The request body is not a JSON object"}) from error
    text, timespan = body.get("query"), body.get("timespan")
    if not isinstance(text, str) or not text.strip() or len(text) > MOST_TEXT:
        raise _bad({"code": "QueryValidationError", "message": "A query of a sensible length is required"})
    if body.get("workspaces"):
        raise _bad({"code": "QueryValidationError", "message": "The simulator asks one workspace at a time"})
    if timespan is None:
        return text, None, None
    asked = span(str(timespan), clock.now)
    if asked is None:
        raise _bad({"code": "InvalidTimespan", "message": f"Invalid timespan: '{timespan}'"})
    return text, *asked


def _shown(found: Table) -> dict[str, Any]:
    columns = [{"name": name, "type": kind} for name, kind in found.columns.items()]
    rows = [[_value(row.get(name)) for name in found.columns] for row in found.rows]
    return {"name": "PrimaryResult", "columns": columns, "rows": rows}


def _value(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return shown(value) if isinstance(value, datetime) else value


def _bad(inner: dict[str, Any]) -> Refusal:
    return _error(400, "BadArgumentError", _INVALID, inner)


def _error(status: int, code: str, message: str, inner: dict[str, Any] | None = None) -> Refusal:
    body: dict[str, Any] = {"message": message, "code": code, "correlationId": str(uuid.uuid4())}
    return Refusal(status, {"error": body | ({"innererror": inner} if inner else {})})
