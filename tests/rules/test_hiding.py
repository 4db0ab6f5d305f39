"""Hiding anything turns a verdict into Unknown or leaves it: never into another one."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from checks.findings import word
from checks.report.cluster_report import build_report
from tests.support.hiding import LandingZone, hidden

FACETS = ("access", "path", "pull")
SAMPLE, MATRIX = 200, 6_000


def hidings(zone: LandingZone) -> tuple[set[str], set[tuple[str, str]]]:
    """Some subscriptions and groups of a landing zone, at least one of them."""
    choose = random.Random(f"hide {zone.seed}")
    subscriptions, groups = zone.subscriptions(), zone.groups()
    if choose.random() < 0.5:
        return set(choose.sample(subscriptions, choose.randint(1, len(subscriptions)))), set()
    return set(), set(choose.sample(groups, choose.randint(1, min(3, len(groups)))))


def verdicts_of(seed: int) -> list[tuple[str, str, str]]:
    """Per facet: its name, the verdict where everything is readable, and where something is hidden."""
    zone = LandingZone(seed)
    part = hidden(zone, *hidings(zone))
    if part is None:
        return []
    (full,), (less,) = build_report(zone.facts()).registries, build_report(part).registries
    return [(name, word(getattr(full, name).verdict), word(getattr(less, name).verdict)) for name in FACETS]


def check(seeds: range) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        for facet, full, less in verdicts_of(seed):
            assert less in (full, "unknown"), f"seed {seed}: {facet} {full}, with something hidden {less}"
            counted[(full, less)] += 1
    return counted


def test_what_is_hidden_never_makes_another_verdict() -> None:
    counted = check(range(SAMPLE))
    assert counted[("pass", "pass")] and counted[("fail", "fail")], "Unknown is no way out"
    assert counted[("pass", "unknown")] and counted[("fail", "unknown")]


@pytest.mark.matrix
def test_what_is_hidden_never_makes_another_verdict_in_thousands_of_networks() -> None:
    counted = check(range(SAMPLE, SAMPLE + MATRIX))
    assert sum(counted.values()) >= 2_000 * len(FACETS)
