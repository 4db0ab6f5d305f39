"""A stand-in for Log Analytics that runs the workbook's queries over rows, for the part of KQL that they use.

    union isfuzzy=true (datatable(COLUMN: TYPE, …)[]), TABLE
    | where …                                             as in tests/support/kql.py
    | parse-kv COLUMN as (NAME: TYPE, …) with (regex=@"(key)=(value)")
    | summarize NAME = count() | sum(X) | avg(X) | min(X) | max(X), … [by X, bin(TimeGenerated, {TimeRange:grain})]
    | project X, NAME = X | sort by X asc|desc | take N

Anything else raises ``UnknownQuery``, and so does a column that is not there. As in Kusto, parse-kv takes a key's first
value and leaves null where there is none; aggregates pass nulls over; a table that is not there is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from tests.support.kql import TIME, Row, Tables, UnknownQuery, condition

Rows = list[dict[str, Any]]

_SOURCE = re.compile(r"union isfuzzy=true \(datatable\((.+)\)\[\]\), (\w+)")
_TYPED = re.compile(r"(\w+): (string|long|real|bool|datetime)")
_PARSE = re.compile(r'parse-kv (\w+) as \((.+)\) with \(regex=@"(.+)"\)')
_SUMMARIZE = re.compile(r"summarize (.+?)(?: by (.+))?")
_AGGREGATE = re.compile(r"(\w+) = (count|sum|avg|min|max)\((\w*)\)")
_BIN = f"bin({TIME}, {{TimeRange:grain}})"
_TYPES: dict[str, Callable[[str], Any]] = {"string": str, "long": int, "real": float}
_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "sum": sum,
    "avg": lambda values: sum(values) / len(values) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
}


def run(query: str, tables: Tables) -> Rows:
    """The rows that a query answers. Raises UnknownQuery."""
    source, *operators = query.split("\n| ")
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise UnknownQuery(source)
    columns = [name for name, _ in _typed(match[1])]
    rows: Rows = [{name: row[name] for name in columns} for row in tables.get(match[2], ())]
    for operator in operators:
        rows, columns = _apply(operator, rows, columns)
    return rows


def _apply(operator: str, rows: Rows, columns: list[str]) -> tuple[Rows, list[str]]:
    word, _, rest = operator.partition(" ")
    if word == "where":
        keeps, literals = condition(operator)
        _known(columns, *(name for name, _ in literals))
        return [row for row in rows if keeps(row)], columns
    if word == "parse-kv":
        return _parsed(operator, rows, columns)
    if word == "summarize":
        return _summarized(operator, rows, columns)
    if word == "project":
        pairs = [tuple(part.split(" = ")) if " = " in part else (part, part) for part in rest.split(", ")]
        _known(columns, *(old for _, old in pairs))
        return [{new: row[old] for new, old in pairs} for row in rows], [new for new, _ in pairs]
    if match := re.fullmatch(r"sort by (\w+) (asc|desc)", operator):
        _known(columns, match[1])
        return sorted(rows, key=lambda row: row[match[1]], reverse=match[2] == "desc"), columns
    if match := re.fullmatch(r"take (\d+)", operator):
        return rows[: int(match[1])], columns
    raise UnknownQuery(operator)


def _typed(text: str) -> list[tuple[str, str]]:
    parts = [_TYPED.fullmatch(part) for part in text.split(", ")]
    if None in parts:
        raise UnknownQuery(text)
    return [(match[1], match[2]) for match in parts if match]


def _known(columns: Iterable[str], *names: str) -> None:
    if missing := set(names) - set(columns):
        raise UnknownQuery(f"no column {', '.join(sorted(missing))}")


def _parsed(operator: str, rows: Rows, columns: list[str]) -> tuple[Rows, list[str]]:
    match = _PARSE.fullmatch(operator)
    if match is None:
        raise UnknownQuery(operator)
    keys = _typed(match[2])
    _known(columns, match[1])

    def of(row: Row) -> dict[str, Any]:
        found: dict[str, str] = {}
        for key, value in re.findall(match[3], row[match[1]]):
            found.setdefault(key, value)
        return {**row, **{name: _TYPES[kind](found[name]) if name in found else None for name, kind in keys}}

    return [of(row) for row in rows], [*columns, *(name for name, _ in keys)]


def _summarized(operator: str, rows: Rows, columns: list[str]) -> tuple[Rows, list[str]]:
    match = _SUMMARIZE.fullmatch(operator)
    parts = [_AGGREGATE.fullmatch(part) for part in match[1].split(", ")] if match else [None]
    if match is None or None in parts:
        raise UnknownQuery(operator)
    aggregates = [part for part in parts if part]
    # The bin has a comma of its own.
    by = [each.replace("bin", _BIN) for each in match[2].replace(_BIN, "bin").split(", ")] if match[2] else []
    names = [TIME if each == _BIN else each for each in by]
    _known(columns, *names, *(part[3] for part in aggregates if part[3]))
    groups: dict[tuple[Any, ...], Rows] = {} if by else {(): []}
    for row in rows:
        key = tuple(_binned(row[TIME]) if each == _BIN else row[each] for each in by)
        groups.setdefault(key, []).append(row)
    made = [
        {**dict(zip(names, key, strict=True)), **{part[1]: _aggregate(part, group) for part in aggregates}}
        for key, group in groups.items()
    ]
    return made, [*names, *(part[1] for part in aggregates)]


def _aggregate(part: re.Match[str], rows: Rows) -> Any:
    if part[2] == "count":
        return len(rows)
    return _AGGREGATES[part[2]]([row[part[3]] for row in rows if row[part[3]] is not None])


def _binned(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
