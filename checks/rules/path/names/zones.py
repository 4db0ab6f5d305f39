"""What the private DNS zones that are linked to a network answer.

The closest zone of a name answers for it: a record it lacks does not exist (NXDOMAIN), unless the link says
NxDomainRedirect. Source: Azure Private Link and Private DNS documentation ("fallback to internet").
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address

import msgspec

from checks.facts import NotSeen, Seen
from checks.facts.network import Networks, VirtualNetwork, Zone, ZoneLink
from checks.rules.path.destinations import address, may_be_public
from checks.rules.path.destinations import network as as_network
from checks.rules.results import Result, not_seen, unknown

MAX_ALIASES = 5


class ResolvesTo(StrEnum):
    """Where a name leads."""

    PUBLIC = "public"
    PRIVATE = "private"
    ABSENT = "absent"
    UNSETTLED = "unsettled"


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """Where a name leads, by which zone and link; ``question`` says why that is not known.

    ``view`` is the network whose zones and rulesets answered, ``through`` who asked there, first hop first, where it is
    not the nodes' own network; ``custom``: the servers that their network names are the first. ``loops``: the name is
    sent round in a circle, so nobody answers it.
    """

    resolves_to: ResolvesTo
    host: str
    addresses: tuple[IPv4Address, ...] = ()
    zone: Zone | None = None
    link: ZoneLink | None = None
    question: Result | None = None
    view: VirtualNetwork | None = None
    through: tuple[str, ...] = ()
    custom: bool = False
    loops: bool = False

    @property
    def redirected(self) -> bool:
        """Whether a linked zone lacks the name and has public DNS resolve it."""
        return self.resolves_to is ResolvesTo.PUBLIC and self.link is not None and self.link.redirects()


def unsettled(host: str, question: Result) -> Resolution:
    """Where a name leads is not known, and why."""
    return Resolution(resolves_to=ResolvesTo.UNSETTLED, host=host, question=question)


def covers(domain: str, name: str) -> bool:
    """Whether a name is a domain or lies below it."""
    return name == domain or name.endswith(f".{domain}")


def in_zones(networks: Networks, network: VirtualNetwork, name: str, depth: int = 0) -> Resolution | None:
    """The answer of the closest linked zone, or None where no linked zone is about the name (public DNS answers)."""
    linked = networks.zones_of.get(network.id.rstrip("/").lower(), ())
    about = [(z, link) for z, link in linked if covers(z.name, name)]
    zone, link = max(about, key=lambda pair: len(pair[0].name), default=(None, None))
    if zone is None or link is None:
        return None
    if not link.completed():
        summary = f"The link {link.name} of the zone {zone.name} to {network.name} is {link.state}, not Completed."
        return unsettled(name, unknown("link-in-progress", summary, f"whether the zone answers {name}"))
    for part in (zone.records, zone.aliases):
        if isinstance(part, NotSeen):
            return unsettled(name, not_seen(part, f"The records of the zone {zone.name}"))
    assert isinstance(zone.records, Seen) and isinstance(zone.aliases, Seen)
    relative = name.removesuffix(zone.name).rstrip(".") or "@"
    keys = (relative, f"*.{relative.split('.', 1)[1]}" if "." in relative else "*")
    alias = next((zone.aliases.value[key] for key in keys if key in zone.aliases.value), None)
    listed = next((zone.records.value[key] for key in keys if zone.records.value.get(key)), ())
    if listed:
        return _addressed(name, zone, link, listed)
    if alias is not None and depth < MAX_ALIASES:
        return in_zones(networks, network, alias, depth + 1) or Resolution(resolves_to=ResolvesTo.PUBLIC, host=name)
    wider = next((other for other, _ in about if other is not zone and _has(other, name)), None)
    if wider is not None:
        return unsettled(name, _overlap(name, zone, wider))
    return Resolution(
        resolves_to=ResolvesTo.PUBLIC if link.redirects() else ResolvesTo.ABSENT, host=name, zone=zone, link=link
    )


def _has(zone: Zone, name: str) -> bool:
    """Whether a zone has a record of a name, or may have it."""
    relative = name.removesuffix(zone.name).rstrip(".") or "@"
    return any(isinstance(part, NotSeen) or relative in part.value for part in (zone.records, zone.aliases))


def _overlap(name: str, zone: Zone, wider: Zone) -> Result:
    """The closer zone is taken to answer, but no page says so of zones that overlap."""
    summary = f"{name} has a record in the zone {wider.name}, and none in {zone.name}, which is linked too and closer."
    return unknown("zones-overlap", summary, f"which of the zones {wider.name} and {zone.name} answers {name}")


def _addressed(name: str, zone: Zone, link: ZoneLink, listed: tuple[str, ...]) -> Resolution:
    addresses = tuple(addressed for text in listed if (addressed := address(text)))
    if not addresses or any((p := as_network(str(one))) and may_be_public(p) for one in addresses):
        shown = ", ".join(listed)
        summary = f"The record of {name} in the zone {zone.name} holds {shown}, which is no private address."
        return unsettled(name, unknown("record-not-private", summary, "what answers at that address"))
    return Resolution(resolves_to=ResolvesTo.PRIVATE, host=name, addresses=addresses, zone=zone, link=link)
