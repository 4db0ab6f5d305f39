"""A query read and run over tables, operator by operator.

    TABLE or another source (tables.py)
    | where CONDITION | extend X = …, … | project X, Y = … | summarize A = AGGREGATE, … [by X, Y = …]
    | parse-kv X as (KEY: TYPE, …) with (regex="(key)=(value)")
    | top N by X [asc|desc], … | sort by X [asc|desc], … (or `order by`) | take N (or `limit`) | count

AGGREGATE: count(), dcount(X), min(X), max(X), sum(X), avg(X). Of a key's values parse-kv takes the first; without one
a string is empty and all else null. Sorting is downwards unless asked otherwise; nulls are the lowest, then NaN, which
is the avg(X) of nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.monitor.kql import errors
from simulator.monitor.kql.expressions import NUMBERS, Expression, Reader
from simulator.monitor.kql.tables import Body, Table, source
from simulator.monitor.kql.tokens import tokens

_PARSED: dict[str, Callable[[str], Any]] = {"string": str, "long": int, "int": int, "real": float}


def run(text: str, tables: Mapping[str, Table], now: datetime) -> Table:
    """The answer to a query. Raises QueryError."""
    reader = Reader(text, tokens(text), now)
    table = source(reader, tables)
    while reader.takes("|"):
        name = reader.next.text
        operator = _OPERATORS.get(name) if reader.next.kind == "name" else None
        if operator is None:
            raise reader.wrong()
        reader.take()
        table = operator(reader, table)
    if reader.next.kind:
        raise reader.wrong()
    return table


def _where(reader: Reader, table: Table) -> Table:
    fits = reader.condition(table.columns, "where")
    return Table(table.columns, [row for row in table.rows if fits(row)])


def _named(reader: Reader, columns: Mapping[str, str], operator: str) -> list[tuple[str, Expression]]:
    """`X`, `NAME = …` or an expression that gets the name Column1, Column2 …, separated by commas."""
    found: list[tuple[str, Expression]] = []
    while True:
        given = reader.name() if reader.next.kind == "name" and reader.after().text == "=" else ""
        if given:
            reader.wants("=")
        one = reader.expression(columns, operator)
        found.append((given or one.column or f"Column{len(found) + 1}", one))
        if not reader.takes(","):
            return found


def _extend(reader: Reader, table: Table) -> Table:
    named = _named(reader, table.columns, "extend")
    columns = {**table.columns, **{name: one.kind for name, one in named}}
    return Table(columns, [{**row, **{name: one.value(row) for name, one in named}} for row in table.rows])


def _project(reader: Reader, table: Table) -> Table:
    named = _named(reader, table.columns, "project")
    columns = {name: one.kind for name, one in named}
    return Table(columns, [{name: one.value(row) for name, one in named} for row in table.rows])


@dataclass(frozen=True, slots=True)
class _Aggregate:
    name: str
    kind: str
    of: Callable[[list[Body]], Any]


def _summarize(reader: Reader, table: Table) -> Table:
    aggregates = []
    while reader.next.text != "by":
        aggregates.append(_aggregate(reader, table))
        if not reader.takes(","):
            break
    by = _named(reader, table.columns, "summarize") if reader.takes("by") else []
    groups: dict[tuple[Any, ...], list[Body]] = {} if by else {(): []}
    for row in table.rows:
        groups.setdefault(tuple(one.value(row) for _, one in by), []).append(row)
    columns = {name: one.kind for name, one in by} | {one.name: one.kind for one in aggregates}
    rows = [
        {name: value for (name, _), value in zip(by, key, strict=True)}
        | {one.name: one.of(members) for one in aggregates}
        for key, members in groups.items()
    ]
    return Table(columns, rows)


def _aggregate(reader: Reader, table: Table) -> _Aggregate:
    given = reader.name() if reader.after().text == "=" else ""
    if given:
        reader.wants("=")
    function = reader.name()
    reader.wants("(")
    if function == "count":
        reader.wants(")")
        return _Aggregate(given or "count_", "long", len)
    if function not in ("dcount", "min", "max", "sum", "avg"):
        raise errors.unknown_function(function)
    one = reader.expression(table.columns, "summarize")
    reader.wants(")")
    name = given or f"{function}_{one.column}"
    if function == "dcount":
        return _Aggregate(name, "long", lambda rows: len({one.value(row) for row in rows}))
    if function in ("sum", "avg") and one.kind not in NUMBERS:
        raise errors.wrong_type(f"{function}()", "a number")
    if function == "avg":
        return _Aggregate(name, "real", lambda rows: _average(_present(one, rows)))
    if function == "sum":
        return _Aggregate(name, "real" if one.kind == "real" else "long", lambda rows: sum(_present(one, rows)))
    best = min if function == "min" else max
    return _Aggregate(name, one.kind, lambda rows: best(_present(one, rows), default=None))


def _present(one: Expression, rows: list[Body]) -> list[Any]:
    values = (one.value(row) for row in rows)
    return [value for value in values if value is not None]


def _average(values: list[Any]) -> float:
    return sum(values) / len(values) if values else math.nan


def _parse_kv(reader: Reader, table: Table) -> Table:
    one = reader.expression(table.columns, "parse-kv")
    if one.kind != "string":
        raise errors.wrong_type("parse-kv", "string")
    reader.wants("as")
    keys = reader.typed(_PARSED)
    for word in ("with", "(", "regex", "="):
        reader.wants(word)
    pattern = reader.pattern()
    if pattern.groups != 2:
        raise reader.wrong()
    reader.wants(")")
    rows = [{**row, **_values(pattern, one.value(row), keys)} for row in table.rows]
    return Table({**table.columns, **keys}, rows)


def _values(pattern: re.Pattern[str], text: str | None, keys: Mapping[str, str]) -> dict[str, Any]:
    """The values of keys by their name. The pattern has two groups, the key and the value."""
    found: dict[str, str] = {}
    for key, value in pattern.findall(text or ""):
        found.setdefault(key.strip(), value.strip())
    return {key: _read(found.get(key, ""), kind) for key, kind in keys.items()}


def _read(text: str, kind: str) -> Any:
    """A value of a type; null where the text is none."""
    try:
        return _PARSED[kind](text)
    except ValueError:
        return None


def _keys(reader: Reader, table: Table, operator: str) -> list[tuple[Expression, bool]]:
    """(expression, whether downwards) of each key to sort by."""
    reader.wants("by")
    keys = []
    while True:
        one = reader.expression(table.columns, operator)
        keys.append((one, not reader.takes("asc")))
        reader.takes("desc")
        if not reader.takes(","):
            return keys


def _ordered(table: Table, keys: list[tuple[Expression, bool]]) -> Table:
    rows = list(table.rows)
    for one, downwards in reversed(keys):
        rows.sort(key=lambda row: _rank(one.value(row)), reverse=downwards)
    return Table(table.columns, rows)


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    return (1, 0) if isinstance(value, float) and math.isnan(value) else (2, value)


def _top(reader: Reader, table: Table) -> Table:
    number = reader.number()
    ordered = _ordered(table, _keys(reader, table, "top"))
    return Table(ordered.columns, ordered.rows[:number])


def _take(reader: Reader, table: Table) -> Table:
    return Table(table.columns, table.rows[: reader.number()])


def _count(reader: Reader, table: Table) -> Table:
    return Table({"Count": "long"}, [{"Count": len(table.rows)}])


def _sort(reader: Reader, table: Table) -> Table:
    return _ordered(table, _keys(reader, table, "sort"))


_OPERATORS: dict[str, Callable[[Reader, Table], Table]] = {
    "where": _where,
    "extend": _extend,
    "project": _project,
    "summarize": _summarize,
    "parse-kv": _parse_kv,
    "top": _top,
    "take": _take,
    "limit": _take,
    "sort": _sort,
    "order": _sort,
    "count": _count,
}
