"""Tables, and what a query begins with.

    TABLE
    datatable(X: TYPE, …)[]
    union [kind=outer] [isfuzzy=true|false] ONE, …      of the two above, in parentheses or not

A table that is not there is an error, and in a fuzzy union nothing, as long as one of them is there. That may be a
datatable, which gives the union its columns; it has no rows here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.monitor.kql import errors
from simulator.monitor.kql.expressions import Reader

Body = dict[str, Any]
_KINDS = ("string", "datetime", "long", "int", "real", "bool")


@dataclass(frozen=True, slots=True)
class Table:
    """`columns` are the types by name: string, datetime, long, int, real, bool."""

    columns: dict[str, str]
    rows: Sequence[Body]


def source(reader: Reader, tables: Mapping[str, Table]) -> Table:
    """What a query begins with. Raises QueryError."""
    if not reader.takes("union"):
        name, table = _one(reader, tables)
        if table is None:
            raise errors.unresolved("where", "table or column expression", name)
        return table
    fuzzy = _options(reader)
    named = [_one(reader, tables)]
    while reader.takes(","):
        named.append(_one(reader, tables))
    missing = [name for name, table in named if table is None]
    if missing and (not fuzzy or len(missing) == len(named)):
        raise errors.unresolved("union", "table expression", missing[0])
    return _union([table for _, table in named if table is not None])


def _one(reader: Reader, tables: Mapping[str, Table]) -> tuple[str, Table | None]:
    """A table by its name, None where it is not there, or a datatable; either may stand in parentheses."""
    enclosed = reader.takes("(")
    name = reader.name()
    table = _datatable(reader) if name == "datatable" else tables.get(name)
    if enclosed:
        reader.wants(")")
    return name, table


def _datatable(reader: Reader) -> Table:
    columns = reader.typed(_KINDS)
    reader.wants("[")
    reader.wants("]")
    return Table(columns, [])


def _options(reader: Reader) -> bool:
    """The options of a union: whether it is fuzzy."""
    fuzzy = False
    while reader.next.text in ("isfuzzy", "kind") and reader.after().text == "=":
        option = reader.take().text
        reader.wants("=")
        if option == "kind":
            reader.wants("outer")
        elif reader.next.kind == "bool":
            fuzzy = bool(reader.take().value)
        else:
            raise reader.wrong()
    return fuzzy


def _union(tables: Iterable[Table]) -> Table:
    """All columns of all tables; a string that a table has not is empty, anything else null."""
    listed = list(tables)
    columns = {name: kind for table in listed for name, kind in table.columns.items()}
    empty = {name: "" if kind == "string" else None for name, kind in columns.items()}
    return Table(columns, [{**empty, **row} for table in listed for row in table.rows])
