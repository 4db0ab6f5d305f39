"""Artifact cache rules: the repositories of a registry that a rule caches."""

from __future__ import annotations

from collections.abc import Iterable

from checks.facts.registry_details import CacheRule


def caches_repository(rule: CacheRule, repository: str) -> bool:
    """Whether a rule caches a repository. A target may end in "*" ("library/*"), which matches everything below it."""
    target, wanted = rule.target.lower(), repository.lower()
    if target.endswith("*"):
        return wanted.startswith(target[:-1]) and len(wanted) > len(target) - 1
    return target == wanted


def rule_for(rules: Iterable[CacheRule], repository: str) -> CacheRule | None:
    """The rule that caches a repository: an exact target before a wildcard, a longer wildcard before a shorter one."""
    matching = [rule for rule in rules if caches_repository(rule, repository)]
    return max(matching, key=lambda rule: (not rule.target.endswith("*"), len(rule.target)), default=None)
