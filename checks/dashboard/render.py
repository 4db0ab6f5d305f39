"""A view in, a page out. Templates escape every text, and name nothing that a view has not."""

from __future__ import annotations

import functools

import msgspec
from jinja2 import Environment

from checks.dashboard import addresses, assets
from checks.dashboard.views.frame import Frame
from checks.report.templates import environment


def render(template: str, frame: Frame, view: msgspec.Struct) -> str:
    """The page of a view, whole. ``template`` is the name without its ending: "now"."""
    page = templates().get_template(f"{template}.html.j2")
    return f"{page.render(frame=frame, view=view).strip()}\n"


@functools.cache
def templates() -> Environment:
    """The dashboard's templates, compiled once for each process: that takes longer than a page."""
    made = environment("checks.dashboard")
    made.globals["address"] = addresses
    made.globals["asset"] = assets.asset
    return made
