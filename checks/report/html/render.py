"""A scan's report and what was asked in, the page out. The template escapes every text."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from checks.findings import ClusterReport, ScanReport
from checks.report.fleet.scan_about import ScanAbout
from checks.report.html.view import view_of
from checks.report.path_picture.svg import STYLE
from checks.report.templates import environment


def html_report(report: ScanReport, about: ScanAbout, shown: Iterable[ClusterReport] | None = None) -> str:
    """The page: HTML with its style in it, without scripts, and with nothing from elsewhere.

    ``shown`` are the clusters to list (None: all). It is bounded: what is left out of it is counted in it.
    """
    page = environment("checks.report.html").get_template("report.html.j2")
    return f"{page.render(view=view_of(report, about, shown), picture_style=Markup(STYLE)).strip()}\n"
