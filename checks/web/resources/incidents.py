"""``/api/incidents``: what fails for one root, since when, and who knows."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from checks.fleet.answers import IncidentShown, incident_shown, state_of
from checks.fleet.incidents import Incident, incident_called, incidents_of, order_of
from checks.fleet.load import load_fleet
from checks.jobs.context import JobContext
from checks.web.http import Asked, HttpResponse
from checks.web.paging import Limit, Token, page_of
from checks.web.problems import NOT_FOUND, problem
from checks.web.reading import read_query


class IncidentState(StrEnum):
    """Where an incident stands. ``current`` stands for all that are not over."""

    CURRENT = "current"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    OVER = "over"
    ALL = "all"

    def fits(self, incident: Incident) -> bool:
        """Whether an incident is meant."""
        word = state_of(incident)
        return self is IncidentState.ALL or word == self.value or (self is IncidentState.CURRENT and word != "over")


class IncidentsQuery(msgspec.Struct, frozen=True):
    """Which incidents."""

    state: IncidentState = IncidentState.CURRENT
    limit: Limit = 100
    page: Token = ""


class IncidentsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents, the worst first: pulls that fail, then access and paths, then images; acknowledged ones last.

    ``next``: what `page` takes for more; null at the end.

    ``unreadable``: rows of the storage that could not be read, so that what they hold is missing here. ``not_shown``:
    clusters that the last run found and that are missing here: their subscription's row cannot be read or is not there.
    """

    incidents: tuple[IncidentShown, ...]
    next: str | None
    unreadable: int
    not_shown: int


async def list_incidents(context: JobContext, asked: Asked) -> HttpResponse:
    """The incidents of a state, a page of them."""
    query = read_query(asked, IncidentsQuery)
    fleet = await load_fleet(context.store, context.clock())
    meant = [one for one in incidents_of(fleet) if query.state.fits(one)]
    page, further = page_of(meant, order_of, query.page, query.limit, ("incidents", query.state.value))
    shown = tuple(incident_shown(one, fleet) for one in page)
    return HttpResponse(
        200,
        IncidentsAnswer(incidents=shown, next=further, unreadable=len(fleet.unreadable), not_shown=fleet.hidden),
    )


async def get_incident(context: JobContext, asked: Asked) -> HttpResponse:
    """One incident by its id; its id changes where an older failure joins it."""
    fleet = await load_fleet(context.store, context.clock())
    found = incident_called(asked.path["id"], fleet)
    return (
        problem(NOT_FOUND, "there is no such incident")
        if found is None
        else HttpResponse(200, incident_shown(found, fleet))
    )
