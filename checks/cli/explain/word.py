"""``explain WORD``: the page of a check or of a cause, or the words that are like it."""

from __future__ import annotations

import difflib

from checks import catalog
from checks.report.pages.cause_page import cause_ids, cause_page
from checks.report.pages.check_page import check_page
from checks.report.pages.page import Page
from checks.text import clipped, printable, redacted

MAX_SHOWN = 80
NEAR = 3


def page_of(word: str) -> Page | None:
    """The page of a check's code or a cause, in any case of letters; None for any other word."""
    code = word.strip().upper()
    module = next((module for module in catalog.MODULES if code == module.CHECK.code), None)
    return check_page(module) if module is not None else cause_page(word)


def unknown_word(word: str) -> str:
    """What to say of a word that is neither, in one line."""
    codes = {check.code.lower(): check.code for check in catalog.checks()}
    known = {**{cause.lower(): cause for cause in cause_ids()}, **codes}
    near = difflib.get_close_matches(word.strip().lower()[:MAX_SHOWN], known, n=NEAR)
    shown = printable(clipped(redacted(word), MAX_SHOWN))
    listed = f"did you mean {' or '.join(known[one] for one in near)}?" if near else "`list` has the checks."
    return f"{shown!r} is neither a check's code nor a cause; {listed}"
