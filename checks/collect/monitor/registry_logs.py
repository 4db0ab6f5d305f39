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
from checks.facts.registry_log import PULL, LogEntry, Logged, LoggedCall, RegistryLog
from checks.findings import Evidence
from checks.settings import WORKSPACE

SETTINGS_API = "2021-05-01-preview"
WORKSPACE_API = "2023-09-01"
AT_ONCE = 8
MAX_REGISTRIES = 2_000
MAX_SETTINGS = 20  # Azure keeps five of one resource
OFF, AUTO = "off", "auto"
_CATEGORIES = (log_query.LOGINS, log_query.PULLS)
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
    empty = RegistryLog(log_query.utc(since), log_query.utc(now))
    logs = {
        host: lead if isinstance(lead, NotSeen) else _of_registry(host, empty, [answers[one.lower()] for one in lead])
        for host, lead in leads.items()
    }
    cut_before = {host: log.value.cut_before for host, log in logs.items() if isinstance(log, Seen)}
    return Logged(_once([answer.value for answer in asked if isinstance(answer, Seen)], cut_before), logs)


def _of_registry(
    host: str, empty: RegistryLog, answers: Iterable[Seen[log_query.Answer] | NotSeen]
) -> Seen[RegistryLog] | NotSeen:
    """A registry's log, of the answers of the workspaces that it may go to.

    One in which it was heard will do: diagnostic settings send everything to each of theirs, and a registry usually
    logs to one of those that PULLWATCH_REGISTRY_LOGS names. Heard in none, it may log to the one that was not read.
    """
    read: list[Seen[log_query.Answer]] = []
    gaps: list[NotSeen] = []
    for answer in answers:
        if isinstance(answer, Seen):
            read.append(answer)
        else:
            gaps.append(answer)
    telling = [answer for answer in read if host in answer.value.heard]
    if gaps and not telling:
        return gaps[0]
    used = telling or read
    log = msgspec.structs.replace(
        empty,
        heard=bool(telling),
        cut=any(answer.value.cut for answer in used),
        cut_before=max(answer.value.cut_before for answer in used),
    )
    return Seen(log, used[0].evidence)


def _once(answers: list[log_query.Answer], cut_before: Mapping[str, str]) -> tuple[LogEntry, ...]:
    """What can be judged, of all workspaces: what stands in two of them happened once, and one may be behind.

    ``cut_before``: of each registry whose log was read, whichever of its workspaces had too much.
    """
    found: dict[LogEntry, LogEntry] = {}
    for answer in answers:
        for entry in answer.entries:
            until = cut_before.get(entry.login_server)
            if until is not None and not log_query.may_have_ended(entry, until):
                alike = msgspec.structs.replace(entry, first="", last="", events=0)
                found[alike] = max(found.get(alike, entry), entry, key=lambda one: (one.last, one.events))
    return tuple(found.values())


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
        return _gap(error, f"the diagnostic settings of {registry.name}")
    sent: dict[str, set[str]] = {}
    spelt: dict[str, str] = {}
    for body in listing.items[:MAX_SETTINGS]:
        workspace = (bodies.text(body, "properties", "workspaceId") or "").rstrip("/")
        if WORKSPACE.fullmatch(workspace):
            sent.setdefault(workspace.lower(), set()).update(_sends(body))
            spelt[workspace.lower()] = workspace
    # With logins or pulls alone, a success of the other kind is not seen.
    both = tuple(spelt[key] for key, categories in sent.items() if len(categories) == len(_CATEGORIES))
    return both or NotSeen(NotSeenReason.NOT_APPLICABLE, _lacking(registry, set().union(*sent.values())))


def _sends(body: object) -> set[str]:
    """Which of the two categories a setting sends."""
    enabled = [item for item in bodies.objects(body, "properties", "logs") if bodies.boolean(item, "enabled")]
    if {(bodies.text(item, "categoryGroup") or "").lower() for item in enabled} & _GROUPS:
        return set(_CATEGORIES)
    named = {(bodies.text(item, "category") or "").lower() for item in enabled}
    return {category for category in _CATEGORIES if category.lower() in named}


def _lacking(registry: Registry, sent: set[str]) -> str:
    """Why no workspace gets both categories, by those that any of them gets."""
    lacking = [category for category in _CATEGORIES if category not in sent]
    if not lacking:
        return f"{' and '.join(_CATEGORIES)} of {registry.name} go to different workspaces"
    what = "its login and repository events" if sent == set() else lacking[0]
    return f"no diagnostic setting of {registry.name} sends {what} to a workspace"


async def _ask(
    azure: Azure, workspace: str, hosts: list[str], since: datetime, until: datetime
) -> Seen[log_query.Answer] | NotSeen:
    missing = f"the workspace {workspace}"
    try:
        body = await reads.get(azure, workspace, WORKSPACE_API, "the workspace of the registries' log")
        customer = bodies.text(body, "properties", "customerId") or ""
        if not bodies.GUID.fullmatch(customer):
            unnamed = f"Azure Resource Manager shows no id of the workspace {workspace}"
            return NotSeen(NotSeenReason.ERROR, unnamed, "the workspace's customerId")
        missing = f"an answer of Log Analytics for {workspace}"
        answer = await log_query.ask(azure, customer, workspace, hosts, since, until)
    except CollectError as error:
        return _gap(error, missing)
    return Seen(answer, Evidence("the registries' log", workspace, log_query.utc(until)))


def _gap(error: CollectError, missing: str) -> NotSeen:
    """What a failed read leaves open; ``missing`` where no role is."""
    gap = error.as_gap()
    return gap if gap.role else msgspec.structs.replace(gap, role=missing)
