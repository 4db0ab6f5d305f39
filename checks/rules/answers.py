"""What a rule about the nodes' way answers, before a check makes findings of it."""

from __future__ import annotations

import msgspec

from checks.facts import NotSeen, Why
from checks.findings import Evidence, Fail, Pass, Severity, Skipped, Unknown, Verdict


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: the verdict, its stable cause, a sentence, what it was read from and, for a Fail, what fixes it."""

    verdict: Verdict
    cause: str
    summary: str
    evidence: tuple[Evidence, ...] = ()
    fix: tuple[str, ...] = ()
    severity: Severity = Severity.INFO

    @property
    def failed(self) -> bool:
        """It does not hold, and that fails the row: a warning does not."""
        return isinstance(self.verdict, Fail) and self.severity is Severity.ERROR


def holds(cause: str, summary: str) -> Answer:
    """It was looked at and it holds."""
    return Answer(verdict=Pass(), cause=cause, summary=summary)


def fails(cause: str, summary: str, *fix: str, severity: Severity = Severity.ERROR) -> Answer:
    """It was looked at and does not hold."""
    return Answer(verdict=Fail(), cause=cause, summary=summary, fix=fix, severity=severity)


def open_question(cause: str, summary: str, missing: str) -> Answer:
    """It cannot be settled from here; ``missing`` is what would."""
    return Answer(verdict=Unknown(missing, look_failed=False), cause=cause, summary=summary)


def not_seen(gap: NotSeen, what: str) -> Answer:
    """It could not be looked at. Where ARM was asked and has no such thing, no look failed."""
    failed = gap.why not in (Why.OFF, Why.NOT_APPLICABLE, Why.NOT_FOUND)
    return Answer(
        verdict=Unknown(gap.role or gap.detail, look_failed=failed),
        cause=f"look-{gap.why.value}",
        summary=f"{what} could not be looked at: {gap.detail}",
        fix=gap.fix,
        severity=Severity.WARNING if failed else Severity.INFO,
    )


def skipped(cause: str, because: str) -> Answer:
    """It does not matter here."""
    return Answer(verdict=Skipped(because), cause=cause, summary=because[:1].upper() + because[1:])


def with_evidence(answer: Answer, *evidence: Evidence | None) -> Answer:
    """The answer with what else it was read from, each thing once."""
    more = (*answer.evidence, *(item for item in evidence if item is not None))
    return msgspec.structs.replace(answer, evidence=tuple(dict.fromkeys(more)))
