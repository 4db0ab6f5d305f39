"""A registry's public firewall: whom ``networkRuleSet`` lets in.

Rules are IPv4 addresses and CIDRs; they concern the public endpoint alone. Source: "Configure rules to access an Azure
container registry behind a firewall", "Restrict access using a service endpoint".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Network

import msgspec

from checks.facts import Registry
from checks.rules.path.destinations import networks


class PublicAccess(StrEnum):
    """Whom the public endpoint lets in."""

    ALL = "all"
    SOME = "some"
    NOBODY = "nobody"
    UNCLEAR = "unclear"


def public_access(registry: Registry) -> PublicAccess:
    """Whom a registry's public endpoint lets in. ``publicNetworkAccess: Disabled`` outranks every rule."""
    network = registry.network_access
    access, action = (network.public_network_access or "").lower(), (network.default_action or "").lower()
    if access == "disabled":
        return PublicAccess.NOBODY
    if access != "enabled":
        return PublicAccess.UNCLEAR
    return {"allow": PublicAccess.ALL, "deny": PublicAccess.SOME}.get(action, PublicAccess.UNCLEAR)


class IpRuleMatch(msgspec.Struct, frozen=True):
    """Egress addresses against the IP rules. ``outside`` are those, or parts of them, that no rule allows."""

    inside: tuple[IPv4Network, ...]
    outside: tuple[IPv4Network, ...]

    @property
    def partial(self) -> bool:
        """Some are allowed and some are not: pulls are refused now and then."""
        return bool(self.inside) and bool(self.outside)


def match(egress: Iterable[IPv4Network], ip_rules: Iterable[str]) -> IpRuleMatch:
    """Compares what nodes leave with to what the rules allow; a prefix may lie half inside."""
    allowed = networks(ip_rules)
    inside: list[IPv4Network] = []
    outside: list[IPv4Network] = []
    for one in egress:
        whole = any(one.subnet_of(rule) for rule in allowed)
        touched = whole or any(one.overlaps(rule) for rule in allowed)
        inside += [one] if touched else []
        outside += [] if whole else [one]
    return IpRuleMatch(tuple(inside), tuple(outside))
