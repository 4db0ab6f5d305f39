"""Making text safe and readable: secrets, control characters, length. Pure.

Text from Azure, registries, clusters and users passes through here before it is stored, mailed or printed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_LINE = 500

# What must not leave even where somebody else's message contains it: values of well-known names, bearer tokens and JSON
# web tokens, and the user part of an address.
_SECRETS = (
    re.compile(
        r"(?i)\b(AccountKey|SharedAccess(?:Key|Signature)|sig|password|passwd|secret|token|api[_-]?key)=[^\s;&\"']+"
    ),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+"),
    re.compile(r"(?<=://)[^/\s@]+@"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def redacted(text: str) -> str:
    """The text without what looks like a secret."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda match: f"{match[1]} [redacted]" if match.re.groups else "[redacted]", text)
    return text


def printable(text: str, keep: str = "", instead: str = " ") -> str:
    """The text with each character that is not printable (control and direction characters) replaced.

    ``keep`` lists characters that stay, such as a line feed.
    """
    return "".join(char if char.isprintable() or char in keep else instead for char in text)


def one_line(text: str) -> str:
    """A text from the wire as one line without control characters, of at most ``MAX_LINE`` characters."""
    return _CONTROL.sub(" ", text).strip()[:MAX_LINE]


def clipped(text: str, limit: int) -> str:
    """The text with at most ``limit`` characters; an ellipsis is the last one where some were cut."""
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def listed(names: Sequence[str], limit: int) -> str:
    """The first ``limit`` names, separated by commas, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{more}"
