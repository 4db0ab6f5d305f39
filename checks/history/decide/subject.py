"""One subject, one look: what is held of a registry's facet after it, and whether people are notified."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from checks.causes import ReadCause
from checks.changes import Reason, Status, Transition
from checks.findings import Basis, Facet, RegistryRow, Unknown, word
from checks.history.decide.admission import Others
from checks.history.decide.leaving import leaving
from checks.history.decide.looks import LONGEST_PAUSE, counted, elapsed, reached, recent
from checks.history.decide.policy import (
    BLIND_AGAIN_AFTER,
    FLIPS,
    FLIPS_WITHIN,
    KEEP_FOR,
    LONGEST_STEP,
    STEADY_AFTER,
    Policy,
)
from checks.history.model import Streak, SubjectState
from checks.text import clipped, printable, redacted

# With these a state always fits an entity (1 MiB) beside a shortened report: 124 subjects of at most some 2,900 stored
# characters. Commands are left out whole where they do not fit: half a command is worse than none.
MAX_SUMMARY = 200
MAX_CAUSE = 100
MAX_FIX = 800
MAX_MEMBERS = 100  # as many registries as one report names
MAX_CODES = 10


class Step(NamedTuple):
    """What a look did: the subject as it is held now (None: no longer), what moved, and why."""

    subject: SubjectState | None
    moved: Transition | None
    reason: Reason


class Company(msgspec.Struct, frozen=True):
    """What the other facets of the same registry are like at this look.

    ``failing``: the causes of those before it that this look found failing. ``known``: of these, the causes that people
    knew of before. ``flips``: when facets that people are notified of flipped once more. ``flapping``: people know
    that one of them flaps.
    """

    failing: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    flips: frozenset[datetime] = frozenset()
    flapping: bool = False


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One facet as one report shows it, with the row it belongs to.

    ``pods_read``: all pods of the cluster were. ``excused``: why nothing is known is notified otherwise. ``before``:
    when the cluster was last looked at. ``others``: of the one row that stands for many registries, who they are.
    """

    registry: str
    facet: str
    answer: Facet
    row: RegistryRow
    policy: Policy
    now: datetime
    before: datetime
    pods_read: bool = True
    excused: bool = False
    others: Others = Others()

    @property
    def used(self) -> bool:
        """Whether the cluster really uses the registry now, or it is only remembered."""
        return self.row.used

    @property
    def wanted(self) -> bool:
        """Whether people want to know: of this facet, and of a registry that may be in use."""
        return self.facet in self.policy.alert_on and (self.used or not self.pods_read)

    @property
    def cause(self) -> str:
        """Its cause, bounded."""
        return self.answer.cause[:MAX_CAUSE]

    @property
    def basis(self) -> tuple[str, ...]:
        """What the answer itself rests on; of the other facets their checks speak."""
        return tuple(basis.value for basis in self.row.basis) if self.facet == "pull" else ()


def step(held: SubjectState | None, look: Look, company: Company) -> Step:
    """Folds one look into what is held."""
    if held is not None and not look.used and _expired(held, look.now):
        return absent(held, look.now)
    before = held or _fresh(look)
    verdict = word(look.answer.verdict)
    if verdict == "pass" and _reported_by_nodes(before) and not look.pods_read:
        verdict = "unknown"  # what Azure shows resolves nothing that nodes reported while they cannot be heard
    if verdict == "fail":
        done = _failed(held, before, look, company)
    elif verdict == "pass":
        done = _passed(held, before, look, company)
    else:
        done = _unsettled(held, before, look, verdict)
    return _dated(done, look)


def absent(held: SubjectState, now: datetime) -> Step:
    """Not in the report: kept, and forgotten (which is not recovered) when the registry was not used for 30 days."""
    if not _expired(held, now):
        return Step(held, None, Reason.ABSENT)
    return Step(None, leaving(held, Reason.FORGOTTEN), Reason.FORGOTTEN)


def displaced(held: SubjectState) -> Step:
    """It made room for what fails, and does not fail itself."""
    return Step(None, leaving(held, Reason.CAPPED), Reason.CAPPED)


