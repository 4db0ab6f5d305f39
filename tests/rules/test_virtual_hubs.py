"""Virtual WAN: whom a hub connects, and the default route that it may give, which no route table shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from checks import catalog
from checks.facts import ClusterFacts, NotSeen, NotSeenReason, Seen
from checks.findings import Finding, word
from checks.report.cluster_report import build_report
from tests.rules.test_hiding import INTERNET, with_internet
from tests.support.network_world import EGRESS, NODES, READ, RECORDS, World, rule
from tests.support.readable import readable
from tests.support.tenant_builder import SUBSCRIPTION
from tests.support.virtual_hubs import attach, hub, intent, mark, static_routes

HUBS = "33333333-3333-4333-8333-333333333333"


def far(space: str = "10.20.0.0/16") -> tuple[World, str, str]:
    """A private registry whose endpoint lies in another network; the ids of the nodes' network and of that one."""
    world = World()
    home = world.vnet("vnet-endpoints", space, endpoints={})
    zone = world.zone(RECORDS, world.vnet_id(NODES), home)
    world.zone_group(world.endpoint(), zone).private()
    return world, world.vnet_id(NODES), home


def joined(**over: Any) -> tuple[World, str]:
    """Both networks attached to one hub; the hub's id."""
    world, nodes, home = far()
    return world, hub(world, "hub", nodes, home, **over)


def findings(given: ClusterFacts | World, code: str) -> list[Finding]:
    facts = given.facts() if isinstance(given, World) else given
    return [finding for finding in catalog.judge(facts) if finding.code == code]


def causes(given: ClusterFacts | World, code: str) -> set[tuple[str, str]]:
    return {(word(finding.verdict), finding.cause) for finding in findings(given, code)}


def test_networks_of_one_hub_reach_each_other() -> None:
    world, _ = joined()
    assert causes(world, "PW203") == {("pass", "endpoint-behind-hub")}
    world.nsg(rule("no", 4000, "Deny", "Internet"))
    assert causes(world, "PW206") == {("pass", "open")}
    (found,) = findings(world, "PW203")
    assert "virtual hub hub connects" in found.summary


def custom(world: World, hub_id: str) -> None:
    table = {"id": f"{hub_id}/hubRouteTables/isolated"}
    attach(world, world.vnet_id("vnet-endpoints"), hub_id, routingConfiguration={"associatedRouteTable": table})


def unpropagated(world: World, hub_id: str) -> None:
    nowhere = {"labels": ["none"], "ids": [{"id": f"{hub_id}/hubRouteTables/noneRouteTable"}]}
    attach(world, world.vnet_id("vnet-endpoints"), hub_id, routingConfiguration={"propagatedRouteTables": nowhere})


def mapped(world: World, hub_id: str) -> None:
    attach(
        world, world.vnet_id(NODES), hub_id, routingConfiguration={"inboundRouteMap": {"id": f"{hub_id}/routeMaps/m"}}
    )


def failing(world: World, hub_id: str) -> None:
    attach(world, world.vnet_id(NODES), hub_id, provisioningState="Failed")


def longer(world: World, _: str) -> None:
    world.routes(("10.20.0.0/20", "VirtualAppliance"))


def cut(world: World, _: str) -> None:
    world.routes(("10.0.0.0/8", "VnetLocal"))
    table = next(key for key, body in world.bodies.items() if body["type"].endswith("/routeTables"))
    world.change(table, disableBgpRoutePropagation=True)


UNSETTLED: tuple[Callable[[World, str], Any], ...] = (
    lambda world, hub_id: intent(world, hub_id, "Internet", "PrivateTraffic"),
    lambda world, hub_id: static_routes(world, hub_id, "10.0.0.0/8"),
    lambda world, hub_id: static_routes(world, hub_id, "anything", kind="Service"),
    lambda world, hub_id: world.change(hub_id, routingState="Failed"),
    custom, unpropagated, mapped, failing, longer, cut,
)  # fmt: skip


@pytest.mark.parametrize("change", UNSETTLED)
def test_what_may_divert_traffic_in_a_hub_leaves_it_open(change: Callable[[World, str], Any]) -> None:
    world, hub_id = joined()
    change(world, hub_id)
    assert causes(world, "PW203") == {("unknown", "endpoint-hub-routing")}
    assert not any("peering" in line for finding in findings(world, "PW203") for line in finding.fix)


