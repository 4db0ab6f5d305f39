"""Private endpoints of a registry: their state, and whether nodes reach them.

Peering is not transitive and needs both sides connected. With a route to an appliance or a gateway in use, a network
two peerings away may be in reach: that is not settled here. Source: "Virtual network peering", "What is a private
endpoint".
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

import msgspec

from checks.arm_ids import name_of
from checks.facts import NotSeen, NotSeenReason, Registry, Seen, same_id, subscription_of
from checks.facts.network import Networks, Peering, PrivateEndpoint, Subnet, VirtualNetwork
from checks.facts.outbound import EndpointConnection
from checks.rules import visibility
from checks.rules.path import node_network
from checks.rules.path.central import connected_groups, virtual_hubs
from checks.rules.path.central.managers import connecting
from checks.rules.path.central.virtual_hubs import HubAnswer
from checks.rules.path.destinations import Destination, Match, address, networks
from checks.rules.path.node_network import NodeSubnet
from checks.rules.path.routes import is_diverted


class Reach(StrEnum):
    """Whether nodes reach an endpoint's network."""

    SAME = "same-network"
    PEERED = "peered"
    GROUP = "connected-group"
    HUB = "virtual-hub"
    NO_ACCESS = "access-off"
    NOT_CONNECTED = "peering-not-connected"
    PARTLY = "subnets-peered"
    TRANSIT = "transit"
    HUB_ROUTING = "hub-routing"
    NONE = "out-of-reach"
    MANAGED = "network-manager"
    HIDDEN = "not-readable"

    @property
    def certain(self) -> bool:
        """The endpoint is certainly in reach."""
        return self in (Reach.SAME, Reach.PEERED, Reach.GROUP, Reach.HUB)

    @property
    def blocked(self) -> bool:
        """The endpoint is certainly out of reach."""
        return self in (Reach.NONE, Reach.NOT_CONNECTED)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint of a registry, seen from one pool. ``home`` is its network and subnet, or why they are not known.

    ``hub`` is what the virtual hub of the nodes' network says of it, where that is attached to one.
    """

    connection: EndpointConnection | None
    endpoint: PrivateEndpoint | NotSeen
    home: tuple[VirtualNetwork, Subnet] | NotSeen
    reach: Reach
    peering: Peering | None = None
    gap: NotSeen | None = None
    hub: HubAnswer | None = None

    @property
    def name(self) -> str:
        """The endpoint's name, as far as an id tells it."""
        if isinstance(self.endpoint, PrivateEndpoint):
            return self.endpoint.name
        given = (self.connection.endpoint_id if self.connection else None) or "an endpoint"
        return name_of(given)

    @property
    def status(self) -> str | None:
        """The connection's state: the registry's own word, else the endpoint's."""
        if self.connection is not None:
            return self.connection.status
        return self.endpoint.status if isinstance(self.endpoint, PrivateEndpoint) else None

    @property
    def approved(self) -> bool:
        """The state is Approved."""
        return (self.status or "").lower() == "approved"

    @property
    def readable(self) -> bool:
        """Its addresses are known."""
        return isinstance(self.endpoint, PrivateEndpoint) and bool(self.addresses())

    def addresses(self, host: str | None = None) -> tuple[IPv4Address, ...]:
        """Its private addresses, or those that serve a name (members that name nothing may serve any)."""
        members = () if isinstance(self.endpoint, NotSeen) else self.endpoint.members
        if isinstance(members, NotSeen):
            return ()
        wanted = [m for m in members if host is None or not m.names or host in m.names]
        return tuple(addresses for member in wanted if (addresses := address(member.address)))

    def data_hosts(self) -> tuple[str, ...]:
        """The names of data endpoints that it serves."""
        members = () if isinstance(self.endpoint, NotSeen) else self.endpoint.members
        listed = () if isinstance(members, NotSeen) else members
        return tuple(name for member in listed for name in member.names if ".data." in name)


def candidates(facts: Networks, node_subnet: NodeSubnet | None, registry: Registry) -> tuple[Candidate, ...]:
    """The endpoints of a registry as a pool's nodes have them, those the registry itself lists first."""
    listed = registry.network_access.connections
    known = {(c.endpoint_id or "").rstrip("/").lower() for c in listed}
    others = [e for e in facts.endpoints_of.get(registry.id.rstrip("/").lower(), ()) if e.id.lower() not in known]
    items = [_candidate(facts, node_subnet, connection, _endpoint(facts, connection)) for connection in listed]
    return (*items, *(_candidate(facts, node_subnet, None, endpoint) for endpoint in others))


