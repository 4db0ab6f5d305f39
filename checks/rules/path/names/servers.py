"""Who answers at the address of a DNS server that a network or a forwarding rule names.

An inbound endpoint of a resolver answers as Azure DNS does in the resolver's network, and so does an Azure Firewall
that is a DNS proxy and has no servers of its own. Anybody else is a machine of which Azure Resource Manager shows an
address.
Sources: "Azure DNS Private Resolver endpoints and rulesets", "Azure Firewall DNS settings".
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

import msgspec

from checks.arm_ids import name_of
from checks.facts import NotSeen, NotSeenReason, same_id, subscription_of
from checks.facts.name_servers import Firewall, FirewallPolicy
from checks.facts.network import Networks, Peering, VirtualNetwork
from checks.rules import visibility
from checks.rules.path import destinations, node_network

AZURE_DNS = "168.63.129.16"
RESOLVERS = "Microsoft.Network/dnsResolvers"
FIREWALLS = "Microsoft.Network/azureFirewalls"


class Unclear(msgspec.Struct, frozen=True):
    """Why it is not known what a server answers; ``gap`` where something may not be read."""

    why: str
    gap: NotSeen | None = None


def answering(networks: Networks, near: VirtualNetwork, server: str) -> VirtualNetwork | Unclear:
    """The network as which a server answers, asked from a network."""
    if server.strip() == AZURE_DNS:
        return near
    home = home_of(networks, near, server)
    if isinstance(home, Unclear):
        return home
    one = destinations.address(server)
    assert one is not None, "a server that has a home has an address"
    found = _resolver(networks, home, one)
    return found if found is not None else _firewall(networks, home, one)


def home_of(networks: Networks, near: VirtualNetwork, server: str) -> VirtualNetwork | Unclear:
    """The network that a server's address lies in, as another network sees it: itself, or one that is peered with it.

    Networks that are not connected may have the same addresses, so no others are looked through.
    """
    one = destinations.address(server)
    if one is None:
        return Unclear(f"{server} is no IPv4 address on port 53")
    if _holds(near.prefixes, one):
        return near
    peers = [peering for peering in near.peerings if _usable(peering)]
    spaces = {peering.remote_id: _space(networks, peering) for peering in peers}
    # A peer that shows no space may have any address.
    for peering in sorted(peers, key=lambda peer: not spaces[peer.remote_id]):
        if not spaces[peering.remote_id] or _holds(spaces[peering.remote_id], one):
            return _peer(networks, peering, server)
    return Unclear(f"{server} lies neither in {near.name} nor in a network that is peered with it")


def _usable(peering: Peering) -> bool:
    return peering.connected() and peering.allow_access is not False


def _space(networks: Networks, peering: Peering) -> tuple[str, ...]:
    """The address space of a peer: as the peering shows it, or as its own network does."""
    if peering.remote_prefixes:
        return peering.remote_prefixes
    remote = node_network.find(networks, "virtual_networks", peering.remote_id, "peered virtual network")
    return remote.prefixes if isinstance(remote, VirtualNetwork) else ()


def _holds(prefixes: tuple[str, ...], one: IPv4Address) -> bool:
    return any(one in prefix for prefix in destinations.networks(prefixes))


def _peer(networks: Networks, peering: Peering, server: str) -> VirtualNetwork | Unclear:
    remote = node_network.find(networks, "virtual_networks", peering.remote_id, "peered virtual network")
    if isinstance(remote, VirtualNetwork):
        return remote
    if name_of(peering.remote_id).lower().startswith("hv_"):
        return Unclear(f"{server} lies in a Virtual WAN hub, as a firewall of the hub does: no zone is linked to it")
    assert isinstance(remote, NotSeen)
    return Unclear(f"the network of {server} cannot be read", remote)


def _resolver(networks: Networks, home: VirtualNetwork, one: IPv4Address) -> VirtualNetwork | Unclear | None:
    """The network of the resolver that has an inbound endpoint at the address; None where none has."""
    listed = networks.name_servers.resolvers.get(subscription_of(home.id))
    if listed is None:
        return Unclear("the resolvers of its subscription were not read")
    if isinstance(listed, NotSeen):
        return Unclear("the resolvers of its subscription could not be read", listed)
    for resolver in listed.value.values():
        if not same_id(resolver.network_id, home.id):
            continue
        if isinstance(resolver.inbound, NotSeen):
            return Unclear(f"the inbound endpoints of the resolver {resolver.name} could not be read", resolver.inbound)
        if one in _addresses(resolver.inbound.value):
            if resolver.connected():
                return home
            return Unclear(f"the resolver {resolver.name} that has {one} is disconnected")
    return None


def _addresses(texts: tuple[str, ...]) -> Iterator[IPv4Address]:
    return (one for text in texts if (one := destinations.address(text)) is not None)


def _firewall(networks: Networks, home: VirtualNetwork, one: IPv4Address) -> VirtualNetwork | Unclear:
    subscription = subscription_of(home.id)
    listed = networks.name_servers.firewalls.get(subscription)
    if isinstance(listed, NotSeen):
        return Unclear("the firewalls of its subscription could not be read", listed)
    for firewall in listed.value.values() if listed is not None else ():
        if same_id(firewall.network_id, home.id) and one in _addresses(firewall.addresses):
            return _proxy(networks, home, firewall)
    for kind in (RESOLVERS, FIREWALLS):
        gap = visibility.hidden_in(networks.visibility, subscription, kind)
        if gap is not None:
            return Unclear(f"who has {one} in {home.name} may be hidden", gap)
    return Unclear(f"no resolver and no Azure Firewall in the subscription of {home.name} has {one}")


def _proxy(networks: Networks, home: VirtualNetwork, firewall: Firewall) -> VirtualNetwork | Unclear:
    """The network of a firewall that hands names on to Azure DNS as they are."""
    if firewall.policy_id is None:
        return Unclear(f"the firewall {firewall.name} that has it has no policy that says whether it is a DNS proxy")
    policy = networks.name_servers.policies.get(firewall.policy_id.rstrip("/").lower())
    if policy is None:
        gap = NotSeen(NotSeenReason.NOT_APPLICABLE, f"the policy {firewall.policy_id} was not read")
        return Unclear(f"the policy of the firewall {firewall.name} was not read", gap)
    if isinstance(policy, NotSeen):
        return Unclear(f"the policy of the firewall {firewall.name} could not be read", policy)
    why = _not_plain(policy.value)
    return Unclear(f"the policy {name_of(policy.value.id)} of the firewall {firewall.name} {why}") if why else home


def _not_plain(policy: FirewallPolicy) -> str:
    """Why a policy does not make its firewall a proxy of Azure DNS; empty where it does."""
    servers = tuple(server for server in policy.servers if server.strip() != AZURE_DNS)
    if policy.base_id is not None:
        return f"inherits from {name_of(policy.base_id)}, which may set other DNS servers"
    if servers:
        return f"asks the DNS servers {', '.join(servers[:5])}"
    return "" if policy.proxy is True else "does not make it a DNS proxy"
