"""What a web page, a mail or a word processor made of a text, undone: entities, quotation marks of typographers, and
tables of Markdown.

The names in a text are known by the quotes around them.
"""

from __future__ import annotations

import html
import re

_ENTITY = re.compile(r"&(?:amp;)?(?:quot|apos|lt|gt|amp|nbsp|[lr][sd]quo|#\d{2,6}|#[xX][0-9a-fA-F]{2,5});")
_MARKDOWN_ROW = re.compile(r"^[ \t]{0,20}\|((?:[^\n|]{0,4000}\|){2,20})[ \t]{0,20}\r?\n?", re.MULTILINE)
_RULE = re.compile(r":?-{0,200}:?")
_MARKS = str.maketrans(dict.fromkeys("“”„‟«»″", '"') | dict.fromkeys("‘’‚‛′", "'") | {"\xa0": " "})


def as_typed(text: str) -> str:
    """The text with plain quotes, without entities, and with spaces between the columns of Markdown's tables."""
    if "|" in text:
        text = _MARKDOWN_ROW.sub(_columns, text)
    return _ENTITY.sub(_plain, text).translate(_MARKS) if "&" in text or not text.isascii() else text


def _columns(row: re.Match[str]) -> str:
    """A row as kubectl prints it; nothing for the line below the header."""
    cells = [cell.strip() for cell in row[1].split("|")]
    if all(_RULE.fullmatch(cell) for cell in cells):
        return ""
    return "   ".join(cell for cell in cells if cell) + "\n"


def _plain(entity: re.Match[str]) -> str:
    """The character; a space for one that is no character of a line, which no entity may smuggle in."""
    shown = html.unescape(html.unescape(entity[0]))
    return shown if shown.isprintable() else " "
