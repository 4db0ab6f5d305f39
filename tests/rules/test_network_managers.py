"""Connected groups bring endpoints into reach without peerings; security admin rules come before security groups."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from checks import catalog
from checks.facts import ClusterFacts, NotSeen, NotSeenReason, Seen
from checks.facts.network_management import CONNECTIVITY_ACTION, NetworkManagement
from checks.findings import Finding, word
from tests.support.managed_networks import MANAGER, admin_rule, configuration, in_effect, nothing_in_effect
from tests.support.network_world import NODES, READ, RECORDS, World, rule
from tests.support.tenant_builder import SUBSCRIPTION

ELSEWHERE = "22222222-2222-4222-8222-222222222222"


def far(*, location: str = "westeurope", space: str = "10.20.0.0/16") -> World:
    """A private registry whose endpoint lies in a network that no peering connects with the nodes'."""
    world = World()
    home = world.vnet("vnet-endpoints", space, endpoints={})
    world.bodies[home]["location"] = location
    zone = world.zone(RECORDS, world.vnet_id(NODES), home)
    return world.zone_group(world.endpoint(), zone).private()


def both(world: World) -> tuple[str, str]:
    return world.vnet_id(NODES), world.vnet_id("vnet-endpoints")


def finding(facts: ClusterFacts | World, code: str) -> Finding:
    given = facts.facts() if isinstance(facts, World) else facts
    (found,) = (one for one in catalog.judge(given) if one.code == code)
    return found


def answer(facts: ClusterFacts | World, code: str) -> tuple[str, str]:
    found = finding(facts, code)
    return word(found.verdict), found.cause


def joined(near: dict[str, Any] | None, there: dict[str, Any] | None, **where: str) -> World:
    """The far endpoint, with a configuration in effect on either network."""
    world = far(**where)
    world.manager(SUBSCRIPTION)
    nothing_in_effect(world, *both(world))
    for network_id, item in zip(both(world), (near, there), strict=True):
        in_effect(world, network_id, *([item] if item else []))
    return world


MESH = configuration()
FAILED = configuration()
FAILED["configurationGroups"][0]["properties"]["provisioningState"] = "Failed"
SPOKES = configuration("HubAndSpoke")


@pytest.mark.parametrize(
    ("near", "there", "where", "expected"),
    [
        (MESH, MESH, {}, "endpoint-in-connected-group"),
        (SPOKES, SPOKES, {}, "endpoint-in-connected-group"),
        (configuration(everywhere="True"), configuration(everywhere="True"), {"location": "northeurope"},
         "endpoint-in-connected-group"),
        (MESH, MESH, {"location": "northeurope"}, "endpoint-out-of-reach"),
        (MESH, MESH, {"space": "10.10.128.0/17"}, "endpoint-network-manager"),
        (MESH, None, {}, "endpoint-out-of-reach"),
        (None, MESH, {}, "endpoint-out-of-reach"),
        (None, None, {}, "endpoint-out-of-reach"),
        (MESH, configuration(name="other"), {}, "endpoint-out-of-reach"),
        (configuration("HubAndSpoke", direct="None"), configuration("HubAndSpoke", direct="None"), {},
         "endpoint-out-of-reach"),
        (SPOKES, configuration("HubAndSpoke", inside=("others",)), {}, "endpoint-out-of-reach"),
        (MESH, configuration(inside=("others",)), {}, "endpoint-network-manager"),
        (SPOKES, configuration("HubAndSpoke", inside=()), {}, "endpoint-network-manager"),
        (configuration(everywhere="perhaps"), MESH, {"location": "northeurope"}, "endpoint-network-manager"),
        (configuration(everywhere="True"), MESH, {"location": "northeurope"}, "endpoint-network-manager"),
        (MESH, FAILED, {}, "endpoint-network-manager"),
        (FAILED, MESH, {}, "endpoint-network-manager"),
        (MESH, configuration(everywhere="True"), {"location": "northeurope"}, "endpoint-network-manager"),
        (SPOKES, configuration("HubAndSpoke", everywhere="True"), {"location": "northeurope"},
         "endpoint-network-manager"),
        (SPOKES, configuration("HubAndSpoke", direct="None"), {}, "endpoint-network-manager"),
    ],
)  # fmt: skip
def test_one_configuration_and_one_group_in_effect_on_both_networks_connects_them(
    near: dict[str, Any] | None, there: dict[str, Any] | None, where: dict[str, str], expected: str
) -> None:
    verdict, cause = answer(joined(near, there, **where), "PW203")
    assert cause == expected
    assert verdict == {"endpoint-in-connected-group": "pass", "endpoint-out-of-reach": "fail"}.get(expected, "unknown")


