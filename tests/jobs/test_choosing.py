"""Bounds of what may be named, and which clusters a scope means."""

from __future__ import annotations

import time

import pytest

from checks.facts import Cluster, Subscription
from checks.jobs.choosing.scope import MAX_LENGTH, MAX_NAMED, ScanScope
from checks.jobs.choosing.subscriptions import choose
from checks.jobs.choosing.wording import MAX_SEEN, near_misses
from checks.rules.registry_names import is_host_name_or_pattern
from tests.support.reports import CLUSTER

OPTED_OUT = {"Pullwatch": "OFF"}
GUIDS = [f"{number:08}-1111-4111-8111-111111111111" for number in range(3)]
SUBSCRIPTIONS = (
    Subscription(GUIDS[0], "shop"),
    Subscription(GUIDS[1], " Shop "),
    Subscription(GUIDS[2], ""),
)


@pytest.mark.parametrize(
    ("named", "tags", "wanted"),
    [
        ((), {}, True),
        ((), OPTED_OUT, False),
        (("AKS-1",), OPTED_OUT, True),
        ((CLUSTER.upper() + "/",), OPTED_OUT, True),
        (("aks-*",), {}, True),
        (("aks-*",), OPTED_OUT, False),
        (("aks-*", "aks-1"), OPTED_OUT, True),
        (("aks-[2-9]", "*-2"), {}, False),
        (("aks",), {}, False),
    ],
)
def test_a_scope_means_clusters_by_name_id_or_pattern(
    named: tuple[str, ...], tags: dict[str, str], wanted: bool
) -> None:
    assert ScanScope(clusters=named).wants(Cluster(id=CLUSTER, name="aks-1", tags=tags)) is wanted


def test_more_or_longer_names_than_a_scan_takes_are_refused() -> None:
    most = ("x" * MAX_LENGTH,) * MAX_NAMED
    assert ScanScope(most, most, most).excess() == ""
    assert "101 clusters are named" in ScanScope(clusters=(*most, "x")).excess()
    assert "at most 512 characters" in ScanScope(subscriptions=("x" * (MAX_LENGTH + 1),)).excess()


def test_a_display_name_means_all_that_have_it_and_an_empty_one_nobody() -> None:
    assert choose(SUBSCRIPTIONS, (), ("SHOP",)).ids == (GUIDS[0], GUIDS[1])
    assert choose(SUBSCRIPTIONS, (), ("",)).ids == ()
    assert choose(SUBSCRIPTIONS, (), ()).ids == tuple(GUIDS)


def test_an_excluded_subscription_is_unseen_and_not_unknown() -> None:
    choice = choose(SUBSCRIPTIONS[:2], (GUIDS[1], GUIDS[2]), (GUIDS[1].upper(), GUIDS[2], "shop"))
    assert (choice.ids, choice.unknown, choice.excluded) == ((GUIDS[0],), (), 1)
    assert set(choice.unseen) == {GUIDS[1], GUIDS[2]}


def test_near_misses_of_a_long_name_among_many_take_little_time() -> None:
    seen = [f"aks-{'a' * 200}-{number}" for number in range(20_000)]
    began = time.perf_counter()
    assert len(near_misses("aks-" + "b" * 100_000, seen)) <= 3
    assert time.perf_counter() - began < 5
    assert near_misses("zzz", [*(str(number) for number in range(MAX_SEEN)), "zzz"]) == []


@pytest.mark.parametrize("text", ["acrshop", "acr*", "acr?hop", "*.azurecr.io", "acr[a-z]*", "localhost:5000", "*"])
def test_a_registry_is_named_by_host_name_or_pattern(text: str) -> None:
    assert is_host_name_or_pattern(text)


@pytest.mark.parametrize(
    "text", ["", "acr one", "acr*/web", "acr$*", "https://acr*", "a" * 300 + "*", "10.0.0.4", "*\n"]
)
def test_what_is_neither_is_refused(text: str) -> None:
    assert not is_host_name_or_pattern(text)