def test_routes_that_are_about_others_change_nothing() -> None:
    world, hub_id = joined()
    static_routes(world, hub_id, "10.99.0.0/16", "0.0.0.0/0")
    static_routes(world, hub_id, "10.20.0.0/16", table="isolated")
    intent(world, hub_id, "Internet")
    world.routes(("10.0.0.0/8", "VirtualAppliance"))
    assert causes(world, "PW203") == {("pass", "endpoint-behind-hub")}


def test_a_connection_that_shows_no_routing_has_the_default() -> None:
    world, hub_id = joined()
    for name in (NODES, "vnet-endpoints"):
        attach(world, world.vnet_id(name), hub_id, routingConfiguration=...)
    assert causes(world, "PW203") == {("pass", "endpoint-behind-hub")}


def test_overlapping_networks_are_not_settled() -> None:
    world, nodes, home = far()
    world.change(home, addressSpace={"addressPrefixes": ["10.20.0.0/16", "10.10.128.0/20"]})
    hub(world, "hub", nodes, home)
    assert causes(world, "PW203") == {("unknown", "endpoint-hub-routing")}


def test_a_hub_that_cannot_be_read_is_named() -> None:
    for where in ("hidden", "elsewhere"):
        world, nodes, home = far()
        hub(world, "hub", nodes, home, sub=HUBS)
        if where == "hidden":
            world.hidden.add(HUBS)
        else:
            world.bodies = {key: body for key, body in world.bodies.items() if HUBS not in key}
        assert causes(world, "PW203") == {("unknown", "endpoint-transit")}
        assert "HV_hub_1" in findings(world, "PW203")[0].summary
    refused = NotSeen(NotSeenReason.NOT_ALLOWED, "403", "Reader", ("az role assignment create",))
    facts = with_hubs(joined()[0], {SUBSCRIPTION: refused})
    assert causes(facts, "PW203") == {("unknown", "endpoint-transit")}
    assert causes(with_hubs(joined()[0], {SUBSCRIPTION: Seen((), READ)}), "PW203") == {("unknown", "endpoint-transit")}


def test_a_peering_that_is_there_and_does_not_suffice_is_what_is_named() -> None:
    world, _ = joined()
    world.peer(world.vnet_id(NODES), world.vnet_id("vnet-endpoints"), access=False)
    (found,) = findings(world, "PW203")
    assert (found.cause, "allowVirtualNetworkAccess" in found.summary) == ("endpoint-access-off", True)


def with_hubs(world: World, hubs: Any) -> ClusterFacts:
    facts = world.facts()
    assert facts.networks is not None
    return msgspec.structs.replace(facts, networks=msgspec.structs.replace(facts.networks, hubs=hubs))


@pytest.mark.parametrize("part", ["connections", "policies", "routes"])
def test_what_is_below_a_hub_counts_only_where_it_was_read(part: str) -> None:
    facts = joined()[0].facts()
    assert facts.networks is not None
    listed = facts.networks.hubs[SUBSCRIPTION]
    assert isinstance(listed, Seen)
    blind = msgspec.structs.replace(listed.value[0], **{part: NotSeen(NotSeenReason.NOT_ALLOWED, "403", "Reader")})
    networks = msgspec.structs.replace(facts.networks, hubs={SUBSCRIPTION: Seen((blind,), READ)})
    ((verdict, _),) = causes(msgspec.structs.replace(facts, networks=networks), "PW203")
    assert verdict == "unknown"


def test_two_hubs_of_one_virtual_wan_are_not_settled_and_of_two_they_are_apart() -> None:
    for wan, expected in (("wan", ("unknown", "endpoint-hub-routing")), ("other", ("fail", "endpoint-out-of-reach"))):
        world, nodes, home = far()
        hub(world, "hub", nodes)
        hub(world, "hub-2", home, wan=wan)
        assert causes(world, "PW203") == {expected}
    world, nodes, home = far()
    hub(world, "hub", nodes)
    mark(world, home, "hub-3")
    assert causes(world, "PW203") == {("unknown", "endpoint-transit")}


