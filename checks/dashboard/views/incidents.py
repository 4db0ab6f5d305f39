"""Incidents: in a list, and one of them whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from checks.arm_ids import name_of, subscription_of
from checks.dashboard import addresses
from checks.dashboard.views.marks import Strip, cause_words, counted_strip
from checks.dashboard.views.moments import Moment, maybe, moment, span
from checks.dashboard.views.silenced import SilenceLine, silence_line
from checks.fleet.answers import state_of
from checks.fleet.incidents import Failure, Incident
from checks.fleet.model import Fleet
from checks.notify.roots import RootKind
from checks.report.cause_sentences import sentence_of
from checks.report.html import bounded
from checks.text import counted

MAX_FIXES = 60  # commands of one incident, for copying
ROOM, MUCH_ROOM = 8_000, 60_000  # characters of them, in a list and on the incident's own page
MAX_FAILURES = 300
STATES = ("current", "open", "acknowledged", "silenced", "over", "all")
KINDS = {"open": "fail", "acknowledged": "held", "silenced": "held", "over": "pass"}
HOURS = (1, 4, 8, 24, 72)  # for which an incident may be silenced


class Fixes(msgspec.Struct, frozen=True):
    """The commands that fix what fails, each once; ``more`` are left out."""

    text: str = ""
    count: int = 0
    more: int = 0


class IncidentLine(msgspec.Struct, frozen=True, kw_only=True):
    """An incident in a list. ``reach``: "14 of 27 clusters"; ``silences``: who knows of it, each once.

    ``meaning``: what the cause means. ``latest``: what the last look found instead, "" where it found the same.
    """

    id: str
    address: str
    state: str
    kind: str
    name: str
    name_address: str
    of_cluster: bool
    cause: str
    meaning: str
    reach: str
    since: Moment
    until: Moment | None
    lasted: str
    notified: bool
    strip: Strip
    summary: str
    latest: str
    fixes: Fixes
    silences: tuple[SilenceLine, ...]


class FailureLine(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster of an incident; ``further``: how many commands follow the first, ``fix``."""

    cluster: str
    address: str
    subscription: str
    registry: str
    facets: str
    since: Moment
    until: Moment | None
    summary: str
    latest: str
    fix: str
    further: int
    codes: str
    silence: SilenceLine | None


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """One incident whole."""

    line: IncidentLine
    failing: tuple[FailureLine, ...]
    more_failing: int
    over: tuple[FailureLine, ...]
    more_over: int
    hours: tuple[int, ...] = HOURS


class Choice(msgspec.Struct, frozen=True):
    """A state that a list can be of."""

    name: str
    address: str
    chosen: bool


class IncidentsView(msgspec.Struct, frozen=True, kw_only=True):
    """A list of incidents; ``count`` are of that state, ``more`` is the address of the next page, "" at the end."""

    choices: tuple[Choice, ...]
    state: str
    count: int
    lines: tuple[IncidentLine, ...]
    more: str
    unreadable: int
    hours: tuple[int, ...] = HOURS


def incidents_view(
    fleet: Fleet, state: str, fitting: Sequence[Incident], shown: Sequence[Incident], next_page: str
) -> IncidentsView:
    """The list of a state."""
    return IncidentsView(
        choices=tuple(Choice(name, addresses.page("incidents", state=name), name == state) for name in STATES),
        state=state,
        count=len(fitting),
        lines=tuple(incident_line(one, fleet) for one in shown),
        more=addresses.page("incidents", state=state, page=next_page) if next_page else "",
        unreadable=len(fleet.unreadable),
    )


