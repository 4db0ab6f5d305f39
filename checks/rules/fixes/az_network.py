"""``az network`` commands that fix a network path."""

from __future__ import annotations

from checks.arm_ids import name_of
from checks.facts import Registry
from checks.facts.network import RouteTable, SecurityGroup, Subnet, VirtualNetwork, Zone, ZoneLink
from checks.facts.security_rules import SecurityRule
from checks.rules.fixes.shell import command, note, resource_options

_FIRST, _LAST = 100, 4096


def add_service_endpoint(subnet: Subnet, service: str) -> str:
    """``az network vnet subnet update``: adds a service endpoint to the others, which the command would replace."""
    services = dict.fromkeys((*subnet.service_endpoints, service))
    return command("az", "network", "vnet", "subnet", "update", "--ids", subnet.id, "--service-endpoints", *services)


def approve_connection(registry: Registry, connection: str) -> str:
    """``az network private-endpoint-connection approve``."""
    connection_id = f"{registry.id}/privateEndpointConnections/{connection}"
    return command("az", "network", "private-endpoint-connection", "approve", "--id", connection_id)


def list_endpoint_connections(registry_id: str) -> str:
    """``az network private-endpoint-connection list`` of a registry, which shows the pending and rejected ones."""
    return command("az", "network", "private-endpoint-connection", "list", "--id", registry_id, "--output", "table")


def create_private_endpoint(registry: Registry, network: VirtualNetwork, subnet: Subnet) -> str:
    """``az network private-endpoint create`` for a registry in a subnet."""
    return command(
        *("az", "network", "private-endpoint", "create"),
        *(*resource_options(network.id), "--name", f"{registry.name}-endpoint"),
        *("--subnet", subnet.id, "--private-connection-resource-id", registry.id, "--group-id", "registry"),
        *("--connection-name", registry.name),
    )


def bring_private_endpoint(registry: Registry, network: VirtualNetwork, subnet: Subnet) -> tuple[str, ...]:
    """A private endpoint, and what makes names lead to it: which zone that is, the company decides."""
    return (
        note("Either create a private endpoint; policies may create its DNS zone group too:"),
        create_private_endpoint(registry, network, subnet),
        note(f"Then see that it has a DNS zone group with the private DNS zone that {network.name} resolves by."),
    )


def create_peering(network: VirtualNetwork, remote_id: str, stale: str | None = None) -> tuple[str, ...]:
    """Creates one side of a peering. A side that exists but is not connected (``stale``) is deleted first."""
    peering = ("az", "network", "vnet", "peering")
    side = (*resource_options(network.id), "--vnet-name", network.name)
    delete = (command(*peering, "delete", *side, "--name", stale),) if stale else ()
    name = stale or f"to-{_resource_name(remote_id)}"
    create = command(*peering, "create", *side, "--name", name, "--remote-vnet", remote_id, "--allow-vnet-access")
    return (*delete, create)


def link_dns_zone(zone_id: str, network: VirtualNetwork) -> str:
    """Links a private DNS zone to a virtual network."""
    return command(
        *("az", "network", "private-dns", "link", "vnet", "create"),
        *(*resource_options(zone_id), "--zone-name", _resource_name(zone_id)),
        *("--name", network.name, "--virtual-network", network.id, "--registration-enabled", "false"),
    )


def enable_public_fallback(zone: Zone, link: ZoneLink) -> str:
    """Makes Azure resolve names that a zone does not have through public DNS."""
    return command(
        *("az", "network", "private-dns", "link", "vnet", "update"),
        *(*resource_options(zone.id), "--zone-name", zone.name),
        *("--name", link.name, "--resolution-policy", "NxDomainRedirect"),
    )


def change_record(verb: str, zone: Zone, name: str, address: str) -> str:
    """Adds or removes an A record (``verb``: add-record, remove-record); ``name`` is relative to the zone."""
    return command(
        *("az", "network", "private-dns", "record-set", "a", verb),
        *(*resource_options(zone.id), "--zone-name", zone.name),
        *("--record-set-name", name, "--ipv4-address", address),
    )


def create_allow_rule(
    group: SecurityGroup, closing: SecurityRule, destination: str, *, direction: str = "Outbound", nth: int = 0
) -> str:
    """Allows TCP 443 ahead of the rule that blocks it. ``nth``: how many such rules, made by one repair, come before.

    Each has a name and a priority of its own: Azure refuses a second rule of the same priority, and a second one of the
    same name replaces the first.
    """
    taken = {r.priority for r in group.rules if r.direction.lower() == closing.direction.lower()}
    free = [p for p in range(min(closing.priority - 1, _LAST), _FIRST - 1, -1) if p not in taken]
    rule = ("az", "network", "nsg", "rule")
    side = (*resource_options(group.id), "--nsg-name", group.name)
    if nth >= len(free):
        return note(
            f"Allow TCP 443 to {destination} in {group.name} ahead of {closing.name}: no priority is free before it."
        )
    name = f"AllowHttpsTo{''.join(c for c in destination if c.isalnum())}"
    return command(
        *(*rule, "create", *side, "--name", name, "--priority", str(free[nth])),
        *("--direction", direction, "--access", "Allow", "--protocol", "Tcp"),
        *("--destination-address-prefixes", destination, "--destination-port-ranges", "443"),
    )


def create_internet_route(table: RouteTable, tag: str) -> str:
    """Creates a route from a service tag to the internet, which takes precedence over a default route."""
    return command(
        *("az", "network", "route-table", "route", "create"),
        *(*resource_options(table.id), "--route-table-name", table.name),
        *("--name", tag, "--address-prefix", tag, "--next-hop-type", "Internet"),
    )


def show_dns_servers(network_id: str) -> str:
    """``az network vnet show``: the DNS servers of a virtual network."""
    return command("az", "network", "vnet", "show", "--ids", network_id, "--query", "dhcpOptions.dnsServers")


def _resource_name(resource_id: str) -> str:
    return name_of(resource_id)
