"""The logs of the registries that can be seen: where they go, what stands in them, and whose calls these are.

Read once a run and worker: one read of each registry's diagnostic settings, one of each workspace that they name, and
one query for each workspace, however many registries and clusters there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from checks.collect.arm import bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.monitor import log_query
from checks.collect.wire.errors import CollectError
from checks.facts import NotSeen, NotSeenReason, Registry, RegistryUse, Seen
from checks.facts.registry_log import PULL, Logged, LoggedCall, RegistryLog
from checks.findings import Evidence
from checks.settings import WORKSPACE

SETTINGS_API = "2021-05-01-preview"
WORKSPACE_API = "2023-09-01"
AT_ONCE = 8
MAX_REGISTRIES = 2_000
MAX_SETTINGS = 20  # Azure keeps five of one resource
OFF, AUTO = "off", "auto"
_CATEGORIES = {log_query.LOGINS.lower(), log_query.PULLS.lower()}
_GROUPS = {"alllogs", "audit"}


async def of_registries(azure: Azure, inventory: Inventory, only: Iterable[str] | None = None) -> Logged:
    """What stands in the logs of all registries that can be seen, read once; nothing where nobody wants to know.

    ``only``: of these login servers.
    """
    if azure.settings.registry_logs == (OFF,):
        return Logged()
    if only is None:
        return await inventory.logged.get("all", lambda: _read(azure, inventory.registries(), datetime.now(UTC)))
    hosts = frozenset(only)
    registries = [one for one in inventory.registries() if one.login_server in hosts]
    key = f"only {' '.join(sorted(registry.login_server for registry in registries))}"
    return await inventory.logged.get(key, lambda: _read(azure, registries, datetime.now(UTC)))


def of_uses(
    logged: Logged, calls: Iterable[LoggedCall], uses: Iterable[RegistryUse]
) -> dict[str, Seen[RegistryLog] | NotSeen]:
    """The logs of the registries that a cluster uses, with the calls that it may have made, by login server."""
    own: dict[str, list[LoggedCall]] = {}
    for call in calls:
        own.setdefault(call.entry.login_server, []).append(call)
    logs: dict[str, Seen[RegistryLog] | NotSeen] = {}
    for host in (use.login_server for use in uses if use.login_server in logged.logs):
        log = logged.logs[host]
        if isinstance(log, Seen):
            with_calls = msgspec.structs.replace(log.value, calls=tuple(own.get(host, ())))
            log = msgspec.structs.replace(log, value=with_calls)
        logs[host] = log
    return logs


def pulled_from(calls: Iterable[LoggedCall]) -> tuple[str, ...]:
    """The registries that a cluster certainly pulls from: a login alone is tried beside pull secrets."""
    return tuple(
        dict.fromkeys(
            call.entry.login_server
            for call in calls
            if call.told_apart and not call.as_another and call.entry.kind == PULL
        )
    )


async def _read(azure: Azure, registries: Iterable[Registry], now: datetime) -> Logged:
    since = now - timedelta(hours=azure.settings.registry_log_hours)
    leads = await _leads(azure, list(registries)[:MAX_REGISTRIES])
    by_workspace: dict[str, list[str]] = {}
    spelt: dict[str, str] = {}  # as Azure or the settings do, where they differ in case
    for host, workspaces in leads.items():
        for workspace in workspaces if not isinstance(workspaces, NotSeen) else ():
            by_workspace.setdefault(workspace.lower(), []).append(host)
            spelt.setdefault(workspace.lower(), workspace)
    asked = await asyncio.gather(
        *(_ask(azure, spelt[workspace], hosts, since, now) for workspace, hosts in by_workspace.items())
    )
    answers = dict(zip(by_workspace, asked, strict=True))
    read = (entry for answer in asked if isinstance(answer, Seen) for entry in answer.value.entries)
    # A registry may log to two workspaces: what stands in both happened once.
    entries = tuple(dict.fromkeys(entry for entry in read if entry.login_server in leads))
    heard = {entry.login_server for entry in entries}
    empty = RegistryLog(log_query.utc(since), log_query.utc(now))
    logs: dict[str, Seen[RegistryLog] | NotSeen] = {}
    for host, workspaces in leads.items():
        log = msgspec.structs.replace(empty, heard=host in heard)
        logs[host] = workspaces if isinstance(workspaces, NotSeen) else _of_registry(log, workspaces, answers)
    return Logged(entries, logs)


def _of_registry(
    log: RegistryLog, workspaces: tuple[str, ...], answers: Mapping[str, Seen[log_query.Answer] | NotSeen]
) -> Seen[RegistryLog] | NotSeen:
    """A registry's log, where it was read in one of the places that it goes to."""
    given = [answers[workspace.lower()] for workspace in workspaces]
    read = [one for one in given if isinstance(one, Seen)]
    if not read:
        return next(one for one in given if isinstance(one, NotSeen))
    cut = any(one.value.cut for one in read)
    return Seen(msgspec.structs.replace(log, cut=cut), read[0].evidence)