def test_the_groups_of_nodes_let_traffic_to_a_connected_group_out_as_to_a_peer() -> None:
    world = joined(MESH, MESH).nsg(rule("no", 4000, "Deny", "Internet"))
    assert causes(world) == {("pass", "open")}
    closed = joined(MESH, MESH).nsg(rule("no", 100, "Deny", "10.20.0.0/24"))
    assert causes(closed) == {("fail", "nsg-closes-login"), ("fail", "nsg-closes-layers")}


def test_what_may_not_be_read_is_named_by_its_action_where_a_manager_was_seen() -> None:
    world = far()
    world.manager(SUBSCRIPTION)
    missing = NotSeen(NotSeenReason.NOT_ALLOWED, f"nobody holds {CONNECTIVITY_ACTION}", CONNECTIVITY_ACTION)
    facts = with_management(world, NetworkManagement(connectivity={world.vnet_id(NODES).lower(): missing}))
    assert answer(facts, "PW203") == ("unknown", "endpoint-network-manager")
    found = finding(facts, "PW203")
    assert CONNECTIVITY_ACTION in found.summary and "peering" not in "\n".join(found.fix)
    assert not found.verdict.look_failed  # type: ignore[union-attr]


def test_one_readable_network_of_a_connected_group_is_a_sign_of_a_manager() -> None:
    world = far()
    assert answer(world, "PW203") == ("fail", "endpoint-out-of-reach")
    in_effect(world, world.vnet_id(NODES), MESH)
    assert answer(world, "PW203") == ("unknown", "endpoint-network-manager")


def test_a_manager_of_another_tenant_shows_in_the_connections_of_a_subscription() -> None:
    world = far()
    given = NetworkManagement(connections={SUBSCRIPTION: seen((MANAGER,))})
    assert answer(with_management(world, given), "PW203") == ("unknown", "endpoint-network-manager")
    none = NetworkManagement(connections={SUBSCRIPTION: seen(())})
    assert answer(with_management(world, none), "PW203") == ("fail", "endpoint-out-of-reach")
    refused = NetworkManagement(connections={SUBSCRIPTION: NotSeen(NotSeenReason.NOT_ALLOWED, "403", "Reader")})
    assert answer(with_management(world, refused), "PW203") == ("unknown", "look-not-allowed")


def seen(value: Any) -> Any:
    return Seen(value, READ)


def with_management(world: World, management: NetworkManagement) -> ClusterFacts:
    facts = world.facts()
    assert facts.networks is not None
    networks = msgspec.structs.replace(facts.networks, management=management)
    return msgspec.structs.replace(facts, networks=networks)


# security admin rules -------------------------------------------------------------------------------------------------

DENY = admin_rule("deny", 10, "Deny", "*")
MIXED = admin_rule("mixed", 10, "Deny", "*")
MIXED["properties"]["destinations"].insert(0, {"addressPrefix": "/group", "addressPrefixType": "NetworkGroup"})
CLOSING = rule("no", 100, "Deny", "*")


def governed(*rules: dict[str, Any], group: dict[str, Any] | None = None) -> World:
    """An open registry, and these admin rules in effect on the nodes' network."""
    world = World()
    world.manager(SUBSCRIPTION, accesses=("SecurityAdmin",))
    nothing_in_effect(world, world.vnet_id(NODES))
    in_effect(world, world.vnet_id(NODES), *rules)
    return world.nsg(group) if group else world


def causes(world: World) -> set[tuple[str, str]]:
    return {(word(f.verdict), f.cause) for f in catalog.judge(world.facts()) if f.code == "PW206"}


