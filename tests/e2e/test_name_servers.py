"""Names on their way, over the wire: what is asked for, how often, and what a right beside Reader shows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from simulator import running
from tests.e2e.test_path import path, tenant_of
from tests.support.cli import Scan, scan
from tests.support.hub_world import HUB, INBOUND, RULESETS, Hub, proxied
from tests.support.network_world import World

KINDS = ("forwardingRules", "dnsResolvers", "inboundEndpoints", "azureFirewalls", "policy", "listDnsForwardingRulesets")
ACTION = "Microsoft.Network/virtualNetworks/listDnsForwardingRulesets/action"


def look(world: World, folder: Path, **caller: Any) -> tuple[Scan, dict[str, int]]:
    """A scan of two clusters in one network, and how often each kind was asked for."""
    tenant = tenant_of(world, folder)
    body = world.bodies[world.cluster_id]
    tenant.resource(body["type"], "aks-2", {**body, "id": world.cluster_id.replace("aks-1", "aks-2"), "name": "aks-2"})
    tenant.pod("acrone.azurecr.io/team/web:1", cluster="aks-2")
    if caller:
        tenant.caller(**caller)
    with running(tenant.root) as simulator:
        result = scan(simulator.environment, "--quiet")
        asked = Counter(request.path.rsplit("/", 1)[-1] for request in simulator.requests)
    assert len(result.answer["clusters"]) == 2
    return result, {kind: asked[kind] for kind in KINDS if asked[kind]}


@pytest.mark.parametrize(
    ("world", "calls"),
    [
        (lambda: World().healthy_private(), {}),
        (lambda: World(), {}),
        (lambda: Hub().world, {}),
        (lambda: Hub().forwards("corp.example").world, {"forwardingRules": 1}),
        (lambda: Hub().link(Hub().nodes).forwards().world, {}),
        (lambda: Hub().forwards().world, {"forwardingRules": 1, "dnsResolvers": 1, "inboundEndpoints": 1}),
        (lambda: Hub().serves().world, {"dnsResolvers": 1, "inboundEndpoints": 1}),
        (lambda: Hub().serves("10.99.0.4").world, {}),
        (lambda: Hub().serves("10.40.0.77").world, {"dnsResolvers": 1, "inboundEndpoints": 1, "azureFirewalls": 1}),
        (lambda: proxied(), {"dnsResolvers": 1, "azureFirewalls": 1, "policy": 1}),
    ],
)
def test_what_is_asked_for_is_what_something_names_and_once(world: Any, calls: dict[str, int], tmp_path: Path) -> None:
    assert look(world(), tmp_path)[1] == calls


def test_rules_and_servers_lead_to_the_zone_that_answers(tmp_path: Path) -> None:
    for number, hub in enumerate((Hub().forwards(), Hub().serves())):
        assert path(look(hub.world, tmp_path / f"right{number}")[0])[0] == "pass"
    for number, hub in enumerate((Hub({}).forwards(), Hub({}).serves())):
        assert path(look(hub.world, tmp_path / f"wrong{number}")[0])[0] == "fail"
    assert path(look(proxied(), tmp_path / "proxied")[0])[0] == "pass"


@pytest.mark.parametrize(
    "kind", ["dnsResolvers", "dnsResolvers/inboundEndpoints", "dnsForwardingRulesets/forwardingRules"]
)
def test_a_hop_that_may_not_be_read_is_named_with_its_action(kind: str, tmp_path: Path) -> None:
    denied = [{"scope": "/", "actions": [f"Microsoft.Network/{kind}/read"]}]
    result, _ = look(Hub().forwards().world, tmp_path, denied=denied)
    finding = result.finding("PW204")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "look-not-allowed")
    assert kind in finding["summary"]


HIDDEN = [{"scope": f"/subscriptions/{HUB}", "actions": [f"{RULESETS}/*"]}]


def test_rulesets_that_lists_may_hide_are_asked_of_the_network_where_a_role_allows_it(tmp_path: Path) -> None:
    result, calls = look(Hub().world, tmp_path / "reader", denied=HIDDEN)
    assert path(result)[0] == "unknown" and calls == {}
    assert ACTION in result.finding("PW204")["summary"]
    result, calls = look(Hub().world, tmp_path / "none", denied=HIDDEN, granted=[ACTION])
    assert path(result) == ("fail", "zone-not-linked")
    assert calls == {"listDnsForwardingRulesets": 1}
    hub = Hub().forwards()
    result, calls = look(hub.world, tmp_path / "one", denied=HIDDEN, granted=[ACTION])
    finding = result.finding("PW204")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "look-not-allowed")
    assert hub.ruleset in finding["summary"] and f"{RULESETS}/forwardingRules/read" in finding["summary"]
    assert calls == {"listDnsForwardingRulesets": 1}


def test_a_network_is_not_asked_where_lists_show_everything_or_zones_leave_it_open(tmp_path: Path) -> None:
    assert look(Hub().forwards().world, tmp_path / "whole", granted=[ACTION])[1].keys() <= set(KINDS[:3])
    zones = [{"scope": "/", "actions": ["Microsoft.Network/privateDnsZones/*"]}]
    result, calls = look(Hub().world, tmp_path / "zones", denied=[*HIDDEN, *zones], granted=[ACTION])
    assert path(result)[0] == "unknown" and calls == {}


def test_a_refused_question_to_the_network_is_no_answer(tmp_path: Path) -> None:
    refused = [{"scope": Hub().nodes, "actions": [ACTION]}]
    result, calls = look(Hub().world, tmp_path, denied=[*HIDDEN, *refused], granted=[ACTION])
    assert path(result)[0] == "unknown" and calls == {"listDnsForwardingRulesets": 1}


def test_an_address_is_of_the_resolver_in_the_network_that_is_near(tmp_path: Path) -> None:
    hub = Hub().serves()
    twin = hub.world.vnet("vnet-twin", "10.40.0.0/16", inbound={})
    hub.world.zone({}, twin, group="rg-twin")
    assert INBOUND.startswith("10.40.")
    assert path(look(hub.world, tmp_path)[0])[0] == "pass"
