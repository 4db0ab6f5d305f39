"""An Azure Firewall as the DNS server of a network: a proxy of Azure DNS, or something that is not known."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from checks.facts import ClusterFacts
from checks.findings import word
from tests.rules.test_name_servers import names
from tests.rules.test_open_world import fixes, outcome, seen_by
from tests.support.hub_world import ADDRESS, HUB, proxied
from tests.support.network_world import RECORDS, REFUSED, World
from tests.support.readable import readable
from tests.support.tenant_builder import SUBSCRIPTION

AZURE_DNS = "168.63.129.16"


def test_a_proxy_of_azure_dns_answers_as_its_network_does() -> None:
    assert outcome(proxied().facts())[0] == "pass"
    assert ADDRESS in names(proxied().facts()).summary
    assert names(proxied({}).facts()).cause == "login-record-missing"
    assert names(proxied(linked=False).facts()).cause == "zone-not-linked"
    assert "vnet-hub" in fixes(proxied(linked=False).facts())
    assert outcome(proxied(servers=(AZURE_DNS,)).facts())[0] == "pass"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"proxy": False}, "does not make it a DNS proxy"),
        ({"proxy": None}, "does not make it a DNS proxy"),
        ({"servers": ("10.9.9.9",)}, "10.9.9.9"),
        ({"base": "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/firewallPolicies/parent"}, "parent"),
    ],
)
def test_what_else_a_firewall_does_with_names_is_not_known(settings: dict[str, Any], said: str) -> None:
    for records in (RECORDS, {}):
        finding = names(proxied(records, **settings).facts())
        assert (word(finding.verdict), finding.cause) == ("unknown", "custom-dns")
        assert said in finding.summary and "firewall" in finding.summary


def test_a_firewall_without_a_policy_is_not_known() -> None:
    world = proxied()
    key = next(key for key in world.bodies if key.endswith("/azureFirewalls/firewall"))
    world.change(key, firewallPolicy=...)
    assert names(world.facts()).cause == "custom-dns"


def refused(world: World, **parts: Any) -> ClusterFacts:
    facts = world.facts()
    assert facts.networks is not None
    servers = msgspec.structs.replace(facts.networks.name_servers, **parts)
    return msgspec.structs.replace(facts, networks=msgspec.structs.replace(facts.networks, name_servers=servers))


def test_firewalls_and_policies_that_may_not_be_read_are_not_known() -> None:
    known = proxied().facts().networks
    assert known is not None
    for records in (RECORDS, {}):
        policies = dict.fromkeys(known.name_servers.policies, REFUSED)
        for parts in ({"firewalls": {HUB: REFUSED}}, {"policies": policies}):
            assert outcome(refused(proxied(records), **parts)) == ("unknown", "look-not-allowed")


def test_a_firewall_that_a_list_may_hide_is_named_with_the_role() -> None:
    world = proxied()
    del world.bodies[next(key for key in world.bodies if key.endswith("/azureFirewalls/firewall"))]
    assert names(world.facts()).cause == "custom-dns"
    partly = readable(SUBSCRIPTION, HUB, without=("Microsoft.Network/azureFirewalls/*",))
    assert names(seen_by(world, partly)).cause == "look-not-allowed"


def test_a_firewall_of_another_network_with_the_same_address_is_another() -> None:
    world = proxied()
    key = next(key for key in world.bodies if key.endswith("/azureFirewalls/firewall"))
    elsewhere = f"{world.vnet_id('vnet-other', sub=HUB)}/subnets/AzureFirewallSubnet"
    config = {"properties": {"privateIPAddress": ADDRESS, "subnet": {"id": elsewhere}}}
    world.change(key, ipConfigurations=[config])
    assert names(world.facts()).cause == "custom-dns"
