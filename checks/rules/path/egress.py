"""How a pool's nodes leave for the internet, and with which addresses.

Azure's order per subnet: a default route of the user, the subnet's NAT gateway, a node's own public address, the load
balancer's outbound rules, default outbound access (learn.microsoft.com/azure/nat-gateway/nat-overview). What AKS's
profile lists is overruled by what comes before it. Registries' public endpoints are IPv4: only IPv4 addresses count.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Network

import msgspec

from checks.facts import Cluster, NotSeen, NotSeenReason, subscription_of
from checks.facts.network import NatGateway, Networks, PublicAddress
from checks.rules import visibility
from checks.rules.path import node_network
from checks.rules.path.central.virtual_hubs import HubDefault, default_route
from checks.rules.path.destinations import network
from checks.rules.path.node_network import NodeSubnet
from checks.rules.path.routes import RouteEffect, Routing, routes_everything


class OutboundType(StrEnum):
    """By what nodes leave."""

    NAT = "NAT gateway"
    NODE = "the nodes' own public addresses"
    BALANCER = "load balancer"
    DEFAULT = "default outbound access"
    ROUTED = "a route elsewhere"
    DROPPED = "a route to nowhere"
    NONE = "no outbound access"
    HUB = "a virtual hub or the cluster's own outbound addresses"


class Egress(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes leave. ``networks`` are the addresses known, ``gaps`` why others are not; ``complete``: all are known.

    ``note`` says why an exit is what it is where that is not plain. ``hub`` is the virtual hub that may give
    them a default route, which is in no route table and comes before everything but a user's own.
    """

    exit: OutboundType
    networks: tuple[IPv4Network, ...] = ()
    gaps: tuple[NotSeen, ...] = ()
    complete: bool = True
    note: str = ""
    hub: HubDefault | None = None

    def describe(self) -> str:
        """The addresses in words."""
        names = ", ".join(str(n.network_address) if n.prefixlen == 32 else str(n) for n in self.networks)
        return names or "addresses that ARM does not show"


def egress_of(facts: Networks, cluster: Cluster, node_subnet: NodeSubnet, routing: Routing) -> Egress:
    """How the nodes of a pool leave towards a public service, given what routes do with that traffic."""
    kind = (cluster.outbound.outbound_type or "loadBalancer").lower()
    if routing.only is RouteEffect.DROPPED:
        return Egress(exit=OutboundType.DROPPED, note=routing.describe())
    if routing.only is not RouteEffect.AS_IS:
        return Egress(exit=OutboundType.ROUTED, complete=False, note=routing.describe())
    if kind == "userdefinedrouting" and not routing.routes:
        return Egress(exit=OutboundType.ROUTED, complete=False, note="outboundType userDefinedRouting")
    if kind == "block":
        return Egress(exit=OutboundType.NONE, note="outboundType block")
    hub = None if routes_everything(node_subnet.table, routing) else default_route(facts, node_subnet)
    if hub is not None:
        why = hub.gap.detail if hub.gap is not None else "it may give the nodes their default route"
        return Egress(exit=OutboundType.HUB, complete=False, note=f"virtual hub {hub.name}: {why}", hub=hub)
    if node_subnet.subnet.nat_gateway_id:
        return _nat(facts, cluster, node_subnet.subnet.nat_gateway_id)
    if node_subnet.pool.outbound.enable_node_public_ip:
        return _own(facts, cluster, node_subnet)
    return _of_cluster(facts, cluster, node_subnet, kind)


def _of_cluster(facts: Networks, cluster: Cluster, node_subnet: NodeSubnet, kind: str) -> Egress:
    outbound = cluster.outbound
    if kind == "loadbalancer":
        ids = (*outbound.balancer_ids, *outbound.balancer_prefix_ids)
        return _of_ids(facts, OutboundType.BALANCER, ids)
    if kind.startswith("managednatgateway"):
        return _of_ids(facts, OutboundType.NAT, outbound.nat_ids)
    note = f"outboundType {outbound.outbound_type}"
    if node_subnet.subnet.default_outbound_access is False or (kind == "none" and node_subnet.managed):
        return Egress(exit=OutboundType.NONE, note=note)
    return Egress(exit=OutboundType.DEFAULT, complete=False, note=note)


def _nat(facts: Networks, cluster: Cluster, gateway_id: str) -> Egress:
    gateway = node_network.find(facts, "nat_gateways", gateway_id, "NAT gateway")
    if isinstance(gateway, NotSeen):
        known = _of_ids(facts, OutboundType.NAT, cluster.outbound.nat_ids)
        return (
            known
            if known.networks and known.complete
            else Egress(exit=OutboundType.NAT, gaps=(gateway,), complete=False)
        )
    assert isinstance(gateway, NatGateway)
    return _of_ids(facts, OutboundType.NAT, (*gateway.address_ids, *gateway.prefix_ids))


def _own(facts: Networks, cluster: Cluster, node_subnet: NodeSubnet) -> Egress:
    prefix = node_subnet.pool.outbound.node_public_ip_prefix_id
    if prefix:
        return _of_ids(facts, OutboundType.NODE, (prefix,))
    part = facts.of(cluster.id)
    listed = part.node_addresses if part else node_network.hidden(facts, cluster.id, "The cluster's network")
    if isinstance(listed, NotSeen):
        return Egress(exit=OutboundType.NODE, gaps=(listed,), complete=False)
    gap = visibility.hidden_in(facts.visibility, subscription_of(cluster.id), visibility.SCALE_SETS)
    if gap is not None:
        return Egress(exit=OutboundType.NODE, gaps=(gap,), complete=False)
    addresses = listed.value.get(f"{node_network.node_group_of(cluster)}/{node_subnet.pool.name}".lower(), ())
    return _of_addresses(OutboundType.NODE, addresses, ())


def _of_ids(facts: Networks, egress_path: OutboundType, ids: Iterable[str]) -> Egress:
    addresses: list[PublicAddress] = []
    gaps: list[NotSeen] = []
    for resource_id in dict.fromkeys(i.rstrip("/").lower() for i in ids):
        kind = "prefixes" if "/publicipprefixes/" in resource_id else "addresses"
        one = node_network.find(facts, kind, resource_id, "public address")
        if isinstance(one, NotSeen):
            gaps.append(one)
        else:
            assert isinstance(one, PublicAddress)
            addresses.append(one)
    return _of_addresses(egress_path, addresses, gaps)


def _of_addresses(egress_path: OutboundType, addresses: Iterable[PublicAddress], gaps: Iterable[NotSeen]) -> Egress:
    texts = [one.network for one in addresses]
    networks = tuple(dict.fromkeys(n for text in texts if text and (n := network(text))))
    known, missing = bool(networks) and None not in texts, tuple(gaps)
    return Egress(exit=egress_path, networks=networks, gaps=missing, complete=known and not missing)


def look_failed(gaps: Iterable[NotSeen]) -> NotSeen | None:
    """The gap to tell first: one that a role would close, before things that ARM does not have."""
    ordered = sorted(gaps, key=lambda gap: gap.why is NotSeenReason.NOT_FOUND)
    return ordered[0] if ordered else None
