"""What a check is: its metadata, and the words in which its judge function answers."""

from __future__ import annotations

import msgspec

from checks.facts import NotSeen, Why
from checks.findings import Evidence, Fail, Finding, Pass, Severity, Skipped, Subject, Unknown


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check's metadata. docs/checks/ is generated from it; ``code`` is stable and never used again.

    ``severity`` is that of a Fail. ``permissions`` are what the app's identity needs, ``article`` the parts of
    Microsoft's "Verify the connection to the container registry" that it covers.
    """

    code: str
    title: str
    severity: Severity
    why: str
    how: str
    permissions: tuple[str, ...]
    fix: str
    article: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    def passes(self, subject: Subject, cause: str, summary: str, evidence: tuple[Evidence, ...] = ()) -> Finding:
        """It was looked at and holds."""
        return Finding(code=self.code, subject=subject, verdict=Pass(), cause=cause, summary=summary, evidence=evidence)

    def fails(
        self,
        subject: Subject,
        cause: str,
        summary: str,
        evidence: tuple[Evidence, ...] = (),
        *,
        fix: tuple[str, ...],
        severity: Severity | None = None,
    ) -> Finding:
        """It was looked at and does not hold; ``fix`` are the exact commands for this case."""
        return Finding(
            code=self.code,
            subject=subject,
            verdict=Fail(),
            cause=cause,
            summary=summary,
            evidence=evidence,
            severity=severity or self.severity,
            fix=fix,
        )

    def unknown(
        self,
        subject: Subject,
        cause: str,
        summary: str,
        evidence: tuple[Evidence, ...] = (),
        *,
        missing: str,
        look_failed: bool = False,
        fix: tuple[str, ...] = (),
    ) -> Finding:
        """It cannot be told. ``look_failed``: the look itself failed; otherwise it cannot be settled from here."""
        return Finding(
            code=self.code,
            subject=subject,
            verdict=Unknown(missing, look_failed),
            cause=cause,
            summary=summary,
            evidence=evidence,
            severity=Severity.WARNING if look_failed else Severity.INFO,
            fix=fix,
        )

    def not_seen(self, subject: Subject, gap: NotSeen, what: str) -> Finding:
        """The Unknown that follows from a look that did not happen, naming the role or path that is missing."""
        off = gap.why in (Why.OFF, Why.NOT_APPLICABLE)
        return self.unknown(
            subject,
            f"look-{gap.why.value}",
            f"{what} could not be looked at: {gap.detail}",
            missing=gap.role or gap.detail,
            look_failed=not off,
            fix=gap.fix,
        )

    def skipped(self, subject: Subject, cause: str, because: str) -> Finding:
        """It does not matter here, because of something that is named."""
        summary = because[:1].upper() + because[1:]
        return Finding(code=self.code, subject=subject, verdict=Skipped(because), cause=cause, summary=summary)
