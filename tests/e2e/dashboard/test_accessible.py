"""Every page at every width, light and dark: axe-core finds nothing, nothing runs out of the window."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from demo.environment import Stage
from demo.incidents import RemovedRole
from tests.support.browser import DESK, PHONE
from tests.support.sampling import sampled
from tests.support.site import Site, links, overflow, violations

Fleet = tuple[Stage, RemovedRole]
FIXED = ("", "?all=1", "/incidents", "/silences", "/runs", "/unseen", "/nothing")


def pages(page: Page, dashboard: Site, removed: RemovedRole) -> list[str]:
    """One page of each kind."""
    page.goto(f"{dashboard.address}?all=1")
    found = {kind: next(one for one in links(page) if kind in one) for kind in ("/incidents/", "/runs/")}
    found["/clusters/"] = next(one for one in links(page) if one.endswith(f"/{removed.cluster}"))
    found["/registries/"] = next(one for one in links(page) if one.endswith(f"/{removed.registry}"))
    return [*(f"{dashboard.address}{path}" for path in FIXED), *(f"{dashboard.root}{path}" for path in found.values())]


@pytest.mark.parametrize(("width", "dark"), sampled([(PHONE, True), (PHONE, False), (DESK, False), (DESK, True)], 2))
def test_no_page_has_a_fault(dashboard: Site, fleet: Fleet, width: int, dark: bool) -> None:
    found: dict[str, list[str]] = {}
    with dashboard.visit(width=width, dark=dark) as page:
        for address in pages(page, dashboard, fleet[1]):
            page.goto(address)
            for summary in page.locator("summary").all():
                summary.click()
            wide = overflow(page)
            faults = violations(page) + ([f"{wide} px wider than {width}"] if wide else [])
            if faults:
                found[address] = faults
    dashboard.complaints.clear()  # one page was not found
    assert found == {}


def test_strips_and_pictures_can_be_read_on_a_phone(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit(width=PHONE) as page:
        strips = page.locator("svg.strip:visible")
        assert strips.count()
        for box in (strip.bounding_box() for strip in strips.all()):
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE
            assert box["width"] >= 72 and box["height"] >= 12, "an hour is at least three pixels wide"
        page.goto(next(one for one in pages(page, dashboard, fleet[1]) if "/clusters/" in one))
        text = page.locator("svg text:visible").first
        size = float(text.evaluate("(t) => t.getBoundingClientRect().height"))
        assert size >= 9, "letters of a picture"
