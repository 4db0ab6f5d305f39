"""The page that stands where another cannot be shown: what is the matter, and what to do."""

from __future__ import annotations

from checks.dashboard.render import templates


def refusal_page(title: str, said: tuple[str, ...], commands: tuple[str, ...] = (), *, link: tuple[str, str]) -> str:
    """HTML: sentences, then commands, then a link (address, text). Every text is escaped."""
    address, text = link
    page = templates().get_template("refusal.html.j2")
    return f"{page.render(title=title, said=said, commands=commands, link=address, link_text=text).strip()}\n"
