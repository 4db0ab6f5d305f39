"""What the watchdog is shown: signals of the app's own health, and the log lines that its alert rules query."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

import msgspec
from azure.core.exceptions import AzureError

from checks import ncrontab, watchdog
from checks.findings import ClusterReport, Pass
from checks.fleet.incidents import incidents_of
from checks.fleet.load import load_fleet
from checks.history.errors import HistoryError, SchemaError
from checks.history.model import Run, Shard
from checks.jobs.context import JobContext
from checks.rules.pull.pull_times import PER_MEBIBYTE, SECONDS
from checks.text import printable, redacted_start
from checks.watchdog import Unsent

LOG = logging.getLogger(watchdog.LOGGER)
MAX_POISON = 1000
MAX_LOGGED = 4096  # bytes of a message, as many as are kept of one elsewhere; Pullwatch's have some hundred


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """How the app does. ``interval`` is the longest that its schedule leaves between two runs.

    ``latest`` is the last run over the whole scope: one of a part says nothing of the schedule, nor of the rest.
    """

    now: datetime
    interval: timedelta
    latest: Run | None
    unsent: Unsent | None

    @property
    def is_recent(self) -> bool:
        """Whether a run was completed within two intervals. A latest one of which no shard ended was not."""
        completed = self.latest.closed if self.latest and not self.latest.hung else None
        return watchdog.is_recent(completed, self.interval, self.now)

    @property
    def is_stuck(self) -> bool:
        """Whether mail has been waiting for too long."""
        return self.unsent is not None and self.unsent.is_stuck(self.now)

    @property
    def is_stale(self) -> bool:
        """Whether somebody has to look: no run of late, or mail that is stuck."""
        return not self.is_recent or self.is_stuck


async def read_signals(context: JobContext) -> Signals:
    """The signals at the cost of a few reads: of unsent mail, what the last sweep saw."""
    return await _signals(context, await context.store.load_unsent())


async def look_at_signals(context: JobContext) -> Signals:
    """The signals as they are now: every subscription is asked for unsent mail."""
    return await _signals(context, await context.store.look_at_unsent(context.clock()))


async def _signals(context: JobContext, unsent: Unsent | None) -> Signals:
    return Signals(
        now=context.clock(),
        interval=ncrontab.longest_gap(context.settings.schedule),
        latest=await read_latest(context),
        unsent=unsent,
    )


async def read_latest(context: JobContext) -> Run | None:
    """The latest run over the whole scope; None, which is none of late, where that cannot be read."""
    try:
        return await context.store.latest_whole_run()
    except SchemaError as error:
        LOG.error("the latest run cannot be read: %s", error)
        return None


async def watch(context: JobContext) -> Signals:
    """Looks, keeps what it saw of unsent mail, and logs what alert rules go by. For the sweep."""
    signals = await look_at_signals(context)
    if signals.unsent is not None:
        await context.store.save_unsent(signals.unsent)
        if signals.is_stuck:
            LOG.error(watchdog.mail_stuck(signals.unsent, signals.now))
        if signals.unsent.refused:
            LOG.error(watchdog.mail_refused(signals.unsent))
        if signals.unsent.unreadable:
            LOG.error(watchdog.mail_set_aside(signals.unsent))
    latest = signals.latest
    if latest is not None and latest.closed is not None and signals.is_recent:
        LOG.info(watchdog.run_recent(latest.id, latest.closed, signals.now))
    return signals


async def log_completed(context: JobContext, run: Run) -> None:
    """Logs that a run reached its end, and what it came to. One of which no shard did has not: its scans hang."""
    if run.hung:
        LOG.error("no shard of run %s ended before its deadline", run.id)
        return
    totals = run.totals
    counts = watchdog.RunCounts(
        clusters=totals.clusters,
        passing=totals.passing,
        failing=totals.failing,
        unknown=totals.unknown,
        errors=totals.errors,
        not_seen=totals.blind,
        gone=totals.gone,
        changes=totals.changes,
        subscriptions_not_read=sum(not isinstance(result.verdict, Pass) for result in run.subscriptions),
        missing_shards=run.missing_count,
        doubtful=int(run.degraded),
        seconds=_seconds((run.closed or run.created) - run.created),
        incidents=await _open_incidents(context),
    )
    LOG.info(watchdog.run_completed(run.id, counts, part=bool(run.scope.asked)))


async def _open_incidents(context: JobContext) -> int | None:
    """How many incidents go on; None where that cannot be read: the run is closed all the same, and its line is due."""
    try:
        fleet = await load_fleet(context.store, context.clock())
    except (HistoryError, AzureError) as error:
        LOG.warning("open incidents cannot be counted: %s", error)
        return None
    return sum(bool(incident.failing) for incident in incidents_of(fleet))


def log_scanned(context: JobContext, run: Run, shard: Shard, began: datetime, reports: Sequence[ClusterReport]) -> None:
    """Logs what scanning a piece of a run cost, and how long pulls took there."""
    times = [time for report in reports for time in report.pull_times]
    seconds = [time.median for time in times if time.key.endswith(f"|{SECONDS}")]
    gibibytes = [time.median * 1024 for time in times if time.key.endswith(f"|{PER_MEBIBYTE}")]
    counts = watchdog.ShardCounts(
        clusters=len(shard.clusters),
        seconds=_seconds(context.clock() - began),
        arm_calls=context.azure.calls.total(),
        arm_throttled=context.azure.throttling.answers,
        arm_asked_seconds=round(context.azure.throttling.seconds),
        pulls=sum(time.samples for time in times),
        pull_seconds=median(seconds) if seconds else None,
        pull_seconds_most=max(seconds, default=None),
        gib_seconds=median(gibibytes) if gibibytes else None,
        gib_seconds_most=max(gibibytes, default=None),
    )
    LOG.info(watchdog.shard_scanned(run.id, shard.id, counts))


def _seconds(age: timedelta) -> int:
    return max(round(age.total_seconds()), 0)


def log_given_up(queue: str, body: bytes) -> None:
    """Logs a message that nobody could handle, where nothing can be kept: the app is not configured."""
    text = printable(redacted_start(body[: 2 * MAX_LOGGED].decode("utf-8", "replace"), MAX_LOGGED))
    LOG.error(watchdog.poison_recorded(queue, f"the app is not configured; the message was {text}"))


async def give_up(context: JobContext, queue: str, text: str, reason: str) -> None:
    """Keeps a message that nobody could handle, with why, and logs it."""
    await context.store.record_poison(queue, text, reason, context.clock())
    LOG.error(watchdog.poison_recorded(queue, reason))
