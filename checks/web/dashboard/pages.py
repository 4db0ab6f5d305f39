"""The pages of the dashboard that show what is held."""

from __future__ import annotations

from checks.dashboard.refusal import refusal_page
from checks.jobs.context import JobContext
from checks.web.dashboard.refusal import ROOT
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked, HttpResponse

HTML = "text/html"


def stylesheet_url() -> str:
    """Where the stylesheet is."""
    return f"{ROOT}/static/dashboard.css"


async def page(context: JobContext, asked: Asked, viewer: Viewer) -> HttpResponse:
    """The page that an address below /api/dashboard means; 404 where there is none."""
    if asked.path.get("page", ""):
        status, title = 404, "There is no such page"
    else:
        status, title = 200, "Now"
    said = (f"You are {viewer.name}.", f"Form token: {viewer.form_token}" if viewer.operator else "You may look.")
    text = refusal_page(title, said, stylesheet=stylesheet_url(), link=(ROOT, "The dashboard"))
    return HttpResponse(status, text.encode(), media_type=HTML)
