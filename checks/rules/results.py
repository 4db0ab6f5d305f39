"""What a check, or a rule that a check asks, comes to: the one builder of verdicts with their cause and sentence.

A result has no code and no subject yet: the check that asks gives it both (``Check.finding``).
"""

from __future__ import annotations

import msgspec

from checks.causes import ReadCause
from checks.facts import NotSeen, NotSeenReason
from checks.findings import Evidence, Fail, Pass, Severity, Skipped, Unknown, Verdict

# Why a value is absent although no read failed: it was not asked for, there were too many, or Azure has no such thing.
_NO_FAILURE = frozenset(
    {
        NotSeenReason.OFF,
        NotSeenReason.LIMIT,
        NotSeenReason.NOT_APPLICABLE,
        NotSeenReason.NOT_ASKED,
        NotSeenReason.NOT_FOUND,
    }
)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict, its stable cause, a sentence, what it was read from and, where known, the commands that fix it."""

    verdict: Verdict
    cause: str
    summary: str
    evidence: tuple[Evidence, ...] = ()
    fix: tuple[str, ...] = ()
    severity: Severity = Severity.INFO
    about_layers: bool = False

    @property
    def failed(self) -> bool:
        """It does not hold, and that fails the row: a warning does not."""
        return isinstance(self.verdict, Fail) and self.severity is Severity.ERROR


def passes(cause: str, summary: str, evidence: tuple[Evidence, ...] = ()) -> Result:
    """It was checked and it holds."""
    return Result(verdict=Pass(), cause=cause, summary=summary, evidence=evidence)


def fails(
    cause: str,
    summary: str,
    *fix: str,
    severity: Severity = Severity.ERROR,
    evidence: tuple[Evidence, ...] = (),
) -> Result:
    """It was checked and does not hold; ``fix`` are the exact commands for this case."""
    return Result(verdict=Fail(), cause=cause, summary=summary, evidence=evidence, fix=fix, severity=severity)


def unknown(
    cause: str,
    summary: str,
    missing: str,
    *,
    look_failed: bool = False,
    evidence: tuple[Evidence, ...] = (),
    fix: tuple[str, ...] = (),
) -> Result:
    """It is not known. ``look_failed``: a read failed; otherwise it cannot be settled from here."""
    return Result(
        verdict=Unknown(missing, look_failed),
        cause=cause,
        summary=summary,
        evidence=evidence,
        fix=fix,
        severity=Severity.WARNING if look_failed else Severity.INFO,
    )


def not_seen(gap: NotSeen, subject: str) -> Result:
    """The Unknown that follows from a read that did not happen or failed, naming the role or path that is missing.

    Where Azure was asked and has no such thing, no read failed: an image of a deleted registry makes no cluster blind.
    """
    return unknown(
        ReadCause(f"look-{gap.why.value}"),
        f"{subject} could not be read: {gap.detail}",
        gap.role or gap.detail,
        look_failed=gap.why not in _NO_FAILURE,
        fix=gap.fix,
    )


def skipped(cause: str, because: str) -> Result:
    """It does not matter here, because of something that is named."""
    return Result(verdict=Skipped(because), cause=cause, summary=because[:1].upper() + because[1:])


def for_layers(result: Result) -> Result:
    """The result as one about the hosts that layers come from."""
    return msgspec.structs.replace(result, about_layers=True)


def with_evidence(result: Result, *evidence: Evidence | None) -> Result:
    """The result with what else it was read from, each thing once."""
    more = (*result.evidence, *(item for item in evidence if item is not None))
    return msgspec.structs.replace(result, evidence=tuple(dict.fromkeys(more)))
