"""What lists and pages show of a subscription: one compact entry for each cluster, made of its state. Pure.

An entry follows from the state of its cluster and from the changes of the last days, and from nothing else: so it can
be made anew at any time, and what is folded in run by run comes to the same. A newer look replaces an older one, in
whichever order they come. Where a state cannot be read its entry stays, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from datetime import datetime, timedelta

import msgspec

from checks.changes import Change, Status, Transition
from checks.history.model import ClusterState, HeldBeside, LastLook, SubjectState
from checks.report.outcome import Outcome
from checks.rules.fixes.kinds import first_command, further_commands
from checks.text import clipped

KEEP_ENDED = timedelta(days=7)
MAX_ENDED = 40  # of one cluster, the newest
MAX_SUMMARY = 300  # characters
MAX_COMMAND = 1000  # a longer one is left out: half a command must not be run


class Sight(msgspec.Struct, frozen=True, array_like=True):
    """Why the last look failed or did not know, where it is held to fail for another cause."""

    cause: str
    summary: str = ""
    command: str = ""


class OpenFacet(msgspec.Struct, frozen=True, array_like=True):
    """A facet that is not fine: it is held to fail, or the last look did not pass it.

    ``since``: when ``status`` began; ``unknown_since``: since when nothing but Unknown was seen. ``notified``: people
    were notified of the failure, or are about to be. ``cause`` is that of what is held to fail, else that of the last
    look, and so are ``summary`` and ``command``, the first one of the fix. ``codes`` are the checks that decided.
    ``latest``: the last look, where it found another cause than the one held. ``failed_since``: since when looks failed
    that are not enough yet to hold that it fails. ``further``: how many commands follow the first, of what is held to
    fail.
    """

    facet: str
    status: Status
    verdict: str
    since: datetime
    cause: str = ""
    summary: str = ""
    command: str = ""
    codes: tuple[str, ...] = ()
    notified: bool = False
    flapping: bool = False
    unknown_since: datetime | None = None
    latest: Sight | None = None
    failed_since: datetime | None = None
    further: int = 0

    @property
    def failing(self) -> bool:
        """Whether it is held to fail, which a single look is not enough for."""
        return self.status is Status.FAILING


class RowEntry(msgspec.Struct, frozen=True, array_like=True):
    """One registry of a cluster: what is held of its facets by name, those not fine, what a failing pull rests on.

    ``seen_by``: what the last look's answer about the pull rests on; ``waiting``: how many pods waited for an image.
    """

    registry: str
    held: dict[str, Status]
    open: tuple[OpenFacet, ...] = ()
    basis: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()
    waiting: int = 0

    @property
    def failing(self) -> tuple[OpenFacet, ...]:
        """The facets that fail."""
        return tuple(facet for facet in self.open if facet.failing)

    @property
    def outcome(self) -> Outcome:
        """What it comes to, as the outcome of a whole cluster is counted: fail where anything is held to fail or failed
        in the last look, else unknown where the pull is."""
        if self.failing or any(facet.verdict == "fail" for facet in self.open):
            return Outcome.FAIL
        return Outcome.UNKNOWN if any(facet.facet == "pull" for facet in self.open) else Outcome.PASS


class EndedFailure(msgspec.Struct, frozen=True, array_like=True):
    """A failure of a facet that is over: it recovered, or is no longer checked."""

    registry: str
    facet: str
    cause: str
    since: datetime
    until: datetime


class ClusterEntry(msgspec.Struct, frozen=True, array_like=True):
    """What is shown of one cluster. ``cluster`` is its ARM id; ``outcome`` what the last report came to.

    ``sequence`` and ``run`` are of the run that counted last, ``updated`` is of the last report; ``looked`` is the last
    run that could look at it, None where none could yet. ``missed_since``: complete lists of its subscription do not
    have it, so that its outcome is not known; ``gone_since``: it is not there any more. ``capped`` counts what did not
    fit into its state. ``ended`` are failures of the last days, the newest first. ``region``: where it is, "" where
    that is not known. ``watched``: since when it is looked at, None likewise. ``unreadable_since``: its state cannot be
    read, so that its outcome is not known and the rest is as it was before: the one thing that follows from no state.
    ``beside``: what the last report said of it beside its rows.
    """

    cluster: str
    sequence: int
    run: str
    updated: datetime
    outcome: Outcome
    rows: tuple[RowEntry, ...] = ()
    ended: tuple[EndedFailure, ...] = ()
    gone_since: datetime | None = None
    capped: int = 0
    region: str = ""
    watched: datetime | None = None
    looked: LastLook | None = None
    missed_since: datetime | None = None
    unreadable_since: datetime | None = None
    beside: HeldBeside | None = None

    @property
    def unknown_since(self) -> datetime | None:
        """Since when nothing that passed before is known any more; None where it is."""
        return self.missed_since or self.unreadable_since

    @property
    def failing(self) -> bool:
        """Whether anything is held to fail."""
        return any(row.failing for row in self.rows)

    def outcome_of(self, row: RowEntry) -> Outcome:
        """What a row of it comes to: what passed is not known any more where the cluster was not found, and comes to
        what is said beside the rows of its registry or of the whole cluster."""
        if self.unknown_since is not None and not row.failing:
            return Outcome.UNKNOWN
        beside = self.beside_of(row)
        if row.outcome is not Outcome.PASS or beside is None:
            return row.outcome
        if beside.verdict == "fail" and beside.registry:
            return Outcome.FAIL
        return Outcome.UNKNOWN if beside.verdict == "unknown" else Outcome.PASS

    def beside_of(self, row: RowEntry | None) -> HeldBeside | None:
        """What is said beside the rows that is about a row too, or (None) about the cluster; of one that was not found
        nothing is."""
        if self.beside is None or self.unknown_since is not None:
            return None
        return self.beside if row is None or self.beside.registry in ("", row.registry) else None


class Overview(msgspec.Struct, frozen=True, array_like=True):
    """The clusters of one subscription (lower case), by id in lower case, in order.

    ``name`` is the subscription's display name as it was seen last: it stays where it cannot be seen any more.
    """

    subscription: str
    clusters: tuple[ClusterEntry, ...] = ()
    name: str = ""


def entry_of(state: ClusterState, ended: Iterable[EndedFailure]) -> ClusterEntry:
    """What is shown of a cluster. ``ended``: failures that are over, from its changes."""
    subjects: dict[str, list[SubjectState]] = {}
    for subject in state.subjects:
        subjects.setdefault(subject.registry, []).append(subject)
    kept = {failure for failure in ended if failure.until > state.updated - KEEP_ENDED}
    newest = sorted(kept, key=lambda failure: (failure.until, failure.registry, failure.facet), reverse=True)
    return ClusterEntry(
        cluster=state.cluster,
        sequence=state.sequence,
        run=state.run,
        updated=state.updated,
        outcome=state.outcome if state.missed is None else Outcome.UNKNOWN,
        rows=tuple(_row(registry, held) for registry, held in sorted(subjects.items())),
        ended=tuple(newest[:MAX_ENDED]),
        gone_since=state.gone_since,
        watched=state.watched,
        capped=state.capped,
        region=state.region,
        looked=state.looked,
        missed_since=state.missed.since if state.missed else None,
        beside=state.beside,
    )


def with_unreadable(overview: Overview, clusters: Container[str], now: datetime) -> Overview:
    """The overview where the states of some ``clusters`` (ids in lower case) cannot be read."""
    return _changed(overview, lambda entry: _unreadable(entry, now) if entry.cluster.lower() in clusters else entry)


def _unreadable(entry: ClusterEntry, now: datetime) -> ClusterEntry:
    if entry.unreadable_since is not None or entry.gone_since is not None:
        return entry
    return msgspec.structs.replace(entry, outcome=Outcome.UNKNOWN, unreadable_since=now)


def is_news(sequence: int, known: ClusterEntry | None) -> bool:
    """Whether what a run of that place holds is newer than what is shown, or can be read again."""
    if known is None or known.sequence < sequence:
        return True
    return known.unreadable_since is not None and known.sequence == sequence


def ended_in(changes: Iterable[Change]) -> list[EndedFailure]:
    """The failures that some changes of one cluster ended."""
    return [
        EndedFailure(moved.registry, moved.facet, moved.cause or moved.before_cause, moved.bad_since, change.at)
        for change in changes
        for moved in change.transitions
        if moved.bad_since is not None and _is_over(moved)
    ]


def with_entries(overview: Overview, entries: Iterable[ClusterEntry]) -> Overview:
    """The overview with newer entries in place of older ones; of two of the same run the one that is there stays.

    One that stands for a state that could not be read gives way to that of the same run.
    """
    held = {entry.cluster.lower(): entry for entry in overview.clusters}
    for entry in entries:
        if is_news(entry.sequence, held.get(entry.cluster.lower())):
            held[entry.cluster.lower()] = entry
    return msgspec.structs.replace(overview, clusters=tuple(held[name] for name in sorted(held)))


def without_texts(overview: Overview) -> Overview:
    """The overview without sentences and commands, which the clusters' own rows have."""
    return _changed(overview, _bare)