def company_of(stepped: Iterable[Step], held: Iterable[SubjectState], policy: Policy, now: datetime) -> Company:
    """The company of a facet: what this look made of those before it, and all the others as they are held.

    What only was held says nothing of this look: it may have recovered by it. The first flip of a facet is a failure or
    a recovery like any other, and no sign of flapping.
    """
    failing, known, flips, flapping = set(), set(), set(), False
    for subject, moved, _ in stepped:
        if subject is None or subject.status is not Status.FAILING or subject.last_verdict != "fail":
            continue
        if subject.good is None and subject.other is None:
            failing.add(subject.cause)
            if subject.notified and (moved is None or not moved.alert):
                known.add(subject.cause)
    for other in held:
        if other.facet in policy.alert_on:
            flips |= set(recent(other.flips, now)[1:])
        flapping = flapping or (other.flapping_since is not None and other.notified)
    return Company(frozenset(failing), frozenset(known), frozenset(flips), flapping)


def _fresh(look: Look) -> SubjectState:
    return SubjectState(
        registry=look.registry,
        facet=look.facet,
        status=Status.UNKNOWN_YET,
        since=look.now,
        last_verdict="",
        last_seen=look.now,
    )


def _dated(done: Step, look: Look) -> Step:
    """With the time of last use, and without a start that lies ahead, where two looks in a row say that it does."""
    subject, moved, reason = done
    if subject is None:
        return done
    if look.used:
        subject = msgspec.structs.replace(subject, last_seen=look.now)
    if moved is None and subject.since - max(look.now, look.before) > LONGEST_PAUSE:
        dated = msgspec.structs.replace(subject, since=look.now)
        return Step(dated, _moved(subject, dated, Reason.CLOCK), Reason.CLOCK)
    return Step(subject, moved, reason)


def _reported_by_nodes(held: SubjectState) -> bool:
    """Whether nodes reported the failure that is held: only they can say that it is over."""
    return held.status is Status.FAILING and Basis.NODES.value in held.basis


def _expired(held: SubjectState, now: datetime) -> bool:
    return now - held.last_seen > KEEP_FOR


# ---- verdicts ----------------------------------------------------------------------------------------------------


def _failed(held: SubjectState | None, before: SubjectState, look: Look, company: Company) -> Step:
    bad = counted(before.bad, look.now, before=look.before)
    subject = msgspec.structs.replace(before, last_verdict="fail", bad=bad, good=None, unknown=None)
    if before.status is Status.FAILING:
        return _failing_still(before, subject, look, company)
    if not _enough(bad, before, look, company):
        moved = _moved(None, subject, Reason.BELOW_THRESHOLD) if held is None else None
        return in_sight(before, Step(subject, moved, Reason.BELOW_THRESHOLD))
    failing = _with_evidence(subject, look, status=Status.FAILING, since=bad.since)
    if before.status is Status.PASSING:
        reason = Reason.REGRESSED
    else:
        reason = Reason.BASELINE if look.policy.baseline else Reason.FIRST_SEEN_FAILING
    return _flipped(held, failing, reason, look, company)


def _enough(bad: Streak, before: SubjectState, look: Look, company: Company) -> bool:
    """Whether so many failed looks count. What fails for the cause of another facet fails together with it."""
    first = look.policy.baseline and before.status is Status.UNKNOWN_YET  # the summary says what was seen once, too
    looks = 1 if first or look.cause in company.failing else look.policy.fail_after[look.facet]
    return reached(bad, looks, look.now)


def _failing_still(before: SubjectState, subject: SubjectState, look: Look, company: Company) -> Step:
    """It failed before: the evidence is the latest. Another cause is another thing to do, once it lasts.

    So is one more registry of those that one row stands for.
    """
    more = look.others.failing - set(before.members)
    if look.cause == before.cause and not more:
        same = msgspec.structs.replace(
            _with_evidence(subject, look, status=Status.FAILING, since=before.since), other=None
        )
        return _steady(before, same, Reason.STILL_FAILING, look, company)
    other = counted(before.other, look.now, look.cause, look.before)
    if look.cause not in company.failing and not reached(other, look.policy.fail_after[look.facet], look.now):
        waiting = msgspec.structs.replace(subject, other=other, members=_members(before, look.others, frozenset()))
        return _steady(before, waiting, Reason.BELOW_THRESHOLD, look, company)
    changed = _with_evidence(subject, look, status=Status.FAILING, since=before.since)
    reason = Reason.MORE_FAILING if look.cause == before.cause else Reason.CAUSE_CHANGED
    return _flipped(before, changed, reason, look, company)


