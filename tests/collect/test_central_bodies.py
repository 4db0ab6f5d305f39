"""What network managers and virtual hubs show: whatever it holds, reading it raises nothing and guesses nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from checks.collect.arm import network_bodies, network_manager_bodies, virtual_hub_bodies
from checks.facts import NotSeen, NotSeenReason, Seen
from tests.collect.test_network_bodies import JSON
from tests.support.managed_networks import MANAGER, READ, admin_rule, configuration


@given(body=JSON)
@settings(max_examples=60, deadline=None)
def test_any_json_is_read_without_an_exception(body: Any) -> None:
    network_manager_bodies.configurations([body, {"id": "one", "properties": body}])
    network_manager_bodies.admin_rules([body, admin_rule("rule", 1, "Deny", "*", sources=body, destinations=body)])
    network_manager_bodies.connected_managers([body])
    listed = Seen([body, {"properties": body}], READ)
    virtual_hub_bodies.virtual_hub({"id": "hub", "properties": body}, listed, listed, listed)


def test_one_configuration_that_cannot_be_read_leaves_the_answer_unread() -> None:
    known = network_manager_bodies.configurations([configuration()])
    assert known is not None and known[0].mesh and known[0].everywhere is False
    assert network_manager_bodies.configurations([configuration(), {"id": "broken"}]) is None


@pytest.mark.parametrize(("shown", "read"), [("True", True), ("false", False), (True, True), ("", None), (1, None)])
def test_booleans_are_texts(shown: Any, read: bool | None) -> None:
    body = configuration(everywhere=shown)
    found = network_manager_bodies.configuration(body)
    assert found is not None and (found.everywhere, found.groups[0].everywhere) == (read, read)


def test_an_admin_rule_names_its_manager_and_its_collection() -> None:
    groups = [{"addressPrefix": "/group", "addressPrefixType": "NetworkGroup"}]
    rules = network_manager_bodies.admin_rules([admin_rule("deny", 10, "Deny", "*", sources=groups), "garbage", {}])
    (rule,) = rules.rules
    assert (rule.manager, rule.collection, rules.unreadable) == (MANAGER, "egress", 2)
    assert rule.rule.source_groups and not rule.rule.destination_groups


def test_a_rule_without_sources_is_about_all_and_one_with_garbage_may_be_about_any() -> None:
    for sources, groups, prefixes in ((None, False, ("*",)), ([], False, ("*",)), ("x", True, ()), ([{}], True, ())):
        (rule,) = network_manager_bodies.admin_rules([admin_rule("deny", 10, "Deny", "*", sources=sources)]).rules
        assert (rule.rule.source_groups, rule.rule.sources) == (groups, prefixes)


def test_what_is_below_a_hub_and_was_not_read_stays_so() -> None:
    gap = NotSeen(NotSeenReason.NOT_ALLOWED, "403", "Reader")
    hub = virtual_hub_bodies.virtual_hub({"id": "/Hub", "name": "hub"}, gap, gap, gap)
    assert (hub.id, hub.connections, hub.policies, hub.routes) == ("/hub", gap, gap, gap)
    assert not hub.provisioned and hub.wan_id is None


def test_a_route_table_says_whether_it_takes_routes_of_gateways() -> None:
    for shown, propagates in ((True, False), (False, True), (None, True), ("true", True)):
        table = network_bodies.route_table({"id": "/t", "properties": {"disableBgpRoutePropagation": shown}})
        assert table is not None and table.propagates is propagates
