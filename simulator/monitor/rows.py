"""The tables of a workspace: rows of what its registries saw, and those that TENANT/logs/<workspace name>.json adds.

The file is an array of rows. Each names its table in `Type`, and `TimeGenerated` may be like "-12m"; the rest stands as
it is written, and any other table may be there too.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from simulator.arm.resources import Resource
from simulator.monitor.clock import Clock, relative
from simulator.monitor.diagnostics import LOGIN_EVENTS, REPOSITORY_EVENTS
from simulator.monitor.kql.tables import Table
from simulator.monitor.pulls import APART, Tries
from simulator.nodes.outcomes import LOGIN, Step
from simulator.registry.manifests import INDEX
from simulator.registry.service import UNAUTHORIZED

Row = dict[str, Any]
_SHARED = ("LoginServer", "OperationName", "Identity", "CallerIpAddress", "ResultType", "ResultDescription",
           "CorrelationId", "DurationMs", "Region", "UserAgent", "UserTenantId")  # fmt: skip
_LAST = ("_ResourceId", "_SubscriptionId", "Type")
_OF_REPOSITORY = ("Repository", "Tag", "Digest", "MediaType", "ArtifactType")
_TIME = "TimeGenerated"
COLUMNS = {
    LOGIN_EVENTS: {_TIME: "datetime"} | dict.fromkeys((*_SHARED, "JwtId", *_LAST), "string"),
    REPOSITORY_EVENTS: {_TIME: "datetime"}
    | dict.fromkeys((*_SHARED, *_OF_REPOSITORY), "string")
    | {"Size": "int"}
    | dict.fromkeys(_LAST, "string"),
}
_KINDS = {bool: "bool", int: "long", float: "real", str: "string"}
MANIFEST_BYTES = 1_372


def events(tries: Tries, registry: Resource, clock: Clock, tenant: str) -> Iterator[Row]:
    """The rows of one container's tries that have arrived."""
    for at in tries.times(clock.now):
        for number, step in enumerate(tries.seen.steps):
            when = at + number * APART
            if when <= clock.settled:
                yield _row(tries, registry, step, when, number, clock, tenant)


def _row(tries: Tries, registry: Resource, step: Step, when: datetime, number: int, clock: Clock, tenant: str) -> Row:
    table = LOGIN_EVENTS if step.operation == LOGIN else REPOSITORY_EVENTS
    status = str(step.status)
    row = {
        _TIME: when,
        "LoginServer": tries.seen.login_server,
        "OperationName": step.operation,
        "Identity": tries.identity(step),
        "CallerIpAddress": tries.address,
        "ResultType": "HttpStatusCode" if clock.status_in_description else status,
        "ResultDescription": status if clock.status_in_description else _words(tries, step),
        "CorrelationId": _guid(tries.key, when, number),
        "DurationMs": str(20 + number * 11),
        "Region": str(registry.body.get("location", "")),
        "UserAgent": "containerd/1.7.28",
        "UserTenantId": tenant if step.principal else "",
    }
    if step.operation == LOGIN:
        row["JwtId"] = _guid(tries.key, when, "token") if step.status == 200 else ""
    else:
        row |= _about_image(tries, step)
    subscription = registry.path.subscription or ""
    return row | {"_ResourceId": registry.lower, "_SubscriptionId": subscription, "Type": table}


def _about_image(tries: Tries, step: Step) -> Row:
    by_digest, sent = tries.seen.reference.startswith("sha256:"), step.status == 200
    return {
        "Repository": tries.seen.repository,
        "Tag": "" if by_digest else tries.seen.reference,
        "Digest": tries.seen.reference if by_digest else step.digest,
        "MediaType": INDEX if sent else "",
        "ArtifactType": "image" if sent else "",
        "Size": MANIFEST_BYTES if sent else None,
    }


def _words(tries: Tries, step: Step) -> str:
    """What the registry answered."""
    if step.status == 403:
        refused = f"client with IP '{tries.address}' is not allowed access."
        return f"{refused} Refer https://aka.ms/acr/firewall to grant access."
    return UNAUTHORIZED if step.status == 401 else step.why


def _guid(*parts: Any) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(map(str, parts))))


def tables(derived: dict[str, list[Row]], added: list[Any], clock: Clock) -> dict[str, Table]:
    """Tables by name. `derived` has those that registries write to; `added` are the rows of the file."""
    rows: dict[str, list[Row]] = {name: list(listed) for name, listed in derived.items()}
    columns = {name: dict(COLUMNS[name]) for name in derived}
    for given in added:
        row = _added(given, clock.now)
        if row is not None:
            name = str(row["Type"])
            known = columns.setdefault(name, dict(COLUMNS.get(name, {_TIME: "datetime", "Type": "string"})))
            for column, value in row.items():
                known.setdefault(column, _KINDS.get(type(value), "string"))
            rows.setdefault(name, []).append(row)
    return {name: _filled(columns[name], listed) for name, listed in rows.items()}


def _added(given: Any, now: datetime) -> Row | None:
    """A row of the file; None for what names no table or time, and for one that is yet to come."""
    if not isinstance(given, dict) or not isinstance(given.get("Type"), str):
        return None
    when = relative(given.get(_TIME), now)
    return None if when is None or when > now else given | {_TIME: when}


def _filled(columns: dict[str, str], rows: list[Row]) -> Table:
    empty = {name: "" if kind == "string" else None for name, kind in columns.items()}
    return Table(columns, [empty | row for row in rows])


def within(table: Table, start: datetime | None, end: datetime | None) -> Table:
    """The rows of a time span, as a query's `timespan` asks for."""
    rows = [row for row in table.rows if (start is None or start <= row[_TIME]) and (end is None or row[_TIME] <= end)]
    return Table(table.columns, rows)
