"""NCRONTAB expressions, as a timer trigger of Azure Functions takes them: six fields, the seconds first.

Read as the host's library reads them (NCrontab 3), and stricter in two places where that guesses: a range that runs
backwards and a step of zero are refused.
"""

from __future__ import annotations

import re

import msgspec

FORM = "{second} {minute} {hour} {day} {month} {day of the week}"
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
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
    return None
