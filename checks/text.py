"""Making text safe and readable: secrets, control characters, length. Pure.

Text from Azure, registries, clusters and users passes through here before it is stored, mailed or printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from checks.secrets import REDACTED, without_secrets

MAX_LINE = 500

# How much more of a text than is kept is searched for secrets: what is cut off gives some of them away.
_MARGIN = 512
_MARGIN_OF_A_LINE = 16 * 1024
_LAST_WORD = re.compile(rf"\S{{0,{_MARGIN}}}")  # of a text read backwards
# To the end: a quote may stand in what is quoted.
_BYTES = re.compile(r"""(?<![^\s(])b\\*+["'].*""", re.DOTALL)
_ASCII = str.maketrans({"…": "...", "–": "-", "—": "-", "’": "'", "‘": "'", "“": '"', "”": '"'})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def redacted(text: str) -> str:
    """The text without what looks like a secret (``checks.secrets``)."""
    return without_secrets(text)


def redacted_start(text: str, limit: int, margin: int = _MARGIN, redact: Callable[[str], str] = without_secrets) -> str:
    """The first ``limit`` characters of a text without its secrets.

    Cut last: of a secret that was cut, what is left might have no shape any more (one that its end gives away). No more
    than ``margin`` characters beyond are looked at; where that cuts a text too, its last word is left out.
    """
    looked_at = text[: limit + margin]
    shown = redact(looked_at)
    if len(looked_at) < len(text) and (last := _LAST_WORD.match(shown[::-1])):
        shown = shown[: len(shown) - last.end()]
    return shown[:limit]


def without_bytes(text: str) -> str:
    """What an error of a connection says, without the bytes that it quotes.

    Of an answer that is no HTTP, aiohttp quotes the line that cannot be read: a secret has lost its place in it.
    """
    return _BYTES.sub(REDACTED, text)


def printable(text: str, keep: str = "", instead: str = " ") -> str:
    """The text with each character that is not printable (control and direction characters) replaced.

    ``keep`` lists characters that stay, such as a line feed.
    """
    return "".join(char if char.isprintable() or char in keep else instead for char in text)


def in_ascii(text: str) -> str:
    """The text with what is like it in ASCII, and question marks for the rest."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def one_line(text: str) -> str:
    """A text from the wire as one line without secrets and control characters, of at most ``MAX_LINE`` characters."""
    return redacted_start(_CONTROL.sub(" ", text).lstrip(), MAX_LINE, _MARGIN_OF_A_LINE).rstrip()


def clipped(text: str, limit: int) -> str:
    """The text with at most ``limit`` characters; an ellipsis is the last one where some were cut."""
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def counted(count: int, noun: str, plural: str = "") -> str:
    """ "1 cluster", "2 clusters"; ``plural`` where an s is not enough."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str], limit: int) -> str:
    """The first ``limit`` names, separated by commas, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{more}"
