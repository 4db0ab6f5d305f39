"""Incidents: failures of one root, of however many clusters, from the first to the last. Pure.

A root is what mails group by: a registry with a cause, or a cluster where its own identity is at fault. Failures of one
root that overlap or touch are one incident. So it began when the first of them did, also where that one has recovered
since, and it is over when none fails any more. What ended more than a week ago is not known here.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from checks.fleet import strips
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry, OpenFacet, Sight
from checks.notify.roots import Root, RootKind, root_of
from checks.notify.silences import silenced_by
from checks.silences import Silence, SilenceKind


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster and registry of an incident. ``cluster`` is an ARM id; ``until`` None: it still fails.

    ``facets`` are the answers that fail; ``silence`` is what it falls under. ``latest``: what the last look found,
    where that is another cause. ``further``: how many commands follow the one of ``command``.
    """

    cluster: str
    registry: str
    facets: tuple[str, ...]
    since: datetime
    until: datetime | None = None
    summary: str = ""
    command: str = ""
    codes: tuple[str, ...] = ()
    notified: bool = False
    silence: Silence | None = None
    latest: Sight | None = None
    further: int = 0


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What failed for one root. ``failing`` still do, the oldest first; ``over`` do not any more.

    ``using`` counts the clusters that use the registry, 0 where the root is none. ``strip``: how many rows failed in
    each of the last 24 hours; ``unseen`` of its bars, the oldest, are before the first look at any of its clusters.
    """

    id: str
    root: Root
    since: datetime
    until: datetime | None
    failing: tuple[Failure, ...]
    over: tuple[Failure, ...] = ()
    using: int = 0
    strip: tuple[int, ...] = ()
    unseen: int = 0

    @property
    def name(self) -> str:
        """The registry's login server, or the cluster's id as Azure spells it."""
        of_a_cluster = self.root.kind is RootKind.CLUSTER
        return (*self.failing, *self.over)[0].cluster if of_a_cluster else self.root.name

    @property
    def clusters(self) -> int:
        """How many clusters fail now."""
        return len({failure.cluster.lower() for failure in self.failing})

    @property
    def notified(self) -> bool:
        """Whether people were notified of any of it, or are about to be."""
        return any(failure.notified for failure in self.failing)

    @property
    def acknowledged(self) -> bool:
        """Whether somebody acknowledged all that fails."""
        return bool(self.failing) and all(
            failure.silence is not None and failure.silence.kind is SilenceKind.ACK for failure in self.failing
        )

    @property
    def silenced(self) -> bool:
        """Whether all that fails falls under a silence or an acknowledgement."""
        return bool(self.failing) and all(failure.silence is not None for failure in self.failing)


def incidents_of(fleet: Fleet) -> tuple[Incident, ...]:
    """All incidents: those that go on, the worst first, then those that are over, the latest first."""
    failures: dict[Root, list[Failure]] = {}
    for entry in fleet.entries():
        for root, failure in (*_open(entry, fleet), *_over(entry)):
            failures.setdefault(root, []).append(failure)
    using = Counter(row.registry for entry in fleet.clusters() for row in entry.rows)
    watched = {entry.cluster: entry.watched for entry in fleet.entries()}
    made = [
        _incident(root, members, using[root.name], watched, fleet.now)
        for root, listed in failures.items()
        for members in _together(listed)
    ]
    return tuple(sorted(made, key=order_of))


def incident_called(incident_id: str, fleet: Fleet) -> Incident | None:
    """The incident of that id, in any case of letters; None where there is none."""
    return next((one for one in incidents_of(fleet) if one.id == incident_id.lower()), None)


def order_of(incident: Incident) -> tuple[str, ...]:
    """The place of an incident in lists: those that go on before those that are over, which come the latest first.

    Of those that go on, what somebody has acknowledged comes last; then pulls that fail come before an access or a path
    that does, these before single images, and more clusters before fewer. Of texts, so that a page can name it.
    """
    until = incident.until
    over = "" if until is None else f"{10**12 - int(until.timestamp()):013d}"
    acknowledged = str(int(incident.acknowledged))
    many = f"{10**9 - incident.clusters:010d}"
    return (over, acknowledged, _severity(incident), many, incident.since.isoformat(), incident.id)


def _severity(incident: Incident) -> str:
    """How bad the worst of what fails is, "0" the worst; "" where nothing does."""
    facets = {facet for failure in incident.failing for facet in failure.facets}
    if not facets:
        return ""
    return "0" if "pull" in facets else "1" if facets - {"images"} else "2"


def _open(entry: ClusterEntry, fleet: Fleet) -> Iterable[tuple[Root, Failure]]:
    """What fails of a cluster, the facets of one cause together."""
    for row in entry.rows:
        by_root: dict[Root, list[OpenFacet]] = {}
        for facet in row.failing:
            by_root.setdefault(root_of(entry.cluster, row.registry, facet.cause), []).append(facet)
        for root, facets in by_root.items():
            first = min(facets, key=lambda facet: (facet.since, facet.facet))
            silence = silenced_by(
                fleet.silences,
                entry.cluster,
                row.registry,
                first.facet,
                root.cause,
                fleet.now,
                codes=first.codes,
                since=first.since,
            )
            yield (
                root,
                Failure(
                    cluster=entry.cluster,
                    registry=row.registry,
                    facets=tuple(facet.facet for facet in facets),
                    since=first.since,
                    summary=next((facet.summary for facet in facets if facet.summary), ""),
                    command=next((facet.command for facet in facets if facet.command), ""),
                    codes=tuple(dict.fromkeys(code for facet in facets for code in facet.codes)),
                    notified=any(facet.notified for facet in facets),
                    silence=silence,
                    latest=next((facet.latest for facet in facets if facet.latest), None),
                    further=next((facet.further for facet in facets if facet.command), 0),
                ),
            )


def _over(entry: ClusterEntry) -> Iterable[tuple[Root, Failure]]:
    """What failed of a cluster and does not any more; facets that ended together are one."""
    spells: dict[tuple[str, str, datetime], list[tuple[str, datetime]]] = {}
    for ended in entry.ended:
        spells.setdefault((ended.registry, ended.cause, ended.until), []).append((ended.facet, ended.since))
    for (registry, cause, until), facets in spells.items():
        yield (
            root_of(entry.cluster, registry, cause),
            Failure(
                cluster=entry.cluster,
                registry=registry,
                facets=tuple(sorted(facet for facet, _ in facets)),
                since=min(since for _, since in facets),
                until=until,
            ),
        )


def _together(failures: Iterable[Failure]) -> list[list[Failure]]:
    """Failures of one root in groups of those that overlap or touch, each through the others."""
    groups: list[list[Failure]] = []
    latest: datetime | None = None  # until when the last group lasts; meaningless before the first
    for failure in sorted(failures, key=lambda one: (one.since, one.cluster, one.registry)):
        if groups and (latest is None or failure.since <= latest):
            groups[-1].append(failure)
            latest = None if latest is None or failure.until is None else max(latest, failure.until)
        else:
            groups.append([failure])
            latest = failure.until
    return groups


def _incident(
    root: Root, members: list[Failure], using: int, watched: Mapping[str, datetime | None], now: datetime
) -> Incident:
    failing = tuple(failure for failure in members if failure.until is None)
    over = tuple(failure for failure in members if failure.until is not None)
    since = min(failure.since for failure in members)
    until = None if failing else max(failure.until for failure in over if failure.until is not None)
    return Incident(
        id=_id(root, since),
        root=root,
        since=since,
        until=until,
        failing=failing,
        over=over,
        using=using,
        unseen=strips.unseen([watched[failure.cluster] for failure in members], now),
        strip=strips.counted(((failure.since, failure.until) for failure in members), now),
    )


def _id(root: Root, since: datetime) -> str:
    named = f"{root.kind}\n{root.name}\n{root.cause}\n{since.isoformat()}"
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:16]
