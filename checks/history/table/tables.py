"""The one access to the tables: reading ranges, writing with ETags, transactions. Errors of the client end here.

``azure.data.tables`` splits query parameters at single spaces, so filters have no parentheses; times are aware UTC; a
host called ``localhost`` is taken for Cosmos, so the emulator is always ``127.0.0.1``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from checks.history.errors import Conflict, LimitError
from checks.history.model import RowRef
from checks.history.table import keys
from checks.history.table.rows import MAX_WIRE, Entity, Row, wire
from checks.text import one_line

BATCH = 100  # operations in a transaction, at most

Operation = tuple[str, Entity] | tuple[str, Entity, dict[str, Any]]


class Tables:
    """Base of the store: one service client and the plain operations on rows."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service
        self._indexed: set[str] = set()
        self._clients: dict[str, TableClient] = {}

    def _table(self, name: str = keys.TABLE) -> TableClient:
        if name not in self._clients:  # making one costs as much as a call with it
            self._clients[name] = self._service.get_table_client(name)
        return self._clients[name]

    async def ensure_tables(self) -> None:
        """Make the main table where it is missing. Monthly tables are made by ``create_run``."""
        await self._service.create_table_if_not_exists(keys.TABLE)

    async def _get(self, partition: str, row: str, table: str = keys.TABLE) -> Row | None:
        try:
            return await self._table(table).get_entity(partition, row)
        except ResourceNotFoundError:
            return None

    async def _range(
        self, partition: str, prefix: str, table: str = keys.TABLE, select: Sequence[str] | None = None
    ) -> AsyncIterator[Row]:
        """The rows of a partition whose key starts with ``prefix`` and "|", in key order."""
        async for row in self._between(partition, f"{prefix}|", f"{prefix}}}", table, select):
            yield row

    async def _between(
        self,
        partition: str,
        low: str,
        high: str,
        table: str = keys.TABLE,
        select: Sequence[str] | None = None,
        page: int | None = None,
    ) -> AsyncIterator[Row]:
        """The rows of a partition from the key ``low`` on and before ``high``, in key order; ``page`` of them at once,
        for who stops early."""
        entities = self._table(table).query_entities(
            "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high",
            parameters={"partition": partition, "low": low, "high": high},
            select=list(select) if select else None,
            results_per_page=page,
        )
        try:
            async for row in entities:
                yield row
        except ResourceNotFoundError:  # the (monthly) table itself is not there: it holds nothing
            return

    async def _create(self, entity: Entity, table: str = keys.TABLE) -> bool:
        """Create a row; false where it is there already."""
        try:
            await self._table(table).create_entity(entity)
        except ResourceExistsError:
            return False
        return True

    async def _put(self, entity: Entity, table: str = keys.TABLE) -> None:
        """Create or replace a row whose content does not depend on what was there."""
        await self._table(table).upsert_entity(entity, mode=UpdateMode.REPLACE)

    async def _replace(self, entity: Entity, etag: str, table: str = keys.TABLE, merge: bool = False) -> str:
        """Write a row back against its ETag; the new ETag. Conflict where somebody was faster."""
        mode = UpdateMode.MERGE if merge else UpdateMode.REPLACE
        try:
            done = await self._table(table).update_entity(
                entity, mode=mode, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except (ResourceModifiedError, ResourceNotFoundError) as error:
            raise Conflict(f"row {entity['RowKey']!r} was changed in between") from error
        return str(done.get("etag", ""))

    async def _delete(self, partition: str, row: str, table: str = keys.TABLE) -> None:
        await self._table(table).delete_entity(partition, row)

    async def _transact(self, operations: Sequence[Operation], table: str = keys.TABLE) -> list[str]:
        """One transaction; the ETags. Conflict where a row is there already, is gone or was changed.

        LimitError for more than 100 rows or 4 MiB: nothing is ever split.
        """
        size = wire([operation[1] for operation in operations])
        if len(operations) > BATCH or size > MAX_WIRE:
            raise LimitError(f"a transaction of {len(operations)} rows and {size} bytes")
        try:
            if len(operations) == 1 and operations[0][0] != "delete":
                return [await self._write(operations[0], table)]
            done = await self._table(table).submit_transaction(operations)
        except HttpResponseError as error:  # TableTransactionError is one
            if error.status_code in {404, 409, 412}:
                raise Conflict(one_line(str(error.message).splitlines()[0])[:300]) from error
            raise
        return [str(item.get("etag", "")) for item in done]

    async def _write(self, operation: Operation, table: str) -> str:
        """One row, which is a transaction by itself; its ETag. The client takes 3.1 ms of CPU for a batch of one,
        and 1.3 for this; and most looks change nothing but a cluster's own row.

        Not for deletions: outside of a transaction the client takes a row that is gone for one that it deleted.
        """
        name, entity, *more = operation
        options: dict[str, Any] = more[0] if more else {}
        client = self._table(table)
        if name == "create":
            done = await client.create_entity(entity)
        elif name == "update":
            done = await client.update_entity(entity, **options)
        else:
            done = await client.upsert_entity(entity, **{"mode": UpdateMode.MERGE, **options})
        return str(done.get("etag", ""))

    async def _drop(self, refs: Iterable[RowRef]) -> None:
        """Delete rows, those that are gone already included."""
        partitions: dict[str, list[str]] = {}
        for ref in refs:
            partitions.setdefault(ref.partition, []).append(ref.row)
        for partition, names in partitions.items():
            for start in range(0, len(names), BATCH):
                await self._drop_batch(partition, sorted(set(names[start : start + BATCH])))

    async def _drop_batch(self, partition: str, names: list[str]) -> None:
        operations: list[Operation] = [("delete", {"PartitionKey": partition, "RowKey": name}) for name in names]
        try:
            await self._table().submit_transaction(operations)
        except HttpResponseError as error:
            # One that is gone fails the whole batch: then one by one, where a missing row is no error.
            if error.status_code != 404:
                raise
            for name in names:
                await self._delete(partition, name)


def unmodified(entity: Entity, etag: str, merge: bool = False) -> Operation:
    """An update inside a transaction, against an ETag."""
    mode = UpdateMode.MERGE if merge else UpdateMode.REPLACE
    return ("update", entity, {"mode": mode, "etag": etag, "match_condition": MatchConditions.IfNotModified})


def deletion(ref: RowRef, etag: str) -> Operation:
    """A deletion inside a transaction, against an ETag."""
    entity = {"PartitionKey": ref.partition, "RowKey": ref.row}
    return ("delete", entity, {"etag": etag, "match_condition": MatchConditions.IfNotModified})


def etag_of(row: Row) -> str:
    """The ETag a row was read with."""
    metadata: dict[str, Any] = getattr(row, "metadata", {})
    return str(metadata.get("etag", ""))
