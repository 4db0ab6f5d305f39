"""Time spans and grains as Azure Monitor takes them: ISO 8601 durations, and two times with a slash between."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from simulator.monitor.clock import moment

_DURATION = re.compile(r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?")


def duration(text: str) -> timedelta | None:
    """Of days, hours, minutes and seconds; None for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    return timedelta(**{name: int(value) for name, value in match.groupdict().items() if value})


def span(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """`START/END`, `START/DURATION`, `DURATION/END` or a duration until now; None for anything else."""
    one, slash, other = text.partition("/")
    if not slash:
        length = duration(one)
        return None if length is None else (now - length, now)
    start, end = moment(one), moment(other)
    if start is not None and end is not None:
        return start, end
    if start is not None and (length := duration(other)) is not None:
        return start, start + length
    if end is not None and (length := duration(one)) is not None:
        return end - length, end
    return None
