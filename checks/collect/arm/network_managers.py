"""What network managers do to the networks that concern a cluster, each network asked once per run.

Two POST lists of a virtual network, which Reader does not allow: they are sent only where the app's own roles hold the
action. ``networkManagerConnections``, where a network manager of another tenant shows, is read where they are not held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from azure.core.rest import HttpRequest

from checks.arm_ids import name_of
from checks.collect.arm import bodies, network_manager_bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.arm.networks import NETWORK_API
from checks.collect.wire.errors import Temporary, translate_errors
from checks.collect.wire.single_flight import SingleFlight
from checks.facts import Cluster, NotSeen, NotSeenReason, Registry, Seen, subscription_of
from checks.facts.network import Networks
from checks.facts.network_management import (
    ADMIN_RULES_ACTION,
    CONNECTIVITY_ACTION,
    AdminRules,
    ConnectivityConfiguration,
    NetworkManagement,
)
from checks.rules import visibility
from checks.rules.path.governance import needs

MAX_PAGES = 100
Configurations = tuple[ConnectivityConfiguration, ...]
T = TypeVar("T")


class ManagementReads:
    """The reads of one run, shared by its clusters."""

    def __init__(self) -> None:
        self.connectivity: SingleFlight[Seen[Configurations] | NotSeen] = SingleFlight()
        self.admin_rules: SingleFlight[Seen[AdminRules] | NotSeen] = SingleFlight()
        self.connections: SingleFlight[Seen[tuple[str, ...]] | NotSeen] = SingleFlight()


async def of_cluster(
    azure: Azure, networks: Networks, shared: ManagementReads, cluster: Cluster, registries: Iterable[Registry]
) -> NetworkManagement:
    """What network managers do to the networks of a cluster's nodes and of the endpoints that no peering leads to."""
    pairs = needs.distant(networks, cluster, registries)
    asked = dict.fromkeys(network_id for pair in pairs for network_id in pair)
    secured = needs.secured(networks, cluster)
    connectivity, admin_rules = await asyncio.gather(
        _each(asked, lambda one: shared.connectivity.get(_key(one), lambda: _connectivity(azure, networks, one))),
        _each(secured, lambda one: shared.admin_rules.get(_key(one), lambda: _admin_rules(azure, networks, one))),
    )
    absent = [pair for pair, matters in pairs.items() if matters]
    unread = [pair for pair in absent if any(isinstance(connectivity[_key(one)], NotSeen) for one in pair)]
    guids = dict.fromkeys(subscription_of(network_id) for pair in unread for network_id in pair)
    visible = [guid for guid in guids if networks.visibility.roles_in(guid) is not None]
    connections = await _each(
        visible, lambda guid: shared.connections.get(guid, lambda: reads.seen(_connections(azure, guid)))
    )
    return NetworkManagement(connectivity=connectivity, admin_rules=admin_rules, connections=connections)


async def _each(keys: Iterable[str], read: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    listed = list(keys)
    return dict(zip(map(_key, listed), await asyncio.gather(*map(read, listed)), strict=True))


def _key(resource_id: str) -> str:
    return resource_id.rstrip("/").lower()


async def _connectivity(azure: Azure, networks: Networks, network_id: str) -> Seen[Configurations] | NotSeen:
    missing = _not_held(networks, network_id, CONNECTIVITY_ACTION)
    return missing or await reads.seen(_configurations(azure, network_id))


async def _configurations(azure: Azure, network_id: str) -> Seen[Configurations]:
    items = await posted(azure, network_id, CONNECTIVITY_ACTION)
    read = network_manager_bodies.configurations(items)
    if read is None:
        raise Temporary(f"a connectivity configuration in effect on {name_of(network_id)} could not be read")
    return Seen(read, reads.evidence("connectivity configurations in effect", network_id, NETWORK_API))


async def _admin_rules(azure: Azure, networks: Networks, network_id: str) -> Seen[AdminRules] | NotSeen:
    async def reading() -> Seen[AdminRules]:
        items = await posted(azure, network_id, ADMIN_RULES_ACTION)
        evidence = reads.evidence("security admin rules in effect", network_id, NETWORK_API)
        return Seen(network_manager_bodies.admin_rules(items), evidence)

    return _not_held(networks, network_id, ADMIN_RULES_ACTION) or await reads.seen(reading())


async def _connections(azure: Azure, subscription: str) -> Seen[tuple[str, ...]]:
    scope = f"/subscriptions/{subscription}"
    path = f"{scope}/providers/Microsoft.Network/networkManagerConnections"
    listing = await reads.raw_list(azure, path, NETWORK_API, "network manager connections", scope)
    return Seen(network_manager_bodies.connected_managers(listing.items), listing.evidence)


def _not_held(networks: Networks, network_id: str, action: str) -> NotSeen | None:
    """That the app's own roles do not hold an action on a whole subscription, which is then not tried."""
    subscription = subscription_of(network_id)
    if visibility.allows(networks.visibility, subscription, action):
        return None
    detail = f"Pullwatch's identity does not hold {action} in subscription {subscription}, which Reader lacks."
    return NotSeen(NotSeenReason.NOT_ALLOWED, detail, action)


async def posted(azure: Azure, network_id: str, action: str) -> list[Any]:
    """Every item of a POST list of a virtual network; the next page is asked for by ``skipToken`` in the body.

    Raises CollectError.
    """
    name = action.split("/")[-2]
    url = f"{azure.settings.arm}{quote(network_id)}/{name}?api-version={NETWORK_API}"
    items: list[Any] = []
    body: dict[str, str] = {}
    async with translate_errors(name, action, network_id, 4.0 * azure.settings.call_seconds):
        for _ in range(MAX_PAGES):
            response = await azure.raw().send_request(HttpRequest("POST", url, json=body))
            response.raise_for_status()
            page = _page(name, response.content)
            items.extend(page["value"])
            token = page.get("skipToken")
            if not isinstance(token, str) or not token:
                return items
            body = {"skipToken": token}
    raise Temporary(f"{name}: more than {MAX_PAGES} pages")


def _page(name: str, content: bytes) -> Mapping[str, Any]:
    try:
        body = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise Temporary(f"{name}: Azure Resource Manager sent what is no JSON: {error}") from error
    if not isinstance(bodies.get(body, "value"), list):
        raise Temporary(f"{name}: the answer has no list of values")
    assert isinstance(body, dict)
    return body
