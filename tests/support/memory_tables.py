"""Azure Table Storage in memory: what the store uses of the client, with its ETags, transactions and errors.

``tests/history/test_memory_tables.py`` runs one list of cases over this and over Azurite. A call has its whole effect
at once: nothing of it waits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableEntity, TableItem, TableTransactionError, UpdateMode

FILTER = "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high"  # the one shape that is known
BATCH = 100

Key = tuple[str, str]
Stored = tuple[dict[str, Any], str]  # an entity as it is given back, and its ETag
Rows = dict[Key, Stored]


class MemoryTables:
    """The part of ``TableServiceClient`` that the store uses."""

    def __init__(self) -> None:
        self.tables: dict[str, Rows] = {}
        self.writes = 0

    def get_table_client(self, table_name: str) -> MemoryTable:
        """A client of one table, be it there or not."""
        return MemoryTable(self, table_name)

    async def create_table_if_not_exists(self, table_name: str) -> MemoryTable:
        """Makes the table where it is missing."""
        self.tables.setdefault(table_name, {})
        return MemoryTable(self, table_name)

    async def delete_table(self, table_name: str) -> None:
        """Drops a table with its rows. One that was not there is no error."""
        self.tables.pop(table_name, None)

    async def list_tables(self) -> AsyncIterator[TableItem]:
        """The tables in the order of their names, as they are at the start."""
        for name in sorted(self.tables):
            yield TableItem(name)

    def copy(self) -> MemoryTables:
        """The same tables, which from now on change apart. What is stored is never changed in place."""
        other = MemoryTables()
        other.tables = {name: dict(rows) for name, rows in self.tables.items()}
        other.writes = self.writes
        return other

    def next_etag(self) -> str:
        """An ETag no row had before."""
        self.writes += 1
        return f"W/\"datetime'{self.writes}'\""


class MemoryTable:
    """The part of ``TableClient`` that the store uses."""

    def __init__(self, service: MemoryTables, name: str) -> None:
        self._service = service
        self._name = name

    async def get_entity(self, partition_key: str, row_key: str) -> TableEntity:
        """One row. ResourceNotFoundError where it, or its table, is not there."""
        stored = self._rows().get((partition_key, row_key))
        if stored is None:
            raise _error(ResourceNotFoundError, 404, "The specified resource does not exist.")
        return _given(stored)

    async def create_entity(self, entity: Mapping[str, Any]) -> dict[str, Any]:
        """A new row. ResourceExistsError where it is there."""
        rows = self._rows()
        return {"etag": self._write(rows, "create", entity, {})}

    async def upsert_entity(self, entity: Mapping[str, Any], mode: UpdateMode = UpdateMode.MERGE) -> dict[str, Any]:
        """A row, whatever was there."""
        rows = self._rows()
        return {"etag": self._write(rows, "upsert", entity, {"mode": mode})}

    async def update_entity(
        self, entity: Mapping[str, Any], mode: UpdateMode, *, etag: str, match_condition: MatchConditions
    ) -> dict[str, Any]:
        """A row against its ETag. ResourceModifiedError where it has another, ResourceNotFoundError where none is."""
        options = {"mode": mode, "etag": etag, "match_condition": match_condition}
        rows = self._rows()
        return {"etag": self._write(rows, "update", entity, options)}

    async def delete_entity(self, partition_key: str, row_key: str) -> None:
        """No row any more. One that was not there, or whose table is not, is no error."""
        self._service.tables.get(self._name, {}).pop((partition_key, row_key), None)

    async def submit_transaction(self, operations: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """All of the operations or none. TableTransactionError names the first that failed."""
        listed = [(kind, entity, rest[0] if rest else {}) for kind, entity, *rest in operations]
        if len({entity["PartitionKey"] for _, entity, _ in listed}) > 1:
            raise ValueError("Partition Keys in the batch must all be the same.")
        if self._name not in self._service.tables:
            raise _transaction_error(0, 404, "The table specified does not exist.")
        if len(listed) > BATCH:
            raise _transaction_error(
                0, 400, "The batch request operation exceeds the maximum 100 changes per change set."
            )
        rows = dict(self._service.tables[self._name])
        seen: set[str] = set()
        etags: list[dict[str, Any]] = []
        for index, (kind, entity, options) in enumerate(listed):
            if entity["RowKey"] in seen:
                raise _transaction_error(index, 400, "The batch request contains multiple changes with same row key.")
            seen.add(entity["RowKey"])
            try:
                etag = self._write(rows, kind, entity, options)
            except HttpResponseError as error:
                raise _transaction_error(index, error.status_code or 400, str(error.message)) from error
            etags.append({"etag": etag} if etag else {})
        self._service.tables[self._name] = rows
        return etags

    async def query_entities(
        self,
        query_filter: str,
        *,
        parameters: Mapping[str, str],
        select: Sequence[str] | None = None,
        results_per_page: int | None = None,
    ) -> AsyncIterator[TableEntity]:
        """The rows of a range in the order of their keys, as they are at the start; ``select``: only these columns.

        Whoever reads sees no pages, so ``results_per_page`` says nothing here.
        """
        del results_per_page
        if query_filter != FILTER:
            raise NotImplementedError(query_filter)
        partition, low, high = parameters["partition"], parameters["low"], parameters["high"]
        rows = self._rows()
        keys = sorted(rows)
        first, end = bisect_left(keys, (partition, low)), bisect_left(keys, (partition, high))
        for stored in [rows[key] for key in keys[first:end]]:
            yield _given(stored, select)

    def _rows(self) -> Rows:
        try:
            return self._service.tables[self._name]
        except KeyError:
            raise _error(ResourceNotFoundError, 404, "The table specified does not exist.") from None

    def _write(self, rows: Rows, kind: str, entity: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        """One operation on rows, the same inside a transaction and outside; the new ETag, "" of a deletion."""
        key = (entity["PartitionKey"], entity["RowKey"])
        there = rows.get(key)
        if kind == "create" and there is not None:
            raise _error(ResourceExistsError, 409, "The specified entity already exists.")
        if kind in ("update", "delete"):
            _compare(there, options)
        if kind == "delete":
            del rows[key]
            return ""
        kept = there[0] if there is not None and options.get("mode") == UpdateMode.MERGE else {}
        etag = self._service.next_etag()
        rows[key] = ({**kept, **_sent(entity)}, etag)
        return etag


def _compare(there: Stored | None, options: Mapping[str, Any]) -> None:
    if there is None:
        raise _error(ResourceNotFoundError, 404, "The specified resource does not exist.")
    if options.get("match_condition") == MatchConditions.IfNotModified and options["etag"] != there[1]:
        text = "The update condition specified in the request was not satisfied."
        raise _error(ResourceModifiedError, 412, text)


def _sent(entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity as it comes back from the wire."""
    return {name: _on_wire(value) for name, value in entity.items() if value is not None}


def _on_wire(value: Any) -> Any:
    """A value with the type that the client reads it as. TypeError for one that the client does not write."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, EntityProperty):
        if value.edm_type != EdmType.INT64:
            raise TypeError(f"Type not supported here: {value.edm_type}")
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**31) <= value < 2**31:
        raise TypeError(f"{value} is too large to be cast to type Edm.Int32.")
    if not isinstance(value, str | int | bool):
        raise TypeError(f"Type not supported when sending data to the service: {type(value)}.")
    return value


def _given(stored: Stored, select: Sequence[str] | None = None) -> TableEntity:
    entity, etag = stored
    given = TableEntity(entity if select is None else {name: entity[name] for name in select if name in entity})
    given._metadata = {"etag": etag, "timestamp": None}
    return given


def _error(kind: type[HttpResponseError], status: int, text: str) -> HttpResponseError:
    error = kind(message=text)
    error.status_code = status
    return error


def _transaction_error(index: int, status: int, text: str) -> TableTransactionError:
    error = TableTransactionError(message=f"{index}:{text}")
    error.status_code = status
    return error
