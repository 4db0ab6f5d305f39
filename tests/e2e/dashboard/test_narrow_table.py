"""The table of *Now* has room for its longest words, at a desk and on a phone."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from playwright.sync_api import Browser

from checks.changes import Status
from checks.dashboard.render import render
from checks.dashboard.views.frame import Clock, Person, frame
from checks.dashboard.views.now import lines_of, now_view
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry, OpenFacet, RowEntry
from tests.fleet.test_incidents import NOW, ago, entry, fails, fleet
from tests.support.browser import DESK, PHONE
from tests.support.cli import ROOT

REGISTRY = "acrplatformproduction0012.azurecr.io"
CSS = (ROOT / "checks" / "dashboard" / "static" / "dashboard.css").read_text()
MEASURE = """(box) => [box.scrollWidth, box.clientWidth,
    Array.from(box.querySelectorAll("thead th")).map((th) => `${th.innerText} ${th.offsetWidth}`)]"""


def wide() -> Fleet:
    """Rows with the longest words of every column."""
    once = [
        OpenFacet(facet, Status.PASSING, "fail", ago(40), "private-endpoint-not-approved", failed_since=ago(2.8))
        for facet in ("access", "path", "pull", "images")
    ]
    image = fails(43.5, "image_not_found", "images")
    rows = [
        RowEntry(REGISTRY, {one.facet: one.status for one in facets}, facets, seen_by=("nodes", "azure"), waiting=128)
        for facets in (tuple(once), (image,), (msgspec.structs.replace(once[2], verdict="unknown"),))
    ]
    clusters = [_named(f"aks-checkout-westeurope-{number:04d}", one) for number, one in enumerate(rows)]
    lost = msgspec.structs.replace(clusters[1], cluster=f"{clusters[1].cluster}-lost", missed_since=ago(1))
    return fleet(*clusters, lost)


def _named(name: str, row: RowEntry) -> ClusterEntry:
    return msgspec.structs.replace(entry(name, row), outcome=row.outcome, region="germanywestcentral")


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_the_table_is_not_wider_than_its_room(browser: Browser, width: int) -> None:
    held = wide()
    lines = lines_of(held)
    clock = Clock(now=NOW, latest=None, overdue=False, next=NOW + timedelta(minutes=5))
    person = Person(name="a", operator=False, token="")
    text = render("now", frame("Now", "", clock, person), now_view(held, (), lines, lines, unsent=None))
    opened = browser.new_page(viewport={"width": width, "height": 900})
    try:
        opened.set_content(text)
        opened.add_style_tag(content=CSS)
        box = opened.locator(".box")
        words = box.inner_text()
        assert all(
            word in words for word in ("unconfirmed", "not judged", "image_not_found", "not found in the last run")
        )
        wanted, room, columns = box.evaluate(MEASURE)
        assert wanted <= room, columns
        right = opened.locator("#rows .strip").evaluate_all(
            "(all) => Math.max(...all.map((s) => s.getBoundingClientRect().right))"
        )
        assert right <= width
    finally:
        opened.close()
