"""What an operator does: run now and watch it, acknowledge, silence. With scripts and without."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import Page, expect

from demo.environment import Stage
from demo.incidents import RemovedRole
from tests.support.site import Site

Fleet = tuple[Stage, RemovedRole]
BOTH = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])


def incident(page: Page, dashboard: Site, removed: RemovedRole) -> str:
    """Opens the page of the incident of the role that was removed; its id."""
    page.goto(f"{dashboard.address}/incidents")
    page.locator("article", has_text=removed.registry).first.get_by_role("link", name="role-missing").click()
    page.wait_for_url("**/incidents/*")
    return page.url.partition("?")[0].rsplit("/", 1)[-1]


def end_silences(page: Page, dashboard: Site) -> None:
    """Ends all that holds, by the buttons of its page."""
    page.goto(f"{dashboard.address}/silences")
    while page.get_by_role("button", name=re.compile("^End")).count():
        page.get_by_role("button", name=re.compile("^End")).first.click()
        page.wait_for_url("**done=ended**")


def state(fleet: Fleet, name: str) -> object:
    """The state of an incident as the HTTP API says it."""
    answer = fleet[0].host.get(f"/api/incidents/{name}").json()
    assert isinstance(answer, dict)
    return answer["state"]


def test_run_now_is_followed_until_it_is_closed(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit() as page:
        page.get_by_role("button", name="Run now").click()
        page.wait_for_url("**/runs/*")
        expect(page.locator("[data-follow]")).to_be_visible()
        expect(page.locator("h2#totals")).to_be_visible(timeout=90_000)
        expect(page.locator("main")).to_contain_text("Demo")  # who asked for it
    fleet[0].host.wait_idle()


def test_run_now_without_scripts_is_followed_by_looking_again(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit(scripts=False) as page:
        page.get_by_role("button", name="Run now").click()
        page.wait_for_url("**/runs/*")
        assert '<meta http-equiv="refresh" content="5">' in page.content()
        ends = time.monotonic() + 90
        while not page.locator("h2#totals").count():
            assert time.monotonic() < ends
            time.sleep(1)
            page.reload()
        assert "http-equiv" not in page.content()
    fleet[0].host.wait_idle()


@BOTH
def test_an_incident_is_acknowledged_and_everybody_sees_by_whom(dashboard: Site, fleet: Fleet, scripts: bool) -> None:
    with dashboard.visit(scripts=scripts) as page:
        name = incident(page, dashboard, fleet[1])
        page.locator("summary", has_text="Acknowledge").click()
        page.get_by_label(re.compile("Comment")).first.fill("the role comes with <b>the next</b> deployment")
        page.get_by_role("button", name="Acknowledge").click()
        page.wait_for_url("**done=acknowledged**")
        expect(page.get_by_role("status").first).to_contain_text("cknowledged")
        expect(page.locator("main")).to_contain_text("Demo")
        expect(page.locator("main")).to_contain_text("the role comes with <b>the next</b> deployment")
        expect(page.locator("summary", has_text="Acknowledge")).to_have_count(0)
        assert state(fleet, name) == "acknowledged"
        end_silences(page, dashboard)
        assert state(fleet, name) == "open"


@BOTH
def test_an_incident_is_silenced_for_a_while(dashboard: Site, fleet: Fleet, scripts: bool) -> None:
    with dashboard.visit(scripts=scripts) as page:
        name = incident(page, dashboard, fleet[1])
        page.locator("summary", has_text="Silence").click()
        page.get_by_label("For how long").select_option("4")
        page.get_by_label(re.compile("Comment")).last.fill("maintenance")
        page.get_by_role("button", name="Silence").click()
        page.wait_for_url("**done=silenced**")
        assert state(fleet, name) == "silenced"
        expect(page.locator("main")).to_contain_text("maintenance")
        end_silences(page, dashboard)


def acknowledge(page: Page) -> None:
    """Sends the form, which is filled in."""
    page.get_by_role("button", name="Acknowledge").click()
    page.wait_for_load_state()


def filled(page: Page, dashboard: Site, fleet: Fleet) -> str:
    """The page of the incident with the form filled in; its id."""
    name = incident(page, dashboard, fleet[1])
    page.locator("summary", has_text="Acknowledge").click()
    page.get_by_label(re.compile("Comment")).first.fill("mine")
    return name


def test_who_is_second_is_told_who_was_first(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit() as page:
        name = filled(page, dashboard, fleet)
        first = json.dumps({"author": "sam@contoso.example", "reason": "mine"}).encode()
        path, headers = f"/api/incidents/{name}/acknowledgement", {"content-type": "application/json"}
        done = fleet[0].host.request("POST", path, first, headers)
        assert done.status == 201
        acknowledge(page)
        expect(page.locator("main")).to_contain_text("Somebody was first")
        expect(page.locator("main")).to_contain_text("sam@contoso.example")
        assert "done=" not in page.url
        end_silences(page, dashboard)
    dashboard.complaints.clear()  # the browser notes the 412


def test_a_form_in_a_second_window_is_not_told_that_somebody_was_first(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit() as first, dashboard.visit() as second:
        for page in (first, second):
            filled(page, dashboard, fleet)
        acknowledge(first)
        acknowledge(second)
        expect(second.get_by_role("status").first).to_have_text("You had acknowledged it already.")
        end_silences(first, dashboard)


def test_an_operator_can_do_all_of_it_by_keyboard(dashboard: Site, fleet: Fleet) -> None:
    with dashboard.visit() as page:
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to the page")
        page.keyboard.press("Enter")
        expect(page.locator(":focus")).to_have_attribute("id", "main")
        summary = page.locator("summary", has_text="Acknowledge").first
        summary.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("by keyboard")
        page.keyboard.press("Enter")
        page.wait_for_url("**done=acknowledged**")
        end_silences(page, dashboard)
