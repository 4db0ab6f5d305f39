"""``/api/runs``: where a run stands."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from checks.findings import SubscriptionResult
from checks.history.model import Run, RunStatus, Totals
from checks.history.table.runs import LatestRunError
from checks.jobs.context import JobContext
from checks.report.formats.as_json import subscription_answer
from checks.report.formats.json_shapes import SubscriptionAnswer
from checks.text import one_line, redacted
from checks.web.http import Asked, HttpResponse
from checks.web.problems import NOT_FOUND, UNREADABLE, problem
from checks.web.reading import read_query

LOG = logging.getLogger(__name__)
LATEST = "latest"
ANOTHER_RUN = "wait until another run is closed, which is the latest then, or ask for one with POST /api/checks"
MOST_RUNS = 100
RETRY_AFTER = "5"  # seconds until it is worth while to ask again
_RUN_ID = re.compile(r"[0-9]{6}-[0-9]{12}")
RunId = Annotated[str, Meta(description="A run's id: the month it was asked for in, and its place among all runs.")]

Joined = (
    Annotated[bool, Meta(description="To who asks for a run: whether somebody had asked for the same before.")]
    | UnsetType
)


class RunRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was asked for and is not planned yet."""

    run: RunId
    status: Literal["requested"] = "requested"
    joined: Joined = UNSET


class RunTotals(Totals, frozen=True, kw_only=True):
    """What a run counted. `clusters` = `passing` + `failing` + `unknown` + `errors`.

    `blind`: clusters (among them) where a look failed. `late`: results of a run older than the one counted. `changes`:
    clusters whose state changed. `gone`: clusters missing from a complete inventory. `rows`: rows by facet and verdict.
    """


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is planned: where it stands, and what it came to."""

    run: RunId
    sequence: int
    status: Literal["planned", "closed"]
    requested_by: str
    created: datetime
    deadline: Annotated[datetime, Meta(description="When it is closed at the latest, complete or not.")]
    closed: datetime | None
    shards: int
    shards_ended: int
    missing: Annotated[tuple[str, ...], Meta(description="Shards that had not ended when it was closed.")]
    degraded: bool
    baseline: bool
    totals: RunTotals
    subscriptions: tuple[SubscriptionAnswer, ...]


class RunsQuery(msgspec.Struct, frozen=True):
    """How many runs."""

    limit: Annotated[int, Meta(ge=1, le=MOST_RUNS, description="How many, the newest first.")] = 20


class RunsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The latest runs, the newest first. Of those that are open, `shards_ended` is not counted here and is 0.

    `unreadable`: runs whose rows cannot be read.
    """

    runs: tuple[RunAnswer, ...]
    unreadable: int


async def list_runs(context: JobContext, asked: Asked) -> HttpResponse:
    """The latest runs, without what they could not read."""
    found = await context.store.list_runs(read_query(asked, RunsQuery).limit)
    shown = (_answer(run, len(run.expected) - run.missing_count if run.closed else 0) for run in found.items)
    runs = tuple(msgspec.structs.replace(one, subscriptions=()) for one in shown)
    return HttpResponse(200, RunsAnswer(runs=runs, unreadable=len(found.unreadable)))


async def get_run(context: JobContext, asked: Asked) -> HttpResponse:
    """200 with where a run stands, 404 where there is none. One that was asked for and not yet planned is there.

    "latest" is the one that was closed last.
    """
    run_id = asked.path.get("id", "")
    if run_id.lower() == LATEST:
        try:
            latest = await context.store.latest_run()
        except LatestRunError as error:
            LOG.error("not answered: %s", error)
            return problem(UNREADABLE, redacted(one_line(str(error)))[:300], fix=[ANOTHER_RUN])
        if latest is None:
            return _none()
        run_id = latest.id
    if not _RUN_ID.fullmatch(run_id):
        return _none()
    stored = await context.store.load_run(run_id)
    if stored is None:
        if await context.store.is_promised(run_id):
            return HttpResponse(200, RunRequested(run=run_id), {"Retry-After": RETRY_AFTER})
        return _none()
    ended = {marker.shard for marker in await context.store.list_markers(run_id)}
    return HttpResponse(200, _answer(stored.run, len(ended & set(stored.run.expected))))


def _none() -> HttpResponse:
    return problem(NOT_FOUND, "there is no such run")


def _answer(run: Run, ended: int) -> RunAnswer:
    return RunAnswer(
        run=run.id,
        sequence=run.sequence,
        status="closed" if run.status is RunStatus.CLOSED else "planned",
        requested_by=run.requested_by,
        created=run.created,
        deadline=run.deadline,
        closed=run.closed,
        shards=len(run.expected),
        shards_ended=ended,
        missing=run.missing,
        degraded=run.degraded,
        baseline=run.baseline,
        totals=msgspec.convert(run.totals, RunTotals, from_attributes=True),
        subscriptions=subscriptions(run.subscriptions),
    )


def subscriptions(results: tuple[SubscriptionResult, ...]) -> tuple[SubscriptionAnswer, ...]:
    """What a run or a check says of each subscription."""
    return tuple(subscription_answer(result) for result in results)
