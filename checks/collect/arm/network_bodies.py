"""Microsoft.Network bodies into facts. A body may lack anything or carry wrong types: never an exception, no guess.

Shapes: Microsoft.Network 2024-05-01, private DNS 2024-06-01, Microsoft.ContainerRegistry 2026-09-01-preview for
``virtualNetworkRules``, public addresses of scale sets 2018-10-01. A resource without an id is None.
"""

from __future__ import annotations

from typing import Any

from checks.collect.arm.bodies import boolean, get, name_of, number, objects, strings, text
from checks.facts import NotSeen, NotSeenReason, Seen, network
from checks.facts.security_rules import SecurityRule


def virtual_network(body: Any) -> network.VirtualNetwork | None:
    """A virtual network with the subnets and peerings that its body embeds."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name:
        return None
    return network.VirtualNetwork(
        id=resource_id,
        name=name,
        location=text(body, "location"),
        prefixes=strings(body, "properties", "addressSpace", "addressPrefixes"),
        dns_servers=strings(body, "properties", "dhcpOptions", "dnsServers"),
        subnets=tuple(s for item in objects(body, "properties", "subnets") if (s := _subnet(item, resource_id))),
        peerings=tuple(p for i in objects(body, "properties", "virtualNetworkPeerings") if (p := _peering(i))),
    )


def _subnet(body: Any, parent: str) -> network.Subnet | None:
    name = name_of(body)
    if not name:
        return None
    services = objects(body, "properties", "serviceEndpoints")
    return network.Subnet(
        id=text(body, "id") or f"{parent}/subnets/{name}",
        name=name,
        prefixes=_either(body, "addressPrefix", "addressPrefixes"),
        service_endpoints=tuple(s for item in services if (s := text(item, "service"))),
        security_group_id=text(body, "properties", "networkSecurityGroup", "id"),
        route_table_id=text(body, "properties", "routeTable", "id"),
        nat_gateway_id=text(body, "properties", "natGateway", "id"),
        default_outbound_access=boolean(body, "properties", "defaultOutboundAccess"),
        endpoint_policies=text(body, "properties", "privateEndpointNetworkPolicies"),
    )


def _peering(body: Any) -> network.Peering | None:
    remote = text(body, "properties", "remoteVirtualNetwork", "id")
    if not remote:
        return None
    return network.Peering(
        name=name_of(body) or "",
        remote_id=remote,
        state=text(body, "properties", "peeringState"),
        allow_access=boolean(body, "properties", "allowVirtualNetworkAccess"),
        use_remote_gateways=bool(boolean(body, "properties", "useRemoteGateways")),
        complete=boolean(body, "properties", "peerCompleteVnets") is not False,
        remote_prefixes=strings(body, "properties", "remoteVirtualNetworkAddressSpace", "addressPrefixes")
        or strings(body, "properties", "remoteAddressSpace", "addressPrefixes"),
    )


def _either(body: Any, single: str, plural: str) -> tuple[str, ...]:
    """A singular field and its plural twin as one tuple; Azure fills one of them, or repeats the first in both."""
    one = text(body, "properties", single)
    return tuple(dict.fromkeys((*((one,) if one else ()), *strings(body, "properties", plural))))


def security_group(body: Any) -> network.SecurityGroup | None:
    """A network security group with its own and its default rules."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name:
        return None
    own, default = (objects(body, "properties", key) for key in ("securityRules", "defaultSecurityRules"))
    rules = tuple(rule for item in own if (rule := _rule(item)))
    defaults = tuple(rule for item in default if (rule := _rule(item)))
    return network.SecurityGroup(
        id=resource_id,
        name=name,
        rules=rules,
        default_rules=defaults,
        unreadable=len(own) + len(default) - len(rules) - len(defaults),
    )


