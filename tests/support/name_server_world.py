"""What stands between nodes and their zones, added to a ``World``, and read into facts as the adapters read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checks.collect.arm import name_server_bodies
from checks.facts import Seen, subscription_of
from checks.facts.name_servers import NameServers
from checks.facts.visibility import Visibility
from checks.findings import Evidence
from tests.support.tenant_builder import SUBSCRIPTION

if TYPE_CHECKING:
    from tests.support.network_world import World

READ = Evidence("a list", "Azure Resource Manager", "2026-11-24T08:00:00+00:00", "2025-05-01")
RESOLVER, POLICY = "Microsoft.Network/dnsResolvers", "Microsoft.Network/firewallPolicies"


def resolver(world: World, network: str, *inbound: str, name: str = "resolver", sub: str = SUBSCRIPTION) -> str:
    """A resolver of a network (by id) with an inbound endpoint at each address."""
    body = {"virtualNetwork": {"id": network}, "dnsResolverState": "Connected", "provisioningState": "Succeeded"}
    resolver_id = world.put(RESOLVER, name, {"properties": body}, sub=sub)
    for address in inbound:
        config = {"privateIpAddress": address, "privateIpAllocationMethod": "Static"}
        below = f"inboundEndpoints/in-{address.replace('.', '-')}"
        world._child(resolver_id, below, f"{RESOLVER}/inboundEndpoints", {"ipConfigurations": [config]})
    return resolver_id


def firewall(world: World, network: str, address: str, *, proxy: bool | None = True, servers: tuple[str, ...] = (),
             sub: str = SUBSCRIPTION, base: str | None = None) -> str:  # fmt: skip
    """An Azure Firewall in a network (by id), and its policy."""
    settings: dict[str, Any] = (
        {} if proxy is None else {"dnsSettings": {"enableProxy": proxy, "servers": list(servers)}}
    )
    inherited = {"basePolicy": {"id": base}} if base else {}
    policy = world.put(POLICY, "policy", {"properties": settings | inherited}, sub=sub)
    config = {
        "name": "config",
        "properties": {"privateIPAddress": address, "subnet": {"id": f"{network}/subnets/AzureFirewallSubnet"}},
    }
    body = {"ipConfigurations": [config], "firewallPolicy": {"id": policy}}
    return world.put("Microsoft.Network/azureFirewalls", "firewall", {"properties": body}, sub=sub)


def name_servers(world: World, visible: Visibility) -> NameServers:
    """The facts of all of it, in the subscriptions that can be seen."""
    bodies = {key: b for key, b in world.bodies.items() if visible.roles_in(subscription_of(key)) is not None}

    def below(parent: str, kind: str) -> list[Any]:
        return [b for key, b in bodies.items() if key.startswith(f"{parent}/{kind}/")]

    def of(kind: str, sub: str) -> list[Any]:
        return [
            b for key, b in bodies.items() if b["type"] == f"Microsoft.Network/{kind}" and subscription_of(key) == sub
        ]

    rules: dict[str, Any] = {}
    policies: dict[str, Any] = {}
    resolvers: dict[str, Any] = {}
    firewalls: dict[str, Any] = {}
    for sub in {subscription_of(key) for key in bodies}:
        for body in of("dnsForwardingRulesets", sub):
            on, lost = name_server_bodies.forwarding_rules(below(body["id"], "forwardingRules"))
            rules[body["id"].lower()] = Seen(on, READ, "some" if lost else "")
        policies |= {
            b["id"].lower(): Seen(name_server_bodies.firewall_policy(b), READ) for b in of("firewallPolicies", sub)
        }
        read = [
            name_server_bodies.resolver(
                b, Seen(name_server_bodies.inbound_addresses(below(b["id"], "inboundEndpoints")), READ)
            )
            for b in of("dnsResolvers", sub)
        ]
        resolvers[sub] = Seen({one.id.lower(): one for one in read if one is not None}, READ)
        found = [name_server_bodies.firewall(b) for b in of("azureFirewalls", sub)]
        firewalls[sub] = Seen({one.id.lower(): one for one in found if one is not None}, READ)
    return NameServers(rules=rules, policies=policies, resolvers=resolvers, firewalls=firewalls)
