"""Waiting for services that ask to be left alone for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from checks.collect.wire.errors import Temporary

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0


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