def without_ended(overview: Overview) -> Overview:
    """The overview without the failures that are over."""
    return _changed(overview, lambda entry: msgspec.structs.replace(entry, ended=()))


def _changed(overview: Overview, change: Callable[[ClusterEntry], ClusterEntry]) -> Overview:
    return msgspec.structs.replace(overview, clusters=tuple(change(entry) for entry in overview.clusters))


def _bare(entry: ClusterEntry) -> ClusterEntry:
    rows = tuple(
        msgspec.structs.replace(
            row,
            open=tuple(
                msgspec.structs.replace(one, summary="", command="", latest=_bare_sight(one.latest)) for one in row.open
            ),
        )
        for row in entry.rows
    )
    return msgspec.structs.replace(entry, rows=rows)


def _bare_sight(sight: Sight | None) -> Sight | None:
    return None if sight is None else Sight(sight.cause)


def _is_over(moved: Transition) -> bool:
    return moved.before is Status.FAILING and moved.after is not Status.FAILING


def _row(registry: str, subjects: Iterable[SubjectState]) -> RowEntry:
    listed = sorted(subjects, key=lambda subject: subject.facet)
    pull = next((subject for subject in listed if subject.facet == "pull"), None)
    held = {subject.facet: subject.status for subject in listed}
    not_fine = tuple(_open(subject) for subject in listed if _is_open(subject))
    if pull is None:
        return RowEntry(registry, held, not_fine)
    return RowEntry(registry, held, not_fine, pull.basis, pull.seen_by, pull.waiting)


def _is_open(subject: SubjectState) -> bool:
    return subject.status is Status.FAILING or subject.last_verdict in ("fail", "unknown")


def _open(subject: SubjectState) -> OpenFacet:
    held = Sight(subject.cause, subject.summary, first_command(subject.fix))
    seen = Sight(subject.seen_cause, subject.seen_summary, subject.seen_command)
    failing = subject.status is Status.FAILING
    told = _bounded(held if failing else seen)
    return OpenFacet(
        facet=subject.facet,
        status=subject.status,
        verdict=subject.last_verdict,
        since=subject.since,
        cause=told.cause,
        summary=told.summary,
        command=told.command,
        codes=subject.codes,
        notified=subject.notified,
        flapping=subject.flapping_since is not None,
        unknown_since=subject.unknown.since if subject.unknown else None,
        latest=_bounded(seen) if failing and seen.cause else None,
        failed_since=subject.bad.since if subject.bad and subject.last_verdict == "fail" and not failing else None,
        further=further_commands(subject.fix) if failing else 0,
    )


def _bounded(sight: Sight) -> Sight:
    command = sight.command if len(sight.command) <= MAX_COMMAND else ""
    return Sight(sight.cause, clipped(sight.summary, MAX_SUMMARY), command)
