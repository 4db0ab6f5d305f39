"""The right to deliver: for one holder at a time, and every write of a holder proves that it still has it.

The lease is a row in the partition of mails. What a holder writes there goes into one transaction with the
lease, against its ETag: a holder that was too slow writes nothing any more.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from checks.history.errors import Conflict, LeaseHeld, LeaseLost, SchemaError
from checks.history.model import RowRef, Unreadable
from checks.history.table import keys, rows
from checks.history.table.tables import BATCH, Operation, Tables, etag_of, unmodified

# A killed deliverer holds the others up for as long as both together: 105 seconds.
LEASE = timedelta(seconds=75)
SKEW = timedelta(seconds=30)  # how far the clocks of two holders may be apart
ROW = "lease"
FENCED = BATCH - 1  # operations beside the lease in one transaction


class Lease:
    """The right to deliver as its holder has it. Each write of it is told from others by its ``mark``."""

    def __init__(self, holder: str, etag: str) -> None:
        self.holder = holder
        self.etag = etag

    def prolonged(self, now: datetime) -> rows.Entity:
        """The row with the lease held on to from ``now``."""
        return _row(self.holder, now + LEASE)


class Leases(Tables):
    """The lease row."""

    @asynccontextmanager
    async def deliver_lease(self, holder: str, now: Callable[[], datetime]) -> AsyncIterator[Lease]:
        """The right to deliver, for one holder at a time. LeaseHeld where somebody else has it."""
        lease = Lease(holder, await self._take_lease(holder, now()))
        try:
            yield lease
        finally:
            with suppress(LeaseLost):  # it was taken from us: nothing is ours to release
                await self._fenced(lease, _row("", now()), ())

    async def renew(self, lease: Lease, now: datetime) -> None:
        """Hold on to it from ``now``. LeaseLost where somebody else took it."""
        await self.fenced(lease, now)

    async def fenced(self, lease: Lease, now: datetime, operations: Sequence[Operation] = ()) -> None:
        """Write rows of the mails' partition, and hold on to the lease, in one transaction.

        LeaseLost where somebody else has the lease; Conflict where it is about the other rows.
        """
        await self._fenced(lease, lease.prolonged(now), operations)

    async def unreadable_lease(self) -> tuple[Unreadable, ...]:
        """The lease, where it cannot be read."""
        row = await self._get(keys.MAIL, ROW)
        try:
            if row is not None:
                rows.moment(rows.versioned(row), "expires")
        except SchemaError as error:
            return (Unreadable(RowRef(keys.MAIL, ROW), str(error)),)
        return ()

    async def _fenced(self, lease: Lease, row: rows.Entity, operations: Sequence[Operation]) -> None:
        try:
            etags = await self._transact([unmodified(row, lease.etag), *operations])
        except Conflict:
            there = await self._get(keys.MAIL, ROW)
            if there is not None and there.get("mark") == row["mark"]:
                lease.etag = etag_of(there)  # our own write, whose answer was lost
                return
            if there is not None and etag_of(there) == lease.etag:
                raise
            raise LeaseLost("the lease was taken by somebody else") from None
        lease.etag = etags[0]

    async def _take_lease(self, holder: str, now: datetime) -> str:
        row = await self._get(keys.MAIL, ROW)
        if row is None:
            await self._create(_row("", now - LEASE))
            row = await self._get(keys.MAIL, ROW)
        if row is None:
            raise LeaseHeld("the lease row cannot be read")
        try:
            expires = rows.moment(rows.versioned(row), "expires")
        except SchemaError as error:
            raise LeaseHeld(f"the lease cannot be read, and is set aside when it is old: {error}") from error
        if row.get("holder") and expires is not None and _holds(expires, now):
            raise LeaseHeld(f"{row.get('holder')} delivers until {expires:%H:%M:%S} UTC")
        lease = Lease(holder, etag_of(row))
        try:
            await self.fenced(lease, now)
        except LeaseLost:
            raise LeaseHeld("somebody else was faster") from None
        return lease.etag


def _holds(expires: datetime, now: datetime) -> bool:
    """Whether a lease may still be held. One that ends later than any is given is that of a clock that had jumped."""
    return now < expires + SKEW and expires - now <= LEASE + SKEW


def _row(holder: str, expires: datetime) -> rows.Entity:
    entity = rows.base(keys.MAIL, ROW) | {"holder": holder, "expires": expires, "mark": uuid.uuid4().hex}
    return rows.checked(entity)
