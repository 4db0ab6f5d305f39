"""``/api/clusters``: the clusters as the last looks found them, one of them whole, and what changed there."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from checks.changes import Change, Reason, Status
from checks.fleet.answers import ClusterShown, cluster_shown
from checks.fleet.clusters import Wanted, chosen, find, order_of, subscriptions_called
from checks.fleet.load import load_fleet, load_subscription
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry
from checks.jobs.choosing.wording import did_you_mean, quoted
from checks.jobs.context import JobContext
from checks.report.outcome import Outcome
from checks.report.pages.cause_page import cause_ids
from checks.text import redacted
from checks.web.http import Asked, HttpResponse
from checks.web.paging import Limit, Token, page_of
from checks.web.problems import NOT_FOUND, QUERY, Refused, problem
from checks.web.reading import read_query

MAX_CHANGES = 1_000
MAX_WORD = 300
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ClustersQuery(msgspec.Struct, frozen=True):
    """Which clusters: all that is given must fit; names in any case of letters."""

    verdict: Outcome | None = None
    registry: Annotated[str, Meta(max_length=MAX_WORD, description="A login server, or a registry's name.")] = ""
    cause: Annotated[str, Meta(max_length=MAX_WORD, description="A stable cause: docs/causes.md has them.")] = ""
    subscription: Annotated[str, Meta(max_length=MAX_WORD, description="A subscription's id or display name.")] = ""
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

    ``unreadable``: rows of the storage that could not be read, so that what they hold is missing here. ``not_shown``:
    clusters that the last run found and that are missing here: their subscription's row cannot be read or is not there.
    """

    counts: ClusterCounts
    clusters: tuple[ClusterShown, ...]
    next: str | None
    unreadable: int
    not_shown: int


class HistoryQuery(msgspec.Struct, frozen=True):
    """How much of a cluster's history."""

    limit: Annotated[int, Meta(ge=1, le=MAX_CHANGES, description="How many changes, the newest first.")] = 100


class TransitionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One answer's step: ``before`` null: seen for the first time; ``after`` null: no longer kept."""

    registry: str
    facet: str
    before: Status | None
    after: Status | None
    reason: Reason
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


class FoldedChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Earlier changes that are no longer kept one by one: how many, until when, and when they were folded last."""

    changes: int
    until: datetime
    folded: datetime


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's changes, the newest first. ``more``: there are older ones than these.

    ``earlier``: what was folded before the oldest of them; null where there is ``more``, or nothing was.
    """

    cluster: str
    changes: tuple[ChangeShown, ...]
    more: bool
    earlier: FoldedChanges | None = None


async def list_clusters(context: JobContext, asked: Asked) -> HttpResponse:
    """The clusters that fit, a page of them."""
    query = read_query(asked, ClustersQuery)
    fleet = await load_fleet(context.store, context.clock())
    _refuse_unknown_cause(query.cause, fleet)
    wanted = Wanted(
        verdict=query.verdict,
        registry=query.registry,
        cause=query.cause,
        subscriptions=_subscriptions(query.subscription, fleet),
    )
    found = chosen(fleet, wanted)
    page, further = page_of(found, order_of, query.page, query.limit, ("clusters", *wanted.words))
    words = Counter(entry.outcome for entry in found)
    return HttpResponse(
        200,
        ClustersAnswer(
            counts=ClusterCounts(
                clusters=len(found),
                passing=words[Outcome.PASS],
                failing=words[Outcome.FAIL],
                unknown=words[Outcome.UNKNOWN],
            ),
            clusters=tuple(cluster_shown(entry, fleet) for entry in page),
            next=further,
            unreadable=len(fleet.unreadable),
            not_shown=fleet.hidden,
        ),
    )


def _refuse_unknown_cause(cause: str, fleet: Fleet) -> None:
    """Refuses a word that no cause has, of this version or of what another one kept."""
    known = cause_ids()
    word = cause.lower()
    held = (facet.cause for entry in fleet.entries() for row in entry.rows for facet in row.open)
    if word and word not in known and word not in held:
        hint = did_you_mean(word, sorted(known)) or " docs/causes.md lists them all."
        raise Refused(problem(QUERY, f"no cause is called {_quoted(cause)}.{hint}", parameter="cause"))


def _subscriptions(name: str, fleet: Fleet) -> tuple[str, ...]:
    """The ids of what somebody named. An id of a subscription that is not known has no clusters; a name is refused."""
    found = subscriptions_called(fleet, name)
    if found or not name:
        return found
    if _GUID.fullmatch(name.strip().lower()):
        return (name.strip().lower(),)
    hint = did_you_mean(name, fleet.names.values())
    raise Refused(problem(QUERY, f"no subscription is called {_quoted(name)}.{hint}", parameter="subscription"))


def _quoted(word: str) -> str:
    return quoted(redacted(word))


async def get_cluster(context: JobContext, asked: Asked) -> HttpResponse:
    """One cluster, also one that is gone."""
    found = await _find(context, asked)
    return _none() if found is None else HttpResponse(200, cluster_shown(*found))


async def get_history(context: JobContext, asked: Asked) -> HttpResponse:
    """What changed at a cluster."""
    query = read_query(asked, HistoryQuery)
    found = await _find(context, asked)
    if found is None:
        return _none()
    entry, _ = found
    changes = await context.store.list_changes(entry.cluster, query.limit + 1)
    more = len(changes) > query.limit
    checkpoint = None if more else await context.store.find_checkpoint(entry.cluster)
    return HttpResponse(
        200,
        HistoryAnswer(
            cluster=entry.cluster,
            changes=tuple(_change(change) for change in changes[: query.limit]),
            more=more,
            earlier=msgspec.convert(checkpoint, FoldedChanges, from_attributes=True) if checkpoint else None,
        ),
    )


async def _find(context: JobContext, asked: Asked) -> tuple[ClusterEntry, Fleet] | None:
    """The cluster that an address names, with its subscription; None where there is none."""
    subscription = asked.path["subscription"].lower()
    if not _GUID.fullmatch(subscription):
        return None
    fleet = await load_subscription(context.store, subscription, context.clock())
    entry = find(fleet, subscription, asked.path["resource_group"], asked.path["name"])
    return None if entry is None else (entry, fleet)


def _none() -> HttpResponse:
    return problem(NOT_FOUND, "no run has looked at such a cluster")


def _change(change: Change) -> ChangeShown:
    return ChangeShown(
        run=change.run,
        at=change.at,
        transitions=tuple(
            msgspec.convert(moved, TransitionShown, from_attributes=True) for moved in change.transitions
        ),
    )
