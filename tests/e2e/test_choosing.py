"""What is named is found by id, name or pattern; what is not there is said, with near misses and where it looked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator, running
from tests.support.cli import Scan, scan
from tests.support.scan_schema import problems
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, guid, object_id

SHOP, LAB, HIDDEN = guid("shop"), guid("lab"), guid("hidden")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Three subscriptions (two of one name), four clusters, one of which opted out, and three registries."""
    tenant = Tenant(tmp_path_factory.mktemp("named") / "tenant")
    tenant.add_subscription(SHOP, displayName="Shop Production")
    tenant.add_subscription(LAB, displayName="shop production")
    for name, sub in (("aks-prod-1", SHOP), ("aks-prod-2", SHOP), ("aks-lab", LAB)):
        tenant.cluster(name, sub=sub)
        registry = "acrshop" if sub == SHOP else "acrlab"
        tenant.pulled(f"{registry}.azurecr.io/team/web:1", cluster=name)
    tenant.cluster("aks-prod-old", sub=SHOP, tags={"pullwatch": "off"})
    for name in ("acrshop", "acrlab", "acrspare"):
        registry = tenant.registry(name, sub=SHOP)
        for cluster in ("aks-prod-1", "aks-prod-2", "aks-lab"):
            tenant.assign(object_id(cluster), ACR_PULL, f"/subscriptions/{SHOP}")
    assert registry
    with running(tenant.root) as simulator:
        yield simulator


def look(simulator: Simulator, *arguments: str, **environment: str) -> Scan:
    result = scan({**simulator.environment, **environment}, *arguments)
    assert problems(result.answer) == []
    return result


def names(result: Scan) -> list[str]:
    return [cluster["name"] for cluster in result.answer["clusters"]]


def errors(result: Scan) -> list[tuple[str, str]]:
    return [(error["cause"], error["summary"]) for error in result.answer["errors"]]


def test_a_subscription_is_named_by_its_id_or_its_name_and_a_name_means_all_that_have_it(served: Simulator) -> None:
    by_id = look(served, "--subscription", LAB.upper())
    by_name = look(served, "--subscription", "SHOP production")
    assert (names(by_id), errors(by_id)) == (["aks-lab"], [])
    assert (sorted(names(by_name)), errors(by_name)) == (["aks-lab", "aks-prod-1", "aks-prod-2"], [])
    assert {s["id"] for s in by_name.answer["subscriptions"]} == {SHOP, LAB}


def test_an_unknown_subscription_is_said_with_what_is_like_it(served: Simulator) -> None:
    named = look(served, "--subscription", "shop producton", "--subscription", LAB)
    ((cause, summary),) = errors(named)
    assert cause == "no-such-subscription"
    assert "one of the 3 subscriptions that can be seen" in summary
    assert summary.casefold().endswith("did you mean shop production?")
    assert named.answer["errors"][0]["fix"] == ["az account list --output table"]
    assert (names(named), named.code) == (["aks-lab"], 2)


def test_an_unknown_subscription_id_has_a_result_and_the_command_that_grants_reading_it(served: Simulator) -> None:
    result = look(served, "--subscription", HIDDEN)
    (error,) = result.answer["errors"]
    assert error["cause"] == "no-such-subscription"
    assert f"--role Reader --scope /subscriptions/{HIDDEN}" in error["fix"][0]
    assert [(s["id"], s["cause"]) for s in result.answer["subscriptions"]] == [(HIDDEN, "not-visible")]
    assert (result.code, result.answer["verdict"]) == (2, "unknown")


def test_an_excluded_subscription_that_is_named_by_its_name_is_said_to_be_excluded(served: Simulator) -> None:
    result = look(served, "--subscription", "shop production", PULLWATCH_EXCLUDE_SUBSCRIPTIONS=LAB)
    assert sorted(names(result)) == ["aks-prod-1", "aks-prod-2"]
    assert [(s["id"], s["cause"]) for s in result.answer["subscriptions"]][1:] == [(LAB, "excluded")]
    assert errors(result) == []


