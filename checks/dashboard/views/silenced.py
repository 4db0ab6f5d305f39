"""A silence or an acknowledgement beside what it is of: who, why, until when."""

from __future__ import annotations

from datetime import datetime

import msgspec

from checks.dashboard.views.moments import Moment, moment
from checks.report.html import bounded
from checks.silences import Silence, SilenceKind


class SilenceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. ``kind`` is "acknowledged" or "silenced", ``of`` what it is of; ``active``: it holds now."""

    id: str
    kind: str
    of: str
    author: str
    reason: str
    created: Moment
    until: Moment
    active: bool


def silence_line(silence: Silence, now: datetime) -> SilenceLine:
    """As it is shown."""
    return SilenceLine(
        id=silence.id,
        kind="acknowledged" if silence.kind is SilenceKind.ACK else "silenced",
        of=bounded.sentence(str(silence.matchers)),
        author=bounded.name(silence.author),
        reason=bounded.sentence(silence.reason),
        created=moment(silence.created, now),
        until=moment(silence.until, now),
        active=silence.is_active(now),
    )
