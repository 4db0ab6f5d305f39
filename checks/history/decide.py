"""What a report changes about what is held of a cluster. Pure: the past, the report and the time are handed in.

The rules, one sentence each, are the rows of ``tests/history/test_decide.py``. In short: only Pass and Fail move a
subject; Unknown and Skipped resolve nothing and flip nothing; what is absent from a report is kept, not recovered; a
run that was counted already, or is older than one that was, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from checks.changes import Change, Reason, RowVerdicts, Status, Transition
from checks.findings import SEEN_BEFORE, Basis, ClusterReport, Facet, RegistryRow, word
from checks.history.model import ClusterState, Decision, RunRef, SubjectReason, SubjectState
from checks.report.outcome import outcome_of, pods_read
from checks.rules.pull import pull_times
from checks.text import clipped, printable, redacted

ALERTED = ("access", "path", "pull")
FACETS = (*ALERTED, "images")
KEEP_FOR = timedelta(days=30)

# With these a state always fits an entity (1 MiB) beside a shortened report: 120 subjects of at most some 2,500 stored
# characters. Commands are left out whole where they do not fit: half a command is worse than none.
MAX_REGISTRIES = 30
MAX_REMEMBERED = 100
MAX_SUMMARY = 200
MAX_CAUSE = 100
MAX_FIX = 800

Key = tuple[str, str]
Step = tuple[SubjectState | None, Transition | None, Reason]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How many equal verdicts flip a subject, of which facets people are notified, and whether this is the first sight.

    With ``baseline`` what fails is recorded and not notified: closing the run writes one summary that does.
    """

    fail_after: int = 1
    pass_after: int = 1
    alert_on: frozenset[str] = frozenset(ALERTED)
    baseline: bool = False


class Held(msgspec.Struct, frozen=True):
    """What history must agree with the state on."""

    status: Status
    cause: str
    since: datetime


class _Observed(msgspec.Struct, frozen=True):
    """One facet as one report shows it, with the row it belongs to."""

    registry: str
    facet: str
    answer: Facet
    row: RegistryRow
    pods_read: bool = True

    @property
    def used(self) -> bool:
        """Whether the cluster really uses the registry now, or it is only remembered."""
        return not self.row.sources or any(source != SEEN_BEFORE for source in self.row.sources)

    @property
    def basis(self) -> tuple[str, ...]:
        """What the answer itself rests on; of the other facets their checks speak."""
        return tuple(basis.value for basis in self.row.basis) if self.facet == "pull" else ()


def decide(
    previous: ClusterState | None, report: ClusterReport, run: RunRef, policy: Policy, now: datetime
) -> Decision:
    """Fold one report into the state of its cluster.

    A stale run (the same or older than the last counted) gives back the previous state, no change, and says so.
    """
    if previous is not None and run.sequence <= previous.sequence:
        stale = (SubjectReason("", "", Reason.STALE_RUN),)
        return Decision(state=previous, run=run, reasons=stale, stale=True)
    held = {subject.key: subject for subject in previous.subjects} if previous else {}
    observations, capped = _admitted(held, report)
    steps = [
        (observed.registry, observed.facet, _step(held.get(key), observed, policy, now))
        for key, observed in observations.items()
    ]
    displaced = frozenset(capped)
    absent = sorted(key for key in held if key not in observations)
    steps += [(*key, _displaced(held[key]) if key[0] in displaced else _absent(held[key], now)) for key in absent]
    reasons = [SubjectReason(registry, facet, step[2]) for registry, facet, step in steps]
    reasons += [SubjectReason(registry, "", Reason.CAPPED) for registry in capped]
    state = ClusterState(
        cluster=report.id,
        run=run.id,
        sequence=run.sequence,
        updated=now,
        subjects=tuple(sorted((kept for _, _, (kept, _, _) in steps if kept), key=lambda subject: subject.key)),
        registries=_remembered(previous, report, now),
        capped=len(capped) * len(FACETS),
        baselines=pull_times.update_baselines(previous.baselines if previous else {}, report.pull_times),
        outcome=outcome_of(report),
    )
    change = _change(report, run, now, tuple(moved for _, _, (_, moved, _) in steps if moved))
    return Decision(state=state, run=run, change=change, reasons=tuple(reasons))


