"""Runs by the month, and records that nobody looks at after a while: refusals, messages given up, what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec

from checks.history.errors import Conflict, SchemaError
from checks.history.model import Doubt, Refusal, RowRef
from checks.history.table import keys, rows
from checks.history.table.asked import AskedRun
from checks.history.table.latest_runs import LatestRuns
from checks.history.table.runs import LATEST_ROWS
from checks.history.table.tables import deletion, etag_of

PRUNED = "pruned"  # the row of when that was done last
KEPT_DOUBT = keys.doubt(())  # that of all subscriptions, which is there for good


class OldRow(msgspec.Struct, frozen=True):
    """A row that may go as long as it is as it was read."""

    ref: RowRef
    etag: str


class OldRecords(LatestRuns):
    """The rows of runs and of records."""

    async def claim_pruning(self, now: datetime, every: timedelta) -> bool:
        """Whether it is time to prune: the last time is so long ago, and nobody else was faster.

        A time ahead of now, of a clock that had jumped, is void, and so is one that cannot be read.
        """
        row = await self._get(keys.RUN, PRUNED)
        entity = rows.checked(rows.base(keys.RUN, PRUNED) | {"at": now})
        if row is None:
            return await self._create(entity)
        if rows.is_newer(row):
            return False
        at = _time(row)
        if at is not None and timedelta() <= now - at < every:
            return False
        with suppress(Conflict):
            await self._replace(entity, etag_of(row))
            return True
        return False

    async def release_pruning(self) -> None:
        """It is time to prune again: not all was done."""
        await self._drop([RowRef(keys.RUN, PRUNED)])

    async def needed_months(self) -> frozenset[str]:
        """The months of runs that are still pointed to: those that are open, and the latest ones."""
        names = [*await self.open_runs()]
        for name in LATEST_ROWS:
            row = await self._get(keys.RUN, name)
            names += [str(row.get("run", ""))] if row is not None else []
        return frozenset(name.partition("-")[0] for name in names)

    async def drop_month(self, month: str) -> None:
        """Drop the table of a month with all its runs. One that is gone is no error."""
        await self._service.delete_table(keys.RUNS + month)

    async def last_planned(self) -> datetime | None:
        """When a run was last asked for, by the clock of the storage; None where that is not known."""
        row = await self._get(keys.RUN, "sequence")
        return None if row is None else _written(row)

    async def old_messages(self, before: datetime) -> tuple[RowRef, ...]:
        """The records of messages that were given up before."""
        high = f"poison|{before:%Y%m%dT%H%M%S%f}|"
        found = self._between(keys.POISON, "poison|", high, select=["PartitionKey", "RowKey", "v"])
        return tuple([RowRef(row["PartitionKey"], row["RowKey"]) async for row in found if not rows.is_newer(row)])

    async def old_refusals(self, before: datetime) -> tuple[OldRow, ...]:
        """The refusals of mail before."""
        return await self._old(keys.MAIL, "refused", lambda row: _read(Refusal, row, "refusal").at < before)

    async def old_asked(self, before: datetime) -> tuple[OldRow, ...]:
        """The latest runs of scopes that nobody asked for since."""
        return await self._old(keys.ASKED, "scope", lambda row: _read(AskedRun, row, "asked").at < before)

    async def old_doubts(self, before: datetime) -> tuple[OldRow, ...]:
        """Scopes whose last run was before and left no doubt: nothing is to be said of them any more."""

        def is_over(row: rows.Row) -> bool:
            kept = row["RowKey"] == KEPT_DOUBT or _read(Doubt, row, "doubt").degraded
            return not kept and _is_before(row, before)

        return await self._old(keys.RUN, "doubt", is_over)

    async def old_aside(self, partition: str, before: datetime) -> tuple[OldRow, ...]:
        """Rows that could not be read and were set aside before. Not what somebody was to be notified by."""

        def is_old(row: rows.Row) -> bool:
            return str(row["RowKey"]).split("|")[1] not in ("pending", "postponed") and _is_before(row, before)

        return await self._old(partition, "aside", is_old)

    async def drop_old(self, found: Iterable[OldRow]) -> int:
        """Delete rows that are still as they were read; how many."""
        count = 0
        for one in found:
            try:
                await self._transact([deletion(one.ref, one.etag)])
                count += 1
            except Conflict:  # it was written meanwhile: it is not old
                continue
        return count

    async def drop_rows(self, refs: Iterable[RowRef]) -> None:
        """Delete rows that are never written twice. One that is gone is no error."""
        await self._drop(refs)

    async def _old(self, partition: str, kind: str, is_old: Callable[[rows.Row], bool]) -> tuple[OldRow, ...]:
        """The rows of a kind that are old; not those that cannot be read."""
        found = []
        async for row in self._range(partition, kind):
            try:
                if is_old(row):
                    found.append(OldRow(RowRef(row["PartitionKey"], row["RowKey"]), etag_of(row)))
            except SchemaError:
                continue
        return tuple(found)


def _read(kind: type[rows.T], row: rows.Row, name: str) -> rows.T:
    return rows.read(kind, rows.joined(rows.versioned(row), name), row.get("RowKey"))


def _time(row: rows.Row) -> datetime | None:
    try:
        return rows.moment(rows.versioned(row), "at")
    except SchemaError:
        return None


def _written(row: rows.Row) -> datetime | None:
    """When a row was last written, by the clock of the storage."""
    at = getattr(row, "metadata", {}).get("timestamp")
    return datetime.fromtimestamp(at.timestamp(), UTC) if isinstance(at, datetime) else None


def _is_before(row: rows.Row, before: datetime) -> bool:
    at = _written(row)
    return at is not None and at < before
