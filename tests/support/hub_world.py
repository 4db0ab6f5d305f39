"""A spoke whose names are answered in a hub: through a ruleset, a resolver, or a firewall that is a DNS proxy."""

from __future__ import annotations

from typing import Any

from tests.support.name_server_world import firewall, resolver
from tests.support.network_world import NODES, RECORDS, World

HUB = "22222222-2222-4222-8222-222222222222"
INBOUND, ADDRESS, PUBLIC_NAME = "10.40.0.4", "10.40.1.4", "azurecr.io"
RULESETS = "Microsoft.Network/dnsForwardingRulesets"


class Hub:
    """A spoke whose registry is closed, and a hub in another subscription: its resolver, its zone, its ruleset."""

    def __init__(self, records: dict[str, Any] | None = RECORDS, *, peered: bool = True, to: str = INBOUND) -> None:
        self.world = world = World()
        self.nodes = world.vnet_id(NODES)
        home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
        world.peer(self.nodes, home)
        self.network = world.vnet("vnet-hub", "10.40.0.0/16", sub=HUB, inbound={})
        if peered:
            world.peer(self.nodes, self.network)
        endpoint = world.endpoint()
        self.zone = ""
        if records is not None:
            self.zone = world.zone(records, self.network, sub=HUB)
            world.zone_group(endpoint, self.zone)
        world.private()
        self.resolver = resolver(world, self.network, INBOUND, sub=HUB)
        self.to = to

    def forwards(self, *domains: str, links: tuple[str, ...] = ()) -> Hub:
        """A ruleset linked to the nodes' network sends these domains to the hub."""
        rules = dict.fromkeys(domains or (PUBLIC_NAME,), self.to)
        linked = links or (self.nodes,)
        self.ruleset = self.world.ruleset("rules", *linked, sub=HUB, rules=rules, resolver=self.resolver)
        return self

    def serves(self, *servers: str) -> Hub:
        """The nodes' network names these DNS servers."""
        self.world.dns(*(servers or (self.to,)))
        return self

    def rule(self, domain: str, **properties: Any) -> Hub:
        """Changes a rule."""
        self.world.change(f"{self.ruleset}/forwardingRules/{domain.replace('.', '-')}", **properties)
        return self

    def unlink(self) -> None:
        """Takes away all links of the zone."""
        for key in [key for key in self.world.bodies if key.startswith(f"{self.zone}/virtualNetworkLinks/")]:
            del self.world.bodies[key]

    def link(self, network: str) -> Hub:
        """Links the zone to one more network."""
        kind = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"
        self.world._child(self.zone, f"virtualNetworkLinks/{network[-5:]}", kind, {"virtualNetwork": {"id": network}})
        return self


def proxied(records: dict[str, Any] = RECORDS, *, linked: bool = True, **settings: Any) -> World:
    """A spoke that asks the firewall of a hub in another subscription; the registry is closed but for its endpoint."""
    world = World().private()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    hub = world.vnet("vnet-hub", "10.40.0.0/16", sub=HUB, AzureFirewallSubnet={})
    world.peer(world.vnet_id(NODES), home).peer(world.vnet_id(NODES), hub)
    zone = world.zone(records, *([hub] if linked else []), sub=HUB)
    world.zone_group(world.endpoint(), zone)
    firewall(world, hub, ADDRESS, sub=HUB, **settings)
    return world.dns(ADDRESS)