async def _leads(azure: Azure, registries: list[Registry]) -> dict[str, tuple[str, ...] | NotSeen]:
    """The workspaces that each registry's log goes to, by login server; why there is none."""
    named = azure.settings.registry_logs
    if named != (AUTO,):
        return {registry.login_server: named for registry in registries}
    limit = asyncio.Semaphore(AT_ONCE)

    async def bounded(registry: Registry) -> tuple[str, ...] | NotSeen:
        async with limit:
            return await _workspaces_of(azure, registry)

    found = await asyncio.gather(*(bounded(registry) for registry in registries))
    return {registry.login_server: lead for registry, lead in zip(registries, found, strict=True)}


async def _workspaces_of(azure: Azure, registry: Registry) -> tuple[str, ...] | NotSeen:
    path = f"{registry.id}/providers/Microsoft.Insights/diagnosticSettings"
    try:
        listing = await reads.raw_list(azure, path, SETTINGS_API, "diagnostic settings", registry.id)
    except CollectError as error:
        return error.as_gap()
    wanted: dict[str, str] = {}
    for body in listing.items[:MAX_SETTINGS]:
        workspace = (bodies.text(body, "properties", "workspaceId") or "").rstrip("/")
        if WORKSPACE.fullmatch(workspace) and _sends_both(body):
            wanted[workspace.lower()] = workspace
    if wanted:
        return tuple(wanted.values())
    what = f"no diagnostic setting of {registry.name} sends its login and repository events to a workspace"
    return NotSeen(NotSeenReason.NOT_APPLICABLE, what)


def _sends_both(body: object) -> bool:
    """Whether a setting sends logins and pulls: with one of them alone, a success of the other kind is not seen."""
    enabled = [item for item in bodies.objects(body, "properties", "logs") if bodies.boolean(item, "enabled")]
    groups = {(bodies.text(item, "categoryGroup") or "").lower() for item in enabled}
    return bool(groups & _GROUPS) or {(bodies.text(item, "category") or "").lower() for item in enabled} >= _CATEGORIES


async def _ask(
    azure: Azure, workspace: str, hosts: list[str], since: datetime, until: datetime
) -> Seen[log_query.Answer] | NotSeen:
    try:
        body = await reads.get(azure, workspace, WORKSPACE_API, "the workspace of the registries' log")
        customer = bodies.text(body, "properties", "customerId") or ""
        if not bodies.GUID.fullmatch(customer):
            return NotSeen(NotSeenReason.ERROR, f"Azure Resource Manager shows no id of the workspace {workspace}")
        answer = await log_query.ask(azure, customer, workspace, hosts, since, until)
    except CollectError as error:
        return error.as_gap()
    return Seen(answer, Evidence("the registries' log", workspace, log_query.utc(until)))
