"""Counting looks and measuring time. Clocks only give dates: no duration is negative, and what lies ahead is void."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from checks.history.decide.admission import digest_of
from checks.history.decide.policy import FLIPS_WITHIN, ONE_LOOK, PACE
from checks.history.model import ClusterState, Streak, SubjectState

# A longer pause between two counted looks counts as this: nobody looked, or a clock had jumped.
LONGEST_PAUSE = timedelta(days=1)
MAX_COUNTED = 100  # as many registries as one report names

Notices = Mapping[str, tuple[datetime, ...]]


def counted(streak: Streak | None, now: datetime, cause: str = "", before: datetime | None = None) -> Streak:
    """The streak with one more look. It begins no earlier than ``before``, the look before it: a clock may be put back.

    Looks within a minute are one; another ``cause`` begins anew.

    A start that lies ahead is void once two looks in a row say so: after one, either clock may have jumped.
    """
    if streak is None or streak.cause != cause:
        return Streak(1, max(now, before or now), now, cause)
    since = streak.at if streak.since > max(streak.at, now) else streak.since
    if elapsed(streak.at, now) < ONE_LOOK:
        return Streak(streak.count, since, min(streak.at, now), cause)
    return Streak(streak.count + 1, since, now, cause)


def reached(streak: Streak, looks: int, now: datetime) -> bool:
    """Whether a streak is long enough: in looks, and in the time that so many looks take at least."""
    return streak.count >= looks and elapsed(streak.since, now) >= PACE * (looks - 1)


def elapsed(since: datetime, now: datetime) -> timedelta:
    """How long ago it was; zero for a time ahead."""
    return max(now - since, timedelta())


def recent(flips: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    """Those of the last day."""
    return tuple(flip for flip in flips if timedelta() <= now - flip < FLIPS_WITHIN)


def notices_of(notices: Notices, registry: str, now: datetime) -> tuple[datetime, ...]:
    """When people were notified of the registry in the last day."""
    return recent(notices.get(digest_of(registry), ()), now)


def with_notices(notices: Notices, registries: Iterable[str], now: datetime) -> dict[str, tuple[datetime, ...]]:
    """When people were notified of each registry in the last day, now of these: the hundred with the latest notices."""
    times = {digest: recent(given, now) for digest, given in notices.items()}
    times |= {digest_of(registry): (*notices_of(notices, registry, now), now) for registry in registries}
    latest = sorted(((max(given), digest) for digest, given in times.items() if given), reverse=True)
    return {digest: times[digest] for digest in sorted(digest for _, digest in latest[:MAX_COUNTED])}


def aged(previous: ClusterState, now: datetime, *, pods_read: bool) -> ClusterState:
    """The state with its times of last use as old as was watched.

    What is forgotten after 30 days was not used in 30 days of looking at all pods. A pause of a year, be it that of a
    clock that jumped for one run, makes nothing a year old; a time ahead is now.
    """
    watched = LONGEST_PAUSE if pods_read else timedelta()
    pause = max(elapsed(previous.updated, now) - watched, timedelta())

    def moved(moment: datetime) -> datetime:
        return min(moment + pause, now)

    subjects = tuple(_seen(subject, moved(subject.last_seen)) for subject in previous.subjects)
    registries = {name: moved(at) for name, at in previous.registries.items()}
    return msgspec.structs.replace(previous, subjects=subjects, registries=registries)


def _seen(subject: SubjectState, at: datetime) -> SubjectState:
    return subject if subject.last_seen == at else msgspec.structs.replace(subject, last_seen=at)