def test_a_network_that_the_hub_does_not_know_is_out_of_reach_unless_the_hub_leads_elsewhere() -> None:
    def alone(**over: Any) -> tuple[World, str]:
        world, nodes, _ = far()
        return world, hub(world, "hub", nodes, **over)

    assert causes(alone()[0], "PW203") == {("fail", "endpoint-out-of-reach")}
    for over in ({"expressRouteGateway": {"id": "gateway"}}, {"azureFirewall": {"id": "fw"}}, {"virtualWan": ...},
                 {"bgpConnections": [{"id": "nva"}]}):  # fmt: skip
        assert causes(alone(**over)[0], "PW203") == {("unknown", "endpoint-hub-routing")}
    world, hub_id = alone()
    static_routes(world, hub_id, "172.16.0.0/12")
    assert causes(world, "PW203") == {("unknown", "endpoint-hub-routing")}
    world, hub_id = alone()
    attach(
        world, world.vnet_id(NODES), hub_id, routingConfiguration={"vnetRoutes": {"staticRoutes": [{"name": "one"}]}}
    )
    assert causes(world, "PW203") == {("unknown", "endpoint-hub-routing")}


def test_a_network_of_somebodys_own_whose_name_begins_alike_is_no_hub() -> None:
    world, nodes, home = far()
    own = world.vnet("HV_own", "10.60.0.0/16", shared={})
    world.peer(nodes, own)
    assert causes(world, "PW203") == {("fail", "endpoint-out-of-reach")}
    world.peer(nodes, home)
    assert causes(world, "PW203") == {("pass", "endpoint-in-peer")}


# the default route that a hub gives -----------------------------------------------------------------------------------


def attached(*, security: bool | None = True, own: str | None = EGRESS, **over: Any) -> tuple[World, str]:
    """Nodes in a network of a hub, and a registry that lets their load balancer's address in (``own`` None: all)."""
    world = World()
    hub_id = hub(world, "hub", **over)
    attach(world, world.vnet_id(NODES), hub_id, enableInternetSecurity=security)
    return (world.deny(own) if own else world), hub_id


FIREWALL = {"azureFirewall": {"id": "fw"}}


def test_no_verdict_rests_on_the_load_balancers_address_where_a_hub_may_give_the_default_route() -> None:
    for address in (EGRESS, "20.99.0.1"):
        for world, hub_id in (
            attached(own=address),
            attached(own=address, **FIREWALL),
            attached(own=address, security=None),
        ):
            assert causes(world, "PW202") == {("unknown", "egress-hub")}, hub_id
        world, hub_id = attached(own=address, security=False)
        intent(world, hub_id, "Internet")
        assert causes(world, "PW202") == {("unknown", "egress-hub")}
    assert causes(attached(security=False)[0], "PW202") == {("pass", "ip-allowed")}
    assert causes(attached(security=False, own="20.99.0.1")[0], "PW202") == {("fail", "ip-not-allowed")}


def test_an_open_registry_does_not_mind_the_address_but_a_firewall_may_filter() -> None:
    plain, _ = attached(own=None)
    assert causes(plain, "PW202") == {("pass", "open-to-all")}
    assert causes(plain, "PW206") == {("pass", "open")}
    secured, _ = attached(own=None, **FIREWALL)
    assert causes(secured, "PW202") == {("pass", "open-to-all")}
    assert causes(secured, "PW206") == {("unknown", "hub-decides-login"), ("unknown", "hub-decides-layers")}
    routed, hub_id = attached(own=None)
    static_routes(routed, hub_id, "0.0.0.0/0")
    assert ("unknown", "hub-decides-login") in causes(routed, "PW206")
    off, _ = attached(own=None, security=False, **FIREWALL)
    assert causes(off, "PW206") == {("pass", "open")}


