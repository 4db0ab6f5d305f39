"""What is reported: the change of one cluster in one run, and a run's own notices. Plain frozen data.

Deciding (``checks.history``) writes these, mailing (``checks.notify``) reads them; neither knows the other. All times
are aware and UTC.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """What is held to be true of a subject. ``UNKNOWN_YET``: nothing has settled it since it was first seen."""

    PASSING = "passing"
    FAILING = "failing"
    UNKNOWN_YET = "unknown-yet"


class Reason(StrEnum):
    """Why a decision about a subject (or a whole cluster) is what it is. Stable words: they are stored."""

    FIRST_SEEN_PASSING = "first-seen-passing"
    FIRST_SEEN_FAILING = "first-seen-failing"
    FIRST_SEEN_UNKNOWN = "first-seen-unknown"
    BASELINE = "baseline"
    REGRESSED = "regressed"
    RECOVERED = "recovered"
    CAUSE_CHANGED = "cause-changed"
    MORE_FAILING = "more-failing"
    STILL_FAILING = "still-failing"
    STILL_PASSING = "still-passing"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    BELOW_THRESHOLD = "below-threshold"
    ABSENT = "absent"
    FORGOTTEN = "forgotten"
    GONE = "gone"
    STALE_RUN = "stale-run"
    CAPPED = "capped"
    NOT_NOTIFIED_YET = "not-notified-yet"
    FLAPPING = "flapping"
    DAMPED = "damped"
    SETTLED = "settled"
    BLIND = "blind"
    SEEN_AGAIN = "seen-again"
    MISSED = "missed"
    OPTED_OUT = "opted-out"
    CLOCK = "clock"


class Transition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One subject's step from one status to another.

    ``before`` is None for a subject seen for the first time, ``after`` is None for one that is no longer kept.
    ``cause`` is the cause of ``after``, of ``before`` where the subject recovered or left. ``since`` is when ``after``
    began (where it left: when ``before`` began); ``bad_since`` is when a failure that ended had begun. ``alert`` says
    that people are to be notified. ``unknown_since`` and ``gap`` (a stable cause): where nothing is known any more.
    ``codes`` are the checks that decided ``cause``. ``covered``: whoever was notified of another answer knows of this
    cause already, so only those are to be notified who are notified of pulls alone.
    """

    registry: str
    facet: str
    before: Status | None
    after: Status | None
    reason: Reason
    since: datetime
    cause: str = ""
    before_cause: str = ""
    bad_since: datetime | None = None
    summary: str = ""
    fix: tuple[str, ...] = ()
    alert: bool = False
    unknown_since: datetime | None = None
    gap: str = ""
    codes: tuple[str, ...] = ()
    covered: bool = False


class RowVerdicts(msgspec.Struct, frozen=True):
    """The answer row of one registry as words ("pass", "fail", "unknown", "skipped") at the time of a change.

    ``basis``: what ``pull`` rests on, in the words of ``findings.Basis``.
    """

    registry: str
    access: str
    path: str
    pull: str
    images: str = "skipped"
    basis: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that changed for one cluster in one run: one history row. ``cluster`` is its ARM id.

    ``notify``: the addresses that the cluster's tag names, whoever they are (``checks.notify.routes`` chooses).
    """

    cluster: str
    run: str
    sequence: int
    at: datetime
    transitions: tuple[Transition, ...]
    rows: tuple[RowVerdicts, ...] = ()
    notify: tuple[str, ...] = ()

    @property
    def alerts(self) -> bool:
        """Whether anything in it is to be notified."""
        return any(transition.alert for transition in self.transitions)

    @property
    def first_sight(self) -> bool:
        """Whether all that is to be notified was seen at the first look at its subscription: a summary says it."""
        return self.alerts and all(moved.reason is Reason.BASELINE for moved in self.transitions if moved.alert)


# How the title of a DEGRADED notice begins that is about rows of storage which cannot be handled.
UNREADABLE_ROWS = "checker error: "


class NoticeKind(StrEnum):
    """The notices that belong to a run and not to one cluster."""

    BASELINE = "baseline"
    DEGRADED = "degraded"
    DEGRADED_OVER = "degraded-over"
    VANISHED = "vanished"
    VISIBLE_AGAIN = "visible-again"
    REMINDER = "reminder"
    SILENCE_ENDED = "silence-ended"


class NoticeLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What fails: one cluster and registry with the failing facets of one cause, and the checks that decided it."""

    cluster: str
    registry: str
    facets: tuple[str, ...]
    cause: str
    since: datetime
    summary: str = ""
    fix: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A run's own message. ``facts`` are whole sentences; ``lines`` worst first; ``more`` counts what was cut.

    ``about``: what tells it from another notice of its kind and run; "" where a run has one of a kind. ``lines_only``:
    without a line there is nothing to say. ``route``: whom it is for, "" the default one.
    """

    kind: NoticeKind
    run: str
    sequence: int
    at: datetime
    title: str
    facts: tuple[str, ...] = ()
    lines: tuple[NoticeLine, ...] = ()
    more: int = 0
    about: str = ""
    lines_only: bool = False
    route: str = ""
