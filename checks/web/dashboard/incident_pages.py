"""Incidents, registries and silences: pages of the whole fleet."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from checks.dashboard.views.incidents import incident_view, incidents_view
from checks.dashboard.views.registry import dependents_of, registry_view, to_be_asked
from checks.dashboard.views.silences import silences_view
from checks.findings import ClusterReport
from checks.fleet.incidents import incidents_of, order_of
from checks.fleet.load import load_fleet
from checks.history.errors import SchemaError
from checks.jobs.watch import read_latest
from checks.web.dashboard.answering import Here
from checks.web.http import HttpResponse
from checks.web.paging import Token, page_of
from checks.web.reading import read_query
from checks.web.resources.incidents import IncidentState

PAGE = 40  # incidents of a list
DONE = {
    "acknowledged": "Acknowledged: nobody is notified of it again until it is over, for 24 hours at most.",
    "silenced": "Silenced: no mail is sent of it for as long as you said.",
    "already": "You had acknowledged it already.",
    "ended": "Ended: people are notified again.",
    "over": "It was over already.",
}
Done = Annotated[str, Meta(max_length=40)]


class IncidentsQuery(msgspec.Struct, frozen=True):
    """Which incidents, and from where on."""

    state: IncidentState = IncidentState.CURRENT
    page: Token = ""


class DoneQuery(msgspec.Struct, frozen=True):
    """What was just done here; an unknown word says nothing."""

    done: Done = ""


async def incidents_page(here: Here) -> HttpResponse:
    """The incidents of a state."""
    query = read_query(here.asked, IncidentsQuery)
    fleet = await load_fleet(here.store, here.now)
    fitting = [one for one in incidents_of(fleet) if query.state.fits(one)]
    shown, further = page_of(fitting, order_of, query.page, PAGE, ("incidents page", query.state.value))
    view = incidents_view(fleet, query.state.value, fitting, shown, further or "")
    return here.html("incidents", "Incidents", "incidents", view, fleet.latest)


async def incident_page(here: Here, name: str) -> HttpResponse | None:
    """One incident; None where there is none of that id."""
    query = read_query(here.asked, DoneQuery)
    fleet = await load_fleet(here.store, here.now)
    found = next((one for one in incidents_of(fleet) if one.id == name), None)
    if found is None:
        return None
    view = incident_view(found, fleet)
    title = f"{view.line.cause} at {view.line.name}"
    return here.html("incident", title, "incidents", view, fleet.latest, said=DONE.get(query.done, ""))


async def registry_page(here: Here, login_server: str) -> HttpResponse | None:
    """One registry; None where no cluster is known to use it."""
    fleet = await load_fleet(here.store, here.now)
    dependents = dependents_of(fleet, login_server)
    if not dependents:
        return None
    read = await asyncio.gather(*(_report(here, cluster) for cluster in to_be_asked(dependents)))
    reports = [report for report in read if report is not None]
    view = registry_view(fleet, dependents, incidents_of(fleet), reports)
    return here.html("registry", view.registry, "", view, fleet.latest)


async def silences_page(here: Here) -> HttpResponse:
    """The silences and acknowledgements."""
    query = read_query(here.asked, DoneQuery)
    listing, latest = await asyncio.gather(here.store.list_silences(), read_latest(here.context))
    view = silences_view(listing.silences, len(listing.unreadable), here.now)
    return here.html("silences", "Silences", "silences", view, latest, said=DONE.get(query.done, ""))


async def _report(here: Here, cluster: str) -> ClusterReport | None:
    """The latest report of a cluster; None where there is none that can be read, so that another one says it."""
    try:
        return await here.store.load_report(cluster)
    except SchemaError:
        return None
