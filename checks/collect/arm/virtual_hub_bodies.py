"""Virtual hubs and what is below them into facts: never an exception, no guess.

Shapes: Microsoft.Network 2024-05-01, ``VirtualHub``, ``HubVirtualNetworkConnection``, ``RoutingIntent``,
``HubRouteTable``. A connection that shows no routing configuration has Azure's default, the default route table.
"""

from __future__ import annotations

from typing import Any, TypeVar

from checks.collect.arm.bodies import boolean, get, name_of, objects, strings, text
from checks.facts import NotSeen, Seen
from checks.facts.virtual_hubs import HubConnection, VirtualHub

DEFAULT_TABLE = "defaultroutetable"
_GATEWAYS = ("vpnGateway", "p2SVpnGateway", "expressRouteGateway")
_FIREWALLS = ("azureFirewall", "securityPartnerProvider")
# The destination of a route that names no prefixes ("Service", "ResourceId"): it may be about anything.
ANYTHING = "*"
Items = Seen[list[Any]] | NotSeen
T = TypeVar("T")


def virtual_hub(body: Any, connections: Items, intent: Items, tables: Items) -> VirtualHub:
    """A hub by its body, which has an id, and by the lists below it."""
    own = get(body, "properties")
    return VirtualHub(
        id=_key(text(body, "id") or ""),
        name=name_of(body) or "",
        wan_id=_key(wan) if (wan := text(own, "virtualWan", "id")) else None,
        provisioned=(text(own, "routingState") or "").lower() == "provisioned",
        gateways=any(get(own, name) for name in (*_GATEWAYS, "bgpConnections")),
        firewall=any(get(own, name) for name in _FIREWALLS),
        connections=_read(connections, tuple(map(_connection, _values(connections)))),
        policies=_read(intent, frozenset(policy for item in _values(intent) for policy in _policies(item))),
        routes=_read(tables, tuple(prefix for item in _values(tables) for prefix in _routes(item))),
    )


def _values(part: Items) -> list[Any]:
    return part.value if isinstance(part, Seen) else []


def _read(part: Items, value: T) -> Seen[T] | NotSeen:
    return Seen(value, part.evidence) if isinstance(part, Seen) else part


def _connection(body: Any) -> HubConnection:
    """A connection; one whose network is not shown is of no network that is known."""
    routing = get(body, "properties", "routingConfiguration")
    return HubConnection(
        network_id=_key(text(body, "properties", "remoteVirtualNetwork", "id") or ""),
        provisioned=(text(body, "properties", "provisioningState") or "Succeeded").lower() == "succeeded",
        plain=routing is None or _is_plain(routing),
        static_routes=bool(get(routing, "vnetRoutes", "staticRoutes")),
        internet_security=boolean(body, "properties", "enableInternetSecurity"),
    )


def _is_plain(routing: Any) -> bool:
    associated = text(routing, "associatedRouteTable", "id") or ""
    propagated = (text(item, "id") or "" for item in objects(routing, "propagatedRouteTables", "ids"))
    labels = {label.lower() for label in strings(routing, "propagatedRouteTables", "labels")}
    mapped = get(routing, "inboundRouteMap") or get(routing, "outboundRouteMap")
    reached = any(_is_default(one) for one in propagated) or "default" in labels
    return _is_default(associated) and reached and not mapped


def _is_default(table_id: str) -> bool:
    return _key(table_id).rsplit("/", 1)[-1] == DEFAULT_TABLE


def _policies(body: Any) -> tuple[str, ...]:
    policies = objects(body, "properties", "routingPolicies")
    return tuple(one.lower() for policy in policies for one in strings(policy, "destinations"))


def _routes(body: Any) -> tuple[str, ...]:
    """The prefixes of a route table's static routes, where it is the default one."""
    if (name_of(body) or "").lower() != DEFAULT_TABLE:
        return ()
    prefixes: list[str] = []
    for route in objects(body, "properties", "routes"):
        by_prefix = (text(route, "destinationType") or "CIDR").lower() == "cidr"
        prefixes += strings(route, "destinations") if by_prefix else (ANYTHING,)
    return tuple(prefixes)


def _key(resource_id: str) -> str:
    return resource_id.rstrip("/").lower()
