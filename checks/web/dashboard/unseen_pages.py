"""*What I cannot see*, and its script."""

from __future__ import annotations

import asyncio

from checks.dashboard.views.unseen import Unseen, granting, to_be_read, unseen_view
from checks.findings import ClusterReport
from checks.fleet.load import load_fleet
from checks.fleet.model import Fleet
from checks.history.errors import SchemaError
from checks.web.dashboard.answering import FRESH, Here
from checks.web.http import HttpResponse

AT_ONCE = 10  # reports that are read side by side


async def unseen_page(here: Here) -> HttpResponse:
    """The page."""
    fleet, unseen = await _read(here)
    view = unseen_view(fleet, unseen)
    return here.html("unseen", "What I cannot see", "unseen", view, fleet.latest)


async def unseen_script(here: Here) -> HttpResponse:
    """The script alone, as a file."""
    _, text = granting(*await _read(here))
    headers = {**FRESH, "Content-Disposition": 'attachment; filename="unseen.sh"'}
    return HttpResponse(200, text.encode(), headers, "text/x-shellscript; charset=utf-8")


async def _read(here: Here) -> tuple[Fleet, Unseen]:
    fleet = await load_fleet(here.store, here.now)
    places = asyncio.Semaphore(AT_ONCE)

    async def report(cluster: str) -> ClusterReport | SchemaError | None:
        async with places:
            try:
                return await here.store.load_report(cluster)
            except SchemaError as error:  # counted, and shown as such
                return error

    read = await asyncio.gather(*map(report, to_be_read(fleet)))
    return fleet, Unseen(
        reports=tuple(one for one in read if isinstance(one, ClusterReport)),
        unreadable=sum(isinstance(one, SchemaError) for one in read),
    )
