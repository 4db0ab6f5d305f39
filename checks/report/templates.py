"""How pages and mails are made of templates: every text of HTML is escaped, and only what a view has is named."""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from checks.text import printable


def harmless(value: object) -> object:
    """What a template shows of a text, without what steers a terminal or turns the direction of writing.

    Markup is a macro's output or a picture, made of such texts.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value, keep="\n")
    return value


def environment(package: str, shown: Callable[[object], object] = harmless) -> Environment:
    """The templates in the folder ``templates`` of a package, each compiled when it is first used.

    ``shown``: what becomes of each value before it is escaped. Templates of HTML have ``.html`` in their names.
    """
    return Environment(
        loader=PackageLoader(package),
        autoescape=lambda name: bool(name) and ".html" in str(name),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=shown,
        auto_reload=False,
    )
