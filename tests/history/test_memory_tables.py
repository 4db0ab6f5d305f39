"""The tables in memory answer as Azurite does: one list of cases, run over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableServiceClient

from tests.support.memory_tables import FILTER, MemoryTables

AT = datetime(2026, 11, 24, 8, 0, 1, 123456, tzinfo=UTC)
STALE = "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""


def row(name: str, **columns: Any) -> dict[str, Any]:
    return {"PartitionKey": "p", "RowKey": name, **columns}


def against(etag: str, mode: UpdateMode = UpdateMode.REPLACE) -> dict[str, Any]:
    return {"mode": mode, "etag": etag, "match_condition": MatchConditions.IfNotModified}


@pytest.fixture(params=["memory", "azurite"])
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A service with an empty table ``cases``."""
    if request.param == "memory":
        memory = MemoryTables()
        await memory.create_table_if_not_exists("cases")
        yield memory
        return
    async with TableServiceClient.from_connection_string(request.getfixturevalue("storage")) as real:
        await real.create_table_if_not_exists("cases")
        yield real


@pytest.fixture
def table(service: Any) -> Any:
    return service.get_table_client("cases")


async def ranged(table: Any, prefix: str, select: list[str] | None = None) -> list[dict[str, Any]]:
    parameters = {"partition": "p", "low": f"{prefix}|", "high": f"{prefix}}}"}
    return [dict(each) async for each in table.query_entities(FILTER, parameters=parameters, select=select)]


async def etag(table: Any, name: str) -> str:
    return str((await table.get_entity("p", name)).metadata["etag"])


async def test_every_type_comes_back_as_it_was_written(table: Any) -> None:
    number = EntityProperty(5, EdmType.INT64)
    written = row("r|1", text="ß", small=1, large=number, yes=True, at=AT, nothing=None)
    done = await table.create_entity(written)
    read = await table.get_entity("p", "r|1")
    assert dict(read) == {name: value for name, value in written.items() if value is not None}
    assert (type(read["large"]), isinstance(read["at"], datetime), read["at"].tzinfo) == (EntityProperty, True, UTC)
    assert read.metadata["etag"] == done["etag"]
    with pytest.raises(TypeError, match="too large"):
        await table.create_entity(row("r|2", large=2**40))
    with pytest.raises(TypeError, match="not supported"):
        await table.create_entity(row("r|2", list=[1]))


async def test_a_row_is_created_once(table: Any) -> None:
    await table.create_entity(row("r|1", v=1))
    with pytest.raises(ResourceExistsError) as caught:
        await table.create_entity(row("r|1", v=2))
    assert caught.value.status_code == 409
    assert (await table.get_entity("p", "r|1"))["v"] == 1


async def test_a_stale_etag_replaces_nothing(table: Any) -> None:
    first = (await table.create_entity(row("r|1", v=1)))["etag"]
    second = (await table.update_entity(row("r|1", v=2), **against(first)))["etag"]
    assert second != first
    for old in (first, STALE):
        with pytest.raises(ResourceModifiedError) as caught:
            await table.update_entity(row("r|1", v=3), **against(old))
        assert caught.value.status_code == 412
    assert (await table.get_entity("p", "r|1"))["v"] == 2
    assert await etag(table, "r|1") == second


@pytest.mark.parametrize("mode", [UpdateMode.REPLACE, UpdateMode.MERGE])
async def test_a_row_that_is_missing_is_not_replaced(table: Any, mode: UpdateMode) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        await table.update_entity(row("r|1", v=1), **against(STALE, mode))
    assert caught.value.status_code == 404


async def test_a_merge_keeps_other_columns_and_a_replacement_does_not(table: Any) -> None:
    await table.create_entity(row("r|1", v=1, kept="x"))
    await table.update_entity(row("r|1", v=2), **against(await etag(table, "r|1"), UpdateMode.MERGE))
    assert dict(await table.get_entity("p", "r|1")) == row("r|1", v=2, kept="x")
    await table.update_entity(row("r|1", v=3), **against(await etag(table, "r|1")))
    assert dict(await table.get_entity("p", "r|1")) == row("r|1", v=3)
    await table.upsert_entity(row("r|1", other="y"), mode=UpdateMode.MERGE)
    assert dict(await table.get_entity("p", "r|1")) == row("r|1", v=3, other="y")
    before = await etag(table, "r|1")
    await table.upsert_entity(row("r|1", v=4), mode=UpdateMode.REPLACE)
    assert dict(await table.get_entity("p", "r|1")) == row("r|1", v=4)
    assert await etag(table, "r|1") != before


