"""The HTML report: one page that stands alone, bounded, and true to the scan."""

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from checks.findings import Fail, ScanError, ScanReport
from checks.report.html import bounded
from checks.report.html.render import html_report
from checks.version import VERSION
from tests.support.browser import DESK, PHONE, browser, program
from tests.support.sample_fleets import ABOUT, fleet, hostile_scan, kinds

needs_browser = pytest.mark.skipif(
    not program(), reason="Chromium is not installed (CONTRIBUTING.md says how to get it)"
)
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
MIXED = fleet(60, 10)
# What reaches beyond the window, the folded parts too, which are opened first.
OVERFLOWING = """
document.querySelectorAll("details").forEach(one => { one.open = true });
[...document.querySelectorAll("body *")]
  .filter(one => one.getClientRects().length)
  .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map(one => one.outerHTML.slice(0, 100))
  .concat(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ["the page"] : [])
"""
HIDDEN_PICTURES = """
[...document.querySelectorAll("details:not([open]) svg")].filter(one => !one.checkVisibility()).length
"""


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def words(scan: ScanReport) -> str:
    """The page's text on one line."""
    return " ".join(Page(html_report(scan, ABOUT)).text.split())


def test_the_headline_and_the_totals_count_every_cluster() -> None:
    text = words(MIXED)
    assert "8 of 60 clusters cannot pull" in text
    assert "8 cannot pull" in text and "2 image errors" in text and "1 unknown" in text and "49 can pull" in text


@pytest.mark.parametrize(
    ("scan", "headline"),
    [
        (ScanReport(), "No cluster was checked"),
        (fleet(9, 0), "Nothing fails; of 1 of 9 clusters it is not known whether nodes can pull"),
        (msgspec.structs.replace(MIXED, clusters=(kinds()["image"],)), "1 of 1 cluster at risk or with image errors"),
        (msgspec.structs.replace(MIXED, clusters=(kinds()["healthy"],)), "1 of 1 cluster can pull"),
    ],
    ids=["none", "unknown", "images", "pass"],
)
def test_the_headline_says_the_worst_that_is_true(scan: ScanReport, headline: str) -> None:
    assert Page(html_report(scan, ABOUT)).text.strip().startswith(f"Pullwatch: {headline} ")


def test_each_group_says_how_many_of_the_clusters_that_use_the_registry_it_is() -> None:
    text = words(MIXED)
    assert "cannot pull : acrone.azurecr.io role-missing (PW102). 6 of 60 clusters that use acrone.azurecr.io." in text
    assert "dns (PW301). 2 of 60 clusters that use acrone.azurecr.io." in text


def test_every_broken_row_has_its_picture_its_commands_and_its_evidence() -> None:
    page = Page(html_report(MIXED, ABOUT))
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) == 10
    assert len({attributes["aria-labelledby"] for attributes in pictures}) == 10
    assert page.text.count("--role AcrPull") == 6
    assert page.text.count("az network private-dns link vnet create") == 2
    assert "role definitions" in page.text or "roleAssignmentMode" in page.text
    assert "resource pull 'Microsoft.Authorization/roleAssignments" in page.text, "Bicep is there, folded"


def test_the_table_has_every_cluster_the_worst_first_and_leads_to_the_pictures() -> None:
    raw = html_report(MIXED, ABOUT)
    page = Page(raw)
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    anchors = {f"#{attributes['id']}" for tag, attributes in page.tags if tag == "details" and attributes.get("id")}
    assert len(links) == 10 and set(links) == anchors
    table = Page(raw[raw.index("<tbody>") : raw.index("</tbody>")]).text
    assert all(f"aks-shop-{number:04d}" in table for number in range(60))
    assert table.index("cannot pull") < table.index("image errors") < table.index("unknown") < table.index("can pull")


def test_unknowns_warnings_and_gaps_are_grouped_and_counted() -> None:
    text = words(MIXED)
    assert "not checked: not-looked-at 1 cluster The cluster's API did not answer." in text
    assert "What is not known by check and cause:" in text
    assert "Coverage what was not read:" in text
    warned = msgspec.structs.replace(kinds()["healthy"].findings[0], verdict=Fail(), summary="It only warns.")
    report = msgspec.structs.replace(kinds()["healthy"], findings=(*kinds()["healthy"].findings, warned))
    text = words(ScanReport(clusters=(report,)))
    assert "Warnings 1 in all, by check and cause: 1" in text
    assert "It only warns." in text


def test_what_could_not_be_looked_at_stands_before_everything_else() -> None:
    error = ScanError("not-signed-in", "Nobody is signed in.", ("az login",))
    text = words(ScanReport(errors=(error,)))
    assert text.index("Not looked at The scan Nobody is signed in. What helps az login") < text.index("Clusters")


