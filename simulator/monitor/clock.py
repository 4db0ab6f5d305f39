"""What TENANT/monitor.json says of Azure Monitor: its time, how late rows arrive, and how they tell a status.

{"now": "2026-11-29T09:00:00Z",     else the time it is
 "delayMinutes": 2,                 what happened since is in no table and in no metric yet
 "statusIn": "ResultType"}          or "ResultDescription": then ResultType is "HttpStatusCode", as in some regions
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

DELAY_MINUTES = 2.0


@dataclass(frozen=True, slots=True)
class Clock:
    """`settled`: everything until then has arrived."""

    now: datetime
    settled: datetime
    status_in_description: bool


def read_clock(document: Any) -> Clock:
    """From monitor.json; what has the wrong type counts as absent."""
    data = document if isinstance(document, dict) else {}
    delay = data.get("delayMinutes")
    minutes = float(delay) if isinstance(delay, int | float) else DELAY_MINUTES
    now = moment(data.get("now")) or datetime.now(UTC)
    return Clock(now, now - timedelta(minutes=minutes), data.get("statusIn") == "ResultDescription")


def moment(text: Any) -> datetime | None:
    """A time in ISO 8601, taken as UTC where it does not say; None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def relative(text: Any, now: datetime) -> datetime | None:
    """A time in ISO 8601, or one like "-12m", "-5h" or "-2d" before now; None for what is neither."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    if isinstance(text, str) and text[:1] == "-" and text[-1] in units and text[1:-1].isdigit():
        return now - timedelta(**{units[text[-1]]: int(text[1:-1])})
    return moment(text)


def shown(at: datetime) -> str:
    """As Azure Monitor writes a time: in UTC, with a fraction only where there is one."""
    text = at.astimezone(UTC).isoformat().removesuffix("+00:00")
    return f"{text}Z"