def _rule(body: Any) -> SecurityRule | None:
    priority, direction = number(body, "properties", "priority"), text(body, "properties", "direction")
    access, protocol = text(body, "properties", "access"), text(body, "properties", "protocol")
    if priority is None or not direction or not access or not protocol:
        return None
    return SecurityRule(
        name=name_of(body) or "",
        priority=priority,
        direction=direction,
        access=access,
        protocol=protocol,
        sources=_either(body, "sourceAddressPrefix", "sourceAddressPrefixes"),
        source_ports=_either(body, "sourcePortRange", "sourcePortRanges"),
        destinations=_either(body, "destinationAddressPrefix", "destinationAddressPrefixes"),
        destination_ports=_either(body, "destinationPortRange", "destinationPortRanges"),
        source_groups=bool(objects(body, "properties", "sourceApplicationSecurityGroups")),
        destination_groups=bool(objects(body, "properties", "destinationApplicationSecurityGroups")),
    )


def route_table(body: Any) -> network.RouteTable | None:
    """A route table with its routes."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name:
        return None
    listed = objects(body, "properties", "routes")
    routes = tuple(route for item in listed if (route := _route(item)))
    return network.RouteTable(
        id=resource_id,
        name=name,
        routes=routes,
        unreadable=len(listed) - len(routes),
        propagates=boolean(body, "properties", "disableBgpRoutePropagation") is not True,
    )


def _route(body: Any) -> network.Route | None:
    prefix, hop = text(body, "properties", "addressPrefix"), text(body, "properties", "nextHopType")
    if not prefix or not hop:
        return None
    return network.Route(name_of(body) or "", prefix, hop, text(body, "properties", "nextHopIpAddress"))


def nat_gateway(body: Any) -> network.NatGateway | None:
    """A NAT gateway; the IPv6 lists of newer api-versions are left out: registries' public endpoints are IPv4."""
    resource_id = text(body, "id")
    if not resource_id:
        return None
    return network.NatGateway(id=resource_id, address_ids=_ids(body, "publicIpAddresses"),
                              prefix_ids=_ids(body, "publicIpPrefixes"))  # fmt: skip


def public_address(body: Any) -> network.PublicAddress | None:
    """A public address."""
    resource_id = text(body, "id")
    return network.PublicAddress(resource_id, text(body, "properties", "ipAddress")) if resource_id else None


def public_prefix(body: Any) -> network.PublicAddress | None:
    """A public prefix, its CIDR in the place of the address."""
    resource_id = text(body, "id")
    return network.PublicAddress(resource_id, text(body, "properties", "ipPrefix")) if resource_id else None


