"""Virtual WAN hubs for tests: bodies of a ``World``, and read into facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from checks.collect.arm import virtual_hub_bodies
from checks.facts import NotSeen, Seen, subscription_of
from checks.facts.virtual_hubs import VirtualHub
from checks.findings import Evidence
from tests.support.tenant_builder import SUBSCRIPTION, merged

READ = Evidence("a list", "Azure Resource Manager", "2026-11-24T08:00:00+00:00", "2024-05-01")
HUB = "Microsoft.Network/virtualHubs"
MICROSOFTS = "0e0e0e0e-0000-4000-8000-00000000000e"
_MARKED = f"/subscriptions/{MICROSOFTS}/resourceGroups/RG_hub/providers/Microsoft.Network/virtualNetworks"


def hub(world: Any, name: str = "hub", *networks: str, wan: str = "wan", sub: str = SUBSCRIPTION, **over: Any) -> str:
    """A hub with networks (by id) attached to it."""
    wan_id = f"/subscriptions/{sub}/resourceGroups/rg/providers/Microsoft.Network/virtualWans/{wan}"
    base = {"virtualWan": {"id": wan_id}, "routingState": "Provisioned", "provisioningState": "Succeeded"}
    hub_id: str = world.put(HUB, name, {"properties": merged(base, over)}, sub=sub, group="rg-hub")
    for network_id in networks:
        attach(world, network_id, hub_id)
    return hub_id


def attach(world: Any, network_id: str, hub_id: str, **over: Any) -> str:
    """A connection of a hub with a network, and the peering that the network then shows."""
    table = {"id": f"{hub_id}/hubRouteTables/defaultRouteTable"}
    base = {
        "remoteVirtualNetwork": {"id": network_id},
        "provisioningState": "Succeeded",
        "enableInternetSecurity": False,
        "routingConfiguration": {
            "associatedRouteTable": table,
            "propagatedRouteTables": {"labels": ["default"], "ids": [table]},
        },
    }
    name = network_id.rsplit("/", 1)[-1]
    world._child(hub_id, f"hubVirtualNetworkConnections/{name}", f"{HUB}/hubVirtualNetworkConnections",
                 merged(base, over))  # fmt: skip
    mark(world, network_id, hub_id.rsplit("/", 1)[-1])
    return f"{hub_id}/hubVirtualNetworkConnections/{name}"


def mark(world: Any, network_id: str, name: str = "hub") -> None:
    """The peering that says that a network is attached to a hub, with a network that only Microsoft reads."""
    peering = {
        "name": f"RemoteVnetToHubPeering_{name}",
        "properties": {
            "remoteVirtualNetwork": {"id": f"{_MARKED}/HV_{name}_1"},
            "peeringState": "Connected",
            "allowVirtualNetworkAccess": True,
            "useRemoteGateways": True,
            "remoteAddressSpace": {"addressPrefixes": ["10.250.0.0/23"]},
        },
    }
    world.bodies[network_id]["properties"]["virtualNetworkPeerings"].append(peering)


def intent(world: Any, hub_id: str, *destinations: str) -> None:
    """A routing intent that sends traffic to a firewall in the hub: "Internet", "PrivateTraffic"."""
    policies = [{"name": one, "destinations": [one], "nextHop": "firewall"} for one in destinations]
    world._child(hub_id, "routingIntent/intent", f"{HUB}/routingIntent", {"routingPolicies": policies})


def static_routes(
    world: Any, hub_id: str, *prefixes: str, table: str = "defaultRouteTable", kind: str = "CIDR"
) -> None:
    """A route table of a hub with static routes."""
    routes = [{"name": one, "destinationType": kind, "destinations": [one], "nextHop": "firewall"} for one in prefixes]
    world._child(hub_id, f"hubRouteTables/{table}", f"{HUB}/hubRouteTables", {"routes": routes})


def hubs_of(
    bodies: Mapping[str, dict[str, Any]], guids: Iterable[str]
) -> dict[str, Seen[tuple[VirtualHub, ...]] | NotSeen]:
    """The hubs of subscriptions, where a network says that there is one."""
    if not any(_MARKED in str(body.get("properties")) for body in bodies.values()):
        return {}
    found: dict[str, list[VirtualHub]] = {guid: [] for guid in guids}
    for key, body in bodies.items():
        if body["type"] == HUB and subscription_of(key) in found:
            below = [
                Seen([b for k, b in bodies.items() if k.startswith(f"{key}/{kind}/")], READ)
                for kind in ("hubVirtualNetworkConnections", "routingIntent", "hubRouteTables")
            ]
            found[subscription_of(key)].append(virtual_hub_bodies.virtual_hub(body, *below))
    return {guid: Seen(tuple(listed), READ) for guid, listed in found.items()}
