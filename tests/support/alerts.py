"""A stand-in for Azure Monitor: evaluates alert rules over rows of the app's log.

What a rule says beyond what is known here raises ``UnknownRule``: nothing is passed over in silence. As in Azure
Monitor, the window ends at the evaluation and is applied to TimeGenerated. A table without rows is there, and empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.support.app_log import COLUMNS, TIME, Tables, ask

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")
_THRESHOLDS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThan": lambda value, limit: value > limit,
    "GreaterThanOrEqual": lambda value, limit: value >= limit,
    "LessThan": lambda value, limit: value < limit,
}


class UnknownRule(AssertionError):
    """A rule says what this stand-in does not know."""


def duration(text: str) -> timedelta:
    """An ISO 8601 duration of days, hours and minutes. Raises UnknownRule."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise UnknownRule(text)
    days, hours, minutes = (int(group or 0) for group in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def fires(rule: Mapping[str, Any], tables: Tables, now: datetime) -> bool:
    """Whether an alert rule (the properties of a scheduledQueryRules resource) fires at ``now``. Raises QueryError."""
    (criterion,) = rule["criteria"]["allOf"]
    known = {"query", "timeAggregation", "metricMeasureColumn", "operator", "threshold", "failingPeriods"}
    once = {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1}
    if set(criterion) != known or criterion["timeAggregation"] != "Total" or criterion["failingPeriods"] != once:
        raise UnknownRule(str(criterion))
    begins = now - duration(rule["windowSize"])
    within = {name: [row for row in tables.get(name, ()) if begins < row[TIME] <= now] for name in COLUMNS}
    answered = ask(criterion["query"], within, now)
    if [list(row) for row in answered] != [[criterion["metricMeasureColumn"]]]:
        raise UnknownRule(f"not one row with one value: {answered}")
    [value] = answered[0].values()
    return _THRESHOLDS[criterion["operator"]](value, criterion["threshold"])
