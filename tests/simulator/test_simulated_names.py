"""Lookups of a simulated node: zones before rules before public DNS, servers, and names that go round."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.arm.resources import Resources
from simulator.nodes.names import Names
from tests.support.hub_world import Hub, proxied
from tests.support.network_world import DATA, HOST, NODES, World


def lookup(world: World, name: str = HOST) -> str | None:
    return Names(Resources(world.bodies.values(), "tenant")).lookup(world.vnet_id(NODES), name)


def test_a_linked_zone_answers_and_without_one_public_dns_does() -> None:
    assert lookup(World().healthy_private()) == "10.20.0.4"
    assert lookup(World().healthy_private(), DATA) == "10.20.0.5"
    assert lookup(Hub().world) == "public"


@pytest.mark.parametrize(
    ("built", "answer"),
    [
        (lambda: Hub().forwards().world, "10.20.0.4"),
        (lambda: Hub(peered=False).forwards().world, "10.20.0.4"),
        (lambda: Hub({}).forwards().world, None),
        (lambda: Hub().forwards("privatelink.azurecr.io").world, "public"),
        (lambda: Hub().forwards("").world, "public"),
        (lambda: Hub().forwards("xazurecr.io").world, "public"),
        (lambda: Hub().forwards().rule("azurecr.io", forwardingRuleState="Disabled").world, "public"),
        (lambda: Hub({}).forwards().link(Hub().nodes).world, None),
        (lambda: Hub().serves().world, "10.20.0.4"),
        (lambda: Hub().serves("10.99.0.4", "10.40.0.4").world, "public"),
        (lambda: Hub().serves("168.63.129.16").world, "public"),
        (lambda: Hub(None).forwards(links=(Hub().nodes, Hub().network)).world, None),
        (lambda: proxied(), "10.20.0.4"),
        (lambda: proxied({}), None),
        (lambda: proxied(proxy=False), None),
        (lambda: proxied(servers=("10.40.1.4",)), None),
        (lambda: proxied(servers=("10.99.0.4",)), "public"),
    ],
)
def test_rules_and_servers_lead_where_their_target_stands(built: Any, answer: str | None) -> None:
    assert lookup(built()) == answer


def test_of_networks_with_the_same_space_the_one_in_reach_has_the_server() -> None:
    hub = Hub().serves()
    hub.world.vnet("vnet-a-twin", "10.40.0.0/16", inbound={})
    hub.world.bodies = dict(sorted(hub.world.bodies.items()))
    assert lookup(hub.world) == "10.20.0.4"


def test_the_closest_zone_answers_alone() -> None:
    world = World().healthy_private()
    world.zone({}, world.vnet_id(NODES), name="westeurope.data.privatelink.azurecr.io")
    assert (lookup(world), lookup(world, DATA)) == ("10.20.0.4", None)