def _endpoint(facts: Networks, connection: EndpointConnection) -> PrivateEndpoint | NotSeen:
    if not connection.endpoint_id:
        return node_network.hidden(facts, "", f"The private endpoint of the connection {connection.name}")
    resource = node_network.find(facts, "endpoints", connection.endpoint_id, "private endpoint")
    assert isinstance(resource, PrivateEndpoint | NotSeen)
    return resource


def _candidate(
    facts: Networks,
    node_subnet: NodeSubnet | None,
    connection: EndpointConnection | None,
    endpoint: PrivateEndpoint | NotSeen,
) -> Candidate:
    home: tuple[VirtualNetwork, Subnet] | NotSeen
    if isinstance(endpoint, NotSeen):
        home = endpoint
    elif endpoint.subnet_id is None:
        home = node_network.hidden(facts, "", f"The subnet of the private endpoint {endpoint.name}")
    else:
        home = node_network.subnet_of(facts, endpoint.subnet_id)
    if isinstance(endpoint, NotSeen) or endpoint.subnet_id is None or node_subnet is None:
        return Candidate(connection=connection, endpoint=endpoint, home=home, reach=Reach.HIDDEN)
    network_id = node_network.network_id_of(endpoint.subnet_id)
    members = () if isinstance(endpoint.members, NotSeen) else endpoint.members
    addresses = tuple(candidate for member in members if (candidate := address(member.address)))
    hub = virtual_hubs.leads(facts, node_subnet, network_id, addresses)
    reach, peering = reach_of(facts, node_subnet, network_id, addresses, hub)
    reach, gap = _managed(facts, node_subnet, network_id, reach)
    if isinstance(home, NotSeen) and reach is Reach.NONE:
        reach = Reach.HIDDEN
    return Candidate(
        connection=connection, endpoint=endpoint, home=home, reach=reach, peering=peering, gap=gap, hub=hub
    )


def _managed(facts: Networks, node_subnet: NodeSubnet, network_id: str, reach: Reach) -> tuple[Reach, NotSeen | None]:
    """A network manager connects networks without any peering: out of reach is certain only where none does.

    Source: "Connectivity configurations in Azure Virtual Network Manager", connected groups.
    """
    if not reach.blocked and reach not in (Reach.TRANSIT, Reach.HUB_ROUTING):
        return reach, None
    answer = connected_groups.connected(facts, node_subnet.network, network_id)
    if answer is Match.YES:
        return Reach.GROUP, None
    if not reach.blocked or answer is Match.NO:
        return reach, None
    if answer is Match.MAYBE:
        return Reach.MANAGED, None
    return _unless_managed(facts, (node_subnet.network.id, network_id), reach, answer)


def _unless_managed(
    facts: Networks, network_ids: tuple[str, str], reach: Reach, unread: NotSeen
) -> tuple[Reach, NotSeen | None]:
    """What is in effect on the networks is ``unread``: whether there is a network manager that may connect them."""
    ends = tuple(subscription_of(network_id) for network_id in network_ids)
    if connecting(facts, ends) or any(connected_groups.in_a_group(facts, one) for one in network_ids):
        return Reach.MANAGED, None if unread.why is NotSeenReason.NOT_APPLICABLE else unread
    given = (facts.management.connections.get(end) for end in ends)
    gap = next((part for part in given if isinstance(part, NotSeen)), None)
    gap = gap or visibility.hidden_anywhere(facts.visibility, visibility.NETWORK_MANAGERS)
    return (Reach.HIDDEN, gap) if gap is not None else (reach, None)