def gone(previous: ClusterState, run: RunRef, now: datetime) -> Decision:
    """The cluster was deleted or opted out (a complete inventory): its subjects leave, which is not recovering."""
    if run.sequence <= previous.sequence or previous.gone_since is not None:
        return Decision(state=previous, run=run, reasons=(SubjectReason("", "", Reason.STALE_RUN),), stale=True)
    moved = tuple(_leaving(subject, Reason.GONE) for subject in previous.subjects)
    state = ClusterState(
        cluster=previous.cluster,
        run=run.id,
        sequence=run.sequence,
        updated=now,
        registries=previous.registries,
        baselines=previous.baselines,
        gone_since=now,
    )
    change = Change(cluster=previous.cluster, run=run.id, sequence=run.sequence, at=now, transitions=moved)
    return Decision(
        state=state,
        run=run,
        change=change if moved else None,
        reasons=tuple(SubjectReason(subject.registry, subject.facet, Reason.GONE) for subject in previous.subjects),
    )


def mark_notified(state: ClusterState, alert_on: frozenset[str]) -> ClusterState:
    """The state after a summary mail reported everything in it that fails."""
    return msgspec.structs.replace(
        state,
        subjects=tuple(
            msgspec.structs.replace(subject, notified=True)
            if subject.status is Status.FAILING and subject.facet in alert_on
            else subject
            for subject in state.subjects
        ),
    )


def statuses(state: ClusterState) -> dict[Key, Held]:
    """What the state holds of each subject: equal to ``fold`` of its history."""
    return {subject.key: Held(subject.status, subject.cause, subject.since) for subject in state.subjects}


def fold(changes: Iterable[Change], start: dict[Key, Held] | None = None) -> dict[Key, Held]:
    """What the history says is held of each subject. ``changes`` in any order; ``start``: a checkpoint before them."""
    held = dict(start or {})
    for change in sorted(changes, key=lambda one: one.sequence):
        for moved in change.transitions:
            key = (moved.registry, moved.facet)
            if moved.after is None:
                held.pop(key, None)
            else:
                held[key] = Held(moved.after, moved.cause if moved.after is Status.FAILING else "", moved.since)
    return held


def _admitted(held: dict[Key, SubjectState], report: ClusterReport) -> tuple[dict[Key, _Observed], list[str]]:
    """The looks that are counted, and the registries that found no place.

    What fails comes first, whether people know of it or not; then what is held already, what is judged at all, and by
    name. So pods that name a hundred hosts displace no failure, and the same report always admits the same ones.
    """
    rows: dict[str, RegistryRow] = {}
    for row in report.registries:
        rows.setdefault(row.registry.lower()[:255], row)
    known = {registry for registry, _ in held}
    failing = {subject.registry for subject in held.values() if subject.status is Status.FAILING}
    failing |= {name for name, row in rows.items() if _fails(row)}

    def rank(name: str) -> tuple[bool, bool, bool, str]:
        return name not in failing, name not in known, name in rows and not _judged(rows[name]), name

    ordered = sorted(known | rows.keys(), key=rank)
    chosen = [name for name in sorted(ordered[:MAX_REGISTRIES]) if name in rows]
    heard = pods_read(report)
    observations = {
        (name, facet): _Observed(name, facet, answer, rows[name], heard)
        for name in chosen
        for facet, answer in rows[name].facets()
    }
    return observations, ordered[MAX_REGISTRIES:]


def _judged(row: RegistryRow) -> bool:
    return any(word(answer.verdict) != "skipped" for _, answer in row.facets())


def _fails(row: RegistryRow) -> bool:
    return any(word(answer.verdict) == "fail" for _, answer in row.facets())


def _step(held: SubjectState | None, observed: _Observed, policy: Policy, now: datetime) -> Step:
    """One subject, one look."""
    if held is not None and not observed.used and _expired(held, now):
        return _absent(held, now)
    verdict = word(observed.answer.verdict)
    first, before = held is None, held or _fresh(observed, now)
    if verdict == "pass" and _reported_by_nodes(before) and not observed.pods_read:
        verdict = "unknown"  # what Azure shows resolves nothing that nodes reported while they cannot be heard
    if verdict == "fail":
        step = _failed(before, first, observed, policy, now)
    elif verdict == "pass":
        step = _passed(before, first, policy, now)
    else:
        step = _unsettled(before, first, verdict, now)
    subject, moved, reason = step
    if subject is not None and observed.used:
        subject = msgspec.structs.replace(subject, last_seen=now)
    return subject, moved, reason


