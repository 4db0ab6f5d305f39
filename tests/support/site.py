"""The dashboard in a real browser: pages that note every request, message and violation of their policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.browser import DESK, PHONE, program
from tests.support.cli import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = (
    "--no-sandbox",  # which root cannot have; only the project's own pages are opened
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
HEIGHT = 844


@dataclass
class Site:
    """A dashboard at an address, and a browser to look at it with."""

    root: str
    browser: Browser
    strays: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @cached_property
    def address(self) -> str:
        """Where *Now* is."""
        return f"{self.root}/api/dashboard"

    @contextmanager
    def visit(
        self, path: str = "", *, width: int = DESK, scripts: bool = True, dark: bool = False, bypass_csp: bool = False
    ) -> Iterator[Page]:
        """A page in a browser of its own, whose requests and complaints are noted."""
        context: BrowserContext = self.browser.new_context(
            viewport={"width": width, "height": HEIGHT},
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
            is_mobile=width == PHONE,
            bypass_csp=bypass_csp,
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.root)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: self._note(request.url))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        try:
            page.goto(f"{self.address}{path}")
            yield page
        finally:
            context.close()

    def _note(self, url: str) -> None:
        if f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" != self.root:
            self.strays.append(url)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. While it is open, this thread has an event loop that runs: nothing else can have one in it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page, one line for each element."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


def picture(page: Page, file: Path, *, max_height: int) -> None:
    """The top of a page as a PNG."""
    height: int = page.evaluate("document.documentElement.scrollHeight")
    width = page.viewport_size["width"] if page.viewport_size else DESK
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, max_height)}
    page.screenshot(path=file, full_page=True, clip=clip)  # type: ignore[arg-type]


def links(page: Page) -> list[str]:
    """Where the links of a page lead, as addresses without their origin."""
    found: str = page.evaluate("JSON.stringify([...document.querySelectorAll('a')].map(a => a.getAttribute('href')))")
    return [str(one) for one in json.loads(found)]
