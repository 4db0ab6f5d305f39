"""Virtual WAN hubs, read only where a network of nodes is attached to one: then once per run, in every subscription.

One list a subscription, and three below each hub: its connections, its routing intent, its route tables.
"""

from __future__ import annotations

import asyncio
from typing import Any

from checks.collect.arm import bodies, reads, virtual_hub_bodies
from checks.collect.arm.client import Azure
from checks.collect.arm.networks import NETWORK_API
from checks.collect.wire.single_flight import SingleFlight
from checks.facts import Cluster, NotSeen, Seen
from checks.facts.network import Networks
from checks.facts.virtual_hubs import VirtualHub
from checks.rules.path.governance import needs

Hubs = tuple[VirtualHub, ...]
HubReads = SingleFlight[Seen[Hubs] | NotSeen]


async def of_cluster(
    azure: Azure, networks: Networks, shared: HubReads, cluster: Cluster
) -> dict[str, Seen[Hubs] | NotSeen]:
    """The hubs of all subscriptions (by guid) where nodes stand in a network that is attached to one; else none."""
    if not needs.attached(networks, cluster):
        return {}
    guids = list(networks.by_subscription)
    read = await asyncio.gather(*(_of_subscription(azure, shared, guid) for guid in guids))
    return dict(zip(guids, read, strict=True))


async def _of_subscription(azure: Azure, shared: HubReads, guid: str) -> Seen[Hubs] | NotSeen:
    return await shared.get(guid, lambda: reads.seen(_hubs(azure, guid)))


async def _hubs(azure: Azure, subscription: str) -> Seen[Hubs]:
    scope = f"/subscriptions/{subscription}"
    path = f"{scope}/providers/Microsoft.Network/virtualHubs"
    listing = await reads.raw_list(azure, path, NETWORK_API, "virtual hubs", scope)
    named = [item for item in listing.items if bodies.text(item, "id")]
    hubs = await asyncio.gather(*(_hub(azure, scope, item) for item in named))
    return Seen(tuple(hubs), listing.evidence, reads.unreadable(listing.items, named))


async def _hub(azure: Azure, scope: str, body: dict[str, Any]) -> VirtualHub:
    hub_id = str(body["id"])

    async def below(kind: str, what: str) -> Seen[list[Any]] | NotSeen:
        async def reading() -> Seen[list[Any]]:
            listing = await reads.raw_list(azure, f"{hub_id}/{kind}", NETWORK_API, what, scope)
            return Seen(listing.items, listing.evidence)

        return await reads.seen(reading())

    connections, intent, tables = await asyncio.gather(
        below("hubVirtualNetworkConnections", "connections of virtual hubs"),
        below("routingIntent", "routing intent of virtual hubs"),
        below("hubRouteTables", "route tables of virtual hubs"),
    )
    return virtual_hub_bodies.virtual_hub(body, connections, intent, tables)
