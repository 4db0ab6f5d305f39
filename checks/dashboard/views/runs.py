"""Runs: the latest of them, and one of them with how far it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from checks.arm_ids import name_of, subscription_of
from checks.dashboard import addresses
from checks.dashboard.views.marks import Mark
from checks.dashboard.views.moments import Moment, maybe, moment, span
from checks.findings import Pass, SubscriptionResult, shown, word
from checks.history.model import Marker, MarkerStatus, Run, RunStatus, Totals
from checks.report.html import bounded
from checks.report.html.broken_view import Fix, fix_of
from checks.text import counted

MAX_SUBSCRIPTIONS = 200
MAX_FAILED = 100
VERDICTS = ("fail", "unknown", "pass", "skipped")


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a list. ``took`` is "" while it goes on."""

    id: str
    address: str
    state: Mark
    by: str
    created: Moment
    closed: Moment | None
    took: str
    scope: str
    clusters: int
    passing: int
    failing: int
    unknown: int
    errors: int
    changes: int


class RunsView(msgspec.Struct, frozen=True, kw_only=True):
    """The latest runs. ``unreadable``: runs whose rows cannot be read; ``more``: there are older ones."""

    lines: tuple[RunLine, ...]
    unreadable: int
    more: bool


class FacetLine(msgspec.Struct, frozen=True):
    """How many rows have which verdict of one answer, in the order of VERDICTS."""

    facet: str
    counts: tuple[int, ...]


class SubscriptionLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says of a subscription."""

    name: str
    id: str
    mark: Mark
    clusters: int
    summary: str
    fix: Fix


class FailedLine(msgspec.Struct, frozen=True):
    """A cluster at which Pullwatch itself failed, or a shard that did; why."""

    name: str
    address: str
    why: str


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``line`` None: it was asked for and is not planned yet. ``goes_on``: it is to be asked for again."""

    id: str
    line: RunLine | None
    progress: Progress
    deadline: Moment | None
    facets: tuple[FacetLine, ...]
    subscriptions: tuple[SubscriptionLine, ...]
    more_subscriptions: int
    failed: tuple[FailedLine, ...]
    more_failed: int
    missing: str
    degraded: bool
    baseline: bool
    totals: Totals
    follow: str

    @property
    def goes_on(self) -> bool:
        """Whether it is not closed yet."""
        return self.progress.status != "closed"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is: what ``progress.json`` answers. ``status``: "requested", "planned" or "closed"."""

    run: str
    status: str
    shards: int = 0
    ended: int = 0
    words: str = ""


def runs_view(runs: Iterable[Run], unreadable: int, now: datetime, *, more: bool = False) -> RunsView:
    """The list."""
    return RunsView(lines=tuple(_line(run, now) for run in runs), unreadable=unreadable, more=more)


def requested(run_id: str) -> Progress:
    """The progress of a run that is not planned yet."""
    return Progress(run=run_id, status="requested", words="It was asked for, and is about to be planned.")


def progress_of(run: Run, markers: Iterable[Marker]) -> Progress:
    """The progress of a run that is planned."""
    ended = len({marker.shard for marker in markers} & set(run.expected))
    status = "closed" if run.status is RunStatus.CLOSED else "planned"
    parts = counted(len(run.expected), "part")
    return Progress(
        run=run.id, status=status, shards=len(run.expected), ended=ended, words=f"{ended} of {parts} looked at."
    )


def requested_view(run_id: str) -> RunView:
    """The page of a run that is not planned yet."""
    return _view(requested(run_id), None, (), Totals())


def run_view(run: Run, markers: Sequence[Marker], now: datetime) -> RunView:
    """The page of a run that is planned."""
    view = _view(progress_of(run, markers), _line(run, now), run.subscriptions, run.totals)
    failed, more_failed = bounded.first(_failed(markers), MAX_FAILED)
    missing = bounded.named(run.missing, 20) if run.missing else ""
    return msgspec.structs.replace(
        view,
        deadline=moment(run.deadline, now),
        facets=_facets(run.totals),
        failed=failed,
        more_failed=more_failed,
        missing=f"{counted(run.missing_count, 'part')}: {missing}" if missing else "",
        degraded=run.degraded,
        baseline=run.baseline,
    )


def _view(
    progress: Progress, line: RunLine | None, subscriptions: Sequence[SubscriptionResult], totals: Totals
) -> RunView:
    ordered = sorted(subscriptions, key=lambda one: (isinstance(one.verdict, Pass), one.name.lower(), one.id))
    listed, more = bounded.first(ordered, MAX_SUBSCRIPTIONS)
    return RunView(
        id=bounded.name(progress.run),
        line=line,
        progress=progress,
        deadline=None,
        facets=(),
        subscriptions=tuple(map(subscription_line, listed)),
        more_subscriptions=more,
        failed=(),
        more_failed=0,
        missing="",
        degraded=False,
        baseline=False,
        totals=totals,
        follow=addresses.page("runs", progress.run, "progress.json"),
    )


def subscription_line(result: SubscriptionResult) -> SubscriptionLine:
    """What is said of a subscription."""
    verdict = word(result.verdict)
    return SubscriptionLine(
        name=bounded.name(result.name or result.id),
        id=bounded.name(result.id),
        mark=Mark("read" if verdict == "pass" else shown(verdict), verdict),
        clusters=result.clusters,
        summary=bounded.sentence(result.summary),
        fix=fix_of(result.fix),
    )


def _line(run: Run, now: datetime) -> RunLine:
    totals = run.totals
    return RunLine(
        id=bounded.name(run.id),
        address=addresses.run(run.id),
        state=_state(run),
        by=bounded.name(run.requested_by),
        created=moment(run.created, now),
        closed=maybe(run.closed, now),
        took=span(run.closed - run.created) if run.closed else "",
        scope=_scope(run),
        clusters=totals.clusters,
        passing=totals.passing,
        failing=totals.failing,
        unknown=totals.unknown,
        errors=totals.errors,
        changes=totals.changes,
    )


def _state(run: Run) -> Mark:
    if run.status is not RunStatus.CLOSED:
        return Mark("goes on", "held")
    if run.degraded:
        return Mark("degraded", "unknown")
    return Mark("incomplete", "unknown") if run.missing_count else Mark("closed", "pass")


def _scope(run: Run) -> str:
    asked = run.scope.asked
    return f"only {bounded.named(asked, 3)}" if asked else "everything"


def _facets(totals: Totals) -> tuple[FacetLine, ...]:
    return tuple(
        FacetLine(bounded.name(facet), tuple(counts.get(verdict, 0) for verdict in VERDICTS))
        for facet, counts in list(totals.rows.items())[:10]
    )


def _failed(markers: Iterable[Marker]) -> list[FailedLine]:
    """Shards that failed whole, and clusters at which Pullwatch failed."""
    lines: list[FailedLine] = []
    for marker in markers:
        if marker.status is MarkerStatus.FAILED:
            lines.append(FailedLine(f"part {bounded.name(marker.shard)}", "", bounded.sentence(marker.reason)))
        lines += [
            FailedLine(
                bounded.name(name_of(one.cluster)),
                addresses.cluster(one.cluster) if subscription_of(one.cluster) else "",
                bounded.sentence(one.reason),
            )
            for one in marker.failed
        ]
    return lines
