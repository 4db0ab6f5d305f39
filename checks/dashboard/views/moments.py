"""Times as people read them: how long ago, with the absolute time beside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Moment(msgspec.Struct, frozen=True):
    """A time: for machines (ISO 8601), absolute ("2026-11-24 08:00 UTC"), and from now ("3 h ago", "in 12 min")."""

    iso: str
    absolute: str
    relative: str


def moment(at: datetime, now: datetime) -> Moment:
    """A time, seen from now."""
    utc = at.astimezone(UTC)
    if timedelta() <= now - at < _MINUTE:
        relative = "just now"
    else:
        relative = f"{span(now - at)} ago" if now >= at else f"in {span(at - now)}"
    return Moment(utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M UTC"), relative)


def maybe(at: datetime | None, now: datetime) -> Moment | None:
    """The same, where there is a time."""
    return None if at is None else moment(at, now)


def span(length: timedelta) -> str:
    """How long something takes, in its two largest units: "2 d 4 h"; "less than a minute"."""
    if length < _MINUTE:
        return "less than a minute"
    if length < _HOUR:
        return f"{length // _MINUTE} min"
    if length < _DAY:
        return _two(length // _HOUR, "h", (length % _HOUR) // _MINUTE if length < 6 * _HOUR else 0, "min")
    return _two(length // _DAY, "d", (length % _DAY) // _HOUR if length < 7 * _DAY else 0, "h")


def _two(large: int, unit: str, small: int, other: str) -> str:
    return f"{large} {unit} {small} {other}" if small else f"{large} {unit}"
