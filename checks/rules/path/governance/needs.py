"""What has to be read above the networks of a cluster: virtual hubs, and what network managers do to which network.

A connected group matters where an endpoint is in reach by no peering that was seen; security admin rules where a
network manager that secures was seen, or where the app's own roles hold the action, which somebody gave it for that.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.facts import Cluster, NotSeen, Registry, subscription_of
from checks.facts.network import Networks
from checks.facts.network_management import ADMIN_RULES_ACTION
from checks.rules import visibility
from checks.rules.azure.node_pools import has_nodes
from checks.rules.path import node_network, private_endpoints
from checks.rules.path.central import virtual_hubs
from checks.rules.path.central.managers import securing
from checks.rules.path.node_network import NodeSubnet
from checks.rules.path.private_endpoints import Reach

_ABSENT = (Reach.NONE, Reach.NOT_CONNECTED, Reach.MANAGED)
_FAR = (*_ABSENT, Reach.TRANSIT, Reach.HUB_ROUTING)
Pair = tuple[str, str]


def distant(networks: Networks, cluster: Cluster, registries: Iterable[Registry]) -> dict[Pair, bool]:
    """Pairs of ids: the network of nodes, and that of an endpoint which no peering brings into their reach.

    True where nothing else seems to, so that the absence of a network manager matters.
    """
    subnets = node_subnets(networks, cluster)
    pairs: dict[Pair, bool] = {}
    for registry in registries:
        for subnet in subnets:
            for one in private_endpoints.candidates(networks, subnet, registry):
                if one.reach in _FAR and not isinstance(one.home, NotSeen):
                    pair = (subnet.network.id, one.home[0].id)
                    pairs[pair] = pairs.get(pair, False) or one.reach in _ABSENT
    return pairs


def secured(networks: Networks, cluster: Cluster) -> tuple[str, ...]:
    """The networks (ids) of nodes whose security admin rules have to be known."""
    listed = dict.fromkeys(subnet.network.id for subnet in node_subnets(networks, cluster) if subnet.listed)
    return tuple(network_id for network_id in listed if _is_secured(networks, network_id))


def _is_secured(networks: Networks, network_id: str) -> bool:
    subscription = subscription_of(network_id)
    held = visibility.allows(networks.visibility, subscription, ADMIN_RULES_ACTION)
    return held or securing(networks, subscription) is not None


def attached(networks: Networks, cluster: Cluster) -> bool:
    """Whether nodes stand in a network that is attached to a Virtual WAN hub."""
    placed = node_subnets(networks, cluster)
    return any(virtual_hubs.attachment(networks, subnet.network) is not None for subnet in placed)


def node_subnets(networks: Networks, cluster: Cluster) -> tuple[NodeSubnet, ...]:
    """Where the nodes stand, each subnet once; pools without nodes count where none has any."""
    pools = [pool for pool in cluster.pools if has_nodes(pool)] or list(cluster.pools)
    placed = [node_network.subnet_of_pool(networks, cluster, pool) for pool in pools]
    known = {one.subnet.id.lower(): one for one in placed if not isinstance(one, NotSeen)}
    return tuple(known.values())
