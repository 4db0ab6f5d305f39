"""NCRONTAB expressions, as a timer trigger of Azure Functions takes them: six fields, the seconds first.

Read as the host's library reads them (NCrontab 3), and stricter in two places where that guesses: a range that runs
backwards and a step of zero are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import msgspec

FORM = "{second} {minute} {hour} {day} {month} {day of the week}"
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
# From 1901 to 2099 dates fall on the same weekdays every 28 years.
_FIRST, _CYCLE = date(2001, 1, 1), date(2029, 1, 1) - date(2001, 1, 1)
_PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>[0-9]+))?", re.ASCII)


class _Field(msgspec.Struct, frozen=True):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """The number that a value stands for; None for one that the field does not take."""
        if re.fullmatch(r"[0-9]{1,2}", text):
            return int(text) if self.low <= int(text) <= self.high else None
        matching = [name for name in self.names if len(text) >= 3 and name.startswith(text.lower())]
        return self.low + self.names.index(matching[0]) if matching else None

    def takes(self, part: str) -> bool:
        """Whether one part of a list is ``*``, a value or a range, with a step or without."""
        match = _PART.fullmatch(part)
        if match is None or (match["step"] is not None and int(match["step"]) == 0):
            return False
        if match["first"] == "*":
            return match["last"] is None
        first, last = self.number(match["first"]), self.number(match["last"] or match["first"])
        return first is not None and last is not None and first <= last

    def values(self, text: str) -> frozenset[int]:
        """The numbers that a list of parts stands for; each part is one that the field takes."""
        return frozenset(number for part in text.split(",") for number in self._values(part))

    def _values(self, part: str) -> range:
        match = _PART.fullmatch(part)
        assert match is not None, part
        step = int(match["step"] or 1)
        if match["first"] == "*":
            return range(self.low, self.high + 1, step)
        first = self.number(match["first"])
        # "5/15" begins at 5 and goes on to the end of the field.
        last = self.number(match["last"] or match["first"]) if match["last"] or not match["step"] else self.high
        assert first is not None and last is not None, part
        return range(first, last + 1, step)

    def described(self) -> str:
        """What the field takes."""
        named = f" or names such as {self.names[0][:3]}" if self.names else ""
        return f"{self.low} to {self.high}{named}, as *, values, ranges and steps"


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


def problem(expression: str) -> str | None:
    """What is wrong with an expression and how it is put right; None for one that a timer takes."""
    fields = expression.split()
    if len(fields) == len(_FIELDS) - 1:
        return f"the seconds are missing: write '0 {' '.join(fields)}'"
    if len(fields) != len(_FIELDS):
        return f"write {FORM}, such as '0 */30 * * * *' for every half hour"
    for field, text in zip(_FIELDS, fields, strict=True):
        if not all(field.takes(part) for part in text.split(",")):
            return f"the {field.name} takes {field.described()}; {text[:40]!r} is none"
    if not _days(fields):
        return "it never fires: no month named has that day"
    return None


def longest_gap(expression: str) -> timedelta:
    """The longest time between two firings of an expression that has no problem."""
    fields = expression.split()
    second, minute, hour = (sorted(field.values(text)) for field, text in zip(_FIELDS[:3], fields[:3], strict=True))
    instant = _Firings(0, 0, 0)
    day = instant.repeated(second, 1).repeated(minute, 60).repeated(hour, 3600)
    days = _days(fields)
    # The calendar repeats: behind the last day of a cycle comes the first one of the next.
    cycle = day.repeated((*days, days[0] + _CYCLE.days), 86400)
    return timedelta(seconds=cycle.gap)


def next_firing(expression: str, after: datetime) -> datetime:
    """The first firing after a moment, in UTC, of an expression that has no problem. Its own times are UTC, too."""
    fields = expression.split()
    second, minute, hour = (sorted(field.values(text)) for field, text in zip(_FIELDS[:3], fields[:3], strict=True))
    moment = after.astimezone(UTC)
    days = _days(fields)
    today = (moment.date() - _FIRST) % _CYCLE  # the same weekday of the same date, within the cycle
    ahead = ((number - today.days) % _CYCLE.days for number in days)
    for day in (moment.date() + timedelta(days=number) for number in [*sorted(ahead), _CYCLE.days]):
        times = (time(h, m, s, tzinfo=UTC) for h in hour for m in minute for s in second)
        for at in (datetime.combine(day, at) for at in times):
            if at > moment:
                return at
    raise AssertionError(expression)  # a day that fires once fires again after a cycle


class _Firings(msgspec.Struct, frozen=True):
    """Seconds of the first and the last firing in a stretch of time, and of the longest gap between two in it."""

    first: int
    last: int
    gap: int

    def repeated(self, at: Sequence[int], unit: int) -> _Firings:
        """The same stretch at each of several places, which lie ``unit`` seconds apart."""
        between = [(later - earlier) * unit - self.last + self.first for earlier, later in pairwise(at)]
        return _Firings(at[0] * unit + self.first, at[-1] * unit + self.last, max([self.gap, *between]))


def _days(fields: Sequence[str]) -> list[int]:
    """The days on which an expression fires, counted from the first of a cycle; day, month and weekday have to fit."""
    day, month, weekday = (field.values(text) for field, text in zip(_FIELDS[3:], fields[3:], strict=True))
    dates = ((number, _FIRST + timedelta(days=number)) for number in range(_CYCLE.days))
    return [n for n, at in dates if at.day in day and at.month in month and at.isoweekday() % 7 in weekday]
