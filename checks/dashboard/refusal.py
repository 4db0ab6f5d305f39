"""The page that stands where another cannot be shown: what is the matter, and what to do."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from checks.text import printable


def refusal_page(
    title: str,
    said: tuple[str, ...],
    commands: tuple[str, ...] = (),
    *,
    stylesheet: str,
    link: tuple[str, str],
) -> str:
    """HTML: sentences, then commands, then a link (address, text). Every text is escaped."""
    address, text = link
    page = _templates().get_template("refusal.html.j2")
    shown = page.render(
        title=title, said=said, commands=commands, stylesheet=stylesheet, link=address, link_text=text
    ).strip()
    return f"{shown}\n"


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("checks.dashboard"),
        autoescape=lambda name: bool(name) and ".html" in str(name),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_harmless,
    )


def _harmless(value: object) -> object:
    """A text without what steers a terminal, to which commands are copied, or turns the direction of writing."""
    return printable(value) if isinstance(value, str) else value
