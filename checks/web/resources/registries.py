"""``/api/registries``: who depends on a registry, and in what state."""

from __future__ import annotations

from checks.fleet.answers import registry_shown
from checks.fleet.load import load_fleet
from checks.jobs.context import JobContext
from checks.web.http import Asked, HttpResponse
from checks.web.problems import NOT_FOUND, problem


async def get_registry(context: JobContext, asked: Asked) -> HttpResponse:
    """The clusters that use a registry; 404 where none is known to."""
    fleet = await load_fleet(context.store, context.clock())
    shown = registry_shown(fleet, asked.path["login_server"])
    if shown is None:
        blind = bool(fleet.unreadable or fleet.hidden)
        why = "no cluster is known to use such a registry"
        return problem(NOT_FOUND, f"{why}, of those that can be shown" if blind else why)
    return HttpResponse(200, shown)
