"""Every route of the HTTP interface: what is at its addresses. openapi.json and docs/http-api.md are made of them."""

from __future__ import annotations

from checks.fleet.answers import ClusterShown, IncidentShown, RegistryShown
from checks.jobs.context import JobContext
from checks.report.formats.json_shapes import ScanAnswer
from checks.web import addresses
from checks.web.http import Asked, HttpResponse
from checks.web.openapi import OpenApiDocument, document
from checks.web.problems import Problem
from checks.web.resources.checks import ChecksRequest, post_checks
from checks.web.resources.clusters import (
    ClustersAnswer,
    ClustersQuery,
    HistoryAnswer,
    HistoryQuery,
    get_cluster,
    get_history,
    list_clusters,
)
from checks.web.resources.doctor import DoctorAnswer, DoctorQuery, get_doctor
from checks.web.resources.health import Health, HealthDetails, get_health, get_health_details
from checks.web.resources.incidents import IncidentsAnswer, IncidentsQuery, get_incident, list_incidents
from checks.web.resources.metrics import get_metrics
from checks.web.resources.registries import get_registry
from checks.web.resources.runs import RunAnswer, RunRequested, RunsAnswer, RunsQuery, get_run, list_runs
from checks.web.resources.silences import (
    AcknowledgementRequest,
    SilenceAnswer,
    SilenceRequest,
    SilencesAnswer,
    SilencesQuery,
    delete_silence,
    get_silence,
    list_silences,
    post_acknowledgement,
    post_silence,
)
from checks.web.route import Route

CLUSTER_PARTS = {
    "subscription": "The subscription's id.",
    "resource_group": "The resource group's name.",
    "name": "The cluster's name.",
}


async def get_openapi(context: JobContext, asked: Asked) -> HttpResponse:
    """The description of all routes."""
    return HttpResponse(200, document(ROUTES))


