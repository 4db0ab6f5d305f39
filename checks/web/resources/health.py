"""``/api/health``: a word for anybody, and what it rests on for holders of a key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from checks import watchdog
from checks.jobs.context import JobContext
from checks.jobs.watch import MAX_POISON, Signals, look_at_signals, read_signals
from checks.web.http import Asked, HttpResponse

Condition = Annotated[
    Literal["ok", "stale"],
    Meta(
        description="stale: no run over the whole scope was closed in two intervals of the schedule, or mail is stuck."
    ),
]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the app is, in a word."""

    status: Condition


class LatestRun(msgspec.Struct, frozen=True, kw_only=True):
    """The latest run over the whole scope that was closed: one of some subscriptions is no sign of the schedule."""

    run: str
    closed: datetime
    age_minutes: int
    recent: bool
    degraded: bool
    missing_shards: int


class MailHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Mail that was not sent yet."""

    waiting: int
    set_aside: int
    oldest_minutes: int | None
    oldest_pointer_minutes: int | None
    oldest_mail_minutes: int | None
    refused: dict[str, str]
    stuck: bool


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a queue that could not be handled."""

    at: datetime
    queue: str
    reason: str


class PoisonHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of the queues that were given up: how many are recorded, up to a limit, and the latest."""

    recorded: int
    latest: GivenUp | None


class HealthDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The signals behind the word, looked up now."""

    status: Condition
    now: datetime
    interval_minutes: int
    overdue_after_minutes: int
    latest_run: LatestRun | None
    mail: MailHealth
    poison: PoisonHealth


async def get_health(context: JobContext, asked: Asked) -> HttpResponse:
    """For anybody, cheap: "ok" or "stale" (no run closed in two intervals, or mail that is stuck)."""
    return HttpResponse(200, Health(status=_word(await read_signals(context))))


async def get_health_details(context: JobContext, asked: Asked) -> HttpResponse:
    """For holders of a key: the signals behind the word, looked up now."""
    signals = await look_at_signals(context)
    return HttpResponse(200, _details(signals, await context.store.list_poison(MAX_POISON)))


def _word(signals: Signals) -> Condition:
    return "stale" if signals.is_stale else "ok"


def _details(signals: Signals, poison: tuple[tuple[datetime, str, str], ...]) -> HealthDetails:
    return HealthDetails(
        status=_word(signals),
        now=signals.now,
        interval_minutes=_minutes(signals.interval),
        overdue_after_minutes=_minutes(watchdog.overdue_after(signals.interval)),
        latest_run=_latest(signals),
        mail=_mail(signals),
        poison=PoisonHealth(recorded=len(poison), latest=_given_up(poison[-1]) if poison else None),
    )


def _mail(signals: Signals) -> MailHealth:
    unsent = signals.unsent
    return MailHealth(
        waiting=unsent.waiting if unsent else 0,
        set_aside=unsent.unreadable if unsent else 0,
        oldest_minutes=_age(signals, unsent.oldest if unsent else None),
        oldest_pointer_minutes=_age(signals, unsent.oldest_pointer if unsent else None),
        oldest_mail_minutes=_age(signals, unsent.oldest_mail if unsent else None),
        refused=unsent.refused if unsent else {},
        stuck=signals.is_stuck,
    )


def _age(signals: Signals, since: datetime | None) -> int | None:
    return None if since is None else _minutes(max(signals.now - since, timedelta()))


def _latest(signals: Signals) -> LatestRun | None:
    run = signals.latest
    if run is None or run.closed is None:
        return None
    return LatestRun(
        run=run.id,
        closed=run.closed,
        age_minutes=_minutes(signals.now - run.closed),
        recent=signals.is_recent,
        degraded=run.degraded,
        missing_shards=run.missing_count,
    )


def _given_up(recorded: tuple[datetime, str, str]) -> GivenUp:
    at, queue, reason = recorded
    return GivenUp(at=at, queue=queue, reason=reason)


def _minutes(age: timedelta) -> int:
    return int(age / timedelta(minutes=1))
