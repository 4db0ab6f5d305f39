"""What nodes connect to, as network rules see it: a service known by its tags, or private addresses.

Whether something covers a target has three answers: yes, no, and maybe, where ARM cannot tell (the addresses of a
public service change and are not read). Service tags: learn.microsoft.com/azure/virtual-network/service-tags-overview.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError, collapse_addresses

import msgspec

from checks.facts import Registry

EVERYTHING = IPv4Network("0.0.0.0/0")
REGISTRY_TAG = "azurecontainerregistry"
STORAGE_TAG = "storage"
CLOUD_TAG = "azurecloud"
SIGN_IN_TAG = "azureactivedirectory"
MICROSOFT_REGISTRY_TAG = "microsoftcontainerregistry"
# Where no public service of Azure can be: private, shared, link-local, documentation and multicast space.
_NEVER_PUBLIC = tuple(
    IPv4Network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "224.0.0.0/3"),
    )
)


class Match(Enum):
    """Whether something covers a target."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """What nodes connect to on TCP 443. ``addresses`` where it is private; else ``tags`` (lower case) contain it.

    ``region`` is the region whose addresses it certainly has; None where another replica's may be meant.
    ``service`` is the service endpoint that would lead to it, ``allow`` the service tag that a new rule or route names.
    """

    what: str
    host: str
    addresses: tuple[IPv4Address, ...] = ()
    tags: tuple[str, ...] = ()
    maybe_tags: tuple[str, ...] = ()
    region: str | None = None
    service: str | None = None
    allow: str = ""


@lru_cache(maxsize=4096)
def network(text: str) -> IPv4Network | None:
    """An IPv4 address or CIDR as a network, or None: IPv6, a service tag, or nonsense."""
    try:
        return IPv4Network(text.strip(), strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return None


def address(text: str) -> IPv4Address | None:
    """An IPv4 address, or None."""
    try:
        return IPv4Address(text.strip())
    except (AddressValueError, ValueError):
        return None


def networks(texts: Iterable[str]) -> tuple[IPv4Network, ...]:
    """The IPv4 networks among texts, merged: two halves of a network are that network."""
    return _merged(tuple(texts))


@lru_cache(maxsize=512)  # a registry's rules are compared with every cluster that uses it
def _merged(texts: tuple[str, ...]) -> tuple[IPv4Network, ...]:
    return tuple(collapse_addresses(prefix for text in texts if (prefix := network(text))))


def may_be_public(prefix: IPv4Network) -> bool:
    """Whether a public service of Azure may have an address in a prefix."""
    return not any(prefix.subnet_of(space) for space in _NEVER_PUBLIC)


def tag_covers(tag: str, destination: Destination) -> Match:
    """Whether a service tag ("AzureContainerRegistry.WestEurope") contains a public target."""
    base, _, region = tag.lower().partition(".")
    if base in destination.maybe_tags:
        return Match.MAYBE
    if base not in destination.tags:
        return Match.NO
    if not region:
        return Match.YES
    if destination.region is None:
        return Match.MAYBE
    return Match.YES if region.replace(" ", "") == destination.region.lower().replace(" ", "") else Match.NO


def prefixes_cover(texts: Iterable[str], destination: Destination) -> Match:
    """Whether CIDRs cover a target: every address of a private one, or all or some public space for a public one."""
    merged = networks(texts)
    if destination.addresses:
        inside = [any(one in prefix for prefix in merged) for one in destination.addresses]
        return Match.YES if all(inside) else Match.MAYBE if any(inside) else Match.NO
    if EVERYTHING in merged:
        return Match.YES
    return Match.MAYBE if any(may_be_public(prefix) for prefix in merged) else Match.NO


def any_of(answers: Iterable[Match]) -> Match:
    """Whether one of several things covers a target."""
    matches = set(answers)
    return Match.YES if Match.YES in matches else Match.MAYBE if Match.MAYBE in matches else Match.NO


def suffix_of(registry: Registry) -> str:
    """The cloud's suffix of a login server: "azurecr.io"."""
    return registry.login_server.split(".", 1)[-1]
