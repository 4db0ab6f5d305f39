"""Where the objects of a world lie, as landing zones spread them, and what of it the app may not see.

A world puts nearly everything into the cluster's own resource group. A layout moves it: the registry into a
subscription of its own, endpoints and private DNS zones into the hub's, networks, filters and public addresses into
groups beside the cluster's. Nodes see all of it; the app does not see what is hidden.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from checks.facts import resource_group_of
from tests.support.hiding import HUB, SHARED
from tests.support.network_world import NODES, World
from tests.support.tenant_builder import SUBSCRIPTION

# Subscription and resource group of each place. The cluster's own is the one that is never hidden.
PLACES = {
    "cluster": (SUBSCRIPTION, "rg"),
    "network": (SUBSCRIPTION, "rg-network"),
    "node group": (SUBSCRIPTION, "MC_aks-1"),
    "hub": (HUB, "rg-hub"),
    "dns": (HUB, "rg-dns"),
    "registries": (SHARED, "rg-registries"),
    "endpoints": (SHARED, "rg-endpoints"),
}
SUBSCRIPTIONS = {"hub subscription": HUB, "shared subscription": SHARED}
# Subscriptions that are listed, as where the app holds a role that reads nothing, but whose lists are refused.
CONTENTS = {"all in the hub subscription": HUB, "all in the shared subscription": SHARED}
# What a custom role leaves out everywhere.
TYPES = (
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/dnsForwardingRulesets",
    "Microsoft.Network/dnsResolvers",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/routeTables",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.ContainerRegistry/registries",
)
HIDEABLE = (*(place for place in PLACES if place != "cluster"), *SUBSCRIPTIONS, *CONTENTS, *TYPES)
# Which part of a layout says where a type lies; networks are told apart by name.
_PARTS = {
    "microsoft.containerregistry/registries": "registry",
    "microsoft.network/privateendpoints": "endpoint",
    "microsoft.network/networkinterfaces": "endpoint",
    "microsoft.network/privatednszones": "zones",
    "microsoft.network/dnsforwardingrulesets": "rulesets",
    "microsoft.network/dnsresolvers": "hub",
    "microsoft.network/azurefirewalls": "hub",
    "microsoft.network/firewallpolicies": "hub",
    "microsoft.network/networksecuritygroups": "filters",
    "microsoft.network/routetables": "filters",
    "microsoft.network/natgateways": "egress",
    "microsoft.network/publicipaddresses": "egress",
}
_NETWORKS = {"vnet-endpoints": "home", "vnet-hub": "hub"}
_MADE_BY_AKS = "aks-vnet-12345678"


@dataclass(frozen=True)
class Layout:
    """The place of each kind of object. `network` in the node group: AKS made the nodes' network."""

    registry: str = "cluster"
    endpoint: str = "cluster"
    home: str = "cluster"
    zones: str = "cluster"
    rulesets: str = "cluster"
    network: str = "cluster"
    filters: str = "cluster"
    egress: str = "cluster"
    hub: str = "hub"

    @property
    def made_by_aks(self) -> bool:
        """Whether the nodes' network is the one AKS makes."""
        return self.network == "node group"

    def applied(self, world: World) -> World:
        """Moves what a world has to where it lies, with every mention of it."""
        moves = {key: moved for key, body in world.bodies.items() if (moved := self._place(key, body["type"])) != key}
        if self.made_by_aks:
            world.pools(*(_placed_by_aks(pool) for pool in _pools(world)))
        text = json.dumps(world.bodies)
        if moves:
            ids = "|".join(map(re.escape, moves))
            text = re.sub(rf'({ids})(?=["/])', lambda found: moves[found[1]], text)
        world.bodies = json.loads(text)
        world.registry_id = moves.get(world.registry_id, world.registry_id)
        return world

    def _place(self, resource_id: str, kind: str) -> str:
        name, group = resource_id.rsplit("/", 1)[-1], resource_group_of(resource_id)
        if group == PLACES["node group"][1]:
            return resource_id  # what AKS itself makes
        if kind.lower() == "microsoft.network/virtualnetworks":
            part = _NETWORKS.get(name, "network")
            name = _MADE_BY_AKS if name == NODES and self.made_by_aks else name
        else:
            part = _PARTS.get(kind.lower(), "")
        if not part:
            return resource_id
        subscription, group = PLACES[getattr(self, part)]
        return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}"


def _pools(world: World) -> list[dict[str, Any]]:
    pools: list[dict[str, Any]] = world.bodies[world.cluster_id]["properties"]["agentPoolProfiles"]
    return pools


def _placed_by_aks(pool: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in pool.items() if key != "vnetSubnetID"}


def denials(hidden: Iterable[str]) -> list[dict[str, Any]]:
    """What caller.json denies: places, contents and types that may not be read, subscriptions that are not listed."""
    return [_denial(name) for name in sorted(hidden)]


def _denial(name: str) -> dict[str, Any]:
    if name in TYPES:
        return {"scope": "/", "actions": [f"{name}/*"]}
    unlisted = ["Microsoft.Resources/subscriptions/read"] if name in SUBSCRIPTIONS else []
    return {"scope": _scope(name), "actions": ["*", *unlisted]}


def _scope(name: str) -> str:
    if name in PLACES:
        subscription, group = PLACES[name]
        return f"/subscriptions/{subscription}/resourceGroups/{group}"
    return f"/subscriptions/{(SUBSCRIPTIONS | CONTENTS)[name]}"


def holds_anything(world: World, hidden: Iterable[str]) -> bool:
    """Whether something of a world is what the app may not read."""
    scopes = tuple(f"{_scope(name)}/" for name in hidden if name not in TYPES)
    types = {name for name in hidden if name in TYPES}
    return any(key.startswith(scopes) or body["type"] in types for key, body in world.bodies.items())
