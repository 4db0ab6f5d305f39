"""What a node hears when it looks up a name of a registry with a private endpoint, from the tenant's resources.

Public DNS leads such a name to its `privatelink.` form. In a network, Azure DNS (168.63.129.16) looks first into the
zone closest to that form that is linked to the network, then at the rules of the rulesets linked to it, then asks
public DNS. A network with DNS servers of its own asks the first of them. Who answers at a server's address: a
resolver's inbound endpoint, as Azure DNS of the resolver's network; an Azure Firewall whose policy makes it a proxy, as
that of the firewall's network or as the server its policy names, else not at all; any other machine, as that of the
network it stands in; nobody that the tenant knows, as public DNS. A name that comes back to a server that sent it on is
lost. LocalDNS and CoreDNS, where a pool's pulls go through them, hand names on as they are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resource, Resources

AZURE_DNS = "168.63.129.16"
NETWORKS = "microsoft.network/virtualnetworks"
ZONES = "microsoft.network/privatednszones"
RULESETS = "microsoft.network/dnsforwardingrulesets"
RESOLVERS = "microsoft.network/dnsresolvers"
FIREWALLS = "microsoft.network/azurefirewalls"
PUBLIC = "public"


class Names:
    """Lookups in one state of a tenant."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def lookup(self, network_id: str, name: str) -> str | None:
        """An address, "public" where the public one is the answer, or None where there is no such name."""
        servers = _table(_properties(self._resources.find(network_id)).get("dhcpOptions")).get("dnsServers")
        if isinstance(servers, list) and servers and str(servers[0]) != AZURE_DNS:
            return self._at(str(servers[0]), network_id, name, ())
        return self._in(network_id, name, ())

    def _in(self, network_id: str, name: str, sent_on: tuple[str, ...]) -> str | None:
        """The answer of Azure DNS in a network."""
        label, suffix = name.rsplit(".", 2)[0], ".".join(name.rsplit(".", 2)[1:])
        zone = self._closest_zone(network_id, f"{label}.privatelink.{suffix}")
        if zone is not None:
            return self._record(*zone, f"{label}.privatelink.{suffix}")
        rule = self._rule(network_id, name)
        if rule is None:
            return PUBLIC
        server, asked_from = rule
        return self._at(server, asked_from, name, sent_on)

    def _at(self, server: str, asked_from: str, name: str, sent_on: tuple[str, ...]) -> str | None:
        """The answer of a server, asked from a network; `sent_on` are those that sent the name to it."""
        if server in sent_on:
            return None
        sent_on = (*sent_on, server)
        network_id = self._network_around(server, asked_from)
        firewall = self._firewall(server, network_id)
        if firewall is None:
            return self._in(network_id, name, sent_on) if network_id else PUBLIC
        policy = self._resources.find(str(_table(_properties(firewall).get("firewallPolicy")).get("id", "")))
        settings = _table(_properties(policy).get("dnsSettings"))
        if settings.get("enableProxy") is not True:
            return None
        further = settings.get("servers")
        if isinstance(further, list) and further:
            return self._at(str(further[0]), network_id, name, sent_on)
        return self._in(network_id, name, sent_on)

    def _firewall(self, address: str, network_id: str) -> Resource | None:
        for firewall in self._resources.everywhere(FIREWALLS):
            for config in _items(_properties(firewall).get("ipConfigurations")):
                properties = _table(config.get("properties"))
                subnet = str(_table(properties.get("subnet")).get("id", ""))
                inside = ids.key(subnet.rsplit("/subnets/", 1)[0]) == ids.key(network_id)
                if inside and properties.get("privateIPAddress") == address:
                    return firewall
        return None

    def _network_around(self, address: str, asked_from: str) -> str:
        """The network of an address: that of a resolver that has it, else one whose space it is in; near ones first."""
        near = [asked_from, *self._peers(asked_from)]
        with_resolver = [home for home, has in self._inbound() if has == address]
        around = [n.id for n in self._resources.everywhere(NETWORKS) if _holds(n, address)]
        for network_id in (*with_resolver, *around):
            if any(ids.key(network_id) == ids.key(one) for one in near if one):
                return network_id
        return next(iter((*with_resolver, *around)), "")

    def _peers(self, network_id: str) -> list[str]:
        peerings = self._resources.children(network_id, "virtualNetworkPeerings") if network_id else []
        return [str(_table(_properties(one).get("remoteVirtualNetwork")).get("id", "")) for one in peerings]

    def _inbound(self) -> Iterator[tuple[str, str]]:
        """Resolvers' networks, each with an address of an inbound endpoint."""
        for resolver in self._resources.everywhere(RESOLVERS):
            home = str(_table(_properties(resolver).get("virtualNetwork")).get("id", ""))
            for endpoint in self._resources.children(resolver.id, "inboundEndpoints"):
                for config in _items(_properties(endpoint).get("ipConfigurations")):
                    yield home, str(config.get("privateIpAddress"))

    def _closest_zone(self, network_id: str, name: str) -> tuple[Resource, dict[str, Any]] | None:
        """The zone with the longest name that a name lies in, of those linked to a network, with the link."""
        found: dict[str, tuple[Resource, dict[str, Any]]] = {}
        for zone in self._resources.everywhere(ZONES):
            domain = zone.path.names[-1].lower()
            link = self._link(zone, network_id) if f".{name}".endswith(f".{domain}") else None
            if link is not None:
                found[domain] = (zone, link)
        return found[max(found, key=len)] if found else None

    def _link(self, parent: Resource, network_id: str) -> dict[str, Any] | None:
        for link in self._resources.children(parent.id, "virtualNetworkLinks"):
            linked = str(_table(_properties(link).get("virtualNetwork")).get("id", ""))
            if network_id and ids.key(linked) == ids.key(network_id):
                return _properties(link)
        return None

    def _record(self, zone: Resource, link: dict[str, Any], name: str) -> str | None:
        relative = name.removesuffix(zone.path.names[-1].lower()).rstrip(".") or "@"
        record = self._resources.find(f"{zone.id}/A/{relative}")
        addresses = [str(one.get("ipv4Address")) for one in _items(_properties(record).get("aRecords"))]
        redirects = str(link.get("resolutionPolicy", "")).lower() == "nxdomainredirect"
        return addresses[0] if addresses else PUBLIC if redirects else None

    def _rule(self, network_id: str, name: str) -> tuple[str, str] | None:
        """The first server of the longest rule that catches a name in a network, and the network it is asked from.

        The rule `.` catches no name of Azure's services, and one for `privatelink.…` not the name that is asked first.
        """
        caught: dict[str, tuple[str, str]] = {}
        for ruleset in self._resources.everywhere(RULESETS):
            if self._link(ruleset, network_id) is None:
                continue
            for rule in self._resources.children(ruleset.id, "forwardingRules"):
                domain, server = _domain(_properties(rule))
                if domain and server and f".{name}".endswith(f".{domain}"):
                    caught[domain] = (server, self._asks_from(ruleset) or network_id)
        return caught[max(caught, key=len)] if caught else None

    def _asks_from(self, ruleset: Resource) -> str:
        """The network of the resolver that a ruleset's outbound endpoint belongs to."""
        outbound = [str(one.get("id", "")) for one in _items(_properties(ruleset).get("dnsResolverOutboundEndpoints"))]
        resolvers = [self._resources.find(one.rsplit("/outboundEndpoints/", 1)[0]) for one in outbound if one]
        homes = [str(_table(_properties(one).get("virtualNetwork")).get("id", "")) for one in resolvers if one]
        return next(iter(homes), "")


def _domain(properties: dict[str, Any]) -> tuple[str, str]:
    """The domain of a forwarding rule and its first server; empty where the rule is off or has none."""
    if str(properties.get("forwardingRuleState", "Enabled")).lower() != "enabled":
        return "", ""
    servers = [str(server.get("ipAddress", "")) for server in _items(properties.get("targetDnsServers"))]
    return str(properties.get("domainName", "")).lower().rstrip("."), next(iter(servers), "")


def _holds(network: Resource, address: str) -> bool:
    prefixes = _table(_properties(network).get("addressSpace")).get("addressPrefixes")
    try:
        wanted = ipaddress.ip_address(address)
        spaces = [ipaddress.ip_network(str(p), strict=False) for p in prefixes] if isinstance(prefixes, list) else []
    except ValueError:
        return False
    return any(wanted in space for space in spaces)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _properties(resource: Resource | None) -> dict[str, Any]:
    return _table(resource.body.get("properties")) if resource is not None else {}
