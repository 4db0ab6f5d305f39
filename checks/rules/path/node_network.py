"""Where nodes stand: the virtual network and subnet of a pool, and finding what lies in other subscriptions."""

from __future__ import annotations

import msgspec

from checks.arm_ids import name_of
from checks.facts import AgentPool, Cluster, NotSeen, NotSeenReason, Seen, resource_group_of, subscription_of
from checks.facts.network import Network, Networks, RouteTable, SecurityGroup, Subnet, VirtualNetwork
from checks.rules import visibility

# The type that each list of ``Network`` shows, which the app's own roles have to allow for the list to be complete.
TYPES = {
    "virtual_networks": visibility.VIRTUAL_NETWORKS,
    "security_groups": visibility.SECURITY_GROUPS,
    "route_tables": "Microsoft.Network/routeTables",
    "nat_gateways": "Microsoft.Network/natGateways",
    "addresses": "Microsoft.Network/publicIPAddresses",
    "prefixes": "Microsoft.Network/publicIPPrefixes",
    "endpoints": "Microsoft.Network/privateEndpoints",
    "zones": visibility.PRIVATE_ZONES,
}


class NodeSubnet(msgspec.Struct, frozen=True, kw_only=True):
    """Where a pool's nodes stand. A NotSeen says why the subnet's route table or security groups are not known.

    ``managed``: AKS made the network itself, in the node resource group. ``listed`` False: Azure Resource Manager lists
    no such network, so it is taken as AKS makes it; it then settles nothing about DNS or peerings.
    """

    pool: AgentPool
    network: VirtualNetwork
    subnet: Subnet
    managed: bool
    listed: bool = True
    table: RouteTable | NotSeen | None = None
    groups: tuple[SecurityGroup, ...] | NotSeen = ()


def hidden(networks: Networks, resource_id: str, what: str) -> NotSeen:
    """Something lies in a subscription that was not read."""
    guid = subscription_of(resource_id)
    if not guid:
        return NotSeen(NotSeenReason.NOT_FOUND, f"{what} has no id that Azure Resource Manager shows.")
    return visibility.unlisted(networks.visibility, guid, what)


def find(networks: Networks, kind: str, resource_id: str, what: str) -> object | NotSeen:
    """A resource by its id in a list of ``Network`` (named by ``kind``), or why it is not there."""
    network = networks.of(resource_id)
    if network is None:
        return hidden(networks, resource_id, f"{what[:1].upper()}{what[1:]} {name_of(resource_id)}")
    listed: Seen[dict[str, object]] | NotSeen = getattr(network, kind)
    if isinstance(listed, NotSeen):
        return listed
    resource = listed.value.get(resource_id.rstrip("/").lower())
    if resource is not None:
        return resource
    gap = visibility.hidden_in(networks.visibility, subscription_of(resource_id), TYPES[kind])
    return gap or NotSeen(NotSeenReason.NOT_FOUND, f"ARM lists no {what} {resource_id}.")


def network_id_of(subnet_id: str) -> str:
    """The id of the virtual network in a subnet's id."""
    return subnet_id.split("/subnets/")[0] if "/subnets/" in subnet_id else subnet_id.rsplit("/", 2)[0]


def subnet_of_pool(networks: Networks, cluster: Cluster, pool: AgentPool) -> NodeSubnet | NotSeen:
    """Where a pool's nodes stand, or why that is not known."""
    pair = _given(networks, pool.vnet_subnet_id) if pool.vnet_subnet_id else _made_by_aks(networks, cluster)
    if isinstance(pair, NotSeen):
        return pair
    network, subnet = pair
    return NodeSubnet(
        pool=pool,
        network=network,
        subnet=subnet,
        managed=pool.vnet_subnet_id is None,
        listed=pool.vnet_subnet_id is not None or network_is_listed(networks, cluster),
        table=_table(networks, subnet),
        groups=_groups(networks, cluster, subnet),
    )


def subnet_of(networks: Networks, subnet_id: str) -> tuple[VirtualNetwork, Subnet] | NotSeen:
    """A subnet by its id, with its network."""
    return _given(networks, subnet_id)


def _given(networks: Networks, subnet_id: str) -> tuple[VirtualNetwork, Subnet] | NotSeen:
    network_id = network_id_of(subnet_id.rstrip("/"))
    resource = find(networks, "virtual_networks", network_id, "virtual network")
    if isinstance(resource, NotSeen):
        return resource
    assert isinstance(resource, VirtualNetwork)
    name = name_of(subnet_id).lower()
    subnet = next((s for s in resource.subnets if s.name.lower() == name), None)
    return (resource, subnet) if subnet else NotSeen(NotSeenReason.NOT_FOUND, f"{resource.name} has no subnet {name}.")


