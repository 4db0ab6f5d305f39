"""Reading changes: each once in a turn, several at a time.

A storm is thousands of changes, and each of them may concern hundreds of mails. Read one after another, and anew for
every mail, they would take longer than the lease lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from checks.changes import Change
from checks.history.errors import SchemaError
from checks.history.model import RowRef

AT_ONCE = 16  # calls of the store
MAX_KEPT = 10_000  # changes

T = TypeVar("T")
R = TypeVar("R")

Found = Change | SchemaError  # a change, or why it cannot be read


class Changes:
    """The changes that were read in a turn. What stands in a history row is never written again."""

    def __init__(self, load: Callable[[RowRef], Awaitable[Change | None]]) -> None:
        self._load = load
        self._kept: dict[RowRef, Change] = {}

    async def read(self, refs: Iterable[RowRef]) -> dict[RowRef, Found]:
        """What is in these rows; rows that are gone are left out."""
        wanted = tuple(dict.fromkeys(refs))
        missing = [ref for ref in wanted if ref not in self._kept]
        if len(self._kept) + len(missing) > MAX_KEPT:
            self._kept = {ref: self._kept[ref] for ref in wanted if ref in self._kept}
        read = dict(zip(missing, await several(self._try, missing), strict=True))
        self._kept |= {ref: found for ref, found in read.items() if isinstance(found, Change)}
        found = {ref: self._kept.get(ref) or read.get(ref) for ref in wanted}
        return {ref: one for ref, one in found.items() if one is not None}

    async def _try(self, ref: RowRef) -> Found | None:
        try:
            return await self._load(ref)
        except SchemaError as error:
            return error


async def several(work: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
    """Does the work for every item, ``AT_ONCE`` at a time; the results in the order of the items."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def bounded(item: T) -> R:
        async with limit:
            return await work(item)

    return list(await asyncio.gather(*map(bounded, items)))