def _reported_by_nodes(held: SubjectState) -> bool:
    """Whether nodes reported the failure that is held: only they can say that it is over."""
    return held.status is Status.FAILING and Basis.NODES.value in held.basis


def _absent(held: SubjectState, now: datetime) -> Step:
    """Not in the report: kept, and forgotten (which is not recovered) when the registry was not used for 30 days."""
    if not _expired(held, now):
        return held, None, Reason.ABSENT
    return None, _leaving(held, Reason.FORGOTTEN), Reason.FORGOTTEN


def _displaced(held: SubjectState) -> Step:
    """It made room for what fails; it does not fail itself, so nobody is notified."""
    return None, _leaving(held, Reason.CAPPED), Reason.CAPPED


def _expired(held: SubjectState, now: datetime) -> bool:
    return now - held.last_seen > KEEP_FOR


def _fresh(observed: _Observed, now: datetime) -> SubjectState:
    return SubjectState(
        registry=observed.registry,
        facet=observed.facet,
        status=Status.UNKNOWN_YET,
        since=now,
        last_verdict="",
        last_seen=now,
    )


def _unsettled(held: SubjectState, first: bool, verdict: str, now: datetime) -> Step:
    """Unknown or Skipped: neither a streak nor a status moves; only Unknown has an age."""
    since = (held.unknown_since or now) if verdict == "unknown" else None
    subject = msgspec.structs.replace(held, last_verdict=verdict, unknown_since=since)
    reason = Reason.UNKNOWN if verdict == "unknown" else Reason.SKIPPED
    if not first:
        return subject, None, reason
    return subject, _moved(None, subject, Reason.FIRST_SEEN_UNKNOWN), Reason.FIRST_SEEN_UNKNOWN


def _failed(held: SubjectState, first: bool, observed: _Observed, policy: Policy, now: datetime) -> Step:
    cause = observed.answer.cause[:MAX_CAUSE]
    counted = msgspec.structs.replace(
        held,
        last_verdict="fail",
        bad_streak=held.bad_streak + 1,
        good_streak=0,
        streak_since=held.streak_since if held.bad_streak else now,
        unknown_since=None,
    )
    alert = observed.facet in policy.alert_on and not policy.baseline
    if held.status is Status.FAILING:
        return _failing_still(held, counted, cause, observed, alert)
    if counted.bad_streak < policy.fail_after:
        moved = _moved(None, counted, Reason.BELOW_THRESHOLD) if first else None
        return counted, moved, Reason.BELOW_THRESHOLD
    reason = Reason.REGRESSED if held.status is Status.PASSING else Reason.FIRST_SEEN_FAILING
    if policy.baseline and reason is Reason.FIRST_SEEN_FAILING:
        reason = Reason.BASELINE
    subject = msgspec.structs.replace(
        counted,
        status=Status.FAILING,
        since=counted.streak_since or now,
        cause=cause,
        notified=alert,
        summary=_line(observed.answer.summary),
        fix=_commands(observed.answer.fix),
        basis=observed.basis,
    )
    return subject, _moved(None if first else held, subject, reason, alert=alert), reason


def _failing_still(held: SubjectState, counted: SubjectState, cause: str, observed: _Observed, alert: bool) -> Step:
    """It failed before: the evidence is the latest; another cause is another thing to do, so people are notified."""
    subject = msgspec.structs.replace(
        counted,
        cause=cause,
        summary=_line(observed.answer.summary),
        fix=_commands(observed.answer.fix),
        basis=observed.basis,
    )
    if cause == held.cause:
        return subject, None, Reason.STILL_FAILING
    subject = msgspec.structs.replace(subject, notified=held.notified or alert)
    return subject, _moved(held, subject, Reason.CAUSE_CHANGED, alert=alert), Reason.CAUSE_CHANGED


