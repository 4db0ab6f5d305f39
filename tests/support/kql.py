"""A stand-in for Azure Monitor: evaluates alert rules over rows of log tables, for the part of KQL that the rules use.

    TABLE | where COLUMN (== | =~ | startswith) LITERAL | where COLUMN in ("…", …) | summarize NAME = count()

What a rule says beyond that raises ``UnknownQuery``: nothing is passed over in silence. As in Azure Monitor, strings
are compared with regard to case by ``==`` and ``in`` and without by ``=~`` and ``startswith``; the window ends at the
evaluation and is applied to TimeGenerated; a table that is not there is empty; and a summary without ``by`` has one
row, also of nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
TIME = "TimeGenerated"

_WHERE = re.compile(r'where (\w+) (==|=~|startswith) ("[^"\\]*"|true|false)')
_WHERE_IN = re.compile(r'where (\w+) in \(("[^"\\]*"(?:, "[^"\\]*")*)\)')
_COUNT = re.compile(r"summarize (\w+) = count\(\)")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")
_THRESHOLDS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThan": lambda value, limit: value > limit,
    "GreaterThanOrEqual": lambda value, limit: value >= limit,
    "LessThan": lambda value, limit: value < limit,
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda value, literal: bool(value == literal),
    "=~": lambda value, literal: str(value).lower() == str(literal).lower(),
    "startswith": lambda value, literal: str(value).lower().startswith(str(literal).lower()),
}


class UnknownQuery(AssertionError):
    """A query or a rule says what this stand-in does not know."""


@dataclass(frozen=True)
class Query:
    """A query in its parts: the table, what keeps a row, and the name of the count."""

    table: str
    conditions: tuple[Callable[[Row], bool], ...]
    literals: tuple[tuple[str, str], ...]
    count: str

    def run(self, tables: Tables) -> dict[str, int]:
        """The one row that it answers."""
        rows = tables.get(self.table, ())
        return {self.count: sum(all(keeps(row) for keeps in self.conditions) for row in rows)}


def parse(text: str) -> Query:
    """A query out of its text. Raises UnknownQuery."""
    table, *operators = (part.strip() for part in text.split("\n|"))
    if not re.fullmatch(r"\w+", table) or not operators:
        raise UnknownQuery(text)
    *filters, last = operators
    count = _COUNT.fullmatch(last)
    if count is None:
        raise UnknownQuery(f"{last!r} at the end of {text}")
    parsed = [condition(operator) for operator in filters]
    literals = tuple(literal for _, found in parsed for literal in found)
    return Query(table, tuple(condition for condition, _ in parsed), literals, count[1])


def condition(operator: str) -> tuple[Callable[[Row], bool], list[tuple[str, str]]]:
    """What a where keeps, and the strings in it by their column."""
    if match := _WHERE_IN.fullmatch(operator):
        name, listed = match[1], re.findall(r'"([^"]*)"', match[2])
        return lambda row: row[name] in listed, [(name, text) for text in listed]
    match = _WHERE.fullmatch(operator)
    if match is None:
        raise UnknownQuery(operator)
    name, compare, quoted = match[1], _COMPARISONS[match[2]], match[3]
    literal = quoted == "true" if quoted in ("true", "false") else quoted.strip('"')
    return lambda row: compare(row[name], literal), [(name, str(literal))]


def duration(text: str) -> timedelta:
    """An ISO 8601 duration of days, hours and minutes. Raises UnknownQuery."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise UnknownQuery(text)
    days, hours, minutes = (int(group or 0) for group in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def fires(rule: Mapping[str, Any], tables: Tables, now: datetime) -> bool:
    """Whether an alert rule (the properties of a scheduledQueryRules resource) fires at ``now``."""
    (criterion,) = rule["criteria"]["allOf"]
    known = {"query", "timeAggregation", "metricMeasureColumn", "operator", "threshold", "failingPeriods"}
    once = {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1}
    if set(criterion) != known or criterion["timeAggregation"] != "Total" or criterion["failingPeriods"] != once:
        raise UnknownQuery(str(criterion))
    begins = now - duration(rule["windowSize"])
    within = {name: [row for row in rows if begins < row[TIME] <= now] for name, rows in tables.items()}
    value = parse(criterion["query"]).run(within)[criterion["metricMeasureColumn"]]
    return _THRESHOLDS[criterion["operator"]](value, criterion["threshold"])
