"""Artifact cache rules: which repository of a registry a rule fills."""

from __future__ import annotations

from collections.abc import Iterable

from checks.facts import ContainerImage
from checks.facts.registry_details import CacheRule
from checks.rules import images


def fills(rule: CacheRule, repository: str) -> bool:
    """Whether a rule fills a repository. A target may end in "*" ("library/*"), which stands for everything below."""
    target, wanted = rule.target.lower(), repository.lower()
    if target.endswith("*"):
        return wanted.startswith(target[:-1]) and len(wanted) > len(target) - 1
    return target == wanted


def rule_for(rules: Iterable[CacheRule], repository: str) -> CacheRule | None:
    """The rule that fills a repository: an exact one before a wildcard, and the longer wildcard before the shorter."""
    matching = [rule for rule in rules if fills(rule, repository)]
    return max(matching, key=lambda rule: (not rule.target.endswith("*"), len(rule.target)), default=None)


def repositories_of(used: Iterable[ContainerImage]) -> tuple[str, ...]:
    """The repositories of images, sorted; references that kubelet would not take name none."""
    parsed = (images.parse(image.image) for image in used)
    return tuple(sorted({reference.repository for reference in parsed if reference}))
