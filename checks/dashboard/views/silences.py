"""Silences and acknowledgements: those that hold, and those of the last weeks that are over. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from checks.dashboard.views.silenced import SilenceLine, silence_line
from checks.report.html import bounded
from checks.silences import Silence

MAX_OVER = 100


class SilencesView(msgspec.Struct, frozen=True, kw_only=True):
    """The page. ``unreadable`` rows silence nothing."""

    active: tuple[SilenceLine, ...]
    over: tuple[SilenceLine, ...]
    more_over: int
    unreadable: int


def silences_view(silences: Iterable[Silence], unreadable: int, now: datetime) -> SilencesView:
    """The page: what is over soonest comes first, and of what is over the latest."""
    listed = tuple(silences)
    holding = sorted((one for one in listed if not one.is_over(now)), key=lambda one: (one.until, one.id))
    ended = sorted((one for one in listed if one.is_over(now)), key=lambda one: (one.until, one.id), reverse=True)
    over, more = bounded.first(ended, MAX_OVER)
    return SilencesView(
        active=tuple(silence_line(one, now) for one in holding),
        over=tuple(silence_line(one, now) for one in over),
        more_over=more,
        unreadable=unreadable,
    )
