"""What Virtual WAN hubs do to nodes: whom they connect, and when a hub takes the traffic for the internet.

Networks of one hub reach each other by its default route table, unless its routing intent, or a static route, sends
private traffic elsewhere: a firewall there is taken to let nothing through. A default route comes of a firewall that
the routing intent, or a static route, names for the internet; connections take it where enableInternetSecurity is on.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resource, Resources

HUBS = "microsoft.network/virtualhubs"
DEFAULT = "defaultroutetable"


def are_connected(resources: Resources, one: str, other: str) -> bool:
    """Whether a hub connects two networks (by id) without a firewall between them."""
    for hub in resources.everywhere(HUBS):
        connections = _connections(resources, hub)
        joined = [connections.get(ids.key(network)) for network in (one, other)]
        if all(connection is not None and _uses_default(connection) for connection in joined):
            held = "privatetraffic" in _policies(resources, hub) or _held(resources, hub, other)
            return not held and str(_properties(hub).get("routingState")).lower() == "provisioned"
    return False


def takes_internet_traffic(resources: Resources, network: str) -> bool:
    """Whether nodes in a network get a default route from its hub."""
    for hub in resources.everywhere(HUBS):
        connection = _connections(resources, hub).get(ids.key(network))
        if connection is not None and connection.get("enableInternetSecurity") is not False:
            return "internet" in _policies(resources, hub) or "0.0.0.0/0" in _routes(resources, hub)
    return False


def _connections(resources: Resources, hub: Resource) -> dict[str, dict[str, Any]]:
    listed = [_properties(one) for one in resources.children(hub.id, "hubVirtualNetworkConnections")]
    return {ids.key(str(_table(one.get("remoteVirtualNetwork")).get("id", ""))): one for one in listed}


def _uses_default(connection: dict[str, Any]) -> bool:
    routing = _table(connection.get("routingConfiguration"))
    if not routing:
        return True
    associated = str(_table(routing.get("associatedRouteTable")).get("id", ""))
    labels = {str(label).lower() for label in _table(routing.get("propagatedRouteTables")).get("labels") or []}
    return ids.key(associated).endswith(DEFAULT) and "default" in labels


def _policies(resources: Resources, hub: Resource) -> set[str]:
    bodies = [_properties(one) for one in resources.children(hub.id, "routingIntent")]
    policies = [_table(policy) for body in bodies for policy in body.get("routingPolicies") or []]
    return {str(destination).lower() for policy in policies for destination in policy.get("destinations") or []}


def _routes(resources: Resources, hub: Resource) -> list[str]:
    tables = [one for one in resources.children(hub.id, "hubRouteTables") if one.path.names[-1].lower() == DEFAULT]
    routes = [_table(route) for table in tables for route in _properties(table).get("routes") or []]
    return [str(prefix) for route in routes for prefix in route.get("destinations") or []]


def _held(resources: Resources, hub: Resource, network: str) -> bool:
    """Whether a static route sends the traffic for a network to a firewall."""
    spaces = _table(_properties(resources.find(network)).get("addressSpace")).get("addressPrefixes") or []
    narrow = [_network(prefix) for prefix in _routes(resources, hub) if prefix != "0.0.0.0/0"]
    return any(route.overlaps(_network(space)) for route in narrow for space in spaces)


def _network(text: Any) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(str(text), strict=False)
    except ValueError:
        return ipaddress.IPv4Network("255.255.255.255/32")


def _properties(resource: Resource | None) -> dict[str, Any]:
    return _table(resource.body.get("properties")) if resource is not None else {}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
