"""Silences and acknowledgements: what somebody asked not to be notified of, until when and why. Plain frozen data.

They act where mail is made, and nowhere else: what is held to be true of a cluster knows nothing of them. All times are
aware and UTC.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from checks.text import clipped, printable, redacted_start

LONGEST = timedelta(days=30)  # what nobody looks at for longer is forgotten
SKEW = timedelta(minutes=5)  # how far the clock of whoever asked may be ahead
MAX_REASON = 300
MAX_AUTHOR = 100
MAX_MATCHER = 300


class SilenceKind(StrEnum):
    """A silence is of whatever matches; an acknowledgement of a failure, and ends with it."""

    SILENCE = "silence"
    ACK = "ack"


class Matchers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a silence is about: all that are given must match, in any case of letters.

    ``cluster`` is an ARM id or a name, ``registry`` a login server, ``code`` a check's.
    """

    subscription: str = ""
    cluster: str = ""
    registry: str = ""
    code: str = ""
    cause: str = ""

    def __bool__(self) -> bool:
        """Whether any is given: without one a silence would be of everything."""
        return any(self.given().values())

    def given(self) -> dict[str, str]:
        """Those that are given, by name."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in fields.items() if value}

    def __str__(self) -> str:
        """As people read it."""
        return ", ".join(f"{name} {value}" for name, value in self.given().items())


class Silence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One silence or acknowledgement. ``ended``: when somebody ended it, or the failure was over."""

    id: str
    kind: SilenceKind
    matchers: Matchers
    author: str
    reason: str
    created: datetime
    expires: datetime
    ended: datetime | None = None

    @property
    def until(self) -> datetime:
        """When it is over. An expiry further ahead than any may be is that of a clock that had jumped."""
        latest = min(self.expires, self.created + LONGEST)
        return latest if self.ended is None else min(self.ended, latest)

    def is_over(self, now: datetime) -> bool:
        """Whether it is over."""
        return now >= self.until

    def is_active(self, now: datetime) -> bool:
        """Whether it holds. One that was made later than now is that of a clock that is ahead: it waits."""
        return self.created - SKEW <= now < self.until


def harmless(text: str, limit: int) -> str:
    """What somebody wrote, as one bounded line without secrets: it is stored, listed and mailed."""
    return clipped(printable(redacted_start(text, limit + 1)).strip(), limit)
