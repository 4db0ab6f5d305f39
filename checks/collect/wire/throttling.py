"""Services that ask to be left alone for a while: how long they ask for, and waiting that long."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from checks.collect.wire.errors import Temporary

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
_NUMBER = re.compile(r"[0-9]{1,6}")
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


async def wait_out(attempt: Callable[[], Awaitable[T]], until: float) -> T:
    """What ``attempt`` gives, tried again for as long as it is throttled, up to the event loop's time ``until``.

    Waits as long as the service asks, and longer each time. Raises what the attempt raises: Temporary, at once, where
    the wait would end too late.
    """
    loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except Temporary as error:
            if error.retry_after is None:
                raise
            wait = max(pause, error.retry_after)
            if loop.time() + wait >= until:
                raise
        await asyncio.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)
