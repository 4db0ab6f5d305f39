"""What leaves: subjects that are no longer kept, clusters that are gone. None of it is a recovery."""

from __future__ import annotations

from datetime import datetime

import msgspec

from checks.changes import Change, Reason, Status, Transition
from checks.history.decide.looks import counted, reached, with_notices
from checks.history.model import ClusterState, Decision, RunRef, SubjectReason, SubjectState

INVENTORIES = 2  # complete ones that have to miss a cluster: a list may be short once


def gone(previous: ClusterState, run: RunRef, now: datetime) -> Decision:
    """A complete inventory has no such cluster. After the second in a row its subjects leave."""
    if _counted_already(previous, run):
        return _stale(previous, run)
    missed = counted(previous.missed, now)
    if not reached(missed, INVENTORIES, now):
        state = msgspec.structs.replace(previous, run=run.id, sequence=run.sequence, missed=missed)
        return Decision(state=state, run=run, reasons=(SubjectReason("", "", Reason.MISSED),), keeps_report=True)
    return _left(previous, run, now, Reason.GONE)


def opted_out(previous: ClusterState, run: RunRef, now: datetime) -> Decision:
    """Its tag asks that the cluster is not checked: its subjects leave at once, for the tag was read."""
    if _counted_already(previous, run):
        return _stale(previous, run)
    return _left(previous, run, now, Reason.OPTED_OUT)


def leaving(subject: SubjectState, reason: Reason) -> Transition:
    """The step of a subject that is no longer kept. Who was notified of its failure is notified of that.

    So are those who know that it flaps: whether it held in the end was still to be said.
    """
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
        alert=subject.notified,
        codes=subject.codes,
    )


def _counted_already(previous: ClusterState, run: RunRef) -> bool:
    return run.sequence <= previous.sequence or previous.gone_since is not None


def _stale(previous: ClusterState, run: RunRef) -> Decision:
    return Decision(state=previous, run=run, reasons=(SubjectReason("", "", Reason.STALE_RUN),), stale=True)


def _left(previous: ClusterState, run: RunRef, now: datetime, reason: Reason) -> Decision:
    moved = tuple(leaving(subject, reason) for subject in previous.subjects)
    state = ClusterState(
        cluster=previous.cluster,
        run=run.id,
        sequence=run.sequence,
        updated=now,
        registries=previous.registries,
        baselines=previous.baselines,
        gone_since=now,
        looked=previous.looked,
        notify=previous.notify,
        notices=with_notices(previous.notices, sorted({one.registry for one in moved if one.alert}), now),
    )
    change = Change(
        cluster=previous.cluster,
        run=run.id,
        sequence=run.sequence,
        at=now,
        transitions=moved,
        notify=previous.notify,
    )
    reasons = tuple(SubjectReason(subject.registry, subject.facet, reason) for subject in previous.subjects)
    return Decision(state=state, run=run, change=change if moved else None, reasons=reasons)
