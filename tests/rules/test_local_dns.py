"""LocalDNS of a pool: an override that sends a registry's names to CoreDNS leaves their answer open, for that pool."""

from __future__ import annotations

from typing import Any

import pytest

from checks import catalog
from checks.findings import word
from tests.rules.test_open_world import outcome
from tests.support.network_world import DATA, World


def world(zones: Any, state: Any = "Enabled", **more: Any) -> World:
    """A closed registry whose names lead to its endpoint, and a pool with LocalDNS."""
    built = World().healthy_private()
    profile = {"mode": "Required", "state": state, "vnetDNSOverrides": zones, **more}
    return built.pools(built.pool("system", localDNSProfile=profile))


def to(destination: str, *zones: str) -> dict[str, Any]:
    return {zone: {"forwardDestination": destination, "protocol": "PreferUDP"} for zone in zones}


@pytest.mark.parametrize("zone", ["azurecr.io", "azurecr.io.", "AzureCR.io", "acrone.azurecr.io", "io", ".",
                                  "privatelink.azurecr.io"])  # fmt: skip
def test_an_override_for_core_dns_that_may_cover_the_name_is_named(zone: str) -> None:
    found = [f for f in catalog.judge(world(to("ClusterCoreDNS", zone)).facts()) if f.code == "PW204"]
    assert [(word(f.verdict), f.cause) for f in found] == [("unknown", "local-dns")]
    assert "system" in found[0].summary and "ClusterCoreDNS" in found[0].summary
    assert outcome(world(to("ClusterCoreDNS", zone)).facts())[0] == "unknown"


@pytest.mark.parametrize(
    "built",
    [
        lambda: world(to("VnetDNS", ".", "azurecr.io")),
        lambda: world(to("ClusterCoreDNS", "cluster.local", "xazurecr.io", "acrtwo.azurecr.io") | to("VnetDNS", ".")),
        lambda: world(to("ClusterCoreDNS", "azurecr.io"), "Disabled"),
        lambda: world(to("ClusterCoreDNS", "azurecr.io"), None),
        lambda: world({}, kubeDNSOverrides=to("ClusterCoreDNS", "azurecr.io")),
        lambda: world("azurecr.io"),
        lambda: world({"azurecr.io": 7, "io": None}),
    ],
)
def test_what_else_local_dns_does_changes_nothing(built: Any) -> None:
    assert outcome(built().facts())[0] == "pass"


@pytest.mark.parametrize("zone", ["blob.core.windows.net", "core.windows.net"])
def test_an_override_for_where_layers_come_from_is_named(zone: str) -> None:
    built = World()
    profile = {"state": "Enabled", "vnetDNSOverrides": to("ClusterCoreDNS", zone)}
    facts = built.pools(built.pool("system", localDNSProfile=profile)).facts()
    assert ("unknown", "local-dns") in {(word(f.verdict), f.cause) for f in catalog.judge(facts) if f.code == "PW204"}
    assert outcome(facts)[0] == "unknown"
    assert outcome(built.registry(dataEndpointEnabled=True, dataEndpointHostNames=[DATA]).facts())[0] == "pass"


def test_only_the_pool_that_has_it_is_not_known() -> None:
    built = World().healthy_private()
    profile = {"state": "Enabled", "vnetDNSOverrides": to("ClusterCoreDNS", "azurecr.io")}
    facts = built.pools(built.pool("system"), built.pool("user", mode="User", localDNSProfile=profile)).facts()
    found = {(f.subject.pool, word(f.verdict)) for f in catalog.judge(facts) if f.code == "PW204"}
    assert found == {("system", "pass"), ("user", "unknown")}


def test_where_both_paths_are_closed_it_does_not_matter() -> None:
    built = world(to("ClusterCoreDNS", "azurecr.io"))
    home = built.vnet_id("vnet-endpoints")
    built.bodies[home]["properties"]["virtualNetworkPeerings"] = []
    for key in built.bodies:
        if key.endswith("/virtualNetworks/vnet-nodes"):
            built.bodies[key]["properties"]["virtualNetworkPeerings"] = []
    assert outcome(built.facts()) == ("fail", "endpoint-out-of-reach")
