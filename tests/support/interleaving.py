"""Two workers whose every operation on something outside waits for its turn; a seed decides whose turn it is."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

QUIET = 12  # rounds of the event loop after which all that can go on without a turn has gone on
STUCK = 2_000  # of them without anybody asking for a turn
_worker: ContextVar[str] = ContextVar("worker", default="nobody")


class Turns:
    """Gives turns by chance. It stands where a reaper stands (``tests.support.crashing``), and nobody dies."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.deaths: list[int] = []
        self.given = 0
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._idle = asyncio.Event()
        self._order = hashlib.sha256()

    @property
    def schedule(self) -> str:
        """Stands for the order in which turns were given, and what each was for."""
        return self._order.hexdigest()

    async def step(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """One operation, when it is its worker's turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((_worker.get(), turn))
        await turn
        self._order.update(f"{_worker.get()} {name}\n".encode())
        try:
            return await work()
        finally:
            self._idle.set()

    def mortal(self, name: str, work: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """A function of which each call is an operation."""

        async def stepped(*args: Any, **options: Any) -> T:
            return await self.step(name, lambda: work(*args, **options))

        return stepped

    async def run(self, workers: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Lets all workers go on, an operation at a time, until they are done. Over a wire, too, each is waited for."""
        tasks = [asyncio.create_task(_named(name, work)) for name, work in workers.items()]
        idle = 0
        while not all(task.done() for task in tasks):
            for _ in range(QUIET):
                await asyncio.sleep(0)
            if self._give():
                await self._idle.wait()
                idle = 0
            else:
                idle += 1
            assert idle < STUCK, "nobody asks for a turn"
        await asyncio.gather(*tasks)

    def _give(self) -> bool:
        """A turn to one who waits; False where nobody does."""
        if not self._waiting:
            return False
        name = self.chance.choice(sorted({name for name, _ in self._waiting}))
        turn = next(one for one in self._waiting if one[0] == name)
        self._waiting.remove(turn)
        self._idle.clear()
        turn[1].set_result(None)
        self.given += 1
        return True


async def _named(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    _worker.set(name)
    await work()
