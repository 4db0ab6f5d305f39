"""A view in, a page out. Templates escape every text, and name nothing that a view has not."""

from __future__ import annotations

import functools

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from checks.dashboard import addresses, assets
from checks.dashboard.views.frame import Frame
from checks.text import printable


def render(template: str, frame: Frame, view: msgspec.Struct) -> str:
    """The page of a view, whole. ``template`` is the name without its ending: "now"."""
    page = _templates().get_template(f"{template}.html.j2")
    return f"{page.render(frame=frame, view=view).strip()}\n"


@functools.cache
def _templates() -> Environment:
    """Compiled once for each process: that takes longer than a page."""
    made = Environment(
        loader=PackageLoader("checks.dashboard"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        auto_reload=False,
    )
    made.globals["address"] = addresses
    made.globals["asset"] = assets.asset
    return made


def _harmless(value: object) -> object:
    """A text without what steers a terminal or turns the direction of writing. Markup is made of such texts."""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.isprintable():
        return printable(value, keep="\n")
    return value
