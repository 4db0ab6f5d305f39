"""A registry: who depends on it, its incidents, and what the last looks say of its replicas, endpoints and firewall.

What is known of a registry itself stands in the reports of the clusters that use it: some of them are asked. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from checks.arm_ids import name_of, subscription_of
from checks.catalog import check_of
from checks.dashboard import addresses
from checks.dashboard.views.incidents import HOURS, IncidentLine, incident_line
from checks.dashboard.views.marks import Mark, Strip, answers_in, basis_words, strip
from checks.dashboard.views.moments import Moment, maybe
from checks.dashboard.views.now import cause_of, since_of
from checks.dashboard.views.standing import Standing, standing_in
from checks.findings import ClusterReport, Fail, Finding, describe_evidence, shown, word
from checks.fleet.clusters import is_called, strip_of
from checks.fleet.incidents import Incident
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry, RowEntry
from checks.notify.roots import RootKind
from checks.report.html import bounded
from checks.report.html.broken_view import Fix, fix_of

MAX_ASKED = 4  # clusters whose reports say what is known of the registry
MAX_DEPENDENTS = 500
MAX_INCIDENTS = 10
MAX_SAYINGS = 12  # of one group
# What a person looks for, and the checks whose findings say it.
_GROUPS = {
    "Replicas": ("PW401",),
    "Endpoints and names": ("PW203", "PW204", "PW205"),
    "Firewall and way": ("PW201", "PW202", "PW206"),
    "Tier, cache and sign-in": ("PW402", "PW403", "PW104", "PW107", "PW108"),
}

Dependent = tuple[ClusterEntry, RowEntry]


class DependentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster that uses the registry."""

    cluster: str
    address: str
    subscription: str
    region: str
    standing: Mark
    answers: tuple[Mark, ...]
    basis: str
    cause: str
    since: Moment | None
    strip: Strip


class Saying(msgspec.Struct, frozen=True, kw_only=True):
    """What a check says of the registry, and by which cluster it was seen."""

    mark: Mark
    code: str
    title: str
    summary: str
    seen_from: str
    evidence: tuple[str, ...]
    fix: Fix


class SayingGroup(msgspec.Struct, frozen=True):
    """Sayings of one kind; ``more`` are left out."""

    title: str
    sayings: tuple[Saying, ...]
    more: int


class RegistryView(msgspec.Struct, frozen=True, kw_only=True):
    """The page. ``asked`` are the clusters whose reports were read for what is known of the registry itself."""

    registry: str
    kind: str
    clusters: int
    counts: tuple[tuple[Mark, int], ...]
    incidents: tuple[IncidentLine, ...]
    more_incidents: int
    hours: tuple[int, ...]
    dependents: tuple[DependentLine, ...]
    more_dependents: int
    groups: tuple[SayingGroup, ...]
    asked: str
    unreadable: int


def dependents_of(fleet: Fleet, name: str) -> tuple[Dependent, ...]:
    """The clusters that use a registry (login server or name), the worst first."""
    found = [(entry, row) for entry in fleet.clusters() for row in entry.rows if is_called(row.registry, name)]
    return tuple(sorted(found, key=lambda one: (standing_in(*one).rank, name_of(one[0].cluster).lower())))


def to_be_asked(dependents: Sequence[Dependent]) -> tuple[str, ...]:
    """Whose reports are to be read: the worst off and the best off, in as many subscriptions as there are."""
    ordered = [*dependents[:1], *dependents[-1:], *dependents]
    by_subscription = {subscription_of(entry.cluster): entry.cluster for entry, _ in reversed(ordered)}
    wanted = [*(entry.cluster for entry, _ in ordered[:2]), *by_subscription.values()]
    return tuple(dict.fromkeys(wanted))[:MAX_ASKED]


def registry_view(
    fleet: Fleet, dependents: Sequence[Dependent], incidents: Iterable[Incident], reports: Iterable[ClusterReport]
) -> RegistryView:
    """The page. ``reports`` are those of ``to_be_asked``, as far as there are any."""
    registry = dependents[0][1].registry
    listed, more = bounded.first(dependents, MAX_DEPENDENTS)
    standings = Counter(standing_in(entry, row) for entry, row in dependents)
    own = [one for one in incidents if one.root.kind is RootKind.REGISTRY and one.root.name == registry]
    shown_incidents, more_incidents = bounded.first(own, MAX_INCIDENTS)
    asked = tuple(reports)
    return RegistryView(
        registry=bounded.name(registry),
        kind=min(standings, key=lambda one: one.rank).kind,
        clusters=len(dependents),
        counts=tuple((Mark(one.value, one.kind), standings[one]) for one in Standing if standings[one]),
        incidents=tuple(incident_line(one, fleet) for one in shown_incidents),
        more_incidents=more_incidents,
        hours=HOURS,
        dependents=tuple(_dependent(entry, row, fleet) for entry, row in listed),
        more_dependents=more,
        groups=_groups(registry, asked),
        asked=bounded.named((one.name for one in asked), MAX_ASKED),
        unreadable=len(fleet.unreadable),
    )


def _dependent(entry: ClusterEntry, row: RowEntry, fleet: Fleet) -> DependentLine:
    guid = subscription_of(entry.cluster)
    standing = standing_in(entry, row)
    return DependentLine(
        cluster=bounded.name(name_of(entry.cluster)),
        address=addresses.cluster(entry.cluster),
        subscription=bounded.name(fleet.names.get(guid, "") or guid),
        region=bounded.name(entry.region),
        standing=Mark(standing.value, standing.kind),
        answers=answers_in(entry, row),
        basis=basis_words(row),
        cause=cause_of(entry, row),
        since=maybe(since_of(entry, row), fleet.now),
        strip=strip(strip_of(entry, [row], fleet.now)),
    )


def _groups(registry: str, reports: Iterable[ClusterReport]) -> tuple[SayingGroup, ...]:
    """What the reports say of the registry; the same sentence of several clusters once."""
    found: dict[tuple[str, str], tuple[Finding, list[str]]] = {}
    for report in reports:
        for finding in report.findings:
            if finding.subject.registry == registry:
                found.setdefault((finding.code, finding.summary), (finding, []))[1].append(report.name)
    groups = []
    for title, codes in _GROUPS.items():
        own = [_saying(finding, names) for (code, _), (finding, names) in found.items() if code in codes]
        shown_first, more = bounded.first(own, MAX_SAYINGS)
        groups.append(SayingGroup(title, shown_first, more))
    return tuple(groups)


def _saying(finding: Finding, names: Sequence[str]) -> Saying:
    verdict = word(finding.verdict)
    warns = isinstance(finding.verdict, Fail) and not finding.failed
    evidence, _ = bounded.first(finding.evidence, bounded.MAX_EVIDENCE)
    return Saying(
        mark=Mark("warning", "unknown") if warns else Mark(shown(verdict), verdict),
        code=bounded.name(finding.code),
        title=bounded.name(check_of(finding).title),
        summary=bounded.sentence(finding.summary),
        seen_from=bounded.named(tuple(dict.fromkeys(names)), MAX_ASKED),
        evidence=tuple(bounded.sentence(describe_evidence(one)) for one in evidence),
        fix=fix_of(finding.fix),
    )
