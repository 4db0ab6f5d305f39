"""What a Virtual WAN hub does for a network that is attached to it: whom it connects, which default route it gives.

A spoke shows a peering with a network named ``HV_…`` in a subscription of Microsoft's, which nobody can read: it says
that there is a hub, not which. Networks of one hub reach each other where both use its default route table and nothing
in the hub diverts their traffic. Source: learn.microsoft.com/azure/virtual-wan (about-virtual-hub-routing,
how-to-routing-policies, howto-private-link).
"""

from __future__ import annotations

from ipaddress import IPv4Address

import msgspec

from checks.arm_ids import name_of
from checks.facts import NotSeen, NotSeenReason, Seen
from checks.facts.network import Networks, Peering, VirtualNetwork
from checks.facts.virtual_hubs import HubConnection, VirtualHub
from checks.rules import visibility
from checks.rules.path import node_network
from checks.rules.path.destinations import EVERYTHING, Match, may_be_public, network, networks
from checks.rules.path.node_network import NodeSubnet

_MARK = "hv_"


class HubAnswer(msgspec.Struct, frozen=True):
    """Whether a hub connects two networks, and why that is not settled where it is not."""

    connected: Match
    why: str = ""
    gap: NotSeen | None = None


class HubDefault(msgspec.Struct, frozen=True):
    """That a hub may give nodes their default route. ``filters``: something in it may stop or translate the traffic."""

    name: str
    filters: bool
    gap: NotSeen | None = None


def attachment(facts: Networks, virtual_network: VirtualNetwork) -> Peering | None:
    """The peering that says that a network is attached to a hub."""
    marked = (p for p in virtual_network.peerings if name_of(p.remote_id).lower().startswith(_MARK) and p.connected())
    return next((peering for peering in marked if not _is_listed(facts, peering.remote_id)), None)


def _is_listed(facts: Networks, network_id: str) -> bool:
    part = facts.of(network_id)
    listed = part.virtual_networks if part else None
    return isinstance(listed, Seen) and network_id.rstrip("/").lower() in listed.value


def hub_of(facts: Networks, network_id: str) -> tuple[VirtualHub, HubConnection] | NotSeen:
    """The hub that a network is connected to and the connection, or why it is not known."""
    key, gap = network_id.rstrip("/").lower(), None
    for part in facts.hubs.values():
        if isinstance(part, NotSeen):
            gap = gap or part
            continue
        for hub in part.value:
            if isinstance(hub.connections, NotSeen):
                gap = gap or hub.connections
                continue
            found = next((one for one in hub.connections.value if one.network_id == key), None)
            if found is not None:
                return hub, found
    gap = gap or visibility.hidden_anywhere(facts.visibility, visibility.VIRTUAL_HUBS)
    detail = f"no virtual hub that was read has a connection with {name_of(network_id)}"
    where = "its hub lies in a subscription that Pullwatch's identity cannot see"
    return gap or NotSeen(NotSeenReason.NOT_ALLOWED, f"{detail}: {where}.", visibility.READER)


def leads(
    facts: Networks, node_subnet: NodeSubnet, far_id: str, addresses: tuple[IPv4Address, ...]
) -> HubAnswer | None:
    """Whether the hub of the nodes' network connects it with another; None where it is attached to no hub."""
    peering = attachment(facts, node_subnet.network)
    if peering is None:
        return None
    own = hub_of(facts, node_subnet.network.id)
    if isinstance(own, NotSeen):
        return HubAnswer(Match.MAYBE, f"the virtual hub behind {name_of(peering.remote_id)} decides: {own.detail}", own)
    hub, connection = own
    far = node_network.find(facts, "virtual_networks", far_id, "virtual network")
    if isinstance(far, NotSeen):
        return HubAnswer(Match.MAYBE, f"the virtual hub {hub.name} decides, and the other network cannot be read", far)
    assert isinstance(far, VirtualNetwork)
    listed = hub.connections.value if isinstance(hub.connections, Seen) else ()
    there = next((one for one in listed if one.network_id == far.id.rstrip("/").lower()), None)
    if there is None:
        return _apart(facts, hub, far)
    why = _doubt(hub, (connection, there), node_subnet, far, addresses)
    return HubAnswer(Match.MAYBE, why) if why else HubAnswer(Match.YES, hub.name)


def _doubt(
    hub: VirtualHub,
    connections: tuple[HubConnection, HubConnection],
    node_subnet: NodeSubnet,
    far: VirtualNetwork,
    addresses: tuple[IPv4Address, ...],
) -> str:
    """Why two networks of one hub may not reach each other directly; empty where nothing says so."""
    if not hub.provisioned or not all(one.provisioned for one in connections):
        return f"the routing of the virtual hub {hub.name}, or one of the connections, is not provisioned"
    if not all(one.plain for one in connections):
        return f"a connection of the virtual hub {hub.name} does not use its default route table alone"
    if isinstance(hub.policies, NotSeen) or isinstance(hub.routes, NotSeen):
        return f"the routing intent or the route tables of the virtual hub {hub.name} could not be read"
    if "privatetraffic" in hub.policies.value:
        return f"the routing intent of the virtual hub {hub.name} sends private traffic to a firewall, which decides"
    if _touches(hub.routes.value, far):
        return f"a static route of the virtual hub {hub.name} is about that network"
    if _overridden(node_subnet, far, addresses):
        return f"a route table of the nodes' subnet overrules the virtual hub {hub.name}, or does not take its routes"
    own, others = networks(node_subnet.network.prefixes), networks(far.prefixes)
    apart = own and others and not any(a.overlaps(b) for a in own for b in others)
    return "" if apart else f"the networks that the virtual hub {hub.name} connects overlap"


