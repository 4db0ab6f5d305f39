"""A scan's report and what was asked in, the page out. The template escapes every text."""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from checks.findings import ClusterReport, ScanReport
from checks.report.fleet.scan_about import ScanAbout
from checks.report.html.view import view_of
from checks.report.path_picture.svg import STYLE
from checks.text import printable


def html_report(report: ScanReport, about: ScanAbout, shown: Iterable[ClusterReport] | None = None) -> str:
    """The page: HTML with its style in it, without scripts, and with nothing from elsewhere.

    ``shown`` are the clusters to list (None: all). It is bounded: what is left out of it is counted in it.
    """
    page = _templates().get_template("report.html.j2")
    return f"{page.render(view=view_of(report, about, shown), picture_style=Markup(STYLE)).strip()}\n"


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("checks.report.html"),
        autoescape=lambda name: bool(name) and ".html" in str(name),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_harmless,
    )


def _harmless(value: object) -> object:
    """What the template shows of a text, without what steers a terminal or turns the direction of writing.

    Markup is a macro's output or a picture, made of such texts.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value, keep="\n")
    return value
