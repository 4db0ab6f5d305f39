"""The page of one check: docs/checks/ holds it as Markdown, ``pullwatch explain CODE`` shows it as text."""

from __future__ import annotations

from types import ModuleType

from checks.catalog.check import Check
from checks.report.pages.page import Page, Section

CAUSES = ("cause", "what it means")


def check_page(module: ModuleType) -> Page:
    """A check's page, out of its module in the catalog."""
    check: Check = module.CHECK
    return Page(
        f"{check.code}: {check.title}",
        (
            Section(text=(sentence_of(module),)),
            why(check),
            how(check),
            Section(text=(f"A failure's severity is **{check.severity.value}**, unless the finding says less.",)),
            permissions(check),
            fix(check),
            *_more(check),
        ),
    )


def sentence_of(module: ModuleType) -> str:
    """The first line of a check's docstring without its code."""
    first = (module.__doc__ or "").strip().splitlines()[0]
    _, _, description = first.partition(": ")
    return description[:1].upper() + description[1:]


def why(check: Check, title: str = "Why") -> Section:
    """Why a check matters."""
    return Section(title=title, text=(check.why,))


def how(check: Check, title: str = "How it is decided") -> Section:
    """How a check decides."""
    return Section(title=title, text=(check.how,))


def permissions(check: Check, title: str = "Permissions") -> Section:
    """What Pullwatch's identity needs for a check."""
    return (
        Section(title=title, bullets=check.permissions) if check.permissions else Section(title=title, text=("None.",))
    )


def fix(check: Check, title: str = "Fix") -> Section:
    """What helps against a check's failure."""
    exact = "A finding that fails carries the exact commands for its cluster and registry."
    return Section(title=title, text=(check.fix, exact))


def _more(check: Check) -> tuple[Section, ...]:
    causes = {f"`{cause.value}`": cause.sentence for kind in check.causes for cause in kind}
    links = tuple(f"<{link}>" for link in check.links)
    every = (
        Section(title="Causes", head=CAUSES, rows=tuple(causes.items())),
        Section(title="Covers", bullets=check.article),
        Section(title="Links", bullets=links),
    )
    return tuple(section for section in every if section.rows or section.bullets)