def _passed(held: SubjectState | None, before: SubjectState, look: Look, company: Company) -> Step:
    good = counted(before.good, look.now, before=look.before)
    subject = msgspec.structs.replace(before, last_verdict="pass", good=good, bad=None, other=None, unknown=None)
    if before.status is Status.PASSING:
        return _steady(before, subject, Reason.STILL_PASSING, look, company)
    # Nobody is notified of "new and passing", so the threshold guards recoveries only.
    if before.status is Status.FAILING and not reached(good, look.policy.pass_after[look.facet], look.now):
        return in_sight(before, Step(subject, None, Reason.BELOW_THRESHOLD))
    passing = msgspec.structs.replace(
        subject, status=Status.PASSING, since=good.since, cause="", summary="", fix=(), basis=(), members=(), codes=()
    )
    if before.status is Status.FAILING:
        return _flipped(held, passing, Reason.RECOVERED, look, company)
    return Step(passing, _moved(held, passing, Reason.FIRST_SEEN_PASSING), Reason.FIRST_SEEN_PASSING)


def _unsettled(held: SubjectState | None, before: SubjectState, look: Look, verdict: str) -> Step:
    """Unknown or Skipped: neither a streak nor a status moves; only Unknown has an age."""
    unknown = counted(before.unknown, look.now, before=look.before) if verdict == "unknown" else None
    subject = msgspec.structs.replace(before, last_verdict=verdict, unknown=unknown)
    reason = Reason.UNKNOWN if verdict == "unknown" else Reason.SKIPPED
    if held is None:
        return Step(subject, _moved(None, subject, Reason.FIRST_SEEN_UNKNOWN), Reason.FIRST_SEEN_UNKNOWN)
    if unknown is None or not _blind(before, unknown, look):
        return Step(subject, None, reason)
    blind = msgspec.structs.replace(subject, blind=True, blind_at=look.now)
    moved = msgspec.structs.replace(_moved(held, blind, Reason.BLIND, alert=True), unknown_since=unknown.since)
    return Step(blind, _with_gap(moved, look), Reason.BLIND)


def _blind(before: SubjectState, unknown: Streak, look: Look) -> bool:
    """Whether people are to be notified that a verdict was there and nothing is known any more."""
    if before.blind or before.status is Status.UNKNOWN_YET or look.excused or not look.wanted:
        return False
    last = min(before.unknown.at, look.now) if before.unknown else look.now
    age = elapsed(unknown.since, last) + min(elapsed(last, look.now), LONGEST_STEP)
    if age < look.policy.blind_after:
        return False
    return before.blind_at is None or elapsed(before.blind_at, look.now) >= BLIND_AGAIN_AFTER


def _with_gap(moved: Transition, look: Look) -> Transition:
    """The transition with what is missing, so that whoever lacks the same is in one mail."""
    verdict = look.answer.verdict
    if not isinstance(verdict, Unknown):  # Azure shows an answer, and it is the nodes that have to be heard
        text = "Nodes reported that it fails, and not all pods can be read now: only they can say that it is over."
        return msgspec.structs.replace(moved, gap=ReadCause.PARTIAL_PODS.value, summary=text, fix=())
    text = look.answer.summary or f"It needs {verdict.missing}."
    return msgspec.structs.replace(moved, gap=look.cause, summary=line_of(text), fix=commands_of(look.answer.fix))


# ---- who is notified ---------------------------------------------------------------------------------------------


def _flipped(held: SubjectState | None, subject: SubjectState, reason: Reason, look: Look, company: Company) -> Step:
    """A flip: notified where people want to know, or know of what it ends; damped where there are too many."""
    known = held is not None and held.notified
    apart = False
    flips = (*recent(held.flips if held else (), look.now), look.now)[-FLIPS - 1 :]
    subject = msgspec.structs.replace(subject, flips=flips, other=None, covered=False)
    if held is not None and held.flapping_since is not None:
        alert, notified, reason = False, known, Reason.DAMPED
    elif len(company.flips | set(flips)) > FLIPS:
        said = company.flapping or _said_lately(subject, look.now)
        alert = (look.wanted or known) and not said
        notified, reason = alert or known or said, Reason.DAMPED if said else Reason.FLAPPING
        flapped_at = look.now if alert else subject.flapped_at
        subject = msgspec.structs.replace(subject, flapping_since=look.now, flapped_at=flapped_at)
    elif subject.status is Status.FAILING:
        covered = look.wanted and look.cause in company.known
        apart = covered and look.facet == "pull" and look.policy.pulls_alone
        alert = look.wanted and (not covered or apart)
        notified = known or look.wanted
        subject = msgspec.structs.replace(subject, covered=covered)
    else:
        alert, notified = known, False
    # Whoever knows that nothing is known hears how it is: of this flip, or else at the next look.
    subject = msgspec.structs.replace(subject, notified=notified, blind=subject.blind and (not alert or apart))
    moved = _moved(held, subject, reason, alert=alert)
    return Step(subject, msgspec.structs.replace(moved, covered=apart), reason)