@pytest.mark.parametrize("prefixes", [("0.0.0.0/1", "128.0.0.0/1"), ("20.0.0.0/8",)])
def test_static_routes_to_public_addresses_are_taken_whatever_a_connection_says_of_the_default_route(
    prefixes: tuple[str, ...],
) -> None:
    for own, cause in ((EGRESS, "egress-hub"), (None, "open-to-all")):
        world, hub_id = attached(security=False, own=own)
        static_routes(world, hub_id, *prefixes)
        assert {found for _, found in causes(world, "PW202")} == {cause}
        if own is None:
            assert ("unknown", "hub-decides-login") in causes(world, "PW206")
    world, hub_id = attached(security=False)
    static_routes(world, hub_id, "10.0.0.0/8")
    assert causes(world, "PW202") == {("pass", "ip-allowed")}


def test_the_sign_in_of_a_service_principal_goes_the_same_way() -> None:
    world, _ = attached(own=None, **FIREWALL)
    world.cluster(identityProfile=..., servicePrincipalProfile={"clientId": "99999999-9999-4999-8999-999999999999"})
    world.bodies[world.cluster_id].pop("identity")
    assert ("unknown", "hub-decides-sign-in") in causes(world, "PW206")


def test_a_hub_that_cannot_be_read_may_filter_and_is_named() -> None:
    world = World()
    mark(world, world.vnet_id(NODES))
    assert causes(world, "PW202") == {("pass", "open-to-all")}
    assert causes(world, "PW206") == {("unknown", "look-not-allowed")}
    assert all("HV_hub_1" in finding.summary for finding in findings(world, "PW206"))
    world.deny("20.99.0.1")
    assert causes(world, "PW202") == {("unknown", "egress-hub")}


def test_a_partly_readable_subscription_is_named_with_the_command_that_shows_it() -> None:
    world = World().deny("20.99.0.1")
    mark(world, world.vnet_id(NODES))
    facts = world.facts()
    assert facts.networks is not None
    partly = readable(SUBSCRIPTION, without=("Microsoft.Network/virtualHubs/*",))
    networks = msgspec.structs.replace(facts.networks, visibility=partly)
    (found,) = findings(msgspec.structs.replace(facts, networks=networks), "PW202")
    assert found.cause == "egress-hub" and "az role assignment create" in found.fix[0]


@pytest.mark.parametrize(
    ("routes", "cut", "expected"),
    [
        ((("0.0.0.0/0", "Internet"),), False, "ip-allowed"),
        ((("0.0.0.0/1", "Internet"), ("128.0.0.0/1", "Internet")), False, "ip-allowed"),
        ((("0.0.0.0/1", "Internet"),), False, "egress-hub"),
        ((("AzureContainerRegistry", "Internet"),), False, "ip-allowed"),
        ((("10.99.0.0/16", "VirtualAppliance"),), False, "egress-hub"),
        ((("10.99.0.0/16", "VirtualAppliance"),), True, "ip-allowed"),
        ((("0.0.0.0/0", "VirtualAppliance"),), False, "egress-routed"),
    ],
)
def test_a_users_own_default_route_comes_before_the_hubs(
    routes: tuple[tuple[str, str], ...], cut: bool, expected: str
) -> None:
    world, _ = attached(**FIREWALL)
    world.routes(*routes)
    table = next(key for key, body in world.bodies.items() if body["type"].endswith("/routeTables"))
    world.change(table, disableBgpRoutePropagation=cut)
    assert {cause for _, cause in causes(world, "PW202")} == {expected}


def test_outbound_access_that_the_cluster_lacks_may_come_from_the_hub() -> None:
    world, _ = attached(own=None, **FIREWALL)
    world.outbound("none").nodes(defaultOutboundAccess=False)
    assert "fail" not in {verdict for verdict, _ in causes(world, "PW202") | causes(world, "PW206")}


def test_a_registry_on_the_internet_is_judged_as_far_as_the_hub_is_known() -> None:
    def path(world: World) -> str:
        rows = build_report(with_internet(world.facts())).registries
        return next(word(row.path.verdict) for row in rows if row.registry == INTERNET)

    assert path(attached(own=None)[0]) == "pass"
    assert path(attached(own=None, security=False, **FIREWALL)[0]) == "pass"
    assert path(attached(own=None, **FIREWALL)[0]) == "skipped", "a firewall decides, which nobody reads"
    world = World()
    mark(world, world.vnet_id(NODES))
    assert path(world) == "unknown"
