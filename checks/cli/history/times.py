"""Times and ages as tables show them."""

from __future__ import annotations

from datetime import datetime, timedelta


def moment(at: datetime | None) -> str:
    """ "2026-11-24 08:00" (UTC); "" where there is none."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"


def length(span: timedelta) -> str:
    """ "45s", "12m", "3h5m", "4d2h": the two largest units; of more than ten days the days. Below zero it is "0s"."""
    seconds = max(int(span.total_seconds()), 0)
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d{hours}h" if hours and days < 10 else f"{days}d"
    if hours:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    return f"{minutes}m" if minutes else f"{seconds}s"


def with_age(at: datetime | None, now: datetime) -> str:
    """ "2026-11-24 08:00 (3h5m)"; a time that is ahead says so."""
    if at is None:
        return ""
    return f"{moment(at)} (ahead)" if at > now else f"{moment(at)} ({length(now - at)})"
