"""By which addresses a registry may see a cluster's nodes come, as far as Azure Resource Manager shows them.

Unlike the path, which asks where traffic to one registry goes, this asks what any traffic may come from: an address
that nodes do not use does no harm here, one that is left out would accuse somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec

from checks.facts import AgentPool, Cluster, NotSeen
from checks.facts.network import Networks
from checks.rules.path import node_network
from checks.rules.path.destinations import network
from checks.rules.path.egress import Egress, OutboundType, egress_of
from checks.rules.path.node_network import NodeSubnet
from checks.rules.path.routes import UNROUTED

_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
_PRIVATE_IPV6 = IPv6Network("fc00::/7")
_WITH_PORT = re.compile(r"(\d+(?:\.\d+){3}):\d{1,5}|\[([0-9a-fA-F:.]+)\](?::\d{1,5})?")
# Addresses of these belong to the cluster alone: they are those of its own load balancer, or of its own machines.
_OF_ITS_OWN = (OutboundType.BALANCER, OutboundType.NODE)


class Exits(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a cluster's nodes. ``public`` are those they may leave by, of which nobody else has ``own``;
    ``private`` their subnets. ``all_public``, ``all_private``: there can be no others."""

    public: tuple[IPv4Network, ...] = ()
    own: tuple[IPv4Network, ...] = ()
    private: tuple[IPv4Network, ...] = ()
    all_public: bool = True
    all_private: bool = True

    def may_come_from(self, address: IPv4Address) -> bool:
        """Whether a registry may have seen one of its nodes come from an address."""
        return self.has(address) or not (self.all_private if _is_private(address) else self.all_public)

    def has(self, address: IPv4Address) -> bool:
        """Whether Azure shows that its nodes have an address, or leave by it. Subnets may have public ranges too."""
        return _within(address, self.private) or _within(address, self.public)

    def in_subnets(self, address: IPv4Address) -> bool:
        """Whether an address is one of its subnets', which networks elsewhere may have too."""
        return _within(address, self.private)

    def alone_has(self, address: IPv4Address) -> bool:
        """Whether nobody else can leave by an address."""
        return _within(address, self.own)


class Having:
    """The clusters by the addresses that Azure shows their nodes to have (``Exits.has``), for thousands of clusters.

    Found by the length of prefixes, of which there are few: whoever scans the internet is refused by firewalls too, so
    a log may hold thousands of addresses.
    """

    def __init__(self, exits: Iterable[tuple[str, Exits]]) -> None:
        self._keys: dict[IPv4Network, dict[str, None]] = {}
        for key, one in exits:
            for part in (*one.private, *one.public):
                self._keys.setdefault(part, {})[key] = None
        self._lengths = {part.prefixlen for part in self._keys}

    def of(self, address: IPv4Address) -> tuple[str, ...]:
        """Their keys."""
        around = (IPv4Network((address, length), strict=False) for length in sorted(self._lengths))
        return tuple(dict.fromkeys(key for part in around for key in self._keys.get(part, ())))


def address_of(text: str) -> IPv4Address | None:
    """A caller's address, with or without a port; None where it is none, or one of another kind: registries' endpoints
    are IPv4."""
    address = _parsed(text)
    if address is None:
        return None
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped


def is_of_no_node(text: str) -> bool:
    """Whether a text is an address that no node has towards a registry: one of IPv6 beyond private networks."""
    address = _parsed(text)
    return isinstance(address, IPv6Address) and address.ipv4_mapped is None and address not in _PRIVATE_IPV6


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    with_port = _WITH_PORT.fullmatch(text.strip())
    try:
        return ip_address((with_port[1] or with_port[2]) if with_port else text.strip())
    except ValueError:
        return None


def is_public(text: str) -> bool:
    """Whether a text is an address of the internet."""
    address = address_of(text)
    return address is not None and not _is_private(address)


def _is_private(address: IPv4Address) -> bool:
    """Whether a registry sees an address only through a private or a service endpoint."""
    return _within(address, _PRIVATE)


def subnets_of(cluster: Cluster) -> set[str]:
    """The subnets of a cluster's nodes and pods, by id in lower case."""
    named = (one for pool in cluster.pools for one in (pool.vnet_subnet_id, pool.pod_subnet_id))
    return {one.rstrip("/").lower() for one in named if one}


def exits_of(networks: Networks, cluster: Cluster, alone: Collection[str]) -> Exits:
    """The addresses of all pools: one without nodes now may have had some when the registry logged a call.

    ``alone``: those of its subnets (``subnets_of``) in which no other cluster has nodes or pods.
    """
    parts = [_of_pool(networks, cluster, pool, alone) for pool in cluster.pools]
    if not parts or cluster.node_provisioning:
        parts.append(Exits(all_public=False, all_private=False))
    return Exits(
        public=tuple(dict.fromkeys(one for part in parts for one in part.public)),
        own=tuple(dict.fromkeys(one for part in parts for one in part.own)),
        private=tuple(dict.fromkeys(one for part in parts for one in part.private)),
        all_public=all(part.all_public for part in parts),
        all_private=all(part.all_private for part in parts),
    )


def _of_pool(networks: Networks, cluster: Cluster, pool: AgentPool, alone: Collection[str]) -> Exits:
    node_subnet = node_network.subnet_of_pool(networks, cluster, pool)
    if isinstance(node_subnet, NotSeen):
        return Exits(all_public=False, all_private=False)
    egress = egress_of(networks, cluster, node_subnet, UNROUTED)
    # A proxy, or whatever a route leads to, may come with an address of its own, private ones too.
    routed = isinstance(node_subnet.table, NotSeen) or bool(node_subnet.table and node_subnet.table.routes)
    straight = not routed and cluster.outbound.proxy is None
    prefixes = tuple(one for text in node_subnet.subnet.prefixes if (one := network(text)))
    return Exits(
        public=egress.networks,
        own=_own(cluster, node_subnet, egress, alone),
        private=prefixes,
        all_public=straight and egress.complete and not egress.gaps,
        all_private=straight and node_subnet.listed and bool(prefixes),
    )


def _own(cluster: Cluster, node_subnet: NodeSubnet, egress: Egress, alone: Collection[str]) -> tuple[IPv4Network, ...]:
    """Addresses that nobody else has: no prefix is, whose other addresses may be anybody's."""
    single = tuple(one for one in egress.networks if one.prefixlen == 32)
    if egress.exit in _OF_ITS_OWN:
        return single
    if egress.exit is OutboundType.NAT and _alone_behind_nat(node_subnet, alone):
        return single
    return ()


def _alone_behind_nat(node_subnet: NodeSubnet, alone: Collection[str]) -> bool:
    """Whether a NAT gateway serves no subnet but those that are the cluster's alone; it serves one network only."""
    gateway = (node_subnet.subnet.nat_gateway_id or "").rstrip("/").lower()
    served = {one.id.lower() for one in node_subnet.network.subnets if _same(one.nat_gateway_id, gateway)}
    made_by_aks = (node_subnet.subnet.id.rstrip("/").lower(),) if node_subnet.managed else ()
    return bool(gateway) and served <= {*alone, *made_by_aks}


def _same(gateway: str | None, other: str) -> bool:
    return (gateway or "").rstrip("/").lower() == other


def _within(address: IPv4Address, networks: tuple[IPv4Network, ...]) -> bool:
    return any(address in one for one in networks)
