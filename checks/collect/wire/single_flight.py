"""Reading something once, whoever asks first: shared by the clusters of one job and by jobs in other threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Values by key. The first to ask for one reads it, the others wait for that reading.

    A reading that fails or is cancelled is nobody's: the next to ask (or a waiter) reads anew. ``keep``: how many
    values are kept, the latest; without it all are. What is still being read is always kept.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        # Values lie apart from readings: most are asked for by every cluster, and a future is 4 kB.
        self._values: dict[str, T] = {}
        self._readings: dict[str, Future[T]] = {}
        self._lock = threading.Lock()

    def kept(self) -> tuple[str, ...]:
        """The keys of the values that are there, the oldest first; not of those that are being read."""
        with self._lock:
            return tuple(self._values)

    def forget(self, key: str) -> None:
        """Keeps a value no longer. Whoever was given it has it; one that is being read stays."""
        with self._lock:
            self._values.pop(key, None)

    async def get(self, key: str, reading: Callable[[], Awaitable[T]]) -> T:
        """The value of a key, read by ``reading`` where it has not been. Raises what the own reading raises."""
        while True:
            with self._lock:
                if key in self._values:
                    return self._values[key]
                known = self._readings.get(key)
                own = self._readings.setdefault(key, Future()) if known is None else None
            if own is not None:
                return await self._read(key, own, reading)
            assert known is not None
            await asyncio.wait([asyncio.wrap_future(_shadow(known))])
            if not known.cancelled():
                return known.result()

    async def _read(self, key: str, own: Future[T], reading: Callable[[], Awaitable[T]]) -> T:
        try:
            value = await reading()
            with self._lock:
                self._values[key] = value
                self._drop_oldest()
            own.set_result(value)
            return value
        finally:
            with self._lock:
                del self._readings[key]
            own.cancel()  # where there is a value that does nothing

    def _drop_oldest(self) -> None:
        excess = len(self._values) - self._keep if self._keep is not None else 0
        for key in tuple(self._values)[: max(0, excess)]:
            del self._values[key]


def _shadow(future: Future[T]) -> Future[None]:
    """A future that ends when another does, so that a waiter who is cancelled does not cancel the reading."""
    shadow: Future[None] = Future()

    def done(_: Future[T]) -> None:
        if shadow.set_running_or_notify_cancel():
            shadow.set_result(None)

    future.add_done_callback(done)
    return shadow
