"""What somebody does who looks: filter, drill down, copy what helps. With scripts and without."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from demo.environment import Stage
from demo.incidents import RemovedRole
from tests.support.site import Site

Fleet = tuple[Stage, RemovedRole]
BOTH = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])


def shown(page: Page) -> list[str]:
    """The clusters of the rows that are seen."""
    rows = page.locator("#rows tbody tr:visible th a")
    return [text.strip() for text in rows.all_text_contents()]


def test_rows_are_filtered_as_one_types(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit("?all=1") as page:
        everything = shown(page)
        page.get_by_role("searchbox").press_sequentially(fleet[1].cluster)
        fitting = shown(page)
        assert set(fitting) == {fleet[1].cluster} and len(fitting) < len(everything)
        expect(page.locator("#count")).to_contain_text(f"{len(fitting)} of the {len(everything)} rows")
        page.get_by_role("searchbox").fill("")
        assert shown(page) == everything


@BOTH
def test_the_filter_is_a_form_as_well(dashboard: Site, fleet: Fleet, scripts: bool) -> None:
    with dashboard.visit("?all=1", scripts=scripts) as page:
        page.get_by_role("searchbox").fill(fleet[1].registry)
        page.get_by_role("searchbox").press("Enter")
        page.wait_for_url("**q=*")
        assert fleet[1].cluster in shown(page)
        assert all(fleet[1].registry in text for text in page.locator("#rows tbody tr").all_text_contents())
        page.goto(f"{dashboard.address}?all=1&q=no-such-thing")
        assert "Nothing here has that in it" in page.content()


@BOTH
def test_only_what_is_not_fine_is_shown_until_one_asks_for_more(dashboard: Site, fleet: Fleet, scripts: bool) -> None:
    with dashboard.visit(scripts=scripts) as page:
        few = shown(page)
        assert fleet[1].cluster in few
        page.get_by_role("link", name="Show all clusters").first.click()
        page.wait_for_url("**all=1**")
        assert set(few) < set(shown(page))
        page.get_by_role("link", name="Only what is not fine").click()
        page.wait_for_url(re.compile(r"dashboard[^?]*(#|$)"))
        assert shown(page) == few


@BOTH
def test_from_an_incident_to_the_cluster_its_picture_and_the_registry(
    dashboard: Site, fleet: Fleet, scripts: bool
) -> None:
    removed = fleet[1]
    with dashboard.visit(scripts=scripts) as page:
        card = page.locator("article", has_text="role-missing").first
        expect(card).to_contain_text(removed.registry)
        expect(card).to_contain_text("of 2 clusters")
        card.get_by_role("link", name="role-missing").click()
        page.wait_for_url("**/incidents/*")
        page.get_by_role("link", name=removed.cluster).first.click()
        page.wait_for_url(f"**/{removed.cluster}")
        expect(page.locator("h1")).to_contain_text(removed.cluster)
        expect(page.locator("svg text", has_text="it breaks here").first).to_be_attached()
        expect(page.locator("pre", has_text="az role assignment create").first).to_be_visible()
        page.get_by_role("link", name=removed.registry, exact=True).first.click()
        page.wait_for_url("**/registries/*")
        expect(page.locator("main")).to_contain_text(removed.cluster)


def test_a_fix_is_copied(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit() as page:
        card = page.locator("article", has_text="role-missing").first
        card.get_by_role("button", name=re.compile("Copy")).click()
        expect(card.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("az role assignment create") or "\naz role assignment create" in copied


def test_without_scripts_a_fix_is_text_and_no_button_pretends(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit(scripts=False) as page:
        card = page.locator("article", has_text="role-missing").first
        expect(card.get_by_role("button", name=re.compile("Copy"))).to_have_count(0)
        card.locator("summary", has_text=re.compile("fix")).click()
        expect(card.locator("pre", has_text="az role assignment create")).to_be_visible()


def test_what_is_exported_is_what_is_shown(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit() as page:
        seen = shown(page)
        table, document = (page.get_by_role("link", name=name).get_attribute("href") for name in ("CSV", "JSON"))
    with urllib.request.urlopen(f"{dashboard.root}{table}", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    with urllib.request.urlopen(f"{dashboard.root}{document}", timeout=20) as answer:
        rows = json.loads(answer.read())
    assert len(lines) == len(seen) + 1
    assert fleet[1].cluster in json.dumps(rows)


PAGES = ("", "?all=1", "/incidents", "/incidents?state=over", "/silences", "/runs", "/unseen")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_where_one_is_and_leads_on(dashboard: Site, fleet: Fleet, path: str) -> None:
    with dashboard.visit(path) as page:
        assert page.title().strip() and page.locator("h1").count() == 1
        expect(page.locator("nav[aria-label=Pages] a")).to_have_count(5)


ABSENT = (
    "/clusters/x/y/z",
    "/registries/none.azurecr.io",
    "/incidents/ffffffff",
    "/runs/202611-999999999999",
    "/nothing",
    "/static/nothing.js",
)


def test_what_is_not_there_is_a_page_too(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit() as page:
        for path in ABSENT:
            answer = page.goto(f"{dashboard.address}{path}")
            assert answer is not None and answer.status == 404, path
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        dashboard.complaints.clear()  # the browser says that a page was not found