def incident_line(incident: Incident, fleet: Fleet, room: int = ROOM) -> IncidentLine:
    """An incident in a list. ``room``: how many characters of commands."""
    state, of_cluster = state_of(incident), incident.root.kind is RootKind.CLUSTER
    name = incident.name
    found = {failure.silence.id: failure.silence for failure in incident.failing if failure.silence}
    end = incident.until or fleet.now
    return IncidentLine(
        id=incident.id,
        address=addresses.incident(incident.id),
        state=state,
        kind=KINDS[state],
        name=bounded.name(name_of(name) if of_cluster else name),
        name_address=addresses.cluster(name) if of_cluster else addresses.registry(name),
        of_cluster=of_cluster,
        cause=bounded.name(cause_words(incident.root.cause)),
        meaning=_meaning(incident),
        reach=_reach(incident),
        since=moment(incident.since, fleet.now),
        until=maybe(incident.until, fleet.now),
        lasted=span(end - incident.since),
        notified=incident.notified,
        strip=counted_strip(incident.strip, incident.unseen),
        summary=bounded.sentence(next((one.summary for one in incident.failing if one.summary), "")),
        latest=_latest(next((one for one in incident.failing if one.latest), None)),
        fixes=_fixes(incident.failing, room),
        silences=tuple(silence_line(one, fleet.now) for one in list(found.values())[:5]),
    )


def incident_view(incident: Incident, fleet: Fleet) -> IncidentView:
    """One incident whole."""
    failing, more_failing = bounded.first(incident.failing, MAX_FAILURES)
    over, more_over = bounded.first(incident.over, MAX_FAILURES)
    return IncidentView(
        line=incident_line(incident, fleet, MUCH_ROOM),
        failing=tuple(_failure(one, fleet) for one in failing),
        more_failing=more_failing,
        over=tuple(_failure(one, fleet) for one in over),
        more_over=more_over,
    )


def _failure(failure: Failure, fleet: Fleet) -> FailureLine:
    guid = subscription_of(failure.cluster)
    return FailureLine(
        cluster=bounded.name(name_of(failure.cluster)),
        address=addresses.cluster(failure.cluster),
        subscription=bounded.name(fleet.names.get(guid, "") or guid),
        registry=bounded.name(failure.registry),
        facets=", ".join(failure.facets),
        since=moment(failure.since, fleet.now),
        until=maybe(failure.until, fleet.now),
        summary=bounded.sentence(failure.summary),
        latest=_latest(failure),
        fix=bounded.command(failure.command),
        further=failure.further,
        codes=bounded.named(failure.codes, 8),
        silence=silence_line(failure.silence, fleet.now) if failure.silence else None,
    )


def _meaning(incident: Incident) -> str:
    """What the cause means, by the check that decided it; "" where none says."""
    codes = dict.fromkeys(code for failure in incident.failing for code in failure.codes)
    return next((text for code in codes if (text := sentence_of(code, incident.root.cause))), "")


def _latest(failure: Failure | None) -> str:
    """What the last look found, where it is another cause than the one that is held until the new one lasts."""
    if failure is None or failure.latest is None:
        return ""
    text = f": {failure.latest.summary}" if failure.latest.summary else ""
    cause = failure.latest.cause
    told = f"could not tell ({cause})" if cause.startswith("look-") else f"found {cause_words(cause)}"
    return bounded.sentence(f"The last look {told}{text}")


def _fixes(failing: Iterable[Failure], room: int) -> Fixes:
    """The commands of all clusters, whole ones, as many as there is room for."""
    commands = list(dict.fromkeys(failure.command for failure in failing if failure.command))
    listed: list[str] = []
    for command in commands[:MAX_FIXES]:
        room -= len(command)
        if room < 0:
            break
        listed.append(command)
    more = len(commands) - len(listed)
    left = (
        [f"# {counted(more, 'more command')}: the pages of the incident and of its clusters have them"] if more else []
    )
    return Fixes("\n".join([*listed, *left]), len(commands), more)


def _reach(incident: Incident) -> str:
    """ "14 of 27 clusters" that use the registry."""
    many = incident.clusters if incident.until is None else len({one.cluster.lower() for one in incident.over})
    if incident.using < many or incident.root.kind is RootKind.CLUSTER:
        return counted(many, "cluster")
    return f"{many} of {counted(incident.using, 'cluster')}"