def test_clusters_are_named_by_pattern_and_one_that_opted_out_is_left_out_and_said(served: Simulator) -> None:
    result = look(served, "--cluster", "AKS-prod-*")
    assert names(result) == ["aks-prod-1", "aks-prod-2"]
    ((cause, summary),) = errors(result)
    assert cause == "opted-out"
    assert "1 cluster that 'AKS-prod-*' matches opted out" in summary
    assert "not checked: aks-prod-old." in summary
    assert result.code == 0, "somebody wants it so: nothing is open"


def test_an_opted_out_cluster_that_is_named_beside_a_pattern_is_checked(served: Simulator) -> None:
    result = look(served, "--cluster", "aks-prod-*", "--cluster", "aks-prod-old")
    assert names(result) == ["aks-prod-1", "aks-prod-2", "aks-prod-old"]
    assert errors(result) == []


def test_a_pattern_that_only_opted_out_clusters_match_is_no_success(served: Simulator) -> None:
    result = look(served, "--cluster", "*-old")
    assert (names(result), [cause for cause, _ in errors(result)], result.code) == ([], ["opted-out"], 2)


def test_an_unknown_cluster_is_said_with_what_is_like_it_and_where_it_looked(served: Simulator) -> None:
    result = look(served, "--cluster", "aks-prd-1", "--cluster", "aks-lab")
    ((cause, summary),) = errors(result)
    assert cause == "no-such-cluster"
    assert summary == (
        "'aks-prd-1' is not among the 4 clusters in 3 subscriptions. "
        "Did you mean aks-prod-1 or aks-prod-2 or aks-prod-old?"
    )
    assert (names(result), result.code) == (["aks-lab"], 2)


def test_a_cluster_outside_of_the_scope_is_said_to_be_there(served: Simulator) -> None:
    result = look(served, "--subscription", LAB, "--cluster", "aks-prod-1")
    ((_, summary),) = errors(result)
    assert summary.startswith("'aks-prod-1' is not among the 1 cluster in 1 subscription.")
    assert summary.endswith("Subscription Shop Production has it, which is not in scope.")


def test_an_id_in_a_subscription_that_cannot_be_seen_says_that(served: Simulator) -> None:
    name = f"/subscriptions/{HIDDEN}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-x"
    (error,) = look(served, "--cluster", name).answer["errors"]
    assert f"Its subscription {HIDDEN} cannot be seen." in error["summary"]
    assert f"--scope /subscriptions/{HIDDEN}" in error["fix"][0]


