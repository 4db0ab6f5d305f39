"""*Now* and what is exported of it: the same choice of clusters as a page, as CSV and as JSON."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from checks.dashboard import exports
from checks.dashboard.views.now import MAX_FILTER, PAGE, lines_of, now_view, order_of
from checks.fleet.incidents import incidents_of
from checks.fleet.load import load_fleet
from checks.web.dashboard.answering import FRESH, Here
from checks.web.http import HttpResponse
from checks.web.paging import Token, page_of
from checks.web.reading import read_query

Text = Annotated[str, Meta(max_length=MAX_FILTER)]


class NowQuery(msgspec.Struct, frozen=True):
    """Which rows, and from where on. ``all``: what is fine, too."""

    all: bool = False
    q: Text = ""
    page: Token = ""


class ExportQuery(msgspec.Struct, frozen=True):
    """Which rows."""

    all: bool = False
    q: Text = ""


async def now_page(here: Here) -> HttpResponse:
    """*Now*."""
    query = read_query(here.asked, NowQuery)
    fleet = await load_fleet(here.store, here.now)
    # Until the first sweep has kept what waits, it is looked up.
    unsent = await here.store.load_unsent() or await here.store.look_at_unsent(here.now)
    lines = lines_of(fleet, query.q, everything=query.all)
    shown, further = page_of(lines, order_of, query.page, PAGE, ("now", query.q, str(query.all)))
    view = now_view(
        fleet,
        incidents_of(fleet),
        lines,
        shown,
        unsent=unsent,
        text=query.q,
        everything=query.all,
        first=not query.page,
        next_page=further or "",
    )
    return here.html("now", view.headline, "", view, fleet.latest)


async def export(here: Here, ending: str) -> HttpResponse | None:
    """The rows of *Now* as a file: "csv" or "json"."""
    query = read_query(here.asked, ExportQuery)
    fleet = await load_fleet(here.store, here.now)
    lines = lines_of(fleet, query.q, everything=query.all)
    headers = {**FRESH, "Content-Disposition": f'attachment; filename="pullwatch-clusters.{ending}"'}
    if ending == "csv":
        return HttpResponse(200, exports.as_csv(fleet, lines).encode(), headers, "text/csv; charset=utf-8")
    return HttpResponse(200, exports.as_json(fleet, lines), headers)
