"""The network paths of a cluster as findings: one per registry, and per node pool where pools differ.

PW202 to PW206 each ask one question of the same paths, so these are evaluated once (``evaluate_paths``).
"""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check
from checks.facts import ClusterFacts, RegistryUse
from checks.findings import Finding, Subject, word
from checks.rules.path.evaluate import PathQuestion, PoolPath, evaluate_path
from checks.rules.path.internet_path import evaluate_internet_path
from checks.rules.results import Result


class ClusterPaths(msgspec.Struct, frozen=True):
    """The paths of all node pools of one cluster (its ARM id) to each registry that it uses.

    Of a registry on the internet only some questions have results.
    """

    cluster: str
    paths: tuple[tuple[RegistryUse, tuple[PoolPath, ...]], ...]


def evaluate_paths(facts: ClusterFacts) -> ClusterPaths:
    """Evaluates the path to every Azure registry that the cluster uses, and what Azure shows of paths to others."""
    paths = ((use, evaluate_path(facts, use) if use.acr else evaluate_internet_path(facts, use)) for use in facts.uses)
    return ClusterPaths(facts.cluster.id, tuple(paths))


def path_findings(check: Check, question: PathQuestion, paths: ClusterPaths) -> tuple[Finding, ...]:
    """All findings of one check of the path, registry by registry."""
    return tuple(
        check.finding(subject, result)
        for use, pools in paths.paths
        if any(question in path.results for path in pools)
        for subject, result in _results(question, Subject(paths.cluster, registry=use.login_server), pools)
    )


def _results(question: PathQuestion, subject: Subject, pools: tuple[PoolPath, ...]) -> list[tuple[Subject, Result]]:
    kinds = {frozenset(_kind(result) for result in path.results[question]) for path in pools}
    if len(kinds) == 1:
        return [(subject, _together(kind, question, pools)) for kind in _ordered(question, pools)]
    return [
        (msgspec.structs.replace(subject, pool=path.pool or None), result)
        for path in pools
        for result in path.results[question]
    ]


Kind = tuple[str, str, bool]


def _kind(result: Result) -> Kind:
    return word(result.verdict), result.cause, result.about_layers


def _ordered(question: PathQuestion, pools: tuple[PoolPath, ...]) -> list[Kind]:
    return list(dict.fromkeys(_kind(result) for path in pools for result in path.results[question]))


def _together(kind: Kind, question: PathQuestion, pools: tuple[PoolPath, ...]) -> Result:
    """One result for pools that agree: the first one's, with what differs in the others' sentences and fixes."""
    same = [(path.pool, result) for path in pools for result in path.results[question] if _kind(result) == kind]
    first = same[0][1]
    summaries = list(dict.fromkeys(result.summary for _, result in same))
    several = len({path.pool for path in pools}) > 1
    summary = " ".join(f"[{pool}] {result.summary}" for pool, result in same) if several else " ".join(summaries)
    return Result(
        verdict=first.verdict,
        cause=first.cause,
        summary=first.summary if len(summaries) == 1 else summary,
        evidence=tuple(dict.fromkeys(item for _, result in same for item in result.evidence)),
        fix=tuple(dict.fromkeys(line for _, result in same for line in result.fix)),
        severity=max((result.severity for _, result in same), key=list(type(first.severity)).index),
        about_layers=first.about_layers,
    )
