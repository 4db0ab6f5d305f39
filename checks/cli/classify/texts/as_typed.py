"""What a web page, a mail or a word processor made of a text, undone: entities and quotation marks of typographers.

The names in a text are known by the quotes around them.
"""

from __future__ import annotations

import html
import re

_ENTITY = re.compile(r"&(?:amp;)?(?:quot|apos|lt|gt|amp|nbsp|[lr][sd]quo|#\d{2,6}|#[xX][0-9a-fA-F]{2,5});")
_MARKS = str.maketrans(dict.fromkeys("“”„‟«»″", '"') | dict.fromkeys("‘’‚‛′", "'") | {"\xa0": " "})


def as_typed(text: str) -> str:
    """The text with plain quotes and without entities."""
    return _ENTITY.sub(_plain, text).translate(_MARKS) if "&" in text or not text.isascii() else text


def _plain(entity: re.Match[str]) -> str:
    """The character; a space for one that is no character of a line, which no entity may smuggle in."""
    shown = html.unescape(html.unescape(entity[0]))
    return shown if shown.isprintable() else " "