@pytest.mark.parametrize(
    ("rules", "group", "expected"),
    [
        ((), None, ("pass", "open")),
        ((), CLOSING, ("fail", "nsg-closes-login")),
        ((DENY,), None, ("fail", "admin-rule-denies-login")),
        ((DENY,), CLOSING, ("fail", "admin-rule-denies-login")),
        ((admin_rule("always", 9, "AlwaysAllow", "*"), DENY), CLOSING, ("pass", "open")),
        ((admin_rule("allow", 9, "Allow", "*"), DENY), None, ("pass", "open")),
        ((admin_rule("allow", 9, "Allow", "*"), DENY), CLOSING, ("fail", "nsg-closes-login")),
        ((DENY, admin_rule("late", 11, "AlwaysAllow", "*")), None, ("fail", "admin-rule-denies-login")),
        ((admin_rule("in", 1, "Deny", "*", direction="Inbound"),), None, ("pass", "open")),
        ((admin_rule("udp", 1, "Deny", "*", protocol="Udp"),), None, ("pass", "open")),
        ((admin_rule("ports", 1, "Deny", "*", destinationPortRanges=["80", "8080-9000"]),), None, ("pass", "open")),
        ((admin_rule("any", 1, "Deny", "*", protocol="Any"),), None, ("fail", "admin-rule-denies-login")),
        ((admin_rule("tag", 1, "Deny", "Internet", kind="ServiceTag"),), None, ("fail", "admin-rule-denies-login")),
        ((admin_rule("acr", 1, "AlwaysAllow", "AzureContainerRegistry", "Storage", kind="ServiceTag"), DENY), CLOSING,
         ("pass", "open")),
        ((admin_rule("some", 1, "Deny", "20.0.0.0/8"),), None, ("unknown", "admin-rule-unclear-login")),
        ((admin_rule("some", 1, "Deny", "20.0.0.0/8"),), CLOSING, ("fail", "nsg-closes-login")),
        ((admin_rule("some", 1, "AlwaysAllow", "20.0.0.0/8"),), None, ("pass", "open")),
        ((admin_rule("some", 1, "AlwaysAllow", "20.0.0.0/8"),), CLOSING, ("unknown", "admin-rule-unclear-login")),
        ((admin_rule("word", 1, "Perhaps", "*"),), None, ("unknown", "admin-rule-unclear-login")),
        ((DENY, {"id": "broken"}), None, ("unknown", "admin-rule-unclear-login")),
        ((admin_rule("group", 1, "Deny", "/group", kind="NetworkGroup"),), None, ("pass", "open")),
        ((MIXED,), None, ("fail", "admin-rule-denies-login")),
        ((admin_rule("text", 1, "Deny", "*") | {"properties": DENY["properties"] | {"destinations": "*"}},), None,
         ("unknown", "admin-rule-unclear-login")),
        ((admin_rule("bare", 1, "Deny", "*") | {"properties": DENY["properties"] | {"destinations": [{}]}},), None,
         ("unknown", "admin-rule-unclear-login")),
    ],
)  # fmt: skip
def test_admin_rules_are_evaluated_before_security_groups(
    rules: tuple[dict[str, Any], ...], group: dict[str, Any] | None, expected: tuple[str, str]
) -> None:
    assert expected in causes(governed(*rules, group=group))


def test_a_denial_names_the_manager_and_the_collection_and_changes_neither() -> None:
    found = next(f for f in catalog.judge(governed(DENY).facts()) if f.cause == "admin-rule-denies-login")
    assert all(text in found.summary for text in ("deny", "priority 10", "egress", "manager"))
    assert found.fix and all(line.startswith("# ") for line in found.fix)
    assert MANAGER in found.fix[0] and "AzureContainerRegistry" in found.fix[0] and "below 10" in found.fix[0]


def test_two_managers_that_disagree_are_not_settled() -> None:
    other = admin_rule("allow", 50, "Allow", "*")
    other["id"] = other["id"].replace("networkManagers/manager", "networkManagers/root")
    assert ("unknown", "admin-rule-unclear-login") in causes(governed(DENY, other))
    other["properties"]["access"] = "Deny"
    assert ("fail", "admin-rule-denies-login") in causes(governed(DENY, other))
    other["properties"]["direction"] = "Inbound"
    assert ("fail", "admin-rule-denies-login") in causes(governed(DENY, other))


def test_admin_rules_about_layers_and_the_sign_in_are_told_apart() -> None:
    rules = (
        admin_rule("acr", 1, "Allow", "AzureContainerRegistry", kind="ServiceTag"),
        admin_rule("storage", 2, "Deny", "Storage", kind="ServiceTag"),
        admin_rule("entra", 3, "Deny", "AzureActiveDirectory", kind="ServiceTag"),
    )
    assert causes(governed(*rules)) == {("fail", "admin-rule-denies-layers")}
    assert causes(as_service_principal(governed(*rules))) == {
        ("fail", "admin-rule-denies-layers"),
        ("fail", "admin-rule-denies-sign-in"),
    }
    unclear = admin_rule("some", 1, "Deny", "20.0.0.0/8")
    assert causes(as_service_principal(governed(unclear))) == {
        ("unknown", f"admin-rule-unclear-{part}") for part in ("login", "layers", "sign-in")
    }


def as_service_principal(world: World) -> World:
    world.cluster(identityProfile=..., servicePrincipalProfile={"clientId": "99999999-9999-4999-8999-999999999999"})
    world.bodies[world.cluster_id].pop("identity")
    return world


def test_admin_rules_govern_the_private_path_too() -> None:
    for to, expected in (("10.20.0.0/24", "fail"), ("10.99.0.0/24", "pass")):
        world = World().healthy_private()
        world.manager(SUBSCRIPTION, accesses=("SecurityAdmin",))
        in_effect(world, world.vnet_id(NODES), admin_rule("deny", 10, "Deny", to))
        assert answer_of_filters(world) == expected
    assert answer_of_filters(joined(MESH, MESH)) == "pass"


def answer_of_filters(world: World) -> str:
    verdicts = {verdict for verdict, _ in causes(world)}
    return "fail" if "fail" in verdicts else "unknown" if "unknown" in verdicts else "pass"


def test_rules_that_were_read_count_where_no_manager_was_seen() -> None:
    world = World()
    in_effect(world, world.vnet_id(NODES), DENY)
    assert ("fail", "admin-rule-denies-login") in causes(world)