def node_group_of(cluster: Cluster) -> str:
    """The node resource group's name, in lower case; AKS's own default where the body does not name it."""
    default = f"MC_{resource_group_of(cluster.id)}_{cluster.name}_{cluster.location or ''}"
    return (cluster.node_resource_group or default).lower()


def _network_of(networks: Networks, cluster: Cluster) -> Network | NotSeen:
    return networks.of(cluster.id) or hidden(networks, cluster.id, "The cluster's network")


def _made_by_aks(networks: Networks, cluster: Cluster) -> tuple[VirtualNetwork, Subnet] | NotSeen:
    """The network that AKS made: ``aks-vnet-*`` with ``aks-subnet``, in the node resource group."""
    network = _network_of(networks, cluster)
    if isinstance(network, NotSeen):
        return network
    if isinstance(network.virtual_networks, NotSeen):
        return network.virtual_networks
    group = node_group_of(cluster)
    inside = network.networks_in(group)
    if not inside:
        gap = visibility.hidden_in(networks.visibility, subscription_of(cluster.id), visibility.VIRTUAL_NETWORKS)
        return gap or _as_aks_makes_it(cluster, group)
    named = tuple(v for v in inside if v.name.lower().startswith("aks-vnet-")) or inside
    if len(named) != 1:
        return NotSeen(
            NotSeenReason.NOT_FOUND, f"ARM lists {len(named)} networks of AKS in the node resource group {group}."
        )
    subnets = [s for s in named[0].subnets if s.name.lower() == "aks-subnet"] or list(named[0].subnets)
    if len(subnets) != 1:
        return NotSeen(NotSeenReason.NOT_FOUND, f"{named[0].name} has no aks-subnet.")
    return named[0], subnets[0]


def _as_aks_makes_it(cluster: Cluster, group: str) -> tuple[VirtualNetwork, Subnet]:
    """The network of a cluster whose node resource group shows none, though the lists were read: what is visible is
    taken as all there is, so nothing was added to the plain network that AKS makes. The coverage says so."""
    network_id = f"/subscriptions/{subscription_of(cluster.id)}/resourceGroups/{group}"
    network_id += "/providers/Microsoft.Network/virtualNetworks/aks-vnet"
    subnet = Subnet(id=f"{network_id}/subnets/aks-subnet", name="aks-subnet")
    return VirtualNetwork(id=network_id, name="aks-vnet", subnets=(subnet,)), subnet


def network_is_listed(networks: Networks, cluster: Cluster) -> bool:
    """Whether ARM lists a network in the cluster's node resource group (one of its own making that AKS keeps there)."""
    network = networks.of(cluster.id)
    return network is not None and bool(network.networks_in(node_group_of(cluster)))


def _table(networks: Networks, subnet: Subnet) -> RouteTable | NotSeen | None:
    if subnet.route_table_id is None:
        return None
    route_table = find(networks, "route_tables", subnet.route_table_id, "route table")
    assert isinstance(route_table, RouteTable | NotSeen)
    return route_table


def groups_of_subnet(networks: Networks, subnet: Subnet) -> tuple[SecurityGroup, ...] | NotSeen:
    """The network security group of a subnet, as a tuple of none or one."""
    if subnet.security_group_id is None:
        return ()
    group = find(networks, "security_groups", subnet.security_group_id, "network security group")
    if isinstance(group, NotSeen):
        return group
    assert isinstance(group, SecurityGroup)
    return (group,)


def _groups(networks: Networks, cluster: Cluster, subnet: Subnet) -> tuple[SecurityGroup, ...] | NotSeen:
    """The subnet's group, and ``aks-agentpool-*-nsg`` that AKS puts on the nodes' interfaces in a network of yours."""
    own = groups_of_subnet(networks, subnet)
    network = _network_of(networks, cluster)
    if isinstance(own, NotSeen):
        return own
    if isinstance(network, NotSeen) or isinstance(network.security_groups, NotSeen):
        return network if isinstance(network, NotSeen) else _gap(network.security_groups)
    gap = visibility.hidden_in(networks.visibility, subscription_of(cluster.id), visibility.SECURITY_GROUPS)
    if gap is not None:
        return gap
    known = {g.id.lower() for g in own}
    inside = network.security_groups_in(node_group_of(cluster))
    nodes = (g for g in inside if g.name.lower().startswith("aks-agentpool-") and g.id.lower() not in known)
    return (*own, *nodes)


def _gap(part: object) -> NotSeen:
    assert isinstance(part, NotSeen)
    return part
