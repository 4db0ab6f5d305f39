"""``/api/doctor``: what the app may see and what is missing, by the last reports, or of one cluster looked at now."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from checks.arm_ids import subscription_of
from checks.collect.arm import own_access
from checks.collect.wire.errors import CollectError
from checks.dashboard.views.unseen import to_be_read
from checks.doctor.diagnosis import diagnose
from checks.doctor.grants import grants_in, script
from checks.doctor.model import Diagnosis, Lack, LackKind, Place
from checks.doctor.switches import lacks_of, switched_off
from checks.findings import ClusterReport, ScanReport, SubscriptionResult
from checks.fleet.load import load_fleet
from checks.history.errors import SchemaError
from checks.jobs import scan_cluster
from checks.jobs.choosing.scope import MAX_LENGTH, ScanScope
from checks.jobs.context import JobContext
from checks.rules.patterns import is_pattern
from checks.text import counted
from checks.web import problems
from checks.web.http import Asked, HttpResponse
from checks.web.problems import Refused, problem
from checks.web.reading import read_query
from checks.web.resources.checks import SCAN_SECONDS, count_check

AT_ONCE = 10  # reports that are read side by side
NO_RUN = Lack(
    kind=LackKind.TROUBLE,
    what="run",
    needs="a run that was closed",
    lost="everything",
    places=(Place("", "the app", "no run was closed yet", ("# POST /api/checks with {} asks for one",)),),
)

Named = Annotated[
    str,
    Meta(
        max_length=MAX_LENGTH,
        description="One cluster, by name or ARM id: it is looked at now.",
    ),
]
Guid = Annotated[
    str,
    Meta(pattern=r"\A([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?\Z", description="Only this subscription."),
]


class DoctorQuery(msgspec.Struct, frozen=True):
    """Of what; nothing: of everything, as the last runs saw it."""

    cluster: Named = ""
    subscription: Guid = ""


class DoctorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is in place and what is missing. ``run``: the last one that was closed, "" where it was looked now.

    ``script`` grants what a role assignment would show. Read it before you run it.
    """

    at: datetime
    run: str
    diagnosis: Diagnosis
    script: str


async def get_doctor(context: JobContext, asked: Asked) -> HttpResponse:
    """From what runs kept: nothing is asked of Azure. Of a cluster that is named: looked at now."""
    query = read_query(asked, DoctorQuery)
    if query.cluster:
        return await _now(context, query.cluster)
    fleet = await load_fleet(context.store, context.clock())
    here = query.subscription.lower()
    wanted = [name for name in to_be_read(fleet) if not here or subscription_of(name) == here]
    results = fleet.latest.subscriptions if fleet.latest else ()
    clusters = sum(1 for one in fleet.clusters() if not here or subscription_of(one.cluster) == here)
    run = fleet.latest.id if fleet.latest else ""
    return await _answer(
        context, [one for one in results if not here or one.id == here], await _reports(context, wanted), clusters, run
    )


async def _now(context: JobContext, cluster: str) -> HttpResponse:
    if is_pattern(cluster) or not cluster.strip():
        raise Refused(problem(problems.QUERY, "cluster takes one name or ARM id, and no pattern"))
    await count_check(context)
    try:
        async with asyncio.timeout(SCAN_SECONDS):
            found = await scan_cluster.scan(context.azure, ScanScope((), (cluster,), ()), lambda line: None)
    except TimeoutError:
        return problem(problems.NOT_IN_TIME, f"the cluster was not looked at within {SCAN_SECONDS} s")
    except CollectError as error:
        return problem(problems.NOT_READ, f"nothing could be read: {error}", fix=list(error.as_gap().fix))
    if not found.clusters:
        return problem(problems.NOT_FOUND, "no such cluster was found", errors=found.errors)
    return await _of_scan(context, found)


async def _of_scan(context: JobContext, found: ScanReport) -> HttpResponse:
    return await _answer(context, found.subscriptions, found.clusters, len(found.clusters), "")


async def _answer(
    context: JobContext,
    results: list[SubscriptionResult] | tuple[SubscriptionResult, ...],
    reports: list[ClusterReport] | tuple[ClusterReport, ...],
    clusters: int,
    run: str,
) -> HttpResponse:
    settings, now = context.settings, context.clock()
    who = (await own_access.identity(context.azure)).object_id or ""
    own = lacks_of(settings) if run or reports else (NO_RUN, *lacks_of(settings))
    diagnosis = diagnose(results, reports, identity=who, clusters=clusters, off=switched_off(settings), settings=own)
    made = f"of {len(reports)} of {counted(clusters, 'cluster')}, at {now:%Y-%m-%d %H:%M} UTC"
    text = script(grants_in(diagnosis.steps(), settings.canary_namespace), made)
    return HttpResponse(200, DoctorAnswer(at=now, run=run, diagnosis=diagnosis, script=text))


async def _reports(context: JobContext, wanted: list[str]) -> list[ClusterReport]:
    """The latest reports of these clusters, as far as they can be read."""
    places = asyncio.Semaphore(AT_ONCE)

    async def report(cluster: str) -> ClusterReport | None:
        async with places:
            try:
                return await context.store.load_report(cluster)
            except SchemaError:  # it counts as not looked at
                return None

    return [one for one in await asyncio.gather(*map(report, wanted)) if one is not None]
