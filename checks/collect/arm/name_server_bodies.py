"""Bodies of resolvers, forwarding rules and firewalls into facts. A body may lack anything: no guess, no exception.

Shapes: azure-mgmt-dnsresolver 1.1.0 (api 2025-05-01), azure-mgmt-network 33.1.0 (api 2024-05-01 of Microsoft.Network).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from checks.collect.arm.bodies import boolean, get, name_of, number, objects, strings, text
from checks.facts.name_servers import Firewall, FirewallPolicy, ForwardingRule, Resolver
from checks.facts.observation import NotSeen, Seen
from checks.text import clipped, printable

DNS_PORT = 53


def forwarding_rules(items: list[Any]) -> tuple[tuple[ForwardingRule, ...], int]:
    """The rules of a ruleset that are on, and how many bodies could not be understood."""
    on: list[ForwardingRule] = []
    lost = 0
    for item in items:
        domain, servers = text(item, "properties", "domainName"), get(item, "properties", "targetDnsServers")
        given_state = get(item, "properties", "forwardingRuleState")
        state = "enabled" if given_state is None else str(given_state).lower()
        if state == "disabled":
            continue
        readable = objects(item, "properties", "targetDnsServers")
        if domain is None or state != "enabled" or not isinstance(servers, list) or len(readable) != len(servers):
            lost += 1
            continue
        given = tuple(map(_server, readable))
        on.append(ForwardingRule(name=name_of(item) or "", domain=domain.lower().rstrip("."), servers=given))
    return tuple(on), lost


def _server(body: Any) -> str:
    port, address = get(body, "port"), text(body, "ipAddress") or ""
    return (
        address
        if port is None or number(body, "port") == DNS_PORT
        else f"{address}:{clipped(printable(str(port)), 10)}"
    )


def resolver_ids(body: Any) -> tuple[str, ...]:
    """The resolvers of the outbound endpoints that a ruleset names."""
    named = (text(item, "id") for item in objects(body, "properties", "dnsResolverOutboundEndpoints"))
    return tuple(dict.fromkeys(one.partition("/outboundEndpoints/")[0] for one in named if one))


def resolver(body: Any, inbound: Seen[tuple[str, ...]] | NotSeen) -> Resolver | None:
    """A resolver with the addresses of its inbound endpoints."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name:
        return None
    return Resolver(
        id=resource_id,
        name=name,
        network_id=network_of_resolver(body),
        state=text(body, "properties", "dnsResolverState"),
        inbound=inbound,
    )


def network_of_resolver(body: Any) -> str | None:
    """The network (id) that a resolver belongs to."""
    return text(body, "properties", "virtualNetwork", "id")


def inbound_addresses(items: list[Any]) -> tuple[str, ...]:
    """The addresses of inbound endpoints."""
    configs = (config for item in items for config in objects(item, "properties", "ipConfigurations"))
    return _texts(text(config, "privateIpAddress") for config in configs)


def firewall(body: Any) -> Firewall | None:
    """An Azure Firewall: its addresses stand in a network's subnet, or in a Virtual WAN hub."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name:
        return None
    configs = objects(body, "properties", "ipConfigurations")
    subnet = next((one for config in configs if (one := text(config, "properties", "subnet", "id"))), None)
    in_hub = text(body, "properties", "hubIPAddresses", "privateIPAddress")
    addresses = (text(config, "properties", "privateIPAddress") for config in configs)
    return Firewall(
        id=resource_id,
        name=name,
        network_id=subnet.partition("/subnets/")[0] if subnet else None,
        hub_id=text(body, "properties", "virtualHub", "id"),
        addresses=_texts((*addresses, in_hub)),
        policy_id=text(body, "properties", "firewallPolicy", "id"),
    )


def firewall_policy(body: Any) -> FirewallPolicy | None:
    """The DNS settings of a firewall policy, and the policy it inherits from."""
    resource_id = text(body, "id")
    if not resource_id:
        return None
    return FirewallPolicy(
        id=resource_id,
        proxy=boolean(body, "properties", "dnsSettings", "enableProxy"),
        servers=strings(body, "properties", "dnsSettings", "servers"),
        base_id=text(body, "properties", "basePolicy", "id"),
    )


def rulesets_of_network(items: list[Any]) -> tuple[str, ...]:
    """The ids of the rulesets that ``listDnsForwardingRulesets`` of a network names."""
    return _texts(text(item, "id") for item in items)


def _texts(given: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in given if one))
