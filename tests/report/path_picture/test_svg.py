"""The picture of a chain as SVG: one file that stands alone, says it in words, and holds hostile names as text."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from checks.catalog.check import Step
from checks.report.chain.model import Chain
from checks.report.path_picture import svg
from tests.support.browser import DESK, PHONE, browser, program
from tests.support.sample_chains import hostile, sample, whole, without_role
from tests.tools.scripts import load

SVG = "{http://www.w3.org/2000/svg}"
CHAINS = {"dns": sample(), "role": without_role(), "whole": whole(), "hostile": hostile(sample())}
each = pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
needs_browser = pytest.mark.skipif(
    not program(), reason="Chromium is not installed (CONTRIBUTING.md says how to get it)"
)
# Texts of the picture that reach beyond it, and those smaller than a phone shows legibly.
OVERFLOWING = """
[...document.querySelectorAll("svg text")]
  .filter(one => one.getBoundingClientRect().right > document.querySelector("svg").getBoundingClientRect().right - 4
    || one.getBoundingClientRect().bottom > document.querySelector("svg").getBoundingClientRect().bottom)
  .map(one => one.textContent)
"""
SMALLEST = """
Math.min(...[...document.querySelectorAll("svg text")].map(one => one.getBoundingClientRect().height))
"""


def parts(picture: str, tag: str) -> list[ET.Element]:
    return list(ET.fromstring(picture).iter(f"{SVG}{tag}"))


@each
def test_it_is_one_file_without_scripts_links_or_anything_from_elsewhere(chain: Chain) -> None:
    picture = svg.picture(chain)
    root = ET.fromstring(picture)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "desc", "style", "rect", "g", "line", "text", "circle", "path",
    }  # fmt: skip
    for element in root.iter():
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
    assert "url(" not in picture and "@import" not in picture
    assert "<script" not in picture
    assert len(picture) < 24_000


@each
def test_it_is_said_in_words_too(chain: Chain) -> None:
    picture = svg.picture(chain, key="7")
    root = ET.fromstring(picture)
    assert root.get("role") == "img"
    (title,), (desc,) = parts(picture, "title"), parts(picture, "desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}" == "pw-t7 pw-d7"
    assert title.text and desc.text
    for step in Step:
        assert f"{step.value}: " in desc.text


def test_what_breaks_has_a_box_a_sign_and_words_beside_its_colour() -> None:
    picture = svg.picture(sample())
    boxes = [one for one in parts(picture, "rect") if one.get("class") == "pw-alarm"]
    assert len(boxes) == len(sample().broken) == 2
    words = [one.text for one in parts(picture, "text")]
    assert "DNS: FAIL" in words
    assert "it breaks here: zone-not-linked (PW204)" in words
    assert "identity: pass" in words
    assert len({one.get("d") for one in parts(picture, "path")}) == 2, "passing and failing steps have their own signs"


def test_a_page_of_many_pictures_has_their_style_once() -> None:
    assert "<style>" in svg.picture(sample())
    assert "style" not in svg.picture(sample(), styled=False)
    assert "prefers-color-scheme:dark" in svg.STYLE


def test_the_picture_in_the_docs_is_up_to_date() -> None:
    assert load("docs").main(["--check"]) == 0, "run `make docs`"


@needs_browser
async def test_every_text_is_inside_the_picture_and_large_enough(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    head = '<!doctype html><meta name="viewport" content="width=device-width"><body style="margin:8px">'
    async with browser() as window:
        for name, chain in CHAINS.items():
            page.write_text(head + svg.picture(chain), encoding="utf-8")
            for width in (PHONE, DESK):
                await window.open(page, width)
                assert await window.value(OVERFLOWING) == [], name
                assert await window.value(SMALLEST) >= 12
                assert await window.value("document.documentElement.scrollWidth") <= width
                assert await window.value("document.scripts.length") == 0
