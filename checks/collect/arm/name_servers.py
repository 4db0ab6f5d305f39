"""What stands between nodes and private DNS zones, read only where something names it, once for all clusters of a run.

Forwarding rules: one call for each ruleset that is linked to a network in which a registry's names are looked up and no
zone answers. Resolvers: one call for the subscription of a network that a DNS server lies in, and one for the inbound
endpoints of a resolver there. Firewalls: one for that subscription where no resolver has the address, and one for the
policy of the firewall that has it. A network itself is asked for its rulesets where lists may not show all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from checks.arm_ids import same_id, subscription_of
from checks.collect.arm import bodies, name_server_bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.wire.single_flight import SingleFlight
from checks.facts import Cluster, NotSeen, NotSeenReason, Registry, Seen
from checks.facts.name_servers import Firewall, FirewallPolicy, ForwardingRule, NameServers, Resolver
from checks.facts.network import ForwardingRuleset, Networks, VirtualNetwork
from checks.rules import visibility
from checks.rules.path import destinations, dns, node_network, unseen_zones
from checks.rules.path.names import rulesets, servers
from checks.rules.path.names.zones import covers

NETWORK_API = "2024-05-01"
RESOLVER_API = "2025-05-01"
NOT_ASKED = NotSeen(NotSeenReason.NOT_APPLICABLE, "nothing names an address of its network")

T = TypeVar("T")


class NameServerReads:
    """The readings of one run, which all its clusters share."""

    def __init__(self) -> None:
        self._lists: SingleFlight[Seen[list[Any]] | NotSeen] = SingleFlight()
        self._policies: SingleFlight[Seen[FirewallPolicy] | NotSeen] = SingleFlight()

    async def _listed(
        self, azure: Azure, path: str, api_version: str, what: str, method: str = "GET"
    ) -> Seen[list[Any]] | NotSeen:
        async def reading() -> Seen[list[Any]]:
            scope = f"/subscriptions/{subscription_of(path)}"
            listing = await reads.raw_list(azure, path, api_version, what, scope, method=method)
            return Seen(listing.items, listing.evidence)

        return await self._lists.get(path.lower(), lambda: reads.seen(reading()))

    async def rules(self, azure: Azure, ruleset_id: str) -> Seen[tuple[ForwardingRule, ...]] | NotSeen:
        """The rules of a ruleset that are on; ``partial`` where a body could not be understood."""
        listed = await self._listed(azure, f"{ruleset_id}/forwardingRules", RESOLVER_API, "forwarding rules")
        if isinstance(listed, NotSeen):
            return listed
        on, lost = name_server_bodies.forwarding_rules(listed.value)
        return Seen(on, listed.evidence, f"{lost} of {len(listed.value)} rules could not be read" if lost else "")

    async def linked(self, azure: Azure, network_id: str) -> Seen[tuple[str, ...]] | NotSeen:
        """The rulesets that a network names as linked to it, of any subscription."""
        path, what = f"{network_id}/listDnsForwardingRulesets", "rulesets of a network"
        return _mapped(
            await self._listed(azure, path, RESOLVER_API, what, "POST"), name_server_bodies.rulesets_of_network
        )

    async def resolvers(
        self, azure: Azure, subscription: str, homes: Iterable[str]
    ) -> Seen[dict[str, Resolver]] | NotSeen:
        """The resolvers of a subscription by id, those of some networks with their inbound endpoints."""
        path = f"/subscriptions/{subscription}/providers/Microsoft.Network/dnsResolvers"
        listed = await self._listed(azure, path, RESOLVER_API, "DNS resolvers")
        if isinstance(listed, NotSeen):
            return listed
        asked = tuple(homes)
        read = [one for body in listed.value if (one := await self._resolver(azure, body, asked)) is not None]
        by_id = {one.id.rstrip("/").lower(): one for one in read}
        return Seen(by_id, listed.evidence, reads.unreadable(listed.value, read))

    async def _resolver(self, azure: Azure, body: Any, homes: tuple[str, ...]) -> Resolver | None:
        resolver_id, home = bodies.text(body, "id"), name_server_bodies.network_of_resolver(body)
        if not resolver_id or not any(same_id(home, one) for one in homes):
            return name_server_bodies.resolver(body, NOT_ASKED)
        listed = await self._listed(azure, f"{resolver_id}/inboundEndpoints", RESOLVER_API, "inbound endpoints")
        return name_server_bodies.resolver(body, _mapped(listed, name_server_bodies.inbound_addresses))

    async def firewalls(self, azure: Azure, subscription: str) -> Seen[dict[str, Firewall]] | NotSeen:
        """The Azure Firewalls of a subscription by id."""
        path = f"/subscriptions/{subscription}/providers/Microsoft.Network/azureFirewalls"
        return _mapped(await self._listed(azure, path, NETWORK_API, "Azure Firewalls"), _firewalls)

    async def policy(self, azure: Azure, policy_id: str) -> Seen[FirewallPolicy] | NotSeen:
        """The DNS settings of a firewall policy."""

        async def reading() -> Seen[FirewallPolicy]:
            body = await reads.get(azure, policy_id, NETWORK_API, "firewall policy")
            policy = name_server_bodies.firewall_policy(body) or FirewallPolicy(id=policy_id)
            return Seen(policy, reads.evidence("firewall policy", policy_id, NETWORK_API))

        return await self._policies.get(policy_id.rstrip("/").lower(), lambda: reads.seen(reading()))


def _firewalls(items: list[Any]) -> dict[str, Firewall]:
    read = (name_server_bodies.firewall(item) for item in items)
    return {one.id.rstrip("/").lower(): one for one in read if one is not None}


def _mapped(part: Seen[list[Any]] | NotSeen, change: Callable[[list[Any]], T]) -> Seen[T] | NotSeen:
    return part if isinstance(part, NotSeen) else Seen(change(part.value), part.evidence, part.partial)


async def of_cluster(
    azure: Azure, run: NameServerReads, networks: Networks, cluster: Cluster, registries: Iterable[Registry]
) -> NameServers:
    """What the nodes' names of these registries pass on their way, as far as something names it."""
    following = _Following(azure, run, networks, tuple(registries))
    if following.registries:
        for network in _node_networks(networks, cluster):
            await following.from_nodes(network)
    return following.known


