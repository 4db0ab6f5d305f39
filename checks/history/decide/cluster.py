"""One report of one cluster: every facet of every registry stepped, and the history row of what moved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from checks.causes import ScanCause
from checks.changes import Change, Reason, RowVerdicts, Transition
from checks.findings import ClusterReport, RegistryRow, word
from checks.history.decide.admission import OTHERS, Admitted, Others, admit, name_of
from checks.history.decide.budget import within_budget
from checks.history.decide.looks import aged
from checks.history.decide.policy import FACETS, KEEP_FOR, Policy
from checks.history.decide.replay import Key
from checks.history.decide.sights import with_sights
from checks.history.decide.subject import Look, Step, absent, company_of, displaced, step
from checks.history.model import ClusterState, Decision, HeldBeside, LastLook, RunRef, SubjectReason, SubjectState
from checks.report.outcome import beside_rows, outcome_of, pods_read
from checks.rules.pull import pull_times
from checks.text import clipped

MAX_REMEMBERED = 100
MAX_WORD = 300  # characters of a cause or a registry

Steps = dict[Key, Step]


def decide(
    previous: ClusterState | None, report: ClusterReport, run: RunRef, policy: Policy, now: datetime
) -> Decision:
    """Fold one report into the state of its cluster.

    A stale run (the same or older than the last counted) gives back the previous state, no change, and says so.
    """
    if previous is not None and run.sequence <= previous.sequence:
        stale = (SubjectReason("", "", Reason.STALE_RUN),)
        return Decision(state=previous, run=run, reasons=stale, stale=True)
    heard = pods_read(report)
    before = None if previous is None else aged(previous, now, pods_read=heard)
    held = {subject.key: subject for subject in before.subjects} if before else {}
    admitted = admit(tuple(held.values()), report, pods_read=heard)
    steps = _stepped(held, admitted, report, policy, now, previous.updated if previous else now)
    steps |= _unseen(held, steps, admitted, now)
    steps, notices = within_budget(steps, held, before.notices if before else {}, now)
    reasons = [SubjectReason(*key, done.reason) for key, done in steps.items()]
    reasons += [SubjectReason(registry, "", Reason.CAPPED) for registry in admitted.capped]
    kept = sorted((done.subject for done in steps.values() if done.subject is not None), key=lambda one: one.key)
    state = ClusterState(
        cluster=report.id,
        run=run.id,
        sequence=run.sequence,
        updated=now,
        subjects=with_sights(kept, admitted.rows),
        registries=_remembered(before, report, now),
        capped=len(admitted.capped) * len(FACETS),
        baselines=pull_times.update_baselines(before.baselines if before else {}, report.pull_times),
        outcome=outcome_of(report),
        notify=_notify(previous, report),
        notices=notices,
        region=report.region or (previous.region if previous else ""),
        watched=previous.watched if previous else now,
        beside=_beside(previous, report, now),
        looked=LastLook(run.id, now) if report.problem is None else previous.looked if previous else None,
    )
    moved = tuple(done.moved for done in steps.values() if done.moved is not None)
    return Decision(state=state, run=run, change=_change(report, admitted, run, state, moved), reasons=tuple(reasons))


def _stepped(
    held: Mapping[Key, SubjectState],
    admitted: Admitted,
    report: ClusterReport,
    policy: Policy,
    now: datetime,
    before: datetime,
) -> Steps:
    """Every facet of every row that is counted. A facet is stepped knowing what became of those before it."""
    excused = report.problem is not None and report.problem.cause == ScanCause.NOT_VISIBLE
    steps: Steps = {}
    for name, row in admitted.rows.items():
        for facet, answer in row.facets():
            look = Look(
                registry=name,
                facet=facet,
                answer=answer,
                row=row,
                policy=policy,
                now=now,
                before=before,
                pods_read=pods_read(report),
                excused=excused,
                others=admitted.others[facet] if name == OTHERS else Others(),
            )
            others = [(name, other) for other in FACETS if other != facet]
            stepped = [steps[key] for key in others if key in steps]
            rest = [held[key] for key in others if key in held and key not in steps]
            as_held = [*rest, *(done.subject for done in stepped if done.subject is not None)]
            company = company_of(stepped, as_held, policy, now)
            steps[name, facet] = step(held.get((name, facet)), look, company)
    return steps


def _unseen(held: Mapping[Key, SubjectState], steps: Steps, admitted: Admitted, now: datetime) -> Steps:
    """What is held and was not looked at: it found no place, or the report does not name it."""
    gone = frozenset(admitted.capped) | ({OTHERS} if admitted.all_have_places else frozenset())
    left = sorted(key for key in held if key not in steps)
    return {key: displaced(held[key]) if key[0] in gone else absent(held[key], now) for key in left}


def _change(
    report: ClusterReport, admitted: Admitted, run: RunRef, state: ClusterState, transitions: tuple[Transition, ...]
) -> Change | None:
    """The history row, or None where nothing moved. It shows the whole row of each registry that moved."""
    if not transitions:
        return None
    moved = {transition.registry for transition in transitions}
    rows = {name_of(row): row for row in reversed(report.registries)}
    rows |= {OTHERS: admitted.rows[OTHERS]} if OTHERS in admitted.rows else {}
    return Change(
        cluster=report.id,
        run=run.id,
        sequence=run.sequence,
        at=state.updated,
        transitions=transitions,
        rows=tuple(_verdicts(name, row) for name, row in sorted(rows.items()) if name in moved),
        notify=state.notify,
    )


def _beside(previous: ClusterState | None, report: ClusterReport, now: datetime) -> HeldBeside | None:
    """What the report says beside its rows, since when something of that verdict did."""
    found = beside_rows(report)
    if found is None:
        return None
    before = previous.beside if previous else None
    since = before.since if before is not None and before.verdict == found.verdict else now
    return HeldBeside(found.verdict, clipped(found.cause, MAX_WORD), clipped(found.registry, MAX_WORD), since)


def _notify(previous: ClusterState | None, report: ClusterReport) -> tuple[str, ...]:
    """Who is to be notified by the cluster's tag. Where the cluster could not be looked at, as it was before."""
    if report.problem is not None:
        return previous.notify if previous else ()
    return report.notify


def _verdicts(registry: str, row: RegistryRow) -> RowVerdicts:
    words = {facet: word(answer.verdict) for facet, answer in row.facets()}
    return RowVerdicts(registry, **words, basis=tuple(basis.value for basis in row.basis))


def _remembered(previous: ClusterState | None, report: ClusterReport, now: datetime) -> dict[str, datetime]:
    """When each registry was last used: 30 days, the newest 100."""
    seen = dict(previous.registries) if previous else {}
    for row in report.registries:
        name = name_of(row)
        if name not in seen or row.used:
            seen[name] = now
    kept = sorted(((at, name) for name, at in seen.items() if now - at <= KEEP_FOR), reverse=True)[:MAX_REMEMBERED]
    return {name: at for at, name in sorted(kept, key=lambda pair: pair[1])}