def _passed(held: SubjectState, first: bool, policy: Policy, now: datetime) -> Step:
    counted = msgspec.structs.replace(
        held,
        last_verdict="pass",
        good_streak=held.good_streak + 1,
        bad_streak=0,
        streak_since=held.streak_since if held.good_streak else now,
        unknown_since=None,
    )
    if held.status is Status.PASSING:
        return counted, None, Reason.STILL_PASSING
    # Nobody is notified of "new and passing", so the threshold guards recoveries only.
    if held.status is Status.FAILING and counted.good_streak < policy.pass_after:
        return counted, None, Reason.BELOW_THRESHOLD
    reason = Reason.RECOVERED if held.status is Status.FAILING else Reason.FIRST_SEEN_PASSING
    subject = msgspec.structs.replace(
        counted,
        status=Status.PASSING,
        since=counted.streak_since or now,
        cause="",
        notified=False,
        summary="",
        fix=(),
        basis=(),
    )
    return subject, _moved(None if first else held, subject, reason, alert=held.notified), reason


def _leaving(subject: SubjectState, reason: Reason) -> Transition:
    failing = subject.status is Status.FAILING
    return Transition(
        registry=subject.registry,
        facet=subject.facet,
        before=subject.status,
        after=None,
        reason=reason,
        since=subject.since,
        cause=subject.cause,
        before_cause=subject.cause,
        bad_since=subject.since if failing else None,
        summary=subject.summary,
        alert=failing and subject.notified,
    )


def _moved(held: SubjectState | None, subject: SubjectState, reason: Reason, alert: bool = False) -> Transition:
    recovered = reason is Reason.RECOVERED and held is not None
    return Transition(
        registry=subject.registry,
        facet=subject.facet,
        before=held.status if held else None,
        after=subject.status,
        reason=reason,
        since=subject.since,
        cause=held.cause if recovered and held else subject.cause,
        before_cause=held.cause if held else "",
        bad_since=held.since if recovered and held else None,
        summary=held.summary if recovered and held else subject.summary,
        fix=subject.fix,
        alert=alert,
    )


def _change(report: ClusterReport, run: RunRef, now: datetime, transitions: tuple[Transition, ...]) -> Change | None:
    """The history row, or None where nothing moved. It shows the whole row of each registry that moved."""
    if not transitions:
        return None
    moved = {transition.registry for transition in transitions}
    rows = {row.registry.lower()[:255]: row for row in reversed(report.registries)}
    return Change(
        cluster=report.id,
        run=run.id,
        sequence=run.sequence,
        at=now,
        transitions=transitions,
        rows=tuple(_verdicts(name, row) for name, row in sorted(rows.items()) if name in moved),
    )


def _verdicts(registry: str, row: RegistryRow) -> RowVerdicts:
    words = {facet: word(answer.verdict) for facet, answer in row.facets()}
    return RowVerdicts(registry, **words, basis=tuple(basis.value for basis in row.basis))


def _remembered(previous: ClusterState | None, report: ClusterReport, now: datetime) -> dict[str, datetime]:
    """When each registry was last used: 30 days, the newest 100."""
    seen = dict(previous.registries) if previous else {}
    for row in report.registries:
        name = row.registry.lower()[:255]
        if name not in seen or not row.sources or any(source != SEEN_BEFORE for source in row.sources):
            seen[name] = now
    kept = sorted(((at, name) for name, at in seen.items() if now - at <= KEEP_FOR), reverse=True)[:MAX_REMEMBERED]
    return {name: at for at, name in sorted(kept, key=lambda pair: pair[1])}


def _line(text: str) -> str:
    """One bounded line: control characters would grow sixfold when stored.

    Facts hold no secrets already; what is written down for good is looked through once more.
    """
    return clipped(printable(redacted(text)), MAX_SUMMARY)


def _commands(fix: tuple[str, ...]) -> tuple[str, ...]:
    """Whole commands, as many as fit."""
    kept: list[str] = []
    for command in fix:
        if sum(map(len, kept)) + len(command) > MAX_FIX:
            break
        kept.append(printable(redacted(command), keep="\n"))
    return tuple(kept)
