"""What the outside watches the app by: log lines that are queried, and when something is late. Pure.

Alert rules (infra/modules/watchdog.bicep) and the workbook (infra/workbook.json) look for these texts at the start of a
line in AppTraces, and for failed functions in AppRequests. What follows a text are fields, NAME=VALUE, some of which
the workbook shows. A text or a field that changes here changes there: tests tie them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

LOGGER = "pullwatch.watchdog"

RUN_COMPLETED = "run completed"
PART_COMPLETED = "run of a part completed"  # no rule goes by it: it is no sign that the schedule is alive
SHARD_SCANNED = "shard scanned"
RUN_RECENT = "latest run is recent"
MAIL_STUCK = "mail stuck"
MAIL_REFUSED = "mail refused"
MAIL_SET_ASIDE = "mail set aside"
POISON_RECORDED = "poison recorded"
NOT_CONFIGURED = "not configured"

# The functions that nobody waits for an answer of. Those with HTTP triggers are left out: a caller sees what failed.
TRIGGERS = (
    "schedule",
    "sweep",
    "plan",
    "scan",
    "close",
    "deliver",
    "plan_poison",
    "scan_poison",
    "close_poison",
    "deliver_poison",
)

REFUSED_FOR = timedelta(days=1)  # for which a refusal is said
MAIL_STUCK_AFTER = timedelta(hours=1)
SHORTEST_WATCH = timedelta(hours=1)  # runs take up to their deadline, and log lines arrive some minutes late


class Unsent(msgspec.Struct, frozen=True, kw_only=True):
    """Mail that is still to be sent, as it was ``seen``: how many are ``waiting``, and since when the oldest does.

    ``oldest_pointer``: of what no mail was begun for; ``oldest_mail``: of mails. ``unreadable`` counts what is set
    aside for a program that can read it. ``refused``: recipients who refused a mail for good within a day, with why.
    """

    seen: datetime
    oldest_pointer: datetime | None = None
    oldest_mail: datetime | None = None
    waiting: int = 0
    unreadable: int = 0
    refused: dict[str, str] = {}

    @property
    def oldest(self) -> datetime | None:
        """Since when the oldest of all waits."""
        return min((at for at in (self.oldest_pointer, self.oldest_mail) if at is not None), default=None)

    def age(self, now: datetime) -> timedelta:
        """For how long the oldest has been waiting; zero where none is."""
        return timedelta() if self.oldest is None else max(now - self.oldest, timedelta())

    def is_stuck(self, now: datetime) -> bool:
        """Whether the oldest has been waiting longer than a mail server may be away."""
        return self.age(now) > MAIL_STUCK_AFTER


class RunCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to. Clusters by verdict, and among them ``not_seen``, where a look failed; ``gone`` are others.

    ``subscriptions_not_read``: not to their end. ``missing_shards``: pieces that did not end. ``doubtful``: 1 where the
    run lost so much that its changes are in doubt. ``incidents`` are open ones, None where that could not be read.
    """

    clusters: int
    passing: int
    failing: int
    unknown: int
    errors: int
    not_seen: int
    gone: int
    changes: int
    subscriptions_not_read: int
    missing_shards: int
    doubtful: int
    seconds: int
    incidents: int | None = None


class ShardCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What scanning a piece of a run cost and saw.

    ``arm_throttled``: answers 429 of Azure Resource Manager, which asked to wait ``arm_asked_seconds`` in all.
    ``pulls``: how many pulls were timed. Each cluster, registry and pool has a median; these are the median of
    those and the largest: in seconds, of pulls of unknown size, or in seconds a GiB; None where there are none.
    """

    clusters: int
    seconds: int
    arm_calls: int
    arm_throttled: int
    arm_asked_seconds: int
    pulls: int
    pull_seconds: float | None = None
    pull_seconds_most: float | None = None
    gib_seconds: float | None = None
    gib_seconds_most: float | None = None


def overdue_after(interval: timedelta) -> timedelta:
    """How long after a run was closed the next one is missed: two intervals of the schedule."""
    return max(2 * interval, SHORTEST_WATCH)


def is_recent(closed: datetime | None, interval: timedelta, now: datetime) -> bool:
    """Whether the latest whole run, ``closed`` then, is recent enough for its schedule; False where none ever was."""
    return closed is not None and now - closed <= overdue_after(interval)


def run_completed(run: str, counts: RunCounts, *, part: bool = False) -> str:
    """A run reached its end: one over the whole scope, or over a ``part`` that somebody asked for."""
    return f"{PART_COMPLETED if part else RUN_COMPLETED} run={run} {_fields(counts)}"


def shard_scanned(run: str, shard: str, counts: ShardCounts) -> str:
    """A piece of a run was scanned."""
    return f"{SHARD_SCANNED} run={run} shard={shard} {_fields(counts)}"


def run_recent(run: str, closed: datetime, now: datetime) -> str:
    """The latest whole run is recent enough for its schedule. Rules go by it where two intervals exceed theirs."""
    return f"{RUN_RECENT} run={run} age_minutes={_minutes(now - closed)}"


def mail_stuck(unsent: Unsent, now: datetime) -> str:
    """Mail has been waiting for too long."""
    return f"{MAIL_STUCK} oldest_minutes={_minutes(unsent.age(now))} waiting={unsent.waiting}"


def mail_refused(unsent: Unsent) -> str:
    """Somebody refused a mail for good within a day: the setting names an address that gets nothing."""
    who, why = next(iter(unsent.refused.items()))
    return f"{MAIL_REFUSED} recipients={len(unsent.refused)} one={who} reason={why}"


def mail_set_aside(unsent: Unsent) -> str:
    """What is to be sent cannot be read by this version, and is kept."""
    return f"{MAIL_SET_ASIDE} items={unsent.unreadable}"


def poison_recorded(queue: str, reason: str) -> str:
    """A message was given up and kept."""
    return f"{POISON_RECORDED} queue={queue} reason={reason}"


def not_configured(problem: str) -> str:
    """The app does no work because of a setting; the problem names it."""
    return f"{NOT_CONFIGURED} problem={problem}"


def _fields(counts: msgspec.Struct) -> str:
    """NAME=VALUE for each number that is known, in the order of the fields."""
    known = {name: getattr(counts, name) for name in counts.__struct_fields__}
    return " ".join(
        f"{name}={value:.3f}" if isinstance(value, float) else f"{name}={value}"
        for name, value in known.items()
        if value is not None
    )


def _minutes(age: timedelta) -> int:
    return int(age / timedelta(minutes=1))
