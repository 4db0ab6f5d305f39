"""The facts of networks: what Microsoft.Network shows, as frozen plain data.

Names are Azure's own. Every dict is keyed by the ARM id in lower case. A list that could not be read is ``NotSeen``:
whatever depends on it is then Unknown. Addresses stay text here; the rules read them with ``ipaddress``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TypeVar

import msgspec

from checks.arm_ids import resource_group_of, subscription_of
from checks.facts.name_servers import NameServers
from checks.facts.network_management import NetworkManagement
from checks.facts.observation import NotSeen, NotSeenReason, Seen
from checks.facts.security_rules import SecurityRule
from checks.facts.virtual_hubs import VirtualHub
from checks.facts.visibility import Visibility

T = TypeVar("T", "VirtualNetwork", "SecurityGroup")

UNREAD = NotSeen(NotSeenReason.NOT_APPLICABLE, "networks were not read")


class Subnet(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet of a virtual network. ``endpoint_policies`` is ``privateEndpointNetworkPolicies``."""

    id: str
    name: str
    prefixes: tuple[str, ...] = ()
    service_endpoints: tuple[str, ...] = ()
    security_group_id: str | None = None
    route_table_id: str | None = None
    nat_gateway_id: str | None = None
    default_outbound_access: bool | None = None
    endpoint_policies: str | None = None

    def has_service_endpoint(self, service: str) -> bool:
        """Whether a service endpoint ("Microsoft.ContainerRegistry") is on the subnet."""
        return service.lower() in {name.lower() for name in self.service_endpoints}


