"""Many clusters, some at a time: a call takes its way, not work, and a fleet has thousands of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
T = TypeVar("T")
AT_ONCE = 8
TOLD_EVERY = 104  # clusters, a multiple of AT_ONCE


async def side_by_side(
    items: Sequence[Item], work: Callable[[Item], Awaitable[T]], tell: Callable[[int], None]
) -> list[T]:
    """What ``work`` makes of each, in order. ``tell`` is called now and then with how many are done."""
    done: list[T] = []
    for start in range(0, len(items), AT_ONCE):
        done += await asyncio.gather(*(work(item) for item in items[start : start + AT_ONCE]))
        if len(done) % TOLD_EVERY == 0:
            tell(len(done))
    return done
