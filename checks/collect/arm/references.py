"""Which parts of which subscriptions a cluster refers to: what a check of it alone has to read. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from checks.arm_ids import same_id, subscription_of
from checks.collect.arm.inventory import Inventory
from checks.collect.arm.parts import OF_REGISTRIES, Part
from checks.facts import Cluster, Registry, RegistryUse, Seen
from checks.facts.network import NatGateway, Networks, Subnet, VirtualNetwork
from checks.rules.path import node_network
from checks.rules.path.node_network import NodeSubnet
from checks.rules.path.registry_firewall import PublicAccess, public_access

Wanted = Mapping[str, frozenset[Part]]
OF_NODES = frozenset({Part.NETWORKS, Part.SECURITY_GROUPS, Part.ZONES, Part.RULESETS, Part.MANAGERS})
OWN = OF_NODES | {Part.CLUSTERS}
OF_ENDPOINTS = frozenset({Part.ENDPOINTS, Part.NETWORKS, Part.SECURITY_GROUPS})
Reference = tuple[str | None, frozenset[Part]]


def referred_to(
    inventory: Inventory, cluster: Cluster, uses: Iterable[RegistryUse], networks: Networks, *, refused: bool
) -> Wanted:
    """What is referred to by what was read so far, by subscription (guid); more may be once that is read.

    The public addresses that nodes leave by matter where a registry has rules for them, or ``refused`` says that one
    may have refused a node.
    """
    registries = [use.registry.value for use in uses if isinstance(use.registry, Seen)]
    wanted: dict[str, set[Part]] = {}
    for resource_id, parts in (
        (cluster.id, OWN),
        *_of_cluster(cluster),
        *_of_networks(inventory.networks, cluster),
        *(_of_egress(inventory.networks, cluster) if refused or any(map(_is_guarded, registries)) else ()),
        *_of_registries(registries),
        *_of_endpoints(networks, registries),
    ):
        if guid := subscription_of(resource_id or ""):
            wanted.setdefault(guid, set()).update(parts)
    return {guid: frozenset(parts) for guid, parts in wanted.items()}


def _of_cluster(cluster: Cluster) -> Iterator[Reference]:
    """Its identity, the registry it starts from, the networks of its nodes."""
    yield cluster.bootstrap_registry_id, OF_REGISTRIES
    yield cluster.kubelet.resource_id if cluster.kubelet is not None else None, frozenset()
    for pool in cluster.pools:
        yield pool.vnet_subnet_id, OF_NODES


def _of_egress(networks: Networks, cluster: Cluster) -> Iterator[Reference]:
    """The public addresses that its nodes leave by."""
    for address in (*cluster.outbound.balancer_ids, *cluster.outbound.nat_ids):
        yield _address(address)
    for prefix in cluster.outbound.balancer_prefix_ids:
        yield prefix, frozenset({Part.PREFIXES})
    for pool in cluster.pools:
        yield pool.outbound.node_public_ip_prefix_id, frozenset({Part.PREFIXES})
        if pool.outbound.enable_node_public_ip:
            yield cluster.id, frozenset({Part.NODE_ADDRESSES})
    for placed in _placed(networks, cluster):
        gateway = placed.subnet.nat_gateway_id or ""
        known = node_network.find(networks, "nat_gateways", gateway, "NAT gateway") if gateway else None
        if isinstance(known, NatGateway):
            yield from (_address(address) for address in (*known.address_ids, *known.prefix_ids))


def _of_networks(networks: Networks, cluster: Cluster) -> Iterator[Reference]:
    """What the subnets of its nodes name, and the networks that theirs are peered with."""
    for placed in _placed(networks, cluster):
        for peering in placed.network.peerings:
            yield peering.remote_id, frozenset({Part.NETWORKS})
        yield from _of_subnet(placed.subnet)


def _of_subnet(subnet: Subnet) -> Iterator[Reference]:
    yield subnet.security_group_id, frozenset({Part.SECURITY_GROUPS})
    yield subnet.route_table_id, frozenset({Part.ROUTES})
    yield subnet.nat_gateway_id, frozenset({Part.NAT_GATEWAYS})


def _address(resource_id: str) -> Reference:
    prefix = "/publicipprefixes/" in resource_id.lower()
    return resource_id, frozenset({Part.PREFIXES if prefix else Part.ADDRESSES})


def _placed(networks: Networks, cluster: Cluster) -> Iterator[NodeSubnet]:
    placed = (node_network.subnet_of_pool(networks, cluster, pool) for pool in cluster.pools)
    return (one for one in placed if isinstance(one, NodeSubnet))


def _of_registries(registries: Iterable[Registry]) -> Iterator[Reference]:
    """Their lists, and the virtual network rules of those that rules decide over."""
    for registry in registries:
        yield registry.id, OF_REGISTRIES
        if _is_guarded(registry):
            yield registry.id, frozenset({Part.REGISTRY_RULES})


def _is_guarded(registry: Registry) -> bool:
    """Whether rules decide who gets in: where all or nobody do, or that cannot be told, nothing is compared."""
    return public_access(registry) is PublicAccess.SOME


def _of_endpoints(networks: Networks, registries: Iterable[Registry]) -> Iterator[Reference]:
    """The private endpoints of its registries, their networks, and the zones that hold their records."""
    for registry in registries:
        for connection in registry.network_access.connections:
            yield connection.endpoint_id, OF_ENDPOINTS
        for endpoint in networks.endpoints_of.get(registry.id.rstrip("/").lower(), ()):
            yield endpoint.subnet_id, frozenset({Part.NETWORKS})
            yield from _of_subnet_id(networks, endpoint.subnet_id)
    for groups in networks.zone_groups.values():
        for zone in groups.value if isinstance(groups, Seen) else ():
            yield zone, frozenset({Part.ZONES})


def _of_subnet_id(networks: Networks, subnet_id: str | None) -> Iterator[Reference]:
    network_id = node_network.network_id_of(subnet_id) if subnet_id else ""
    network = node_network.find(networks, "virtual_networks", network_id, "virtual network") if network_id else None
    for subnet in network.subnets if isinstance(network, VirtualNetwork) else ():
        if same_id(subnet.id, subnet_id):
            yield from _of_subnet(subnet)
