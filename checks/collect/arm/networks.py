"""The networks of a subscription, each kind read once by a list at the subscription, never per cluster or registry.

Only what ARM may hold elsewhere costs more: links and records of the private DNS zones that are about registries, and
the public addresses of scale sets whose nodes have their own. A list that is refused is a fact too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from checks.collect.arm import bodies, name_server_bodies, network_bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.arm.parts import ALL, Part
from checks.collect.wire.errors import CollectError, NotFound, Temporary
from checks.facts import Cluster, NotSeen, NotSeenReason, Seen, subscription_of
from checks.facts.network import (
    ForwardingRuleset,
    MemberAddress,
    Network,
    NetworkManager,
    PrivateEndpoint,
    PublicAddress,
    Zone,
)
from checks.facts.observation import NOT_ASKED

NETWORK_API = "2024-05-01"
DNS_API = "2024-06-01"
RESOLVER_API = "2025-05-01"
COMPUTE_API = "2024-07-01"
SCALE_SET_ADDRESSES_API = "2018-10-01"
# The api-versions that show virtualNetworkRules; those between them hide the rules of the very same registry.
REGISTRY_RULES_APIS = ("2026-09-01-preview", "2021-08-01-preview")
REGISTRY = "/microsoft.containerregistry/registries/"


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_HasId)
P = TypeVar("P")
Reader = Callable[[Any], T | None]


async def of_subscription(
    azure: Azure,
    subscription: str,
    clusters: Iterable[Cluster],
    registries: int,
    parts: frozenset[Part] = ALL,
    empty: Mapping[Part, Seen[Any]] = {},
) -> Network:
    """The network facts of a subscription. ``registries``: how many it holds, none of which need no rules read.

    ``empty`` are the parts of which it is known already that it holds nothing.
    """
    read = _Reading(azure, subscription, parts, empty)
    own = [cluster for cluster in clusters if subscription_of(cluster.id) == subscription.lower()]
    (networks, groups, tables, gateways, addresses), (prefixes, endpoints, rules, nodes), others = await asyncio.gather(
        asyncio.gather(
            read.part(
                Part.NETWORKS,
                lambda: read.listed(
                    "virtualNetworks", network_bodies.virtual_network, ("subnets", "virtualNetworkPeerings")
                ),
            ),
            read.part(
                Part.SECURITY_GROUPS,
                lambda: read.listed("networkSecurityGroups", network_bodies.security_group, ("securityRules",)),
            ),
            read.part(Part.ROUTES, lambda: read.listed("routeTables", network_bodies.route_table, ("routes",))),
            read.part(Part.NAT_GATEWAYS, lambda: read.listed("natGateways", network_bodies.nat_gateway)),
            read.part(Part.ADDRESSES, lambda: read.listed("publicIPAddresses", network_bodies.public_address)),
        ),
        asyncio.gather(
            read.part(Part.PREFIXES, lambda: read.listed("publicIPPrefixes", network_bodies.public_prefix)),
            read.part(Part.ENDPOINTS, read.endpoints),
            read.part(Part.REGISTRY_RULES, lambda: read.registry_rules(registries)),
            read.part(Part.NODE_ADDRESSES, lambda: read.node_addresses(own)),
        ),
        asyncio.gather(
            read.part(Part.ZONES, read.zones),
            read.part(Part.RULESETS, read.rulesets),
            read.part(Part.MANAGERS, read.managers),
        ),
    )
    zones, rulesets, managers = others
    return Network(
        virtual_networks=networks,
        security_groups=groups,
        route_tables=tables,
        nat_gateways=gateways,
        addresses=addresses,
        prefixes=prefixes,
        endpoints=endpoints,
        zones=zones,
        rulesets=rulesets,
        managers=managers,
        registry_rules=rules,
        node_addresses=nodes,
    )


class _Reading:
    """The reads of one subscription."""

    def __init__(
        self, azure: Azure, subscription: str, parts: frozenset[Part], empty: Mapping[Part, Seen[Any]]
    ) -> None:
        self._azure = azure
        self._scope = f"/subscriptions/{subscription}"
        self._parts, self._empty = parts, empty

    async def part(self, part: Part, reading: Callable[[], Awaitable[Seen[P] | NotSeen]]) -> Seen[P] | NotSeen:
        """What a reading gives where the part that it is of is wanted."""
        if part not in self._parts:
            return NOT_ASKED
        return self._empty.get(part) or await reading()

    async def _raw(self, path: str, api_version: str, what: str) -> Seen[list[Any]] | NotSeen:
        return await reads.seen(self._raw_or_raise(path, api_version, what))

    async def _raw_or_raise(self, path: str, api_version: str, what: str) -> Seen[list[Any]]:
        listing = await reads.raw_list(self._azure, path, api_version, what, self._scope)
        return Seen(listing.items, listing.evidence)

    async def listed(
        self, kind: str, reader: Reader[T], children: tuple[str, ...] = ()
    ) -> Seen[dict[str, T]] | NotSeen:
        """Every resource of a kind of Microsoft.Network, by its id in lower case."""
        path = f"{self._scope}/providers/Microsoft.Network/{kind}"
        items = await self._raw(path, NETWORK_API, kind)
        if isinstance(items, NotSeen):
            return items
        whole = [await self._completed(item, children) for item in items.value]
        read = [value for item in whole if (value := reader(item)) is not None]
        by_id = {value.id.rstrip("/").lower(): value for value in read}
        return Seen(by_id, items.evidence, reads.unreadable(whole, read))

    async def _completed(self, body: Any, children: tuple[str, ...]) -> Any:
        """A body with the children it does not even mention: ARM's lists embed them, but no contract says so."""
        resource_id, properties = bodies.text(body, "id"), bodies.get(body, "properties")
        if not resource_id or not isinstance(properties, dict):
            return body
        for child in children:
            if child not in properties:
                items = await self._raw(f"{resource_id}/{child}", NETWORK_API, child)
                if isinstance(items, Seen):
                    properties[child] = items.value
        return body

    async def endpoints(self) -> Seen[dict[str, PrivateEndpoint]] | NotSeen:
        """Private endpoints; those of registries with the addresses of their interfaces."""
        private_endpoints = await self.listed("privateEndpoints", network_bodies.private_endpoint)
        if isinstance(private_endpoints, NotSeen):
            return private_endpoints
        about = {
            key: e for key, e in private_endpoints.value.items() if any(REGISTRY in target for target in e.targets)
        }
        if not about:
            return private_endpoints
        path = f"{self._scope}/providers/Microsoft.Network/networkInterfaces"
        listed = await self._raw(path, NETWORK_API, "networkInterfaces")
        interfaces = {} if isinstance(listed, NotSeen) else _by_id(listed.value)
        gap = listed if isinstance(listed, NotSeen) else None
        completed = {key: _with_members(endpoint, interfaces, gap) for key, endpoint in about.items()}
        return Seen({**private_endpoints.value, **completed}, private_endpoints.evidence, private_endpoints.partial)

    async def zones(self) -> Seen[dict[str, Zone]] | NotSeen:
        """The private DNS zones that names of registries may be looked up in."""
        path = f"{self._scope}/providers/Microsoft.Network/privateDnsZones"
        items = await self._raw(path, DNS_API, "privateDnsZones")
        if isinstance(items, NotSeen):
            return items
        suffix = self._azure.settings.cloud.acr_suffix
        about = [item for item in items.value if is_about_registries(bodies.name_of(item), suffix)]
        zones = await asyncio.gather(*(self._zone(item) for item in about))
        return Seen({zone.id.rstrip("/").lower(): zone for zone in zones}, items.evidence)

    async def _zone(self, body: Any) -> Zone:
        zone_id, name = str(body["id"]), bodies.name_of(body) or ""
        links, records, aliases = await asyncio.gather(
            self._raw(f"{zone_id}/virtualNetworkLinks", DNS_API, f"links of {name}"),
            self._raw(f"{zone_id}/A", DNS_API, f"A records of {name}"),
            self._raw(f"{zone_id}/CNAME", DNS_API, f"CNAME records of {name}"),
        )
        return Zone(
            id=zone_id,
            name=name.lower(),
            link_count=network_bodies.link_count(body),
            links=_mapped(links, lambda items: tuple(x for i in items if (x := network_bodies.zone_link(i)))),
            records=_mapped(records, lambda items: dict(x for i in items if (x := network_bodies.a_record(i)))),
            aliases=_mapped(aliases, lambda items: dict(x for i in items if (x := network_bodies.cname_record(i)))),
        )

    async def rulesets(self) -> Seen[dict[str, ForwardingRuleset]] | NotSeen:
        """The DNS forwarding rulesets, each with the networks that it is linked to (one more call a ruleset)."""
        path = f"{self._scope}/providers/Microsoft.Network/dnsForwardingRulesets"
        items = await self._raw(path, RESOLVER_API, "dnsForwardingRulesets")
        if isinstance(items, NotSeen):
            return items
        named = [(ruleset_id, item) for item in items.value if (ruleset_id := bodies.text(item, "id"))]
        links = await asyncio.gather(
            *(self._raw(f"{i}/virtualNetworkLinks", RESOLVER_API, "links of rulesets") for i, _ in named)
        )
        read = {
            ruleset_id.rstrip("/").lower(): ForwardingRuleset(
                id=ruleset_id,
                name=bodies.name_of(item) or "",
                links=network_bodies.linked_networks(linked, ruleset_id),
                resolver_ids=name_server_bodies.resolver_ids(item),
            )
            for (ruleset_id, item), linked in zip(named, links, strict=True)
        }
        return Seen(read, items.evidence, reads.unreadable(items.value, named))

    async def managers(self) -> Seen[dict[str, NetworkManager]] | NotSeen:
        """The network managers; whether one connects anything is asked of its configurations (one more call each)."""
        path = f"{self._scope}/providers/Microsoft.Network/networkManagers"
        items = await self._raw(path, NETWORK_API, "networkManagers")
        if isinstance(items, NotSeen):
            return items
        read = [manager for item in items.value if (manager := network_bodies.network_manager(item)) is not None]
        whole = await asyncio.gather(*(self._configured(manager) for manager in read))
        by_id = {manager.id.rstrip("/").lower(): manager for manager in whole}
        return Seen(by_id, items.evidence, reads.unreadable(items.value, read))

    async def _configured(self, manager: NetworkManager) -> NetworkManager:
        """The manager, which connects nothing where it certainly has no connectivity configuration."""
        if not manager.connects:
            return manager
        listed = await self._raw(f"{manager.id}/connectivityConfigurations", NETWORK_API, "connectivity configurations")
        none = isinstance(listed, Seen) and not listed.value
        return msgspec.structs.replace(manager, connects=False) if none else manager

    async def registry_rules(self, registries: int) -> Seen[dict[str, tuple[str, ...]]] | NotSeen:
        """``virtualNetworkRules`` of the registries, at the newest api-version that shows them and is to be had."""
        if not registries:
            return NotSeen(NotSeenReason.NOT_APPLICABLE, "the subscription holds no registry")
        path = f"{self._scope}/providers/Microsoft.ContainerRegistry/registries"
        newest, older = REGISTRY_RULES_APIS
        try:
            results: Seen[list[Any]] | NotSeen = await self._raw_or_raise(path, newest, "virtual network rules")
        except (Temporary, NotFound):
            results = await self._raw(path, older, "virtual network rules")
        except CollectError as error:
            results = error.as_gap()
        return _mapped(results, lambda items: dict(x for i in items if (x := network_bodies.registry_rules(i))))

    async def node_addresses(self, clusters: list[Cluster]) -> Seen[dict[str, tuple[PublicAddress, ...]]] | NotSeen:
        """The public addresses of nodes that have their own and no prefix, by ``node resource group/pool``."""
        wanted = {
            f"{cluster.node_resource_group}/{pool.name}".lower()
            for cluster in clusters
            for pool in cluster.pools
            if pool.outbound.enable_node_public_ip and not pool.outbound.node_public_ip_prefix_id
        }
        if not wanted:
            return NotSeen(NotSeenReason.NOT_APPLICABLE, "no node pool here has public addresses of its own")
        path = f"{self._scope}/providers/Microsoft.Compute/virtualMachineScaleSets"
        items = await self._raw(path, COMPUTE_API, "virtualMachineScaleSets")
        if isinstance(items, NotSeen):
            return items
        addresses: dict[str, tuple[PublicAddress, ...]] = {}
        for item in items.value:
            key, scale_set = _pool_key(item), bodies.text(item, "id")
            if key not in wanted or not scale_set:
                continue
            listed = await self._raw(f"{scale_set}/publicipaddresses", SCALE_SET_ADDRESSES_API, "addresses of nodes")
            if isinstance(listed, NotSeen):
                return listed
            own = tuple(a for i in listed.value if (a := network_bodies.public_address(i)))
            addresses[key] = (*addresses.get(key, ()), *own)
        return Seen(addresses, items.evidence)


