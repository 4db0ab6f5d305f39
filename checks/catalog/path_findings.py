"""The answers about the nodes' way as findings: one per registry, and per node pool where pools differ."""

from __future__ import annotations

from checks.catalog.check import Check
from checks.facts import ClusterFacts, RegistryUse
from checks.findings import Finding, Subject, word
from checks.rules.answers import Answer
from checks.rules.path.evaluate import PoolWay, ways


def findings(check: Check, facts: ClusterFacts) -> tuple[Finding, ...]:
    """All findings of one check of the way, registry by registry."""
    return tuple(f for use in facts.uses if use.acr for f in _of_registry(check, facts, use))


def _of_registry(check: Check, facts: ClusterFacts, use: RegistryUse) -> list[Finding]:
    found = ways(facts, use)
    kinds = {frozenset(_kind(answer) for answer in way.answers[check.code]) for way in found}
    cluster, host = facts.cluster.id, use.login_server
    if len(kinds) == 1:
        return [
            _finding(check, Subject(cluster, registry=host), _together(kind, check, found))
            for kind in _ordered(check, found)
        ]
    return [
        _finding(check, Subject(cluster, registry=host, pool=way.pool or None), answer)
        for way in found
        for answer in way.answers[check.code]
    ]


def _kind(answer: Answer) -> tuple[str, str]:
    return word(answer.verdict), answer.cause


def _ordered(check: Check, found: tuple[PoolWay, ...]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(_kind(answer) for way in found for answer in way.answers[check.code]))


def _together(kind: tuple[str, str], check: Check, found: tuple[PoolWay, ...]) -> Answer:
    """One answer for pools that agree: the first one's, with what differs in the others' sentences and fixes."""
    same = [(way.pool, a) for way in found for a in way.answers[check.code] if _kind(a) == kind]
    first = same[0][1]
    summaries = list(dict.fromkeys(answer.summary for _, answer in same))
    pools = {way.pool for way in found}
    summary = " ".join(f"[{pool}] {answer.summary}" for pool, answer in same) if len(pools) > 1 else " ".join(summaries)
    return Answer(
        verdict=first.verdict,
        cause=first.cause,
        summary=first.summary if len(summaries) == 1 else summary,
        evidence=tuple(dict.fromkeys(item for _, answer in same for item in answer.evidence)),
        fix=tuple(dict.fromkeys(line for _, answer in same for line in answer.fix)),
        severity=max((answer.severity for _, answer in same), key=list(type(first.severity)).index),
    )


def _finding(check: Check, subject: Subject, answer: Answer) -> Finding:
    return Finding(
        code=check.code,
        subject=subject,
        verdict=answer.verdict,
        cause=answer.cause,
        summary=answer.summary,
        evidence=answer.evidence,
        severity=answer.severity,
        fix=answer.fix,
    )
