"""A check's findings within a bound: the worst ones stay, no namespace fills it alone, and what was cut is counted."""

from __future__ import annotations

from collections.abc import Iterable

from checks.catalog.check import Check
from checks.findings import Fail, Finding, Severity, Subject, Unknown
from checks.rules.fair_share import fair_share


def capped(
    check: Check, findings: Iterable[Finding], limit: int, subject: Subject, cause: str, what: str
) -> tuple[Finding, ...]:
    """At most ``limit`` findings, and where more there are one that counts them: as bad as the worst that was cut."""
    every = list(findings)
    if len(every) <= limit:
        return tuple(every)
    kept = [index for rank in range(4) for index in _shared(every, rank, limit)][:limit]
    cut = [every[index] for index in sorted(set(range(len(every))) - set(kept))]
    return (*(every[index] for index in sorted(kept)), _counted(check, cut, subject, cause, what))


def _shared(findings: list[Finding], rank: int, limit: int) -> list[int]:
    return fair_share(((_namespace(f.subject), index) for index, f in enumerate(findings) if _rank(f) == rank), limit)


def _rank(finding: Finding) -> int:
    if isinstance(finding.verdict, Fail):
        return 0 if finding.severity is Severity.ERROR else 2
    return 1 if isinstance(finding.verdict, Unknown) else 3


def _namespace(subject: Subject) -> str:
    return (subject.workload or subject.secret or "").partition("/")[0]


def _counted(check: Check, cut: list[Finding], subject: Subject, cause: str, what: str) -> Finding:
    worst = min(map(_rank, cut))
    summary = f"{len(cut)} more {what}."
    if worst == 0:
        return check.fails(subject, cause, summary, fix=("kubectl get pods --all-namespaces",))
    if worst == 1:
        return check.unknown(subject, cause, summary, missing="a scan of fewer at once")
    return check.skipped(subject, cause, summary.removesuffix("."))
