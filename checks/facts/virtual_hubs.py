"""Virtual WAN hubs, and the virtual networks connected to them. Ids are in lower case.

Source: Microsoft.Network 2024-05-01 (virtualHubs and what is below them); "How virtual hub routing works".
"""

from __future__ import annotations

import msgspec

from checks.facts.observation import NotSeen, Seen


class HubConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection of a hub with a virtual network.

    ``plain``: it is associated with the hub's default route table and propagates to it, without route maps.
    ``internet_security``: ``enableInternetSecurity``, whether the network takes the hub's default route.
    """

    network_id: str
    provisioned: bool = True
    plain: bool = True
    static_routes: bool = False
    internet_security: bool | None = None


class VirtualHub(msgspec.Struct, frozen=True, kw_only=True):
    """A hub of a Virtual WAN.

    ``gateways``: it has a gateway or a peer that may bring in routes from elsewhere; ``firewall``: Azure Firewall or a
    security partner stands in it. ``policies`` are the destinations of its routing intent ("internet",
    "privatetraffic"), ``routes`` the prefixes of static routes in its default route table, "*" where one names none.
    """

    id: str
    name: str
    wan_id: str | None = None
    provisioned: bool = False
    gateways: bool = False
    firewall: bool = False
    connections: Seen[tuple[HubConnection, ...]] | NotSeen
    policies: Seen[frozenset[str]] | NotSeen
    routes: Seen[tuple[str, ...]] | NotSeen
