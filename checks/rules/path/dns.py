"""Names as nodes look them up: private DNS zones linked to their network, else public DNS.

In a network only the zones linked to it count, and the closest zone of a name answers for it: a record it lacks does
not exist (NXDOMAIN), unless the link says NxDomainRedirect. Public DNS leads a registry's names to ``privatelink.*``
once the registry has a private endpoint; a registry without any is not affected by such a zone. Custom DNS servers
decide for themselves. Source: Azure Private Link and Private DNS documentation ("fallback to internet").
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address

import msgspec

from checks.facts import NotSeen, Registry, Seen
from checks.facts.network import Networks, VirtualNetwork, Zone, ZoneLink
from checks.rules.path import unseen_zones
from checks.rules.path.destinations import address, may_be_public, suffix_of
from checks.rules.path.destinations import network as as_network
from checks.rules.path.node_network import NodeSubnet
from checks.rules.results import Result, not_seen, unknown

AZURE_DNS = "168.63.129.16"
MAX_ALIASES = 5


class ResolvesTo(StrEnum):
    """Where a name leads."""

    PUBLIC = "public"
    PRIVATE = "private"
    ABSENT = "absent"
    UNSETTLED = "unsettled"


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """Where a name leads, by which zone and link; ``question`` says why that is not known."""

    resolves_to: ResolvesTo
    host: str
    addresses: tuple[IPv4Address, ...] = ()
    zone: Zone | None = None
    link: ZoneLink | None = None
    question: Result | None = None


def private_name(host: str, suffix: str) -> str:
    """The name that public DNS leads to for a registry with a private endpoint."""
    return f"{host.removesuffix(f'.{suffix}')}.privatelink.{suffix}"


def custom_servers(network: VirtualNetwork) -> tuple[str, ...]:
    """The DNS servers of a network that are not Azure's own."""
    return tuple(server for server in network.dns_servers if server.strip() != AZURE_DNS)


def resolve(networks: Networks, node_subnet: NodeSubnet, registry: Registry, host: str) -> Resolution:
    """Where a name of a registry leads for the nodes of a subnet."""
    network = node_subnet.network
    servers = custom_servers(network)
    if servers:
        return _unsettled(host, _custom(networks, network, servers))
    direct = _in_zones(networks, network, host)
    if direct is not None:
        return msgspec.structs.replace(direct, host=host)
    connections = registry.network_access.connections
    if not connections and not any(_approved(e.status) for e in networks.endpoints_of.get(registry.id.lower(), ())):
        return Resolution(resolves_to=ResolvesTo.PUBLIC, host=host)
    resolution = _in_zones(networks, network, private_name(host, suffix_of(registry)))
    if resolution is None:
        question = unseen_zones.question(networks, node_subnet, registry, host)
        return _unsettled(host, question) if question else Resolution(resolves_to=ResolvesTo.PUBLIC, host=host)
    resolution = msgspec.structs.replace(resolution, host=host)
    certain = any(c.approved() for c in connections) or not connections
    if resolution.resolves_to in (ResolvesTo.ABSENT, ResolvesTo.PRIVATE) and not certain:
        why = "no private endpoint of the registry is approved, so whether public DNS points to the zone is not certain"
        return _unsettled(host, unknown("no-approved-endpoint", f"{host}: {why}.", "an approved endpoint"))
    return resolution


def _approved(status: str | None) -> bool:
    return (status or "").lower() == "approved"


def _unsettled(host: str, question: Result) -> Resolution:
    return Resolution(resolves_to=ResolvesTo.UNSETTLED, host=host, question=question)


def _in_zones(networks: Networks, network: VirtualNetwork, name: str, depth: int = 0) -> Resolution | None:
    """The answer of the closest linked zone, or None where no linked zone is about the name (public DNS answers)."""
    linked = networks.zones_of.get(network.id.rstrip("/").lower(), ())
    about = [(z, link) for z, link in linked if name == z.name or name.endswith(f".{z.name}")]
    zone, link = max(about, key=lambda pair: len(pair[0].name), default=(None, None))
    if zone is None or link is None:
        return None
    for part in (zone.records, zone.aliases):
        if isinstance(part, NotSeen):
            return _unsettled(name, not_seen(part, f"The records of the zone {zone.name}"))
    assert isinstance(zone.records, Seen) and isinstance(zone.aliases, Seen)
    relative = name.removesuffix(zone.name).rstrip(".") or "@"
    keys = (relative, f"*.{relative.split('.', 1)[1]}" if "." in relative else "*")
    alias = next((zone.aliases.value[key] for key in keys if key in zone.aliases.value), None)
    listed = next((zone.records.value[key] for key in keys if zone.records.value.get(key)), ())
    if listed:
        return _addressed(name, zone, link, listed)
    if alias is not None and depth < MAX_ALIASES:
        return _in_zones(networks, network, alias, depth + 1) or Resolution(resolves_to=ResolvesTo.PUBLIC, host=name)
    return Resolution(
        resolves_to=ResolvesTo.PUBLIC if link.redirects() else ResolvesTo.ABSENT, host=name, zone=zone, link=link
    )


def _addressed(name: str, zone: Zone, link: ZoneLink, listed: tuple[str, ...]) -> Resolution:
    addresses = tuple(addressed for text in listed if (addressed := address(text)))
    if not addresses or any((p := as_network(str(one))) and may_be_public(p) for one in addresses):
        shown = ", ".join(listed)
        summary = f"The record of {name} in the zone {zone.name} holds {shown}, which is no private address."
        return _unsettled(name, unknown("record-not-private", summary, "what answers at that address"))
    return Resolution(resolves_to=ResolvesTo.PRIVATE, host=name, addresses=addresses, zone=zone, link=link)


def _custom(networks: Networks, network: VirtualNetwork, servers: tuple[str, ...]) -> Result:
    """Custom servers decide; where they stand in a network that the zone is linked to, that is the usual good case."""
    hub = next((h for h in _holding(networks, servers) if h in networks.zones_of), None)
    hint = f" They stand in {hub.rsplit('/', 1)[-1]}, which a zone of registries is linked to." if hub else ""
    return unknown(
        "custom-dns",
        f"The network {network.name} uses the DNS servers {', '.join(servers)}, which decide where names lead.{hint}",
        "what the custom DNS servers answer",
    )


def _holding(networks: Networks, servers: tuple[str, ...]) -> list[str]:
    names: list[str] = []
    for part in networks.by_subscription.values():
        for key, network in part.virtual_networks.value.items() if isinstance(part.virtual_networks, Seen) else ():
            spaces = [p for text in network.prefixes if (p := as_network(text))]
            if any((one := address(server)) and any(one in p for p in spaces) for server in servers):
                names.append(key)
    return names
