"""Every route of the HTTP interface. The functions of the app, openapi.json and docs/http-api.md are made of them."""

from __future__ import annotations

from checks.jobs.context import JobContext
from checks.report.formats.json_shapes import ScanAnswer
from checks.web.checks_resource import ChecksRequest, post_checks
from checks.web.health_resource import Health, HealthDetails, get_health, get_health_details
from checks.web.http import Asked, HttpResponse
from checks.web.openapi import OpenApiDocument, document
from checks.web.problems import Problem
from checks.web.route import Level, Route
from checks.web.runs_resource import RunAnswer, RunRequested, get_run


async def get_openapi(context: JobContext, asked: Asked) -> HttpResponse:
    """The description of all routes."""
    return HttpResponse(200, document(ROUTES))


ROUTES: tuple[Route, ...] = (
    Route(
        name="post_checks",
        route="checks",
        method="POST",
        handler=post_checks,
        summary="Checks one cluster now, or asks for a run.",
        description=(
            "With `cluster`, the cluster is looked at while the caller waits; history does not change and no mail is "
            "sent. Without, a run over everything or over some subscriptions is asked for. Who asks for the same while "
            "that run is not planned yet, or within 30 s of the first request, gets the same run."
        ),
        body=ChecksRequest,
        responses={
            200: (ScanAnswer, "The cluster's report."),
            202: (RunRequested, "A run was asked for: `Location` has its address, `Retry-After` when to look (s)."),
            403: (Problem, "Canary pulls are not allowed, by the settings."),
            404: (Problem, "There is no such cluster. `errors` and `subscriptions` say where it was looked for."),
            429: (
                Problem,
                "The last hour had as many checks as PULLWATCH_ONDEMAND_PER_HOUR; see `Retry-After` (s).",
            ),
            502: (Problem, "Azure could not be read."),
            504: (Problem, "The check took longer than 200 s."),
        },
        seconds=215,
    ),
    Route(
        name="runs",
        route="runs/{id}",
        method="GET",
        handler=get_run,
        summary="Where a run stands, and what it came to.",
        path={"id": "The run's id, as `POST /api/checks` gives it."},
        responses={
            200: ((RunAnswer, RunRequested), "The run; `Retry-After` where it was asked for and is not planned yet."),
            404: (Problem, "There is no such run."),
        },
    ),
    Route(
        name="health",
        route="health",
        method="GET",
        handler=get_health,
        summary="Whether all is well, in a word, for anybody.",
        level=Level.ANONYMOUS,
        responses={200: (Health, "The app reaches its storage.")},
        seconds=15,  # whoever asks how the app is does not wait for storage that is away
    ),
    Route(
        name="health_details",
        route="health/details",
        method="GET",
        handler=get_health_details,
        summary="What the word rests on: the latest run, unsent mail, messages that were given up.",
        responses={200: (HealthDetails, "The signals, looked up now.")},
    ),
    Route(
        name="openapi",
        route="openapi.json",
        method="GET",
        handler=get_openapi,
        summary="This description, as OpenAPI 3.1.",
        responses={200: (OpenApiDocument, "This document.")},
    ),
)