def test_where_something_could_not_be_read_nobody_says_that_it_does_not_exist(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    for name in ("refused", "in part"):
        tenant.add_subscription(guid(name), displayName=name)
    tenant.caller(denied=[{"scope": f"/subscriptions/{guid('refused')}", "actions": ["*"]}])
    with running(tenant.root) as simulator:
        asked = ("--subscription", "refused", "--subscription", SUBSCRIPTION, "--subscription", HIDDEN)
        some = look(simulator, *asked, "--cluster", "aks-9", "--registry", "acr9")
        excluding = {"PULLWATCH_EXCLUDE_SUBSCRIPTIONS": guid("in part")}
        excluded = look(simulator, "--cluster", "aks-9", **excluding)
    said = dict(errors(some))
    assert (
        "in 2 subscriptions. It may be where nobody looked: 1 subscription could not be read" in said["no-such-cluster"]
    )
    assert "1 that was asked for cannot be seen" in said["no-such-cluster"]
    assert "It may be where nobody looked: 1 subscription could not be read" in said["no-such-registry"]
    assert "1 subscription left out by PULLWATCH_EXCLUDE_SUBSCRIPTIONS" in dict(errors(excluded))["no-such-cluster"]


def test_a_registry_alone_asks_who_depends_on_it(served: Simulator) -> None:
    result = look(served, "--registry", "acrshop")
    assert names(result) == ["aks-prod-1", "aks-prod-2"]
    assert {row["pull"]["verdict"] for c in result.answer["clusters"] for row in c["registries"]} == {"pass"}
    assert (errors(result), result.code) == ([], 0)


def test_a_pattern_of_registries_means_those_that_are_used(served: Simulator) -> None:
    result = look(served, "--registry", "ACR*")
    rows = {c["name"]: [row["registry"] for row in c["registries"]] for c in result.answer["clusters"]}
    shop = ["acrshop.azurecr.io"]
    assert rows == {"aks-prod-1": shop, "aks-prod-2": shop, "aks-lab": ["acrlab.azurecr.io"]}
    assert errors(result) == []


def test_with_a_cluster_a_pattern_means_unused_registries_that_azure_shows_too(served: Simulator) -> None:
    result = look(served, "--cluster", "aks-lab", "--registry", "acr?p*", "--registry", "*lab*")
    (cluster,) = result.answer["clusters"]
    assert [row["registry"] for row in cluster["registries"]] == ["acrlab.azurecr.io", "acrspare.azurecr.io"]
    assert errors(result) == []


@pytest.mark.parametrize("name", ["acrspare", "acrspare.azurecr.io", "*spare*"])
def test_a_registry_that_exists_and_nobody_uses_is_said_as_that(served: Simulator, name: str) -> None:
    result = look(served, "--registry", name)
    ((cause, summary),) = errors(result)
    assert cause == "registry-not-used"
    assert "acrspare" in summary
    assert "in subscription Shop Production; no cluster in scope uses it." in summary
    assert (names(result), result.code) == ([], 2)


def test_an_unknown_registry_is_said_with_what_is_like_it(served: Simulator) -> None:
    result = look(served, "--registry", "acrshp", "--registry", "acrlab")
    ((cause, summary),) = errors(result)
    assert cause == "no-such-registry"
    assert summary.startswith(
        "'acrshp' is not among the 3 registries in 3 subscriptions, and no cluster in scope uses it."
    )
    assert "Did you mean acrshop" in summary
    assert names(result) == ["aks-lab"]


def test_an_unknown_registry_is_said_for_a_cluster_that_is_named_too(served: Simulator) -> None:
    result = look(served, "--cluster", "aks-lab", "--registry", "acrshp")
    assert [cause for cause, _ in errors(result)] == ["no-such-registry"]
    assert result.row("acrshp.azurecr.io", "aks-lab")["pull"]["verdict"] == "unknown"


def test_pods_that_could_not_be_read_may_use_it(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.registry()
    with running(tenant.root) as simulator:
        result = look(simulator, "--registry", "acrone")
    ((_, summary),) = errors(result)
    assert "but the pods of 1 of 1 cluster could not be read" in summary
    assert names(result) == ["aks-1"]


def test_a_host_outside_of_azure_that_nobody_uses_is_not_said_to_be_absent(served: Simulator) -> None:
    alone = look(served, "--registry", "ghcr.io")
    with_cluster = look(served, "--registry", "ghcr.io", "--cluster", "aks-lab")
    assert errors(alone) == [("registry-not-used", "No cluster in scope uses 'ghcr.io'.")]
    assert errors(with_cluster) == []


@pytest.mark.parametrize("option", ["--cluster", "--subscription"])
def test_what_is_named_is_shown_without_what_steers_a_terminal(served: Simulator, option: str) -> None:
    hostile: dict[str, Any] = {"name": "\x1b[31mevil\u202e" + "x" * 300}
    (error,) = look(served, option, hostile["name"]).answer["errors"]
    assert "\x1b" not in error["summary"]
    assert "\u202e" not in error["summary"]
    assert len(error["summary"]) < 400


def test_naming_costs_no_more_calls(served: Simulator) -> None:
    def calls(result: Scan) -> str:
        return next(line for line in result.errors.splitlines() if "calls to Azure Resource Manager" in line)

    plain = look(served, "--cluster", "aks-lab", "--registry", "acrlab")
    named = look(served, "--cluster", "aks-la?", "--cluster", "aks-9", "--registry", "acrla[b]")
    assert calls(named) == calls(plain)