def _said_lately(subject: SubjectState, now: datetime) -> bool:
    """Whether people were notified within a day that it flaps: they know."""
    return subject.flapped_at is not None and elapsed(subject.flapped_at, now) < FLIPS_WITHIN


def _steady(before: SubjectState, subject: SubjectState, reason: Reason, look: Look, company: Company) -> Step:
    """No flip: what flapped settles after a while, and what nobody was notified of yet is notified."""
    failing = subject.status is Status.FAILING
    last = max(recent(before.flips, look.now), default=None)
    if before.flapping_since is not None:
        if last is not None and elapsed(last, look.now) < STEADY_AFTER:
            return in_sight(before, Step(subject, None, reason))
        alert = look.wanted if failing else before.notified
        notified = failing and (alert or before.notified)
        settled = msgspec.structs.replace(
            subject, flapping_since=None, notified=notified, blind=before.blind and not alert
        )
        return Step(settled, _moved(before, settled, Reason.SETTLED, alert=alert), Reason.SETTLED)
    if failing and look.wanted and (not before.notified or before.covered):
        covered = subject.cause in company.known
        due = msgspec.structs.replace(subject, notified=True, blind=False, covered=covered)
        if not covered:  # nobody was notified, or of another facet that does not fail for it any more
            return Step(due, _moved(before, due, Reason.NOT_NOTIFIED_YET, alert=True), Reason.NOT_NOTIFIED_YET)
        subject = due
    return in_sight(before, Step(subject, None, reason))


def in_sight(before: SubjectState, done: Step) -> Step:
    """The step with a notice that something is known again, after one that nothing was."""
    if not before.blind or done.subject is None:
        return done
    # What flaps and fails is not always known to fail: that it is seen again says so.
    known = done.subject.flapping_since is not None and done.subject.status is Status.FAILING
    seen = msgspec.structs.replace(done.subject, blind=False, notified=done.subject.notified or known)
    return Step(seen, _moved(before, seen, Reason.SEEN_AGAIN, alert=True), Reason.SEEN_AGAIN)


# ---- what is written ---------------------------------------------------------------------------------------------


def _with_evidence(subject: SubjectState, look: Look, *, status: Status, since: datetime) -> SubjectState:
    return msgspec.structs.replace(
        subject,
        status=status,
        since=since,
        cause=look.cause,
        summary=line_of(look.answer.summary),
        fix=commands_of(look.answer.fix),
        basis=look.basis,
        codes=look.answer.decided_by[:MAX_CODES],
        members=_members(subject, look.others, look.others.failing),
    )


def _members(held: SubjectState, others: Others, failing: frozenset[str]) -> tuple[str, ...]:
    """Who counts as failing: those that do, and those that did and were not seen to pass since."""
    kept = sorted(set(held.members) - others.passing - failing)
    return tuple(sorted([*sorted(failing), *kept][:MAX_MEMBERS]))


def _moved(held: SubjectState | None, subject: SubjectState, reason: Reason, alert: bool = False) -> Transition:
    recovered = held is not None and held.status is Status.FAILING and subject.status is Status.PASSING
    told = held if recovered and held is not None else subject
    return Transition(
        registry=subject.registry,
        facet=subject.facet,
        before=held.status if held else None,
        after=subject.status,
        reason=reason,
        since=subject.since,
        cause=told.cause,
        before_cause=held.cause if held else "",
        bad_since=told.since if recovered else None,
        summary=told.summary,
        fix=subject.fix,
        alert=alert,
        codes=told.codes,
    )


def line_of(text: str) -> str:
    """One bounded line: control characters would grow sixfold when stored.

    Facts hold no secrets already; what is written down for good is looked through once more.
    """
    return clipped(printable(redacted(text)), MAX_SUMMARY)


def commands_of(fix: tuple[str, ...]) -> tuple[str, ...]:
    """Whole commands, as many as fit."""
    kept: list[str] = []
    for command in fix:
        if sum(map(len, kept)) + len(command) > MAX_FIX:
            break
        kept.append(printable(redacted(command), keep="\n"))
    return tuple(kept)
