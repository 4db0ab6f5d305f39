"""HTML pages taken apart for tests: their elements, their text, and what no page may have."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
VOID = frozenset({"meta", "link", "input", "br", "wbr"})
HEADINGS = ("h1", "h2", "h3", "h4")


class HtmlPage(HTMLParser):
    """The elements with their attributes, and the text on one line."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.raw = page
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.unbalanced: list[str] = []
        self._text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.ids += [str(attributes["id"])] if "id" in attributes else []
        self._text += " "
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._text += " "
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self._text += data

    @property
    def text(self) -> str:
        """The text on one line."""
        return " ".join(self._text.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def links(self) -> list[str]:
        """Where links lead."""
        return [str(attributes.get("href")) for attributes in self.all("a")]

    def forms(self) -> list[str]:
        """Where forms that write lead."""
        return [str(one.get("action")) for one in self.all("form") if one.get("method") == "post"]


def faults(page: HtmlPage) -> list[str]:
    """What a page of the dashboard must not have; [] where all is well.

    Nothing inline that the content security policy refuses, nothing from elsewhere, no element left open, no id twice,
    headings in order, tables with captions, labels of fields, and no character that steers.
    """
    found = [f"unbalanced {tag}" for tag in page.unbalanced]
    found += [f"id twice: {name}" for name in {one for one in page.ids if page.ids.count(one) > 1}]
    found += ["a character that steers"] if STEERING.search(page.raw) else []
    for tag, attributes in page.tags:
        found += [f"{tag} with {name}" for name in attributes if name == "style" or name.startswith("on")]
        for name in ("href", "src", "action"):
            where = attributes.get(name)
            if where is not None and not where.startswith(("/api/dashboard", "#")):
                found.append(f"{tag} leads to {where}")
    found += ["an inline script"] if any("src" not in one for one in page.all("script")) else []
    found += ["an inline style"] if page.all("style") else []
    levels = [HEADINGS.index(tag) for tag, _ in page.tags if tag in HEADINGS]
    found += ["headings begin elsewhere than h1"] if levels[:1] != [0] or levels.count(0) != 1 else []
    found += ["a heading is left out" for one, other in pairwise(levels) if other > one + 1]
    found += ["a table without a caption"] if len(page.all("table")) != len(page.all("caption")) else []
    found += [f"th without scope {one}" for one in page.all("th") if "scope" not in one]
    labelled = {one.get("for") for one in page.all("label")}
    fields = [one for tag in ("input", "select") for one in page.all(tag) if one.get("type") != "hidden"]
    found += [f"no label of {one}" for one in fields if one.get("id") not in labelled]
    found += [f"a picture without words {one}" for one in page.all("svg") if not _has_words(one)]
    return found


def _has_words(svg: dict[str, str | None]) -> bool:
    return bool(svg.get("aria-label") or svg.get("aria-labelledby") or svg.get("aria-hidden"))
