"""Rows that cannot be read: each way of breaking one, and a store that fails at one cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from azure.data.tables import TableServiceClient, UpdateMode

from checks.findings import ClusterReport
from checks.history.model import Committed, Decision, StoredState
from checks.history.table import keys
from checks.history.table.clusters import FoundState
from checks.history.table.store import Store

NEWER = 999  # a version that no release of today knows

# The property of each kind of row without which it says nothing; of a text the count and the parts go together.
ESSENTIAL = (
    "batch",
    "refusal",
    "silence",
    "held",
    "ending",
    "part",
    "overview",
    "subjects",
    "counter",
    "change",
    "digest",
    "run",
    "shard",
    "marker",
    "unsent",
    "expires",
    "deadline",
    "since",
    "at",
)

Row = dict[str, Any]


def _essential(row: Mapping[str, Any]) -> tuple[str, bool]:
    """The name of what matters most in a row, and whether it is a text in chunks."""
    for name in ESSENTIAL:
        if f"{name}_n" in row:
            return name, True
        if name in row:
            return name, False
    raise LookupError(f"nothing is known of {sorted(row)}")


def of_a_newer_version(row: Row) -> Row:
    """As a later release writes it."""
    return {**row, "v": NEWER}


def with_a_property_missing(row: Row) -> Row:
    """What matters most in it is gone."""
    name, chunked = _essential(row)
    gone = f"{name}_0" if chunked else name
    return {key: value for key, value in row.items() if key != gone}


def with_garbage(row: Row) -> Row:
    """Its text is cut JSON; where it has no text, a word stands for what matters most."""
    name, chunked = _essential(row)
    return {**row, (f"{name}_0" if chunked else name): '[{"garbage'}


def of_a_wrong_type(row: Row) -> Row:
    """A number stands for what matters most."""
    name, chunked = _essential(row)
    return {**row, (f"{name}_0" if chunked else name): 7}


BREAKS: dict[str, Callable[[Row], Row]] = {
    "version 999": of_a_newer_version,
    "missing property": with_a_property_missing,
    "garbage JSON": with_garbage,
    "wrong type": of_a_wrong_type,
}
# For parametrize: each way. `make test` takes two of them, a row that may not be touched and one that nobody can read.
EACH_WAY = [
    how if how in ("version 999", "garbage JSON") else pytest.param(how, marks=pytest.mark.matrix) for how in BREAKS
]


def stored_row(storage: str, partition: str, row: str, table: str = keys.TABLE) -> Row:
    """A row as it is in storage, its ETag under "etag"."""
    with TableServiceClient.from_connection_string(storage) as service:
        entity = service.get_table_client(table).get_entity(partition, row)
        return {**entity, "etag": entity.metadata["etag"]}


def restore(storage: str, row: Row, table: str = keys.TABLE) -> None:
    """Puts a row back as ``stored_row`` gave it."""
    with TableServiceClient.from_connection_string(storage) as service:
        whole = {key: value for key, value in row.items() if key != "etag"}
        service.get_table_client(table).upsert_entity(whole, mode=UpdateMode.REPLACE)


def rows_of(storage: str, partition: str, prefix: str, table: str = keys.TABLE) -> list[Row]:
    """The rows of a partition whose key begins so."""
    with TableServiceClient.from_connection_string(storage) as service:
        found = service.get_table_client(table).query_entities(f"PartitionKey eq '{partition}'")
        return [dict(row) for row in found if row["RowKey"].startswith(prefix)]


def damage(storage: str, how: str, partition: str, row: str, table: str = keys.TABLE) -> Row:
    """Breaks a row in storage; returns it as it is from then on."""
    whole = stored_row(storage, partition, row, table)
    del whole["etag"]
    with TableServiceClient.from_connection_string(storage) as service:
        service.get_table_client(table).upsert_entity(BREAKS[how](whole), mode=UpdateMode.REPLACE)
    return stored_row(storage, partition, row, table)


def damage_text(storage: str, name: str, partition: str, row: str) -> Row:
    """Cuts the JSON of one text of a row; returns the row as it is from then on."""
    whole = stored_row(storage, partition, row)
    restore(storage, {**whole, f"{name}_0": '[{"garbage'})
    return stored_row(storage, partition, row)


def damage_state(storage: str, how: str, cluster: str) -> Row:
    """Breaks the row of a cluster's state."""
    return damage(storage, how, keys.subscription_key(cluster), keys.state(cluster))


def failing_at(cluster: str, operation: str, error: Callable[[], Exception]) -> type[Store]:
    """A store that raises whenever the state of one cluster is loaded, or committed."""

    class Failing(Store):
        async def load_state(self, name: str) -> StoredState | None:
            if operation == "load" and name.lower() == cluster.lower():
                raise error()
            return await super().load_state(name)

        async def find_states(self, subscription: str, clusters: Iterable[str]) -> dict[str, FoundState | None]:
            found = await super().find_states(subscription, clusters)
            return found if operation != "load" else {name: state for name, state in found.items() if name != cluster}

        async def commit(self, decision: Decision, report: ClusterReport | None, etag: str | None) -> Committed:
            if operation == "commit" and decision.state.cluster.lower() == cluster.lower():
                raise error()
            return await super().commit(decision, report, etag)

    return Failing