async def zone_groups(azure: Azure, endpoint_id: str) -> Seen[tuple[str, ...]] | NotSeen:
    """The ids of the private DNS zones that an endpoint's zone groups write its records into."""
    path, scope = f"{endpoint_id}/privateDnsZoneGroups", f"/subscriptions/{subscription_of(endpoint_id)}"

    async def reading() -> Seen[tuple[str, ...]]:
        listing = await reads.raw_list(azure, path, NETWORK_API, "private DNS zone groups", scope)
        return Seen(network_bodies.zones_of_groups(listing.items), listing.evidence)

    return await reads.seen(reading())


def _pool_key(body: Any) -> str:
    parts = (bodies.text(body, "id") or "").split("/")
    return f"{parts[4] if len(parts) > 4 else ''}/{network_bodies.pool_of_scale_set(body)}".lower()


def _by_id(items: list[Any]) -> dict[str, Any]:
    return {resource_id.rstrip("/").lower(): item for item in items if (resource_id := bodies.text(item, "id"))}


def _with_members(endpoint: PrivateEndpoint, interfaces: dict[str, Any], gap: NotSeen | None) -> PrivateEndpoint:
    members: tuple[MemberAddress, ...] = ()
    for interface_id in endpoint.interface_ids:
        members += network_bodies.interface_members(interfaces.get(interface_id.rstrip("/").lower()))
    if not members and not endpoint.members and gap is not None:
        return msgspec.structs.replace(endpoint, members=gap)
    named = any(member.names for member in members) or not endpoint.members
    return msgspec.structs.replace(endpoint, members=members) if members and named else endpoint


def is_about_registries(name: str | None, suffix: str) -> bool:
    """``privatelink.azurecr.io``, and any other zone in which a registry's name would be looked up."""
    lower = (name or "").lower()
    return lower in (suffix, f"privatelink.{suffix}") or lower.endswith(f".{suffix}")


A = TypeVar("A")
B = TypeVar("B")


def _mapped(part: Seen[A] | NotSeen, change: Callable[[A], B]) -> Seen[B] | NotSeen:
    return part if isinstance(part, NotSeen) else Seen(change(part.value), part.evidence, part.partial)