def test_it_says_when_what_was_asked_and_which_version() -> None:
    about = msgspec.structs.replace(ABOUT, clusters=("aks-1",), registries=("acrone",), canaries=True)
    text = " ".join(Page(html_report(MIXED, about)).text.split())
    assert "Checked on 2026-11-24 08:00 UTC, in 42 s." in text
    assert "Asked for: clusters aks-1; registries acrone. 1 subscription looked at." in text
    assert "Canary pods asked nodes to pull." in text
    assert f"Pullwatch {VERSION}." in text


@pytest.mark.parametrize("scan", [MIXED, hostile_scan()], ids=["fleet", "hostile"])
def test_it_loads_and_runs_nothing(scan: ScanReport) -> None:
    raw = html_report(scan, ABOUT)
    page = Page(raw)
    policy = [attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "form", "base", "image"}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "xlink:href", "style")]
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in raw and "@import" not in raw
    assert not STEERING.search(raw)
    assert raw.startswith("<!doctype html>")


def test_hostile_names_stay_text_wherever_they_are() -> None:
    raw = html_report(hostile_scan(), ABOUT)
    assert "<script" not in raw
    assert raw.count("{{7*7}}") > 20
    assert raw.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 20
    assert "<!--" not in raw


def test_700_clusters_with_30_broken_are_less_than_2_mb_and_made_in_less_than_a_second() -> None:
    scan = fleet(700, 30)
    html_report(fleet(2, 1), ABOUT)
    before = time.process_time()
    raw = html_report(scan, ABOUT)
    spent = time.process_time() - before
    print(f"700 clusters, 30 broken: {len(raw.encode()) / 1e6:.2f} MB, {spent:.2f} s")
    assert len(raw.encode()) < 2_000_000
    assert spent < 1
    assert Page(raw).text.count("identity: pass") >= 30


def test_where_all_fail_the_page_stays_small_and_names_those_without_a_picture() -> None:
    scan = fleet(700, 700)
    raw = html_report(scan, ABOUT)
    page = Page(raw)
    assert len(raw.encode()) < 2_000_000
    assert len([1 for tag, _ in page.tags if tag == "svg"]) == bounded.MAX_PICTURES
    text = " ".join(page.text.split())
    left = sum(int(count) for count in re.findall(r"Without a picture here: (\d+) more for the same cause", text))
    assert left == 700 - bounded.MAX_PICTURES
    assert "aks-shop-0699" in text


def test_more_clusters_than_the_table_takes_are_counted() -> None:
    text = words(fleet(bounded.MAX_CLUSTERS + 7, 1))
    assert "… and 7 more clusters, none of them worse, which the JSON of the scan has." in text


@needs_browser
async def test_nothing_runs_out_of_the_page_folded_or_not(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    async with browser() as window:
        for name, scan in {"fleet": MIXED, "hostile": hostile_scan()}.items():
            page.write_text(html_report(scan, ABOUT), encoding="utf-8")
            for width in (PHONE, DESK):
                await window.open(page, width)
                assert await window.value("document.documentElement.clientWidth") == width
                assert await window.value(OVERFLOWING) == [], name
                assert await window.value("document.scripts.length") == 0


@needs_browser
async def test_cause_and_first_command_are_on_the_first_screens(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(html_report(MIXED, ABOUT), encoding="utf-8")
    first = "(one => [one.innerText, one.getBoundingClientRect().bottom, getComputedStyle(one).userSelect])"
    async with browser() as window:
        for width, screens in ((PHONE, 1.5), (DESK, 1)):
            await window.open(page, width)
            seen = await window.value("document.body.innerText")
            command, bottom, select = await window.value(f"{first}(document.querySelector('pre'))")
            assert seen.index("8 of 60 clusters cannot pull") < seen.index("role-missing (PW102)") < seen.index(command)
            assert command.startswith("az role assignment create --assignee-object-id")
            assert bottom < 844 * screens
            assert select == "all"


@needs_browser
async def test_dark_mode_and_print_show_all_of_it(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(html_report(MIXED, ABOUT), encoding="utf-8")
    colour = "getComputedStyle(document.body).backgroundColor"
    async with browser() as window:
        await window.open(page, DESK)
        light, folded = await window.value(colour), await window.value(HIDDEN_PICTURES)
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        await window.ask("Emulation.setEmulatedMedia", features=dark)
        assert await window.value(colour) != light
        await window.ask("Emulation.setEmulatedMedia", media="print", features=[])
        assert folded > 0
        assert await window.value(HIDDEN_PICTURES) == 0, "paper has no folds"
