"""The shapes in which the fleet is answered over HTTP and on the command line. Pure.

A contract as that of a scan: members keep their names and meanings. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import msgspec

from checks.arm_ids import name_of, resource_group_of, subscription_of
from checks.fleet.clusters import failing_since, is_called, strip_of
from checks.fleet.incidents import Failure, Incident
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry, OpenFacet, RowEntry, Sight
from checks.silences import Silence


class LatestShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the last look found, where that is another cause than the one that is held until the new one lasts."""

    cause: str
    summary: str
    fix: str


class FacetShown(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of a row that is not fine.

    ``status`` is what is held, which one look does not change ("passing", "failing", "unknown-yet"), ``verdict`` what
    the last look found. ``cause``, ``summary`` and ``fix``, the first command, are those of what is held to fail, else
    those of the last look. ``latest``: what the last look found, where it is another cause than the one held.
    ``failed_since``: since when looks failed that are not enough yet to hold that it fails.
    """

    facet: str
    status: str
    verdict: str
    since: datetime
    cause: str
    summary: str
    fix: str
    codes: tuple[str, ...]
    notified: bool
    flapping: bool
    unknown_since: datetime | None
    failed_since: datetime | None
    latest: LatestShown | None


class RowShown(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's answers about one registry: what is held of each, and those that are not fine.

    ``strip``: what each of the last 24 hours came to, the oldest first: "pass", "fail", "unknown", or "unseen", which
    is before the first look.
    """

    registry: str
    held: dict[str, str]
    not_fine: tuple[FacetShown, ...]
    basis: tuple[str, ...]
    strip: tuple[str, ...]


class ClusterShown(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster. ``verdict``: what the last run came to; ``failing_since``: since when anything is held to fail.

    ``run`` is the last run that could look at it, at ``looked_at``: "" and null where none could yet. ``missed_since``:
    complete lists of its subscription do not have it, so that it may be gone. ``unreadable_since``: its row in
    the storage cannot be read, so that ``verdict`` is "unknown" and the rest is as it was before.
    """

    id: str
    name: str
    resource_group: str
    subscription: str
    subscription_name: str
    verdict: str
    failing_since: datetime | None
    looked_at: datetime | None
    run: str
    missed_since: datetime | None
    unreadable_since: datetime | None
    gone_since: datetime | None
    rows: tuple[RowShown, ...]


class SilenceShown(msgspec.Struct, frozen=True, kw_only=True):
    """A silence or an acknowledgement, as far as whoever looks at a failure needs it."""

    id: str
    kind: str
    author: str
    reason: str
    until: datetime


class FailureShown(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster and registry of an incident. ``until`` null: it still fails; ``latest`` null: for the same cause."""

    cluster: str
    name: str
    subscription_name: str
    registry: str
    facets: tuple[str, ...]
    since: datetime
    until: datetime | None
    summary: str
    fix: str
    codes: tuple[str, ...]
    notified: bool
    silence: SilenceShown | None
    latest: LatestShown | None


class IncidentShown(msgspec.Struct, frozen=True, kw_only=True):
    """What fails for one root: ``kind`` "registry" or "cluster", ``name`` its login server or ARM id.

    ``clusters`` of the ``using`` ones that use the registry fail. ``state`` is "open", "acknowledged", "silenced" or
    "over". ``strip``: how many rows failed in each of the last 24 hours, the oldest first.
    """

    id: str
    state: str
    kind: str
    name: str
    cause: str
    since: datetime
    until: datetime | None
    clusters: int
    using: int
    notified: bool
    failing: tuple[FailureShown, ...]
    over: tuple[FailureShown, ...]
    strip: tuple[int, ...]


class DependentShown(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster that uses a registry, and the state of that row."""

    cluster: str
    name: str
    subscription_name: str
    verdict: str
    row: RowShown


class RegistryShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who depends on a registry: ``failing`` and ``unknown`` of the ``clusters`` that use it.

    ``unreadable``: rows of the storage that could not be read, so that what they hold is missing here. ``not_shown``:
    clusters that the last run found and that are missing here: their subscription's row cannot be read or is not there.
    """

    registry: str
    clusters: int
    failing: int
    unknown: int
    dependents: tuple[DependentShown, ...]
    unreadable: int
    not_shown: int


def cluster_shown(entry: ClusterEntry, fleet: Fleet) -> ClusterShown:
    """A cluster as it is answered."""
    guid = subscription_of(entry.cluster)
    return ClusterShown(
        id=entry.cluster,
        name=name_of(entry.cluster),
        resource_group=resource_group_of(entry.cluster),
        subscription=guid,
        subscription_name=fleet.names.get(guid, ""),
        verdict=entry.outcome.value,
        failing_since=failing_since(entry),
        looked_at=entry.looked.at if entry.looked else None,
        run=entry.looked.run if entry.looked else "",
        missed_since=entry.missed_since,
        unreadable_since=entry.unreadable_since,
        gone_since=entry.gone_since,
        rows=tuple(_row(row, entry, fleet.now) for row in entry.rows),
    )


def incident_shown(incident: Incident, fleet: Fleet) -> IncidentShown:
    """An incident as it is answered."""
    return IncidentShown(
        id=incident.id,
        state=state_of(incident),
        kind=incident.root.kind.value,
        name=incident.name,
        cause=incident.root.cause,
        since=incident.since,
        until=incident.until,
        clusters=incident.clusters,
        using=incident.using,
        notified=incident.notified,
        failing=tuple(_failure(failure, fleet.names) for failure in incident.failing),
        over=tuple(_failure(failure, fleet.names) for failure in incident.over),
        strip=incident.strip,
    )


def state_of(incident: Incident) -> str:
    """In a word."""
    if incident.until is not None:
        return "over"
    return "acknowledged" if incident.acknowledged else "silenced" if incident.silenced else "open"


def registry_shown(fleet: Fleet, name: str) -> RegistryShown | None:
    """Who depends on a registry (login server or name); None where nobody is known to."""
    found: list[DependentShown] = []
    for entry in fleet.clusters():
        for row in entry.rows:
            if is_called(row.registry, name):
                guid = subscription_of(entry.cluster)
                found.append(
                    DependentShown(
                        cluster=entry.cluster,
                        name=name_of(entry.cluster),
                        subscription_name=fleet.names.get(guid, ""),
                        verdict=entry.outcome_of(row).value,
                        row=_row(row, entry, fleet.now),
                    )
                )
    if not found:
        return None
    rank = {"fail": 0, "unknown": 1, "pass": 2}
    found.sort(key=lambda one: (rank[one.verdict], one.name, one.cluster.lower()))
    words = Counter(one.verdict for one in found)
    return RegistryShown(
        registry=found[0].row.registry,
        clusters=len(found),
        failing=words["fail"],
        unknown=words["unknown"],
        dependents=tuple(found),
        unreadable=len(fleet.unreadable),
        not_shown=fleet.hidden,
    )


def _row(row: RowEntry, entry: ClusterEntry, now: datetime) -> RowShown:
    return RowShown(
        registry=row.registry,
        held={facet: status.value for facet, status in row.held.items()},
        not_fine=tuple(_facet(facet) for facet in row.open),
        basis=row.basis,
        strip=strip_of(entry, [row], now),
    )


def _facet(facet: OpenFacet) -> FacetShown:
    return FacetShown(
        facet=facet.facet,
        status=facet.status.value,
        verdict=facet.verdict,
        since=facet.since,
        cause=facet.cause,
        summary=facet.summary,
        fix=facet.command,
        codes=facet.codes,
        notified=facet.notified,
        flapping=facet.flapping,
        unknown_since=facet.unknown_since,
        failed_since=facet.failed_since,
        latest=_latest(facet.latest),
    )


def _failure(failure: Failure, names: dict[str, str]) -> FailureShown:
    return FailureShown(
        cluster=failure.cluster,
        name=name_of(failure.cluster),
        subscription_name=names.get(subscription_of(failure.cluster), ""),
        registry=failure.registry,
        facets=failure.facets,
        since=failure.since,
        until=failure.until,
        summary=failure.summary,
        fix=failure.command,
        codes=failure.codes,
        notified=failure.notified,
        silence=silence_shown(failure.silence) if failure.silence else None,
        latest=_latest(failure.latest),
    )


def _latest(sight: Sight | None) -> LatestShown | None:
    return LatestShown(cause=sight.cause, summary=sight.summary, fix=sight.command) if sight else None


def silence_shown(silence: Silence) -> SilenceShown:
    """A silence beside what it is of."""
    return SilenceShown(
        id=silence.id, kind=silence.kind.value, author=silence.author, reason=silence.reason, until=silence.until
    )