def reach_of(
    facts: Networks,
    node_subnet: NodeSubnet,
    network_id: str,
    addresses: tuple[IPv4Address, ...],
    hub: HubAnswer | None = None,
) -> tuple[Reach, Peering | None]:
    """Whether nodes reach what lies in a network, and the peering that decides it.

    ``hub`` is what the virtual hub says that their network is attached to.
    """
    if not node_subnet.listed:
        return Reach.HIDDEN, None
    if same_id(node_subnet.network.id, network_id):
        return Reach.SAME, None
    peering = next((p for p in node_subnet.network.peerings if same_id(p.remote_id, network_id)), None)
    direct = _direct(facts, node_subnet.network, peering, network_id) if peering else None
    if direct is not None and direct is not Reach.NOT_CONNECTED:
        return direct, peering
    if hub is not None and hub.connected is Match.YES:
        return Reach.HUB, peering
    if hub is not None and hub.connected is Match.MAYBE:
        return Reach.TRANSIT if hub.gap is not None else Reach.HUB_ROUTING, peering
    if _transit(facts, node_subnet, addresses):
        return Reach.TRANSIT, peering
    return (direct, peering) if direct is not None else (Reach.NONE, None)


def _direct(facts: Networks, own_virtual_network: VirtualNetwork, peering: Peering, network_id: str) -> Reach:
    if not peering.connected():
        return Reach.NOT_CONNECTED
    remote = node_network.find(facts, "virtual_networks", network_id, "virtual network")
    if isinstance(remote, NotSeen):
        return Reach.HIDDEN
    assert isinstance(remote, VirtualNetwork)
    back = next((p for p in remote.peerings if same_id(p.remote_id, own_virtual_network.id)), None)
    if back is None or not back.connected():
        return Reach.NOT_CONNECTED
    if not peering.complete or not back.complete:
        return Reach.PARTLY
    if peering.allow_access is False or back.allow_access is False:
        return Reach.NO_ACCESS
    return Reach.PEERED


def _transit(facts: Networks, node_subnet: NodeSubnet, addresses: tuple[IPv4Address, ...]) -> bool:
    """Whether something beyond peering may lead there: an appliance, a gateway, or a hub that cannot be read.

    A virtual hub is not asked here: where it is certain that it leads elsewhere, its peering counts for nothing.
    """
    table = None if isinstance(node_subnet.table, NotSeen) else node_subnet.table
    if isinstance(node_subnet.table, NotSeen) or is_diverted(table, Destination(what="", host="", addresses=addresses)):
        return True
    if not addresses and table is not None and table.routes:
        return True
    attached = virtual_hubs.attachment(facts, node_subnet.network)
    connected = [p for p in node_subnet.network.peerings if p.connected() and p != attached]
    gateway = any(s.name.lower() == "gatewaysubnet" for s in node_subnet.network.subnets)
    unseen = any(not _visible(facts, p.remote_id) for p in connected)
    return gateway or unseen or any(p.use_remote_gateways for p in connected)


def _visible(facts: Networks, network_id: str) -> bool:
    part = facts.by_subscription.get(subscription_of(network_id))
    listed = part.virtual_networks if part else None
    return isinstance(listed, Seen) and network_id.rstrip("/").lower() in listed.value


def _space_of(facts: Networks, peering: Peering) -> tuple[IPv4Network, ...]:
    """The address space of a peer: as the peering shows it, or its own network."""
    remote = node_network.find(facts, "virtual_networks", peering.remote_id, "virtual network")
    prefixes = remote.prefixes if isinstance(remote, VirtualNetwork) else ()
    return networks(peering.remote_prefixes or prefixes)


def in_network(facts: Networks, node_subnet: NodeSubnet, destination: Destination) -> Match:
    """Whether the service tag VirtualNetwork, seen from a pool, covers a target.

    It holds the network's own space, that of connected peers that have access, what lies behind gateways, and the
    prefixes of user-defined routes.
    """
    peers = [p for p in node_subnet.network.peerings if p.connected() and p.allow_access is not False]
    table = None if isinstance(node_subnet.table, NotSeen) else node_subnet.table
    routed = networks(route.prefix for route in (table.routes if table else ()))
    if not destination.addresses:
        wide = any(prefix.prefixlen < 8 for prefix in routed) or isinstance(node_subnet.table, NotSeen)
        return Match.MAYBE if wide else Match.NO
    own = networks(node_subnet.network.prefixes)
    spaces = (*own, *(space for peer in peers for space in _space_of(facts, peer)))
    if all(any(one in space for space in spaces) for one in destination.addresses):
        return Match.YES
    behind = any(p.use_remote_gateways for p in peers) or any(one in p for p in routed for one in destination.addresses)
    unknown = any(not _space_of(facts, peer) for peer in peers)
    return Match.MAYBE if behind or unknown else Match.NO
