"""What stands between nodes and a private DNS zone: forwarding rules, resolvers, firewalls that are DNS proxies.

Names are Azure's own; addresses stay text. Each part is read only where something names it: a dict lacks what nobody
asked for.
"""

from __future__ import annotations

import msgspec

from checks.facts.observation import NotSeen, Seen


class ForwardingRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a DNS forwarding ruleset that is on. ``domain`` has no dot at its end: that of all names is empty.

    ``servers`` are addresses, as ``address:port`` where the port is not that of DNS.
    """

    name: str
    domain: str
    servers: tuple[str, ...] = ()


class Resolver(msgspec.Struct, frozen=True, kw_only=True):
    """A DNS Private Resolver; ``inbound`` are the addresses of its inbound endpoints, which answer as its network."""

    id: str
    name: str
    network_id: str | None = None
    state: str | None = None
    inbound: Seen[tuple[str, ...]] | NotSeen

    def connected(self) -> bool:
        """``dnsResolverState`` is not Disconnected."""
        return (self.state or "").lower() != "disconnected"


class Firewall(msgspec.Struct, frozen=True, kw_only=True):
    """An Azure Firewall with its private addresses, in a network of somebody's or in a Virtual WAN hub."""

    id: str
    name: str
    network_id: str | None = None
    hub_id: str | None = None
    addresses: tuple[str, ...] = ()
    policy_id: str | None = None


class FirewallPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """``dnsSettings`` of a firewall policy. ``proxy`` None: not shown. ``base_id``: the policy it inherits from."""

    id: str
    proxy: bool | None = None
    servers: tuple[str, ...] = ()
    base_id: str | None = None


class NameServers(msgspec.Struct, frozen=True, kw_only=True):
    """What was read for the networks of a cluster's nodes.

    ``rules`` by the id of the ruleset, ``resolvers`` and ``firewalls`` by subscription and then by id, ``policies`` by
    id, all in lower case. ``linked`` are the ids of the rulesets that are linked to a network, by the network's id,
    where that was asked of the network itself: of whatever subscription they are.
    """

    rules: dict[str, Seen[tuple[ForwardingRule, ...]] | NotSeen] = {}
    resolvers: dict[str, Seen[dict[str, Resolver]] | NotSeen] = {}
    firewalls: dict[str, Seen[dict[str, Firewall]] | NotSeen] = {}
    policies: dict[str, Seen[FirewallPolicy] | NotSeen] = {}
    linked: dict[str, Seen[tuple[str, ...]] | NotSeen] = {}
