"""Bodies of networks: whatever they hold, reading them raises nothing and guesses nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.collect.arm import bodies, name_server_bodies, network_bodies
from checks.facts import Seen
from checks.report.cluster_report import build_report
from checks.rules.path.registry_firewall import PublicAccess, public_access
from tests.support.hub_world import Hub, proxied
from tests.support.network_world import HOST, READ, World

READERS = [
    network_bodies.virtual_network,
    network_bodies.security_group,
    network_bodies.route_table,
    network_bodies.nat_gateway,
    network_bodies.public_address,
    network_bodies.public_prefix,
    network_bodies.private_endpoint,
    network_bodies.interface_members,
    network_bodies.zone_link,
    network_bodies.a_record,
    network_bodies.cname_record,
    network_bodies.registry_rules,
    network_bodies.pool_of_scale_set,
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@given(body=JSON)
@settings(max_examples=30, deadline=None)
def test_any_json_is_read_without_an_exception(reader: Any, body: Any) -> None:
    reader(body)


def paths(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body."""
    keys = list(body) if isinstance(body, dict) else list(range(len(body))) if isinstance(body, list) else []
    return [path, *(items for key in keys for items in paths(body[key], (*path, key)))][0 if path else 1 :]


@given(data=st.data(), value=JSON)
@settings(max_examples=150, deadline=None)
def test_a_world_with_one_value_replaced_is_judged_without_an_exception(data: st.DataObject, value: Any) -> None:
    world = World().healthy_private().nsg().routes(("0.0.0.0/0", "VirtualAppliance"))
    resource = data.draw(st.sampled_from(sorted(k for k in world.bodies if "/microsoft.container" not in k.lower())))
    location = data.draw(st.sampled_from([p for p in paths(world.bodies[resource]) if p[0] in ("properties", "name")]))
    target: Any = world.bodies[resource]
    for key in location[:-1]:
        target = target[key]
    target[location[-1]] = value
    build_report(world.facts())


NAME_SERVER_READERS: list[Any] = [
    name_server_bodies.resolver_ids,
    name_server_bodies.network_of_resolver,
    name_server_bodies.firewall,
    name_server_bodies.firewall_policy,
    lambda body: name_server_bodies.resolver(body, Seen((), READ)),
    lambda body: name_server_bodies.forwarding_rules([body]),
    lambda body: name_server_bodies.inbound_addresses([body]),
    lambda body: name_server_bodies.rulesets_of_network([body]),
]


@pytest.mark.parametrize("reader", NAME_SERVER_READERS)
@given(body=JSON)
@settings(max_examples=30, deadline=None)
def test_any_json_about_name_servers_is_read_without_an_exception(reader: Any, body: Any) -> None:
    reader(body)


@pytest.mark.parametrize("build", [lambda: Hub().forwards().world, lambda: Hub().serves().world, proxied])
@given(data=st.data(), value=JSON)
@settings(max_examples=100, deadline=None)
def test_a_hub_with_one_value_replaced_is_judged_without_an_exception(
    build: Any, data: st.DataObject, value: Any
) -> None:
    world = build()
    kinds = ("/dnsresolvers/", "/dnsforwardingrulesets/", "/azurefirewalls/", "/firewallpolicies/")
    resource = data.draw(st.sampled_from(sorted(k for k in world.bodies if any(kind in k.lower() for kind in kinds))))
    location = data.draw(st.sampled_from([p for p in paths(world.bodies[resource]) if p[0] in ("properties", "name")]))
    target: Any = world.bodies[resource]
    for key in location[:-1]:
        target = target[key]
    target[location[-1]] = value
    build_report(world.facts())


def test_a_null_rule_set_is_open_and_a_garbled_one_is_not_taken_for_it() -> None:
    world = World()
    for rules, action in ((None, "Allow"), ({"defaultAction": 7}, None), ({"defaultAction": "Deny"}, "Deny")):
        body = {**world.bodies[world.registry_id]}
        body["properties"] = body["properties"] | {"networkRuleSet": rules}
        registry = bodies.registry(body, READ)
        assert registry is not None
        assert registry.network_access.default_action == action


@pytest.mark.parametrize(
    ("shown", "expected"),
    [({}, "Enabled"), ({"publicNetworkAccess": None}, "Enabled"), ({"publicNetworkAccess": "Disabled"}, "Disabled"),
     ({"publicNetworkAccess": True}, None), ({"publicNetworkAccess": ["Enabled"]}, None)],
)  # fmt: skip
def test_public_access_that_is_absent_is_enabled_and_of_a_wrong_type_is_not_read(
    shown: dict[str, Any], expected: str | None
) -> None:
    registry = bodies.registry(registry_body(shown), READ)
    assert registry is not None
    assert registry.network_access.public_network_access == expected
    assert (public_access(registry) is PublicAccess.UNCLEAR) is (expected is None)


def test_a_public_access_of_an_unknown_word_is_unclear() -> None:
    registry = bodies.registry(registry_body({"publicNetworkAccess": "SecuredByPerimeter"}), READ)
    assert registry is not None
    assert public_access(registry) is PublicAccess.UNCLEAR


def test_data_endpoints_are_lower_case_without_a_trailing_dot_and_only_texts() -> None:
    hosts = ["AcrOne.WestEurope.data.azurecr.io.", 7, None]
    registry = bodies.registry(registry_body({"dataEndpointHostNames": hosts}), READ)
    assert registry is not None
    assert registry.network_access.data_hosts == ("acrone.westeurope.data.azurecr.io",)


def registry_body(properties: dict[str, Any]) -> dict[str, Any]:
    """An open registry with these properties."""
    registry_id = World().registry_id
    return {"id": registry_id, "name": "acrone", "properties": {"loginServer": HOST} | properties}


def test_singular_and_plural_fields_are_one() -> None:
    properties = {
        "priority": 100,
        "direction": "Outbound",
        "access": "Deny",
        "protocol": "*",
        "destinationAddressPrefix": "",
        "destinationAddressPrefixes": ["Storage", "Internet"],
        "destinationPortRange": "443",
    }
    group = network_bodies.security_group(
        {"id": "/nsg", "name": "nsg", "properties": {"securityRules": [{"name": "one", "properties": properties}, {}]}}
    )
    assert group is not None
    assert group.rules[0].destinations == ("Storage", "Internet")
    assert group.rules[0].destination_ports == ("443",)
    assert group.unreadable == 1
