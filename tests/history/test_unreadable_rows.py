"""A row that is not what its version promises is refused by name, whichever way it is broken."""

from __future__ import annotations

from typing import Any

import pytest

from checks.history.errors import SchemaError
from checks.history.table import rows
from tests.support import stored_shapes
from tests.support.broken_rows import BREAKS

READERS: dict[str, Any] = {name: reader for name, (reader, _) in stored_shapes.READERS.items()}
READERS |= {"state's summary": rows.read_summary, "known cluster": rows.read_known}
KIND = {"state's summary": "state", "known cluster": "state"}
WRONG: tuple[object, ...] = (None, 7, "{", True, b"\x00", "\ud800")


def row_of(reader: str) -> rows.Entity:
    """A row that the reader reads, as storage gives it."""
    name = KIND.get(reader, reader)
    return stored_shapes.thawed(stored_shapes.release()["rows"][name])


@pytest.mark.parametrize("how", ["version 999", "garbage JSON", "wrong type", "missing property"])
@pytest.mark.parametrize(
    "name", [name for name in READERS if name not in ("state's summary", "known cluster", "canary")]
)
def test_a_broken_row_is_refused_by_name(name: str, how: str) -> None:
    row = row_of(name)
    with pytest.raises(SchemaError, match="row "):
        READERS[name](BREAKS[how](row))


@pytest.mark.parametrize("name", READERS)
def test_no_property_that_is_missing_or_of_another_type_raises_anything_else(name: str) -> None:
    whole = row_of(name)
    reader = READERS[name]
    reader(whole)
    refused = 0
    for key in whole.keys() - {"PartitionKey", "RowKey"}:
        for broken in [{k: v for k, v in whole.items() if k != key}, *({**whole, key: value} for value in WRONG)]:
            try:
                reader(broken)
            except SchemaError:
                refused += 1
    assert refused
