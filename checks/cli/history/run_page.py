"""One run whole: what it came to, and all that failed in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from rich.text import Text

from checks.arm_ids import name_of
from checks.cli.history.times import length, with_age
from checks.cli.layout import HEADING, Page, command, names, prose
from checks.findings import Pass, SubscriptionResult
from checks.history.model import FailedCluster, Marker, MarkerStatus, Run, RunStatus, Shard, Totals
from checks.text import counted

MAX_SHOWN = 50  # of each kind of failure; JSON has all


class Whole(msgspec.Struct, frozen=True):
    """A run with its shards and their ends."""

    run: Run
    shards: tuple[Shard, ...]
    markers: tuple[Marker, ...]

    @property
    def unread(self) -> tuple[SubscriptionResult, ...]:
        """The subscriptions that were not looked at."""
        return tuple(result for result in self.run.subscriptions if not isinstance(result.verdict, Pass))

    @property
    def failed_shards(self) -> tuple[Marker, ...]:
        """The shards that ended and failed as a whole."""
        return tuple(marker for marker in self.markers if marker.status is MarkerStatus.FAILED)

    @property
    def missing(self) -> tuple[str, ...]:
        """The shards that have not ended; of a closed run those that had not by then, at most the first hundred."""
        if self.run.status is RunStatus.CLOSED:
            return self.run.missing
        ended = {marker.shard for marker in self.markers}
        return tuple(shard for shard in self.run.expected if shard not in ended)

    @property
    def failed_clusters(self) -> tuple[FailedCluster, ...]:
        """The clusters at which the checker itself failed."""
        return tuple(failed for marker in self.markers for failed in marker.failed)

    def answer(self) -> dict[str, Any]:
        """What JSON has of it beside the run's summary."""
        subscriptions = {shard.id: shard.subscription for shard in self.shards}
        return {
            "missing": self.missing,
            "asked": self.run.scope.asked,
            "asked_clusters": self.run.scope.clusters,
            "subscriptions": msgspec.to_builtins(self.run.subscriptions),
            "baseline_subscriptions": self.run.baseline_subscriptions,
            "opted_out": self.run.opted_out,
            "shards": [
                {"id": shard.id, "subscription": shard.subscription, "clusters": shard.clusters}
                for shard in self.shards
            ],
            "failed_shards": [
                {"id": marker.shard, "subscription": subscriptions.get(marker.shard, ""), "why": marker.reason}
                for marker in self.failed_shards
            ],
            "failed_clusters": msgspec.to_builtins(self.failed_clusters),
        }


def run_page(whole: Whole, now: datetime, page: Page) -> Iterator[Text]:
    """What a terminal shows of a run."""
    run = whole.run
    yield Text(f"run {run.id}", HEADING)
    yield from prose(f"asked by {run.requested_by}, created {with_age(run.created, now)} UTC", page)
    yield from prose(_end(run, now), page)
    if run.scope.clusters is not None:
        yield from prose(f"of {counted(len(run.scope.clusters), 'cluster')} that were named", page)
    if run.status is RunStatus.CLOSED:
        yield from prose(_counts(run.totals), page)
    if run.degraded:
        yield from prose("degraded: the checker itself is in doubt", page, style="yellow")
    yield from _unread(whole, page)
    yield from _shards(whole, page)
    yield from _clusters(whole, page)


def _counts(totals: Totals) -> str:
    return (
        f"{counted(totals.clusters, 'cluster')}: {totals.passing} passing, {totals.failing} failing, {totals.unknown} "
        f"unknown, {totals.errors} errors; {counted(totals.changes, 'cluster')} changed, {totals.gone} gone"
    )


def _end(run: Run, now: datetime) -> str:
    if run.status is RunStatus.CLOSED and run.closed is not None:
        return f"closed {with_age(run.closed, now)} UTC, took {length(run.closed - run.created)}"
    word = "overdue: its deadline was" if run.deadline <= now else "open: its deadline is"
    return f"{word} {run.deadline:%Y-%m-%d %H:%M} UTC"


def _unread(whole: Whole, page: Page) -> Iterator[Text]:
    if whole.unread:
        yield Text(f"{counted(len(whole.unread), 'subscription')} not looked at", HEADING)
    for result in whole.unread[:MAX_SHOWN]:
        named = f"{result.name} ({result.id})" if result.name else result.id
        yield from prose(f"{named}: {result.cause}: {result.summary}", page)
        for step in result.fix[:1]:
            yield from command(step)
    yield from _more(len(whole.unread), page)


def _shards(whole: Whole, page: Page) -> Iterator[Text]:
    missing = whole.missing
    if missing:
        closed = whole.run.status is RunStatus.CLOSED
        count = whole.run.missing_count if closed else len(missing)
        yield Text(f"{counted(count, 'shard')} {'missing' if closed else 'not ended yet'}", HEADING)
        yield from names(missing, page)
    failed = whole.failed_shards
    if failed:
        yield Text(f"{counted(len(failed), 'shard')} failed", HEADING)
    for marker in failed[:MAX_SHOWN]:
        yield from prose(f"{marker.shard}: {marker.reason or 'no reason is kept'}", page)
    yield from _more(len(failed), page)


def _clusters(whole: Whole, page: Page) -> Iterator[Text]:
    failed = whole.failed_clusters
    if failed:
        yield Text(f"the checker failed at {counted(len(failed), 'cluster')}", HEADING)
    for one in failed[:MAX_SHOWN]:
        yield from prose(f"{name_of(one.cluster)}: {one.reason}", page)
    yield from _more(len(failed), page)


def _more(count: int, page: Page) -> Iterator[Text]:
    if count > MAX_SHOWN:
        yield from prose(f"and {count - MAX_SHOWN} more: -o json has all", page)