async def test_deleting_what_is_missing_is_no_error(table: Any) -> None:
    await table.create_entity(row("r|1"))
    for _ in range(2):
        await table.delete_entity("p", "r|1")
    with pytest.raises(ResourceNotFoundError):
        await table.get_entity("p", "r|1")


async def test_a_transaction_writes_all_of_its_rows(table: Any) -> None:
    await table.create_entity(row("r|1", v=1))
    await table.create_entity(row("r|2", v=1, kept="x"))
    operations = [
        ("create", row("r|3", v=1)),
        ("update", row("r|2", v=2), against(await etag(table, "r|2"), UpdateMode.MERGE)),
        ("delete", row("r|1")),
        ("upsert", row("r|4", v=1)),
    ]
    done = await table.submit_transaction(operations)
    assert [bool(item.get("etag")) for item in done] == [True, True, False, True]
    assert done[0]["etag"] == await etag(table, "r|3")
    assert await ranged(table, "r") == [row("r|2", v=2, kept="x"), row("r|3", v=1), row("r|4", v=1)]


CONFLICTS = {
    "a row that is there": (("create", row("r|1")), 409),
    "a stale ETag": (("update", row("r|1", v=9), against(STALE)), 412),
    "a missing row": (("update", row("r|9", v=9), against(STALE)), 404),
    "a deletion of a missing row": (("delete", row("r|9")), 404),
    "a deletion by a stale ETag": (
        ("delete", row("r|1"), {"etag": STALE, "match_condition": MatchConditions.IfNotModified}),
        412,
    ),
    "the same row twice": (("upsert", row("r|2", v=2)), 400),
}


@pytest.mark.parametrize("name", CONFLICTS)
async def test_a_transaction_with_one_conflict_writes_nothing(table: Any, name: str) -> None:
    operation, status = CONFLICTS[name]
    await table.create_entity(row("r|1", v=1))
    with pytest.raises(TableTransactionError) as caught:
        await table.submit_transaction([("create", row("r|2", v=1)), operation])
    assert (caught.value.status_code, caught.value.index) == (status, 1)
    assert await ranged(table, "r") == [row("r|1", v=1)]


async def test_a_transaction_is_of_one_partition(table: Any) -> None:
    with pytest.raises(ValueError, match="must all be the same"):
        await table.submit_transaction([("upsert", row("r|1")), ("upsert", {"PartitionKey": "q", "RowKey": "r|1"})])


async def test_a_range_has_its_rows_in_order_and_no_others(table: Any) -> None:
    for name in ("r|b", "r|a", "r", "r}", "ra|x", "s|a", "r|", "r|a|1"):
        await table.create_entity(row(name))
    await table.create_entity({"PartitionKey": "q", "RowKey": "r|a"})
    assert [each["RowKey"] for each in await ranged(table, "r")] == ["r|", "r|a", "r|a|1", "r|b"]
    assert await ranged(table, "none") == []


async def test_a_selection_has_the_columns_that_are_there(table: Any) -> None:
    await table.create_entity(row("r|1", v=1, other="x"))
    assert await ranged(table, "r", ["RowKey", "v", "nowhere"]) == [{"RowKey": "r|1", "v": 1}]


async def test_a_table_that_is_missing_holds_nothing_and_takes_nothing(service: Any) -> None:
    missing = service.get_table_client("missing")
    calls = (
        lambda: missing.get_entity("p", "r|1"),
        lambda: missing.create_entity(row("r|1")),
        lambda: missing.upsert_entity(row("r|1"), mode=UpdateMode.REPLACE),
        lambda: missing.update_entity(row("r|1"), **against(STALE)),
        lambda: ranged(missing, "r"),
    )
    for call in calls:
        with pytest.raises(ResourceNotFoundError):
            await call()
    with pytest.raises(TableTransactionError) as caught:
        await missing.submit_transaction([("create", row("r|1"))])
    assert caught.value.status_code == 404
    await missing.delete_entity("p", "r|1")
    for _ in range(2):
        await service.create_table_if_not_exists("missing")
    assert await ranged(missing, "r") == []


async def test_a_table_is_listed_until_it_is_dropped(service: Any) -> None:
    await service.create_table_if_not_exists("another")
    assert [table.name async for table in service.list_tables()] == ["another", "cases"]
    for _ in range(2):
        await service.delete_table("another")
        assert [table.name async for table in service.list_tables()] == ["cases"]


async def test_what_was_read_or_written_does_not_change_what_is_stored(table: Any) -> None:
    written = row("r|1", v=1)
    await table.create_entity(written)
    written["v"] = 2
    (await table.get_entity("p", "r|1"))["v"] = 3
    assert (await table.get_entity("p", "r|1"))["v"] == 1
