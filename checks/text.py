"""Making text safe and readable: secrets, control characters, length. Pure.

Text from Azure, registries, clusters and users passes through here before it is stored, mailed or printed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from checks.secrets import without_secrets

MAX_LINE = 500

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def redacted(text: str) -> str:
    """The text without what looks like a secret (``checks.secrets``)."""
    return without_secrets(text)


def printable(text: str, keep: str = "", instead: str = " ") -> str:
    """The text with each character that is not printable (control and direction characters) replaced.

    ``keep`` lists characters that stay, such as a line feed.
    """
    return "".join(char if char.isprintable() or char in keep else instead for char in text)


def one_line(text: str) -> str:
    """A text from the wire as one line without secrets and control characters, of at most ``MAX_LINE`` characters.

    Cut last: of a secret that was cut, what is left might have no shape any more.
    """
    return redacted(_CONTROL.sub(" ", text)).strip()[:MAX_LINE]


def clipped(text: str, limit: int) -> str:
    """The text with at most ``limit`` characters; an ellipsis is the last one where some were cut."""
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def listed(names: Sequence[str], limit: int) -> str:
    """The first ``limit`` names, separated by commas, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{more}"
