"""One query of a Log Analytics workspace for what registries logged, and its answer as entries.

Source: Azure Monitor Log Analytics API ("Query - Execute"); tables ContainerRegistryLoginEvents and
ContainerRegistryRepositoryEvents. The API is one POST, so no package is loaded for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from checks.collect.arm.client import Azure
from checks.collect.wire import connections
from checks.collect.wire.errors import NotAllowed, NotFound, Temporary, translate_errors
from checks.facts.registry_log import LOGIN, PULL, LogEntry
from checks.retry_after import asked_seconds
from checks.rules.registry_log.outcomes import succeeded
from checks.text import clipped, one_line, printable

ROLE = "Log Analytics Reader"
MAX_ROWS = 10_000
MAX_BODY = 32 * 1024 * 1024
MAX_TEXT = 300
MAX_NAME = 300
LOGINS = "ContainerRegistryLoginEvents"
PULLS = "ContainerRegistryRepositoryEvents"
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
_STATUS = re.compile(r"[1-5]\d\d")
# In a sentence only an error's, with its label or its phrase: a tag, an address or a port may be any number.
_SAID = re.compile(
    r"\b(?:http(?:/[\d.]+)?|status(?: ?code)?)[ :=]{1,3}([45]\d\d)\b"
    r"|(?:^|\s)([45]\d\d):? (?:unauthorized|forbidden|not found|too many requests|internal server error|bad gateway"
    r"|service unavailable|gateway timeout)\b",
    re.IGNORECASE,
)
_COLUMNS = (
    *("Type", "LoginServer", "CallerIpAddress", "Identity", "ResultType", "ResultDescription"),
    *("Repository", "Tag", "Digest"),
)
_REFUSAL = "Refusal"


class Answer(msgspec.Struct, frozen=True):
    """The entries of one workspace, and the registries (login servers) that they are of.

    ``cut``: there were more groups than the query's bound. Successes until ``cut_before`` may then be missing.
    """

    entries: tuple[LogEntry, ...]
    heard: frozenset[str] = frozenset()
    cut: bool = False
    cut_before: str = ""


def may_have_ended(entry: LogEntry, cut_before: str) -> bool:
    """Whether an entry is a failure that a success may have ended which was cut."""
    return entry.last <= cut_before and not succeeded(entry)


class _Column(msgspec.Struct):
    name: str


class _Table(msgspec.Struct):
    columns: list[_Column]
    rows: list[list[Any]]


class _Body(msgspec.Struct):
    tables: list[_Table] = []
    error: dict[str, Any] | None = None


async def ask(
    azure: Azure, customer_id: str, workspace: str, hosts: Iterable[str], since: datetime, until: datetime
) -> Answer:
    """What registries (login servers) logged in a time. ``workspace`` is the ARM id, for whom a role is missing.

    Raises CollectError.
    """
    seconds = float(azure.settings.call_seconds)
    what = "read the registries' log"
    async with translate_errors("no token for Log Analytics", ROLE, workspace, seconds):
        token = await azure.token(f"{azure.settings.cloud.log_analytics}/.default")
    body = {"query": query_of(hosts, since, until), "timespan": f"{utc(since)}/{utc(until)}"}
    url = f"{azure.settings.cloud.log_analytics}/v1/workspaces/{customer_id}/query"
    async with (
        translate_errors(what, ROLE, workspace, seconds),
        connections.session(azure.settings.connect_to) as session,
    ):
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(url, json=body, headers=headers, allow_redirects=False) as response:
            content = await _content(response)
            _raise_for_status(response, content, workspace)
    return entries_of(content)


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_BODY:
            raise Temporary(f"Log Analytics sent more than {MAX_BODY} bytes")
    return bytes(content)


def query_of(hosts: Iterable[str], since: datetime, until: datetime) -> str:
    """The query, in KQL. Hosts that are no host names are left out: nothing of them becomes part of the query.

    Where there is too much, successes go first, the oldest of them, and with them refusals of nobody, who may be any
    node that tries without credentials. A status that is not clear counts as a refusal.
    """
    named = ", ".join(f'"{host}"' for host in hosts if _HOST.fullmatch(host))
    columns = ", ".join(f"{name}: string" for name in (*_COLUMNS, "OperationName"))
    return "\n".join(
        (
            # A workspace to which nothing was ever sent has neither table: the empty one is there then.
            f"union isfuzzy=true (datatable(TimeGenerated: datetime, {columns})[]), {LOGINS}, {PULLS}",
            f"| where TimeGenerated >= datetime({utc(since)}) and TimeGenerated < datetime({utc(until)})",
            f"| where LoginServer in~ ({named})",
            f'| where Type == "{LOGINS}" or OperationName startswith "Pull"',
            '| extend Status = iif(ResultType matches regex "^[1-5][0-9][0-9]$", ResultType, ResultDescription)',
            '| extend Worked = Status matches regex "^[23][0-9][0-9]$"',
            f'| extend {_REFUSAL} = iif(Worked or isempty(Identity) and Status in ("401", "404"), 0, 1), '
            "ResultDescription = iif(Worked, Status, ResultDescription)",
            "| summarize First = min(TimeGenerated), Last = max(TimeGenerated), Events = count() by Type, "
            "LoginServer = tolower(LoginServer), CallerIpAddress, Identity, ResultType, ResultDescription, Repository, "
            f"Tag, Digest, {_REFUSAL}",
            f"| sort by {_REFUSAL} desc, Last desc",
            f"| limit {MAX_ROWS}",
        )
    )


def entries_of(content: bytes) -> Answer:
    """The entries of an answer; a row that makes no sense is left out. Raises Temporary where it is no answer at all.

    A part of an answer ("PartialError") is refused: what is missing of it may be the success that ended a failure.
    """
    try:
        body = msgspec.json.decode(content, type=_Body)
    except (msgspec.DecodeError, RecursionError):  # msgspec reads nested values by recursion
        raise Temporary("Log Analytics sent what is no answer to a query") from None
    if body.error is not None:
        raise Temporary(f"Log Analytics answered in part: {_said(body.error)}")
    if not body.tables:
        raise Temporary("Log Analytics sent no table")
    table = body.tables[0]
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row, strict=False)) for row in table.rows[:MAX_ROWS]]
    read = [(row, entry) for row in rows if (entry := _entry(row))]
    entries = tuple(entry for _, entry in read)
    heard = frozenset(entry.login_server for entry in entries)
    if len(table.rows) < MAX_ROWS:
        return Answer(entries, heard)
    yielding = [entry.last for row, entry in read if row.get(_REFUSAL) == 0]
    # Without any of them all may be missing, of whatever time.
    cut_before = min(yielding) if yielding else max((entry.last for entry in entries), default="")
    return Answer(entries, heard, True, cut_before)


def _entry(row: dict[str, Any]) -> LogEntry | None:
    kind, host, address, identity, code, said, repository, tag, digest = (_text(row.get(n)) for n in _COLUMNS)
    first, last, events = _moment(row.get("First")), _moment(row.get("Last")), row.get("Events")
    if kind not in (LOGINS, PULLS) or not host or not first or not last:
        return None
    return LogEntry(
        kind=LOGIN if kind == LOGINS else PULL,
        login_server=host.lower(),
        first=first,
        last=last,
        events=events if type(events) is int and events > 0 else 1,
        address=address,
        identity=identity,
        status=_status(code) or _status(said),
        text=clipped(said, MAX_TEXT),
        repository=repository,
        tag=tag,
        digest=digest,
    )


def _text(value: Any) -> str:
    return printable(clipped(one_line(value), MAX_NAME)).strip() if isinstance(value, str) else ""


def _moment(value: Any) -> str:
    """A time in ISO 8601, UTC, to the second: all of one form, so that they compare as texts."""
    try:
        return utc(datetime.fromisoformat(value)) if isinstance(value, str) else ""
    except (ValueError, OverflowError):
        return ""


def utc(moment: datetime) -> str:
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return known.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _status(text: str) -> int | None:
    """The HTTP status that a column is, or the one error's that its sentence names."""
    if _STATUS.fullmatch(text):
        return int(text)
    found = {match[1] or match[2] for match in _SAID.finditer(text)}
    return int(found.pop()) if len(found) == 1 else None


def _raise_for_status(response: aiohttp.ClientResponse, content: bytes, workspace: str) -> None:
    if response.status == 200:
        return
    detail = f"Log Analytics answered {response.status}{_error_of(content)}"
    if response.status in (401, 403):
        raise NotAllowed(detail, ROLE, workspace)
    if response.status == 404:
        raise NotFound(detail)
    wait = asked_seconds(response.headers.get("Retry-After", ""), datetime.now(UTC))
    raise Temporary(detail, wait, rejected=response.status == 400)


def _error_of(content: bytes) -> str:
    try:
        error = msgspec.json.decode(content, type=_Body).error
    except (msgspec.DecodeError, RecursionError):
        return ""
    return f": {_said(error).rstrip('.')}." if error else ""


def _said(error: dict[str, Any]) -> str:
    """The code and message of an error, the innermost first where there are several."""
    inner = error
    while isinstance(inner.get("innererror"), dict):
        inner = inner["innererror"]
    return clipped(one_line(f"{inner.get('code') or ''} {inner.get('message') or ''}").strip(), MAX_TEXT)
