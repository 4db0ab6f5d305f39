"""Signals: a command that is told to stop has the time to tidy up, and says what stopped it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """A signal ended the command, which had the time to tidy up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


async def until_signal(work: Coroutine[Any, Any, T]) -> T:
    """Awaits work; SIGTERM, SIGINT and SIGHUP (the terminal is gone) cancel it. Raises Stopped.

    Canary pods are deleted on the way, however often a signal comes.
    """
    loop, task, received = asyncio.get_running_loop(), asyncio.ensure_future(work), list[int]()

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        with suppress(NotImplementedError):  # Windows: asyncio.run turns Ctrl+C into a cancellation itself
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise Stopped(received[0]) from None
        raise


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise Stopped where the command is, as SIGINT raises KeyboardInterrupt."""

    def stop(number: int, frame: object) -> None:
        raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets no other thread have a handler
        return
    numbers = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
