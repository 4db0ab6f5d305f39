"""How long a service asks to be left alone (the header Retry-After)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")  # a fraction is no number of RFC 9110, and is sent all the same
MAX_HEADER = 64


def asked_seconds(header: str, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for: a number of them, or a date (RFC 9110, section 10.2.3).

    None for a header that is neither.
    """
    text = header.strip()[:MAX_HEADER]
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
