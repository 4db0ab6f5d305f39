"""Hiding anything turns a verdict into Unknown or leaves it: never into another one."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from checks.facts import ClusterFacts, NotSeen, NotSeenReason, RegistryUse
from checks.findings import word
from checks.report.cluster_report import build_report
from tests.support.hiding import LandingZone, hidden
from tests.support.image_facts import container

FACETS = ("access", "path", "pull", "images")
INTERNET = "mcr.microsoft.com"
ELSEWHERE = NotSeen(NotSeenReason.NOT_APPLICABLE, "it is no registry of this cloud")
SAMPLE, MATRIX = 200, 6_000


def hidings(zone: LandingZone) -> tuple[set[str], set[tuple[str, str]]]:
    """Some subscriptions and groups of a landing zone, at least one of them."""
    choose = random.Random(f"hide {zone.seed}")
    subscriptions, groups = zone.subscriptions(), zone.groups()
    if choose.random() < 0.5:
        return set(choose.sample(subscriptions, choose.randint(1, len(subscriptions)))), set()
    return set(), set(choose.sample(groups, choose.randint(1, min(3, len(groups)))))


def with_internet(facts: ClusterFacts) -> ClusterFacts:
    """The facts, with an image from a registry on the internet in use too."""
    used = (container(f"{INTERNET}/team/web:1"),)
    use = RegistryUse(login_server=INTERNET, sources=("images of 1 pod",), registry=ELSEWHERE, acr=False, images=used)
    return msgspec.structs.replace(facts, uses=(*facts.uses, use))


def verdicts_of(seed: int) -> list[tuple[str, str, str]]:
    """Per row and facet: its name, the verdict where everything is readable, and where something is hidden."""
    zone = LandingZone(seed)
    part = hidden(zone, *hidings(zone))
    if part is None:
        return []
    full, less = (build_report(with_internet(facts)).registries for facts in (zone.facts(), part))
    assert [row.registry for row in full] == [row.registry for row in less]
    return [
        (f"{before.registry} {name}", word(getattr(before, name).verdict), word(getattr(after, name).verdict))
        for before, after in zip(full, less, strict=True)
        for name in FACETS
    ]


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
    assert sum(counted.values()) >= 2_000 * len(FACETS) * 2
