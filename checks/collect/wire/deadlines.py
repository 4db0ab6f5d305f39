"""How long a call may take, and until when what it belongs to may wait.

A call has a deadline for its answer. Waiting to be let through before anything is sent is no part of that: ``paused``
stops the call's clock. That wait has an end of its own, ``waits_end``: that of the cluster which is looked at.

Both belong to the task that runs, as context variables do: jobs in other threads have their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import msgspec


class _Call(msgspec.Struct, frozen=True):
    """The deadline of a call, and when it began (times of the event loop)."""

    timeout: asyncio.Timeout
    began: float


_CALL: ContextVar[_Call | None] = ContextVar("call", default=None)
_WAITS_END: ContextVar[float | None] = ContextVar("waits_end", default=None)


@asynccontextmanager
async def call_within(seconds: float) -> AsyncIterator[None]:
    """Runs a call, which is to be over in ``seconds`` of its own. Raises TimeoutError where it is not."""
    async with asyncio.timeout(seconds) as timeout:
        token = _CALL.set(_Call(timeout, asyncio.get_running_loop().time()))
        try:
            yield
        finally:
            _CALL.reset(token)


@contextmanager
def paused() -> Iterator[None]:
    """Stops the clock of the call that this task makes; it goes on with what was left."""
    call, time = _CALL.get(), asyncio.get_running_loop().time
    due = None if call is None or call.timeout.expired() else call.timeout.when()
    if call is None or due is None:
        yield
        return
    left = due - time()
    call.timeout.reschedule(None)
    try:
        yield
    finally:
        call.timeout.reschedule(time() + left)


@contextmanager
def waits_within(seconds: float) -> Iterator[None]:
    """Bounds what the calls in this block wait for before they are sent: in ``seconds`` the last wait is over."""
    token = _WAITS_END.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _WAITS_END.reset(token)


def waits_end(least: float, most: float) -> float:
    """Until when (the event loop's time) the call of this task may wait.

    As long as what it belongs to may; ``most`` seconds from its beginning where that is nothing. ``least`` seconds are
    every call's: what came before it may have taken all the time there was.
    """
    call, end = _CALL.get(), _WAITS_END.get()
    began = asyncio.get_running_loop().time() if call is None else call.began
    return began + most if end is None else max(end, began + least)