def private_endpoint(body: Any) -> network.PrivateEndpoint | None:
    """A private endpoint; its members are those of ``customDnsConfigs`` until its interface is read."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name:
        return None
    connections = [
        *objects(body, "properties", "privateLinkServiceConnections"),
        *objects(body, "properties", "manualPrivateLinkServiceConnections"),
    ]
    targets = (text(item, "properties", "privateLinkServiceId") for item in connections)
    states = (text(item, "properties", "privateLinkServiceConnectionState", "status") for item in connections)
    return network.PrivateEndpoint(
        id=resource_id,
        name=name,
        subnet_id=text(body, "properties", "subnet", "id"),
        targets=tuple(target.rstrip("/").lower() for target in targets if target),
        status=next((state for state in states if state), None),
        interface_ids=_ids(body, "networkInterfaces"),
        members=tuple(
            network.MemberAddress(address, (fqdn.lower().rstrip("."),))
            for item in objects(body, "properties", "customDnsConfigs")
            if (fqdn := text(item, "fqdn"))
            for address in strings(item, "ipAddresses")
        ),
    )


def interface_members(body: Any) -> tuple[network.MemberAddress, ...]:
    """The addresses of a network interface, each with the names its private link connection serves."""
    return tuple(
        network.MemberAddress(address, _lower(strings(item, "properties", "privateLinkConnectionProperties", "fqdns")))
        for item in objects(body, "properties", "ipConfigurations")
        if (address := text(item, "properties", "privateIPAddress"))
    )


def zone_link(body: Any) -> network.ZoneLink | None:
    """A virtual network link of a private DNS zone."""
    remote = text(body, "properties", "virtualNetwork", "id")
    if not remote:
        return None
    policy, state = (text(body, "properties", key) for key in ("resolutionPolicy", "virtualNetworkLinkState"))
    return network.ZoneLink(name_of(body) or "", remote, policy, state)


def a_record(body: Any) -> tuple[str, tuple[str, ...]] | None:
    """An A record set: its relative name (lower case) and its addresses."""
    name = name_of(body)
    addresses = (text(item, "ipv4Address") for item in objects(body, "properties", "aRecords"))
    return (name.lower(), tuple(a for a in addresses if a)) if name else None


def cname_record(body: Any) -> tuple[str, str] | None:
    """A CNAME record set: its relative name and the name it leads to (both lower case)."""
    name, target = name_of(body), text(body, "properties", "cnameRecord", "cname")
    return (name.lower(), target.lower().rstrip(".")) if name and target else None


def registry_rules(body: Any) -> tuple[str, tuple[str, ...]] | None:
    """A registry's id (lower case) and the subnets that its ``virtualNetworkRules`` allow, at an api-version that
    shows them: an absent list is an empty one there. None where it is no list."""
    resource_id, listed = text(body, "id"), get(body, "properties", "networkRuleSet", "virtualNetworkRules")
    if not resource_id or not (listed is None or isinstance(listed, list)):
        return None
    rules = objects(body, "properties", "networkRuleSet", "virtualNetworkRules")
    allowed = [rule for rule in rules if (text(rule, "action") or "Allow").lower() == "allow"]
    return resource_id.rstrip("/").lower(), tuple(s.rstrip("/").lower() for r in allowed if (s := text(r, "id")))


def pool_of_scale_set(body: Any) -> str | None:
    """The node pool that AKS's tag says a scale set is of."""
    tags = get(body, "tags")
    values = {k.lower(): v for k, v in tags.items() if isinstance(v, str)} if isinstance(tags, dict) else {}
    return values.get("aks-managed-poolname") or values.get("poolname")


def _ids(body: Any, key: str) -> tuple[str, ...]:
    return tuple(entry_id for item in objects(body, "properties", key) if (entry_id := text(item, "id")))


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower().rstrip(".") for name in names)


def link_count(body: Any) -> int | None:
    """How many virtual network links a private DNS zone says it has."""
    return number(body, "properties", "numberOfVirtualNetworkLinks")


def linked_networks(links: Seen[list[Any]] | NotSeen, ruleset: str) -> Seen[tuple[str, ...]] | NotSeen:
    """The networks (ids) that the links of a DNS forwarding ruleset name; a NotSeen where one was not understood."""
    if isinstance(links, NotSeen):
        return links
    named = [text(item, "properties", "virtualNetwork", "id") for item in links.value]
    lost = sum(network_id is None for network_id in named)
    if lost:
        return NotSeen(NotSeenReason.ERROR, f"{lost} of {len(named)} links of {ruleset} could not be understood.")
    return Seen(tuple(network_id for network_id in named if network_id), links.evidence, links.partial)


def zones_of_groups(items: list[Any]) -> tuple[str, ...]:
    """The private DNS zones (ids) that zone groups of a private endpoint name."""
    configs = [config for item in items for config in objects(item, "properties", "privateDnsZoneConfigs")]
    named = (text(config, "properties", "privateDnsZoneId") for config in configs)
    return tuple(dict.fromkeys(zone_id for zone_id in named if zone_id))


def network_manager(body: Any) -> network.NetworkManager | None:
    """A network manager. Accesses that are not shown count as given: what it may do must not be taken for nothing."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name:
        return None
    scopes = get(body, "properties", "networkManagerScopes")
    subscriptions = strings(scopes, "subscriptions")
    accesses = {access.lower() for access in strings(body, "properties", "networkManagerScopeAccesses")}
    return network.NetworkManager(
        id=resource_id,
        name=name,
        subscriptions=tuple(one.rstrip("/").rsplit("/", 1)[-1].lower() for one in subscriptions),
        wide=bool(strings(scopes, "managementGroups")) or not isinstance(scopes, dict),
        connects=not accesses or "connectivity" in accesses,
        secures=not accesses or "securityadmin" in accesses,
    )
