"""``/api/checks``: one cluster now, or a run. Nothing a caller sends is ever a host to connect to."""

from __future__ import annotations

import asyncio
import math
import re
from typing import Annotated

import msgspec
from msgspec import Meta

from checks.arm_ids import name_of, subscription_of
from checks.collect.wire.errors import CollectError
from checks.findings import ScanReport
from checks.fleet.load import load_fleet
from checks.jobs import scan_cluster
from checks.jobs.asking import ask_for_run
from checks.jobs.canaries import StoredCanaries
from checks.jobs.choosing.scope import MAX_LENGTH, MAX_NAMED, ScanScope
from checks.jobs.context import JobContext
from checks.report.fleet.scan_about import ScanAbout
from checks.report.formats.as_json import scan_answer
from checks.rules.patterns import is_pattern
from checks.rules.registry_names import is_host_or_name
from checks.text import redacted
from checks.web import problems
from checks.web.http import Asked, HttpResponse
from checks.web.problems import Refused, problem
from checks.web.reading import bad_body, read_body
from checks.web.resources.runs import RETRY_AFTER, RunRequested, subscriptions

SCAN_SECONDS = 200  # the platform cuts an HTTP answer off at 230 s
MAX_SUBSCRIPTIONS = 1_300  # whose ids fit one queue message
SHARED_NAMESPACE = "default"
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*([0-9]{1,4})(?:$|[,;\s])", re.IGNORECASE)
ID_SHAPE = (
    "it has the shape /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ContainerService/managedClusters/NAME"
)
_CLUSTER_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ContainerService/managedClusters/[^/]+/?",
    re.IGNORECASE,
)
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


Named = Annotated[
    str,
    Meta(min_length=1, max_length=MAX_LENGTH, description="One cluster, to be checked now: its name or its ARM id."),
]
Subscriptions = Annotated[
    tuple[str, ...],
    Meta(
        max_length=MAX_SUBSCRIPTIONS, description=f"Ids, at most {MAX_SUBSCRIPTIONS:,}; none: all that the app watches."
    ),
]
Registries = Annotated[
    tuple[str, ...],
    Meta(max_length=MAX_NAMED, description="With `cluster`: only these registries, by name or login server."),
]
Canary = Annotated[
    bool, Meta(description="With `cluster`: have its nodes pull (PW305), where PULLWATCH_CANARY allows it.")
]


class ChecksRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be asked: one cluster now, or a run over subscriptions where no cluster is named."""

    cluster: Named | None = None
    subscriptions: Subscriptions = ()
    registries: Registries = ()
    canary: Canary = False


def read_request(asked: Asked) -> ChecksRequest:
    """A request out of a body. Raises Refused."""
    request = read_body(asked, ChecksRequest)
    for guid in request.subscriptions:
        if not _GUID.fullmatch(guid):
            raise Refused(bad_body(f"{redacted(guid)[:80]!r} is no subscription id"))
    if request.cluster is not None and (is_pattern(request.cluster) or not request.cluster.strip()):
        raise Refused(bad_body("cluster takes one name or ARM id, and no pattern"))
    if request.cluster is not None and "/" in request.cluster and not _CLUSTER_ID.fullmatch(request.cluster.strip()):
        raise Refused(bad_body(f"{redacted(request.cluster)[:200]!r} is no ARM id of a cluster: {ID_SHAPE}"))
    for host in request.registries:
        if not is_host_or_name(host):
            raise Refused(bad_body(f"{redacted(host)[:80]!r} is no registry's name or login server"))
    if request.registries and request.cluster is None:
        raise Refused(bad_body("registries go with cluster: a run checks every registry that is used"))
    if request.canary and request.cluster is None:
        raise Refused(bad_body("canary goes with cluster: runs do it where PULLWATCH_CANARY is scheduled"))
    return request


async def post_checks(context: JobContext, asked: Asked) -> HttpResponse:
    """One cluster: 200 with the report, 404 where there is none. Otherwise a run: 202 with Location.

    A cluster that takes longer than ``Prefer: wait=…`` seconds, or than the platform lets anybody wait, is left to a
    run of its subscription.
    """
    request = read_request(asked)
    if request.canary:
        _allow_canary(context)
    if request.cluster is not None:
        await count_check(context)
        return await _scan_now(context, request, _patience(asked)) or await _instead(context, request, asked.caller)
    return await _ask_for_run(context, request, asked.caller)


async def _ask_for_run(context: JobContext, request: ChecksRequest, caller: str) -> HttpResponse:
    asked = await ask_for_run(context, request.subscriptions, caller)
    headers = {"Location": f"/api/runs/{asked.run_id}", "Retry-After": RETRY_AFTER}
    return HttpResponse(202, RunRequested(run=asked.run_id, joined=asked.joined), headers)


def _patience(asked: Asked) -> int:
    """How many seconds the caller waits at most (RFC 7240); what cannot be read of it says nothing."""
    wanted = _WAIT.search(asked.headers.get("prefer", ""))
    return min(int(wanted[1]), SCAN_SECONDS) if wanted else SCAN_SECONDS


async def _instead(context: JobContext, request: ChecksRequest, caller: str) -> HttpResponse:
    """Of a check that took too long: a run, which cannot ask nodes to pull as a check may."""
    if request.canary:
        why = "not done in time, and a run makes no canary pods for it; ask again, with a longer `Prefer: wait`"
        return problem(problems.NOT_IN_TIME, why)
    subscriptions = request.subscriptions or await _homes(context, request.cluster or "")
    return await _ask_for_run(context, msgspec.structs.replace(request, subscriptions=subscriptions), caller)


async def _homes(context: JobContext, cluster: str) -> tuple[str, ...]:
    """The subscriptions of the clusters that a name or an ARM id means; none where no run has seen one."""
    if "/" in cluster:
        return tuple(filter(None, (subscription_of(cluster),)))
    fleet = await load_fleet(context.store, context.clock())
    named = (entry.cluster for entry in fleet.clusters() if name_of(entry.cluster).lower() == cluster.lower())
    return tuple(sorted({subscription_of(one) for one in named}))


async def count_check(context: JobContext) -> None:
    """Refuses a check of a cluster where the last hour had as many as a setting allows."""
    limit = context.settings.ondemand_per_hour
    wait = await context.store.count_check(context.clock(), limit)
    if wait is not None:
        why = f"the last hour had the {limit} checks of clusters that PULLWATCH_ONDEMAND_PER_HOUR allows"
        headers = {"Retry-After": str(math.ceil(wait.total_seconds()))}
        raise Refused(problem(problems.TOO_MANY, why, headers=headers))


def _allow_canary(context: JobContext) -> None:
    """Refuses canaries that the settings do not allow over HTTP, or not where they would stand among other pods."""
    settings = context.settings
    if settings.canary == "off":
        raise Refused(problem(problems.CANARY, "canary is off: PULLWATCH_CANARY has to be on-demand or scheduled"))
    if settings.canary_namespace == SHARED_NAMESPACE:
        why = (
            f"canary needs a namespace of its own, not {SHARED_NAMESPACE}: create one in the cluster, grant the "
            "identity Azure Kubernetes Service RBAC Writer on it, and set PULLWATCH_CANARY_NAMESPACE to its name"
        )
        raise Refused(problem(problems.CANARY, why, fix=["kubectl create namespace pullwatch-canary"]))


async def _scan_now(context: JobContext, request: ChecksRequest, seconds: int) -> HttpResponse | None:
    """Scans at once and changes nothing: history counts runs only. None where it takes longer than ``seconds``."""
    hosts = tuple(host.lower() for host in request.registries)
    began = context.clock()
    scope = ScanScope(request.subscriptions, (request.cluster or "",), hosts, canaries=request.canary)
    try:
        async with asyncio.timeout(seconds):
            report = await scan_cluster.scan(context.azure, scope, lambda line: None, StoredCanaries(context))
    except TimeoutError:
        return None
    except CollectError as error:
        return problem(problems.NOT_READ, f"nothing could be read: {error}", fix=list(error.as_gap().fix))
    if not report.clusters:
        return _no_cluster(request, report)
    about = ScanAbout(
        at=began,
        seconds=(context.clock() - began).total_seconds(),
        subscriptions=scope.subscriptions,
        clusters=scope.clusters,
        registries=scope.registries,
        canaries=scope.canaries,
    )
    return HttpResponse(200, scan_answer(report, about))


def _no_cluster(request: ChecksRequest, report: ScanReport) -> HttpResponse:
    return problem(
        problems.NOT_FOUND,
        f"no cluster {redacted(request.cluster or '')[:200]!r} was found",
        subscriptions=subscriptions(report.subscriptions),
        errors=report.errors,
    )