def _touches(prefixes: tuple[str, ...], far: VirtualNetwork) -> bool:
    spaces = networks(far.prefixes)
    routes = [network(text) for text in prefixes]
    wide = [prefix for prefix in routes if prefix is None or any(prefix.overlaps(space) for space in spaces)]
    # A default route alone is shorter than what a connection propagates.
    return any(prefix != EVERYTHING for prefix in wide)


def _overridden(node_subnet: NodeSubnet, far: VirtualNetwork, addresses: tuple[IPv4Address, ...]) -> bool:
    """Whether routes of the nodes' subnet come before those that the hub gives: as long or longer, or instead."""
    table = node_subnet.table
    if table is None:
        return False
    if isinstance(table, NotSeen) or not table.propagates or table.unreadable:
        return True
    routes = [prefix for route in table.routes if (prefix := network(route.prefix)) is not None]
    spaces = networks(far.prefixes)
    lengths = {one: max((s.prefixlen for s in spaces if one in s), default=0) for one in addresses}
    return any(one in prefix and prefix.prefixlen >= lengths[one] for one in addresses for prefix in routes)


def _apart(facts: Networks, hub: VirtualHub, far: VirtualNetwork) -> HubAnswer:
    """The other network has no connection with the nodes' hub: whether the Virtual WAN leads there otherwise."""
    if attachment(facts, far) is not None:
        other = hub_of(facts, far.id)
        if isinstance(other, NotSeen):
            why = f"{far.name} is attached to another virtual hub than {hub.name}: {other.detail}"
            return HubAnswer(Match.MAYBE, why, other)
        if other[0].wan_id is None or other[0].wan_id == hub.wan_id:
            names = f"{hub.name} and {other[0].name}"
            return HubAnswer(Match.MAYBE, f"{names} are different hubs of one Virtual WAN, whose routing decides")
    hubs = [one for part in facts.hubs.values() if isinstance(part, Seen) for one in part.value]
    if hub.wan_id is None or not all(_closed(one) for one in hubs if one.wan_id == hub.wan_id):
        return HubAnswer(Match.MAYBE, f"gateways, firewalls or routes of the virtual hub {hub.name} may lead there")
    return HubAnswer(Match.NO)


def _closed(hub: VirtualHub) -> bool:
    """Whether a hub leads to its connected networks and nowhere else."""
    parts = (hub.connections, hub.policies, hub.routes)
    if hub.gateways or hub.firewall or any(isinstance(part, NotSeen) for part in parts):
        return False
    listed = hub.connections.value if isinstance(hub.connections, Seen) else ()
    routed = any(part.value for part in (hub.routes, hub.policies) if isinstance(part, Seen))
    return not routed and not any(one.static_routes for one in listed)


def default_route(facts: Networks, node_subnet: NodeSubnet) -> HubDefault | None:
    """The hub that may give nodes a default route which is in no route table of their subnet; None where none does.

    A user's default route comes before it: that is not looked at here.
    """
    peering = attachment(facts, node_subnet.network)
    table = node_subnet.table
    if peering is None or (table is not None and not isinstance(table, NotSeen) and not table.propagates):
        return None
    own = hub_of(facts, node_subnet.network.id)
    if isinstance(own, NotSeen):
        return HubDefault(f"behind {name_of(peering.remote_id)}", True, own)
    hub, connection = own
    policies = hub.policies.value if isinstance(hub.policies, Seen) else None
    if connection.internet_security is False and policies is not None and "internet" not in policies:
        return HubDefault(hub.name, True) if _leads_out(hub) else None
    return HubDefault(hub.name, _may_filter(hub))


def _leads_out(hub: VirtualHub) -> bool:
    """Whether static routes beside the default one are about public addresses: a connection takes them all the same."""
    if isinstance(hub.routes, NotSeen):
        return True
    return any(
        prefix is None or may_be_public(prefix) for prefix in map(network, hub.routes.value) if prefix != EVERYTHING
    )


def _may_filter(hub: VirtualHub) -> bool:
    """Whether the hub may have a default route at all, which leads to a firewall, an appliance or a gateway."""
    if isinstance(hub.policies, NotSeen) or isinstance(hub.routes, NotSeen):
        return True
    routed = any(prefix is None or prefix.prefixlen <= 1 for prefix in map(network, hub.routes.value))
    return hub.firewall or hub.gateways or "internet" in hub.policies.value or routed