class Peering(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a peering. ``complete`` False: only some subnets are peered."""

    name: str
    remote_id: str
    state: str | None = None
    allow_access: bool | None = None
    use_remote_gateways: bool = False
    complete: bool = True
    remote_prefixes: tuple[str, ...] = ()

    def connected(self) -> bool:
        """``peeringState`` is Connected."""
        return (self.state or "").lower() == "connected"


class VirtualNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual network with its subnets and its sides of its peerings."""

    id: str
    name: str
    location: str | None = None
    prefixes: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    peerings: tuple[Peering, ...] = ()


class SecurityGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A network security group. ``unreadable`` counts rules whose bodies could not be understood."""

    id: str
    name: str
    rules: tuple[SecurityRule, ...] = ()
    default_rules: tuple[SecurityRule, ...] = ()
    unreadable: int = 0


class Route(msgspec.Struct, frozen=True):
    """One route: ``prefix`` is a CIDR or a service tag, ``next_hop`` Azure's word for its type."""

    name: str
    prefix: str
    next_hop: str
    next_hop_address: str | None = None


class RouteTable(msgspec.Struct, frozen=True, kw_only=True):
    """A route table. ``unreadable`` counts routes whose bodies could not be understood.

    ``propagates`` False: the subnet takes no routes from gateways and hubs (``disableBgpRoutePropagation``).
    """

    id: str
    name: str
    routes: tuple[Route, ...] = ()
    unreadable: int = 0
    propagates: bool = True


class NatGateway(msgspec.Struct, frozen=True, kw_only=True):
    """A NAT gateway with the ids of its public addresses and prefixes."""

    id: str
    address_ids: tuple[str, ...] = ()
    prefix_ids: tuple[str, ...] = ()


class PublicAddress(msgspec.Struct, frozen=True):
    """A public address or a public prefix: ``network`` is one address or a CIDR, None while nothing is allocated."""

    id: str
    network: str | None


class MemberAddress(msgspec.Struct, frozen=True):
    """A private address of an endpoint and the names it serves (lower case; empty where ARM does not tell)."""

    address: str
    names: tuple[str, ...] = ()


class PrivateEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A private endpoint. ``targets`` are the ids it connects to (lower case), ``status`` its own view of the state.

    ``members`` come from its network interface, else from ``customDnsConfigs``; a NotSeen says why there are none.
    """

    id: str
    name: str
    subnet_id: str | None = None
    targets: tuple[str, ...] = ()
    status: str | None = None
    interface_ids: tuple[str, ...] = ()
    members: tuple[MemberAddress, ...] | NotSeen = ()


class ZoneLink(msgspec.Struct, frozen=True):
    """A virtual network link of a private DNS zone. ``state`` is ``virtualNetworkLinkState``."""

    name: str
    network_id: str
    resolution_policy: str | None = None
    state: str | None = None

    def completed(self) -> bool:
        """Names are answered by it: no other state is shown, as the one of a link that is being made."""
        return (self.state or "Completed").lower() == "completed"

    def redirects(self) -> bool:
        """Names that the zone lacks are asked of public DNS (``NxDomainRedirect``)."""
        return (self.resolution_policy or "").lower() == "nxdomainredirect"


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """A private DNS zone. ``records``: A records by relative name (lower case); ``aliases``: CNAMEs likewise.

    ``link_count`` is ``numberOfVirtualNetworkLinks``: more than the links listed means that some are not shown.
    """

    id: str
    name: str
    links: Seen[tuple[ZoneLink, ...]] | NotSeen
    link_count: int | None = None
    records: Seen[dict[str, tuple[str, ...]]] | NotSeen
    aliases: Seen[dict[str, str]] | NotSeen


class ForwardingRuleset(msgspec.Struct, frozen=True, kw_only=True):
    """A DNS forwarding ruleset and the networks (ids) that it is linked to: it answers before public DNS does.

    ``resolver_ids`` are the resolvers whose outbound endpoints ask the servers that its rules name.
    """

    id: str
    name: str
    links: Seen[tuple[str, ...]] | NotSeen
    resolver_ids: tuple[str, ...] = ()


class NetworkManager(msgspec.Struct, frozen=True, kw_only=True):
    """An Azure Virtual Network Manager: networks in its scope may be connected, or closed, without a sign on them.

    ``subscriptions`` are guids in lower case; ``wide``: its scope names management groups. ``connects`` and ``secures``
    are its ``networkManagerScopeAccesses``.
    """

    id: str
    name: str
    subscriptions: tuple[str, ...] = ()
    wide: bool = False
    connects: bool = False
    secures: bool = False

    def covers(self, subscription: str) -> bool:
        """Whether its scope may hold a subscription's networks: what a management group holds is not read."""
        return self.wide or subscription.lower() in self.subscriptions


class Network(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What one subscription's network lists showed; shared by its clusters.

    ``node_addresses`` is keyed "scale set's pool" per node group: ``"{node resource group}/{pool}"`` in lower case.
    """

    virtual_networks: Seen[dict[str, VirtualNetwork]] | NotSeen = UNREAD
    security_groups: Seen[dict[str, SecurityGroup]] | NotSeen = UNREAD
    route_tables: Seen[dict[str, RouteTable]] | NotSeen = UNREAD
    nat_gateways: Seen[dict[str, NatGateway]] | NotSeen = UNREAD
    addresses: Seen[dict[str, PublicAddress]] | NotSeen = UNREAD
    prefixes: Seen[dict[str, PublicAddress]] | NotSeen = UNREAD
    endpoints: Seen[dict[str, PrivateEndpoint]] | NotSeen = UNREAD
    zones: Seen[dict[str, Zone]] | NotSeen = UNREAD
    rulesets: Seen[dict[str, ForwardingRuleset]] | NotSeen = UNREAD
    managers: Seen[dict[str, NetworkManager]] | NotSeen = UNREAD
    registry_rules: Seen[dict[str, tuple[str, ...]]] | NotSeen = UNREAD
    node_addresses: Seen[dict[str, tuple[PublicAddress, ...]]] | NotSeen = UNREAD

    def networks_in(self, group: str) -> tuple[VirtualNetwork, ...]:
        """The virtual networks in a resource group (lower case); none where they were not read."""
        return self._networks_by_group.get(group, ())

    def security_groups_in(self, group: str) -> tuple[SecurityGroup, ...]:
        """The network security groups in a resource group (lower case); none where they were not read."""
        return self._security_groups_by_group.get(group, ())

    @cached_property
    def _networks_by_group(self) -> dict[str, tuple[VirtualNetwork, ...]]:
        return _by_group(self.virtual_networks)

    @cached_property
    def _security_groups_by_group(self) -> dict[str, tuple[SecurityGroup, ...]]:
        return _by_group(self.security_groups)

    @cached_property
    def gaps(self) -> tuple[tuple[str, NotSeen], ...]:
        """The lists that could not be read, by what they are; one that was not needed, or not asked for, is no gap."""
        named = (
            ("virtual networks", self.virtual_networks),
            ("network security groups", self.security_groups),
            ("route tables", self.route_tables),
            ("NAT gateways", self.nat_gateways),
            ("public addresses", self.addresses),
            ("public prefixes", self.prefixes),
            ("private endpoints", self.endpoints),
            ("private DNS zones", self.zones),
            ("DNS forwarding rulesets", self.rulesets),
            ("network managers", self.managers),
            ("virtual network rules", self.registry_rules),
            ("addresses of nodes", self.node_addresses),
        )
        return tuple(
            (what, part)
            for what, part in named
            if isinstance(part, NotSeen) and part.why not in (NotSeenReason.NOT_APPLICABLE, NotSeenReason.NOT_ASKED)
        )


def _by_group(listed: Seen[dict[str, T]] | NotSeen) -> dict[str, tuple[T, ...]]:
    groups: dict[str, list[T]] = {}
    for resource in listed.value.values() if isinstance(listed, Seen) else ():
        groups.setdefault(resource_group_of(resource.id).lower(), []).append(resource)
    return {group: tuple(resources) for group, resources in groups.items()}


class Networks(msgspec.Struct, frozen=True, kw_only=True):
    """All subscriptions' networks with the indexes that judges need; shared by every cluster of a run.

    ``zones_of`` and ``rulesets_of`` are keyed by the network linked, ``endpoints_of`` by the resource connected to.
    ``managers`` are the network managers that were seen, of all subscriptions.
    ``zone_groups`` are the private DNS zones (ids) that the zone groups of an endpoint name, by the endpoint's id: only
    those of endpoints of registries in use are read. ``name_servers``: what stands between the nodes and their zones.
    ``management`` is what network managers do to the networks of a cluster, ``hubs`` the Virtual WAN hubs of each
    subscription (guid), where something asked for it.
    """

    by_subscription: dict[str, Network] = {}
    endpoints_of: dict[str, tuple[PrivateEndpoint, ...]] = {}
    zones_of: dict[str, tuple[tuple[Zone, ZoneLink], ...]] = {}
    rulesets_of: dict[str, tuple[ForwardingRuleset, ...]] = {}
    managers: tuple[NetworkManager, ...] = ()
    zone_groups: dict[str, Seen[tuple[str, ...]] | NotSeen] = {}
    name_servers: NameServers = NameServers()
    management: NetworkManagement = NetworkManagement()
    hubs: dict[str, Seen[tuple[VirtualHub, ...]] | NotSeen] = {}
    visibility: Visibility = Visibility()

    def of(self, resource_id: str) -> Network | None:
        """The network facts of the subscription that an id lies in, or None where it was not read."""
        return self.by_subscription.get(subscription_of(resource_id))


def networks_of(pairs: Iterable[tuple[str, Network]], visibility: Visibility) -> Networks:
    """The networks of subscriptions (guid in lower case), with their indexes."""
    by_subscription = dict(pairs)
    endpoints: dict[str, list[PrivateEndpoint]] = {}
    zones: dict[str, list[tuple[Zone, ZoneLink]]] = {}
    rulesets: dict[str, list[ForwardingRuleset]] = {}
    managers: list[NetworkManager] = []
    for network in by_subscription.values():
        for endpoint in network.endpoints.value.values() if isinstance(network.endpoints, Seen) else ():
            for target in endpoint.targets:
                endpoints.setdefault(target, []).append(endpoint)
        for zone in network.zones.value.values() if isinstance(network.zones, Seen) else ():
            for link in zone.links.value if isinstance(zone.links, Seen) else ():
                zones.setdefault(link.network_id.rstrip("/").lower(), []).append((zone, link))
        for ruleset in network.rulesets.value.values() if isinstance(network.rulesets, Seen) else ():
            for linked in ruleset.links.value if isinstance(ruleset.links, Seen) else ():
                rulesets.setdefault(linked.rstrip("/").lower(), []).append(ruleset)
        managers += network.managers.value.values() if isinstance(network.managers, Seen) else ()
    return Networks(
        by_subscription=by_subscription,
        endpoints_of={key: tuple(value) for key, value in endpoints.items()},
        zones_of={key: tuple(value) for key, value in zones.items()},
        rulesets_of={key: tuple(value) for key, value in rulesets.items()},
        managers=tuple(managers),
        visibility=visibility,
    )
