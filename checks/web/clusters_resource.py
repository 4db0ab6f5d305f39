"""``/api/clusters``: the clusters as the last looks found them, one of them whole, and what changed there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from checks.arm_ids import name_of
from checks.changes import Change, Transition
from checks.fleet.answers import ClusterShown, cluster_shown, counts
from checks.fleet.clusters import Wanted, chosen, find
from checks.fleet.load import load_fleet
from checks.history.overview import ClusterEntry
from checks.jobs.context import JobContext
from checks.report.outcome import Outcome
from checks.web.http import Asked, HttpResponse
from checks.web.paging import Key, Limit, Token, page_of
from checks.web.problems import NOT_FOUND, problem
from checks.web.reading import read_query

MAX_CHANGES = 1_000
MAX_WORD = 300
_RANK = {Outcome.FAIL: "0", Outcome.UNKNOWN: "1", Outcome.PASS: "2"}


class ClustersQuery(msgspec.Struct, frozen=True):
    """Which clusters: all that is given must fit, in any case of letters."""

    verdict: Outcome | None = None
    registry: Annotated[str, Meta(max_length=MAX_WORD, description="A login server, or a registry's name.")] = ""
    cause: Annotated[str, Meta(max_length=MAX_WORD, description="A stable cause: docs/causes.md has them.")] = ""
    subscription: Annotated[str, Meta(max_length=MAX_WORD, description="A subscription's id.")] = ""
    limit: Limit = 100
    page: Token = ""


class ClusterCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many clusters fit, and what the last looks came to."""

    clusters: int
    passing: int
    failing: int
    unknown: int


class ClustersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Clusters, those that fail first. ``next``: what `page` takes for more; null at the end.

    ``unreadable``: rows of the storage that could not be read, so that what they hold is missing here.
    """

    counts: ClusterCounts
    clusters: tuple[ClusterShown, ...]
    next: str | None
    unreadable: int


class HistoryQuery(msgspec.Struct, frozen=True):
    """How much of a cluster's history."""

    limit: Annotated[int, Meta(ge=1, le=MAX_CHANGES, description="How many changes, the newest first.")] = 100


class TransitionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One answer's step: ``before`` null: seen for the first time; ``after`` null: no longer kept."""

    registry: str
    facet: str
    before: str | None
    after: str | None
    reason: str
    cause: str
    since: datetime
    summary: str
    fix: tuple[str, ...]
    codes: tuple[str, ...]
    alert: bool


class ChangeShown(msgspec.Struct, frozen=True, kw_only=True):
    """What one run changed for a cluster."""

    run: str
    at: datetime
    transitions: tuple[TransitionShown, ...]


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's changes, the newest first. ``more``: there are older ones than these."""

    cluster: str
    changes: tuple[ChangeShown, ...]
    more: bool


async def list_clusters(context: JobContext, asked: Asked) -> HttpResponse:
    """The clusters that fit, a page of them."""
    query = read_query(asked, ClustersQuery)
    fleet = await load_fleet(context.store, context.clock())
    wanted = Wanted(verdict=query.verdict, registry=query.registry, cause=query.cause, subscription=query.subscription)
    found = chosen(fleet, wanted)
    page, further = page_of(found, _key, query.page, query.limit)
    numbers = counts(found)
    return HttpResponse(
        200,
        ClustersAnswer(
            counts=ClusterCounts(
                clusters=numbers["clusters"],
                passing=numbers["pass"],
                failing=numbers["fail"],
                unknown=numbers["unknown"],
            ),
            clusters=tuple(cluster_shown(entry, fleet) for entry in page),
            next=further,
            unreadable=len(fleet.unreadable),
        ),
    )


async def get_cluster(context: JobContext, asked: Asked) -> HttpResponse:
    """One cluster, also one that is gone."""
    fleet = await load_fleet(context.store, context.clock())
    entry = find(fleet, *_parts(asked))
    return _none() if entry is None else HttpResponse(200, cluster_shown(entry, fleet))


async def get_history(context: JobContext, asked: Asked) -> HttpResponse:
    """What changed at a cluster."""
    query = read_query(asked, HistoryQuery)
    fleet = await load_fleet(context.store, context.clock())
    entry = find(fleet, *_parts(asked))
    if entry is None:
        return _none()
    changes = await context.store.list_changes(entry.cluster, query.limit + 1)
    return HttpResponse(
        200,
        HistoryAnswer(
            cluster=entry.cluster,
            changes=tuple(_change(change) for change in changes[: query.limit]),
            more=len(changes) > query.limit,
        ),
    )


def _key(entry: ClusterEntry) -> Key:
    return (_RANK[entry.outcome], name_of(entry.cluster), entry.cluster.lower())


def _parts(asked: Asked) -> tuple[str, str, str]:
    return (asked.path["subscription"], asked.path["resource_group"], asked.path["name"])


def _none() -> HttpResponse:
    return problem(NOT_FOUND, "no run has looked at such a cluster")


def _change(change: Change) -> ChangeShown:
    return ChangeShown(run=change.run, at=change.at, transitions=tuple(map(_transition, change.transitions)))


def _transition(moved: Transition) -> TransitionShown:
    return TransitionShown(
        registry=moved.registry,
        facet=moved.facet,
        before=moved.before.value if moved.before else None,
        after=moved.after.value if moved.after else None,
        reason=moved.reason.value,
        cause=moved.cause,
        since=moved.since,
        summary=moved.summary,
        fix=moved.fix,
        codes=moved.codes,
        alert=moved.alert,
    )
