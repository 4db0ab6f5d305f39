"""Which page of the dashboard is meant by an address, and its answer, whatever storage holds."""

from __future__ import annotations

from checks.history.errors import SchemaError
from checks.jobs.context import JobContext
from checks.text import one_line, redacted
from checks.web.dashboard.answering import Here
from checks.web.dashboard.cluster_page import cluster_page
from checks.web.dashboard.incident_pages import incident_page, incidents_page, registry_page, silences_page
from checks.web.dashboard.now_page import export, now_page
from checks.web.dashboard.run_pages import progress_answer, run_page, runs_page
from checks.web.dashboard.unseen_pages import unseen_page, unseen_script
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked, HttpResponse
from checks.web.problems import Refused


async def page(context: JobContext, asked: Asked, viewer: Viewer) -> HttpResponse:
    """The page of an address (``asked.path["page"]``, "" is *Now*): 404 where there is none, 400 where its query cannot
    be used, 503 where a row that it needs cannot be read. What the service itself fails with passes through."""
    here = Here(context, asked, viewer)
    segments = tuple(asked.path.get("page", "").strip("/").split("/"))
    try:
        return await _answer(here, segments) or await _nothing(here)
    except Refused as refused:
        why = str(refused.answer.body.get("detail", ""))
        return await here.message(
            "The address cannot be used", f"{why[:1].upper()}{why[1:]}.", status=refused.answer.status
        )
    except SchemaError as error:
        why = redacted(one_line(str(error)))[:300]
        return await here.message(
            "A row of the storage cannot be read",
            f"This page needs it: {why}.",
            "docs/operations.md says what to do about rows that cannot be read; nothing is lost meanwhile.",
            status=503,
            kind="fail",
        )


async def _answer(here: Here, segments: tuple[str, ...]) -> HttpResponse | None:
    match segments:
        case ("",):
            return await now_page(here)
        case ("clusters.csv" | "clusters.json",):
            return await export(here, segments[0].removeprefix("clusters."))
        case ("clusters", subscription, group, name):
            return await cluster_page(here, subscription, group, name)
        case ("registries", *name) if name:
            return await registry_page(here, "/".join(name))
        case ("incidents",):
            return await incidents_page(here)
        case ("incidents", name):
            return await incident_page(here, name)
        case ("silences",):
            return await silences_page(here)
        case ("runs",):
            return await runs_page(here)
        case ("runs", name):
            return await run_page(here, name)
        case ("runs", name, "progress.json"):
            return await progress_answer(here, name)
        case ("unseen",):
            return await unseen_page(here)
        case ("unseen.sh",):
            return await unseen_script(here)
    return None


async def _nothing(here: Here) -> HttpResponse:
    return await here.message(
        "There is no such page",
        "What it was about may be gone: incidents stay for a week after they are over.",
        status=404,
    )
