"""Rows that cannot be handled, in the store: each is recorded once, with the notice of it, and set aside when ripe.

The record and the notice are one transaction in the partition of mails, so that a death loses neither and a repeat adds
nothing. A row of a newer version is never set aside: after a rollback it is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from checks.changes import Notice
from checks.history.errors import Conflict, SchemaError
from checks.history.model import Pending, RecordedRow, RowRef, Unreadable
from checks.history.table import keys, rows
from checks.history.table.tables import BATCH, Operation, Tables, deletion, etag_of

MAX_WHY = 500


class UnreadableRows(Tables):
    """The records of rows that cannot be handled."""

    async def list_unreadable(self) -> tuple[RecordedRow, ...]:
        """The records, less those that cannot be read themselves."""
        recorded: list[RecordedRow] = []
        async for row in self._range(keys.MAIL, "unreadable"):
            with suppress(SchemaError):  # it is there all the same: what it is about is not recorded again
                recorded.append(_read(row))
        return tuple(recorded)

    async def record_unreadable(self, found: Sequence[Unreadable], notice: Notice, now: datetime) -> None:
        """Record rows with the one notice of them. Conflict where somebody else records one of them right now."""
        found = [item for item in found if await self._get(keys.MAIL, _key(item.ref)) is None]
        if not found:
            return
        first = found[: BATCH - 1]
        told = hashlib.sha256(f"{first[0].ref}{now.isoformat()}".encode()).hexdigest()[:20]
        ref = RowRef(keys.MAIL, keys.notice(f"unreadable-{told}", notice.sequence))
        pending = Pending(ref=ref, sequence=notice.sequence, at=notice.at, notice=rows.text_of(notice))
        records = [await self._record(item, now, notice.sequence) for item in found]
        await self._transact([("create", rows.pending_row(pending)), *_written(records[: len(first)])])
        for start in range(len(first), len(records), BATCH):
            operations: list[Operation] = [("upsert", record) for record in records[start : start + BATCH]]
            await self._transact(operations)

    async def renew_unreadable(self, found: Unreadable, now: datetime, sequence: int) -> None:
        """Record that the row has another content by now, which is as unreadable: its age begins anew."""
        await self._put(await self._record(found, now, sequence))

    async def met_again(self, record: RecordedRow, sequence: int) -> None:
        """Keep the place of a later run that met the row; a record that was forgotten stays forgotten."""
        row = await self._get(keys.MAIL, _key(record.ref))
        if row is None:
            return
        entity = rows.base(keys.MAIL, _key(record.ref)) | {"met_by": rows.number(sequence)}
        with suppress(Conflict):  # somebody else wrote or forgot it: theirs counts
            await self._replace(entity, etag_of(row), merge=True)

    async def forget_unreadable(self, refs: Sequence[RowRef]) -> None:
        """Drop the records of rows that can be handled again."""
        await self._drop([RowRef(keys.MAIL, _key(ref)) for ref in refs])

    async def etag_now(self, ref: RowRef) -> str:
        """The ETag of a row of the main table; "" where it is not there."""
        row = await self._get(ref.partition, ref.row)
        return "" if row is None else etag_of(row)

    async def set_aside(self, record: RecordedRow, newer: bool = False) -> bool:
        """Move a row out of the way, kept whole under another key. False for one that is gone or changed.

        One of a newer version goes only with ``newer``.
        """
        row = await self._get(record.ref.partition, record.ref.row)
        if row is None or (rows.is_newer(row) and not newer) or etag_of(row) != record.etag:
            return False
        digest = hashlib.sha256(record.etag.encode()).hexdigest()[:12]
        kept = {**row, "RowKey": f"aside|{record.ref.row}|{digest}"[: keys.MAX_KEY]}
        try:
            await self._transact([("upsert", kept), deletion(record.ref, record.etag)])
        except Conflict:
            return False
        return True

    async def _record(self, found: Unreadable, now: datetime, sequence: int) -> rows.Entity:
        entity = rows.base(keys.MAIL, _key(found.ref))
        entity |= {"of_partition": found.ref.partition, "of_row": found.ref.row, "why": found.why[:MAX_WHY]}
        entity |= {"since": now, "met_by": rows.number(sequence)}
        return rows.checked(entity | {"of_etag": await self.etag_now(found.ref)})


def _key(ref: RowRef) -> str:
    return keys.unreadable(ref.partition, ref.row)


def _written(records: Sequence[rows.Entity]) -> list[Operation]:
    return [("create", record) for record in records]


def _read(row: rows.Row) -> RecordedRow:
    since = rows.moment(rows.versioned(row), "since")
    if since is None:
        raise SchemaError(f"row {row.get('RowKey')!r}: no time")
    return RecordedRow(
        ref=RowRef(rows.string(row, "of_partition"), rows.string(row, "of_row")),
        why=rows.string(row, "why"),
        since=since,
        etag=rows.string(row, "of_etag"),
        sequence=rows.integer(row, "met_by"),
    )