def _node_networks(networks: Networks, cluster: Cluster) -> tuple[VirtualNetwork, ...]:
    subnets = (node_network.subnet_of_pool(networks, cluster, pool) for pool in cluster.pools)
    found = (one.network for one in subnets if not isinstance(one, NotSeen) and one.listed)
    return tuple({one.id.lower(): one for one in found}.values())


class _Following:
    """Follows names from network to network and reads what it meets. The rules decide what it comes to."""

    def __init__(
        self, azure: Azure, run: NameServerReads, networks: Networks, registries: tuple[Registry, ...]
    ) -> None:
        self.registries = registries
        self.known = NameServers()
        self._azure, self._run, self._networks = azure, run, networks
        self._homes: dict[str, set[str]] = {}
        self._visited: set[str] = set()

    @property
    def _so_far(self) -> Networks:
        return msgspec.structs.replace(self._networks, name_servers=self.known)

    def _add(self, part: str, key: str, value: object) -> None:
        together = {**getattr(self.known, part), key.rstrip("/").lower(): value}
        self.known = msgspec.structs.replace(self.known, **{part: together})

    async def from_nodes(self, network: VirtualNetwork) -> None:
        """Follows what nodes in a network ask: its own DNS servers, else Azure DNS."""
        if not dns.custom_servers(network):
            await self._by_azure(network)
            return
        for server in network.dns_servers[: dns.MAX_SERVERS]:
            await self._server(network, server)

    async def _by_azure(self, network: VirtualNetwork) -> None:
        """Follows the rules of a network's rulesets, where no zone answers for a registry with private endpoints."""
        key = network.id.rstrip("/").lower()
        asked = [r for r in self.registries if self._needs_rules(network, r)]
        if not asked or key in self._visited or len(self._visited) > dns.MAX_HOPS * dns.MAX_SERVERS:
            return
        self._visited.add(key)
        if self._to_be_asked(network, asked):
            self._add("linked", key, await self._run.linked(self._azure, network.id))
        for ruleset in rulesets.linked(self._so_far, network):
            if isinstance(ruleset, ForwardingRuleset):
                await self._rules(ruleset, asked)

    def _needs_rules(self, network: VirtualNetwork, registry: Registry) -> bool:
        public = dns.is_public(self._networks, registry)
        return not public and not dns.zones_answer(self._networks, network, registry)

    def _to_be_asked(self, network: VirtualNetwork, registries: list[Registry]) -> bool:
        """Whether only the network itself can tell its rulesets, and nothing else leaves the answer open."""
        networks, subscription = self._networks, subscription_of(network.id)
        if not visibility.allows(networks.visibility, subscription, unseen_zones.LINKED_ACTION):
            return False
        open_to_rules = (
            one
            for one in registries
            if unseen_zones.zones_question(networks, network, one, one.login_server) is None
            and unseen_zones.zones_beyond(networks, network, one.login_server) is None
        )
        return any(unseen_zones.rulesets_uncertain(networks, network, one) for one in open_to_rules)

    async def _rules(self, ruleset: ForwardingRuleset, registries: list[Registry]) -> None:
        rules = await self._run.rules(self._azure, ruleset.id)
        self._add("rules", ruleset.id, rules)
        suffixes = {destinations.suffix_of(one) for one in registries}
        about = [r for r in rules.value if _is_about(r, suffixes)] if isinstance(rules, Seen) else []
        if not about:
            return
        for resolver_id in ruleset.resolver_ids:
            await self._resolvers(subscription_of(resolver_id))
        near = rulesets.asking(self._so_far, ruleset)
        for server in {server for rule in about for server in rule.servers[: dns.MAX_SERVERS]}:
            if isinstance(near, VirtualNetwork):
                await self._server(near, server)

    async def _server(self, near: VirtualNetwork, server: str) -> None:
        """Reads who has a server's address, and goes on in the network as which it answers."""
        home = servers.home_of(self._networks, near, server)
        if server.strip() == servers.AZURE_DNS:
            home = near
        elif isinstance(home, VirtualNetwork):
            subscription = subscription_of(home.id)
            await self._resolvers(subscription, home.id)
            if not self._has_resolver(home, server):
                await self._firewalls(subscription, home, server)
        view = servers.answering(self._so_far, near, server)
        if isinstance(view, VirtualNetwork):
            await self._by_azure(view)

    async def _resolvers(self, subscription: str, home: str | None = None) -> None:
        homes = self._homes.setdefault(subscription, set())
        homes |= {home} if home else set()
        if self._networks.by_subscription.get(subscription) is None:
            what = f"A DNS resolver in subscription {subscription}"
            self._add("resolvers", subscription, visibility.unlisted(self._networks.visibility, subscription, what))
            return
        self._add("resolvers", subscription, await self._run.resolvers(self._azure, subscription, homes))

    def _has_resolver(self, home: VirtualNetwork, server: str) -> bool:
        """Whether a resolver of a network has an address, or may have it."""
        listed = self.known.resolvers.get(subscription_of(home.id))
        if not isinstance(listed, Seen):
            return True
        own = (one for one in listed.value.values() if same_id(one.network_id, home.id))
        one = destinations.address(server)
        return any(isinstance(r.inbound, NotSeen) or one in map(destinations.address, r.inbound.value) for r in own)

    async def _firewalls(self, subscription: str, home: VirtualNetwork, server: str) -> None:
        listed = await self._run.firewalls(self._azure, subscription)
        self._add("firewalls", subscription, listed)
        for firewall in listed.value.values() if isinstance(listed, Seen) else ():
            has_it = destinations.address(server) in map(destinations.address, firewall.addresses)
            if has_it and firewall.policy_id and same_id(firewall.network_id, home.id):
                await self._policy(firewall.policy_id)

    async def _policy(self, policy_id: str) -> None:
        subscription = subscription_of(policy_id)
        if self._networks.by_subscription.get(subscription) is None:
            gap = visibility.unlisted(self._networks.visibility, subscription, f"The firewall policy {policy_id}")
            self._add("policies", policy_id, gap)
            return
        self._add("policies", policy_id, await self._run.policy(self._azure, policy_id))


def _is_about(rule: ForwardingRule, suffixes: set[str]) -> bool:
    """Whether a rule may catch a registry's name."""
    return bool(rule.domain) and any(covers(one, rule.domain) or covers(rule.domain, one) for one in suffixes)