ROUTES: tuple[Route, ...] = (
    Route(
        address=addresses.POST_CHECKS,
        handler=post_checks,
        summary="Checks one cluster now, or asks for a run.",
        description=(
            "With `cluster`, the cluster is looked at while the caller waits; history does not change and no mail is "
            "sent. What takes longer than 200 s, or than the header `Prefer: wait=30` says, is left to a run of its "
            "subscription. Without, a run over everything or over some subscriptions is asked for. Who asks for the "
            "same while that run is not planned yet, or within 30 s of the first request, gets the same run."
        ),
        body=ChecksRequest,
        responses={
            200: (ScanAnswer, "The cluster's report."),
            202: (
                RunRequested,
                "A run was asked for, or is to do what took too long: `Location` is its address, `Retry-After` (s).",
            ),
            403: (Problem, "Canary pulls are not allowed, by the settings."),
            404: (Problem, "There is no such cluster. `errors` and `subscriptions` say where it was looked for."),
            429: (
                Problem,
                "The last hour had as many checks as PULLWATCH_ONDEMAND_PER_HOUR; see `Retry-After` (s).",
            ),
            502: (Problem, "Azure could not be read."),
            504: (Problem, "The check took too long, and no run can take its place: canary pulls were asked for."),
        },
        seconds=215,
    ),
    Route(
        address=addresses.DOCTOR,
        handler=get_doctor,
        summary="What the app may see, what is missing and what is lost without it.",
        description=(
            "Made of the reports that the last runs kept (some of many clusters, those that leave most open first: "
            "`diagnosis.looked` of `diagnosis.clusters`), and of the app's settings. With `cluster`, that one is "
            "looked at while the caller waits, which counts as a check of one cluster."
        ),
        query=DoctorQuery,
        responses={
            200: (DoctorAnswer, "The diagnosis, and a script that grants what a role assignment would show."),
            404: (Problem, "There is no such cluster."),
            429: (
                Problem,
                "The last hour had as many checks as PULLWATCH_ONDEMAND_PER_HOUR; see `Retry-After` (s).",
            ),
            502: (Problem, "Azure could not be read."),
            504: (Problem, "The cluster was not looked at in time."),
        },
        seconds=215,
    ),
    Route(
        address=addresses.LIST_RUNS,
        handler=list_runs,
        summary="The latest runs, the newest first.",
        query=RunsQuery,
        responses={200: (RunsAnswer, "Each without its subscriptions, which `GET /api/runs/{id}` has.")},
    ),
    Route(
        address=addresses.RUNS,
        handler=get_run,
        summary="Where a run stands, and what it came to.",
        path={"id": "The run's id, as `POST /api/checks` gives it; or `latest`."},
        responses={
            200: ((RunAnswer, RunRequested), "The run; `Retry-After` where it was asked for and is not planned yet."),
            404: (Problem, "There is no such run."),
        },
    ),
    Route(
        address=addresses.CLUSTERS,
        handler=list_clusters,
        summary="The clusters as the last looks found them, those that fail first.",
        query=ClustersQuery,
        responses={200: (ClustersAnswer, "A page of them.")},
    ),
    Route(
        address=addresses.CLUSTER,
        handler=get_cluster,
        summary="One cluster.",
        path=CLUSTER_PARTS,
        responses={200: (ClusterShown, "What is held of it."), 404: (Problem, "No run has looked at such a cluster.")},
    ),
    Route(
        address=addresses.CLUSTER_HISTORY,
        handler=get_history,
        summary="What changed at a cluster, the newest first.",
        path=CLUSTER_PARTS,
        query=HistoryQuery,
        responses={200: (HistoryAnswer, "Its changes."), 404: (Problem, "No run has looked at such a cluster.")},
    ),
    Route(
        address=addresses.REGISTRY,
        handler=get_registry,
        summary="Who depends on a registry, and in what state.",
        path={"login_server": "Its login server, or the name of an Azure registry."},
        responses={200: (RegistryShown, "The clusters that use it."), 404: (Problem, "No cluster is known to use it.")},
    ),
    Route(
        address=addresses.INCIDENTS,
        handler=list_incidents,
        summary="What fails for one root, since when, and who knows.",
        query=IncidentsQuery,
        responses={200: (IncidentsAnswer, "A page of them.")},
    ),
    Route(
        address=addresses.INCIDENT,
        handler=get_incident,
        summary="One incident.",
        path={"id": "As `GET /api/incidents` gives it."},
        responses={200: (IncidentShown, "The incident."), 404: (Problem, "There is no such incident.")},
    ),
    Route(
        address=addresses.ACKNOWLEDGE,
        handler=post_acknowledgement,
        summary="Acknowledges an incident: no further mail of it, until it is over.",
        path={"id": "As `GET /api/incidents` gives it."},
        body=AcknowledgementRequest,
        responses={
            201: (SilenceAnswer, "The acknowledgement; `Location` has its address."),
            404: (Problem, "There is no such incident, or it is over."),
            409: (Problem, "Too many silences hold."),
            412: (Problem, "It is acknowledged already; `silence` says by whom."),
        },
    ),
    Route(
        address=addresses.SILENCES,
        handler=list_silences,
        summary="The silences and acknowledgements that hold.",
        query=SilencesQuery,
        responses={200: (SilencesAnswer, "All of them.")},
    ),
    Route(
        address=addresses.SILENCE,
        handler=post_silence,
        summary="Keeps mail of failures back for a while; at its end a mail says what still fails.",
        body=SilenceRequest,
        responses={
            201: (SilenceAnswer, "The silence; `Location` has its address."),
            409: (Problem, "Too many silences hold."),
        },
    ),
    Route(
        address=addresses.GET_SILENCE,
        handler=get_silence,
        summary="One silence or acknowledgement that holds.",
        path={"id": "As `GET /api/silences` gives it."},
        responses={
            200: (SilenceAnswer, "As it is now."),
            404: (Problem, "There is no such silence, or it is over: `GET /api/silences?over=true` has those."),
        },
    ),
    Route(
        address=addresses.END_SILENCE,
        handler=delete_silence,
        summary="Ends a silence or an acknowledgement now.",
        path={"id": "As `GET /api/silences` gives it."},
        responses={200: (SilenceAnswer, "As it is now."), 404: (Problem, "There is no such silence.")},
    ),
    Route(
        address=addresses.METRICS,
        handler=get_metrics,
        summary="Figures of the last run over the whole scope and of mail that waits, as OpenMetrics.",
        description="A run over some subscriptions, which `POST /api/checks` takes, changes no figure of a run.",
        responses={200: (None, "OpenMetrics text, as `application/openmetrics-text`.")},
        text="application/openmetrics-text",
    ),
    Route(
        address=addresses.HEALTH,
        handler=get_health,
        summary="Whether all is well, in a word, for anybody.",
        responses={200: (Health, "The app reaches its storage.")},
        seconds=15,  # whoever asks how the app is does not wait for storage that is away
    ),
    Route(
        address=addresses.HEALTH_DETAILS,
        handler=get_health_details,
        summary="What the word rests on: the latest run over the whole scope, unsent mail, messages given up.",
        responses={200: (HealthDetails, "The signals, looked up now.")},
    ),
    Route(
        address=addresses.OPENAPI,
        handler=get_openapi,
        summary="This description, as OpenAPI 3.1.",
        responses={200: (OpenApiDocument, "This document.")},
    ),
)


def route_at(address: addresses.Address) -> Route:
    """The route at one of ``addresses.ADDRESSES``."""
    return next(route for route in ROUTES if route.address == address)
