"""The commands that mend a way: exact for the case, every value one safe word (checks/rules/fixes/shell.py)."""

from __future__ import annotations

from checks.facts import Registry, resource_group_of, subscription_of
from checks.facts.network import RouteTable, SecurityGroup, SecurityRule, Subnet, VirtualNetwork, Zone, ZoneLink
from checks.rules.fixes.shell import command

_FIRST, _LAST = 100, 4096


def _where(resource_id: str) -> tuple[str, ...]:
    return ("--subscription", subscription_of(resource_id), "--resource-group", resource_group_of(resource_id))


def _name(resource_id: str) -> str:
    return resource_id.rstrip("/").rsplit("/", 1)[-1]


def allow_address(registry: Registry, network: str) -> str:
    """An IP rule of a registry; ``network`` is an address or a CIDR."""
    rule = ("az", "acr", "network-rule", "add", "--name", registry.name)
    return command(*rule, *_where(registry.id), "--ip-address", network)


def allow_subnet(registry: Registry, subnet_id: str) -> str:
    """A virtual network rule of a registry."""
    rule = ("az", "acr", "network-rule", "add", "--name", registry.name)
    return command(*rule, *_where(registry.id), "--subnet", subnet_id)


def enable_public(registry: Registry) -> str:
    """Public network access on; the rules in place then apply."""
    update = ("az", "acr", "update", "--name", registry.name)
    return command(*update, *_where(registry.id), "--public-network-enabled", "true")


def add_service_endpoint(subnet: Subnet, service: str) -> str:
    """A service endpoint on a subnet. The command replaces the list, so those in place are named again."""
    services = dict.fromkeys((*subnet.service_endpoints, service))
    return command("az", "network", "vnet", "subnet", "update", "--ids", subnet.id, "--service-endpoints", *services)


def approve(registry: Registry, connection: str) -> str:
    """Approves a private endpoint connection."""
    connection_id = f"{registry.id}/privateEndpointConnections/{connection}"
    return command("az", "network", "private-endpoint-connection", "approve", "--id", connection_id)


def create_endpoint(registry: Registry, network: VirtualNetwork, subnet: Subnet) -> str:
    """A private endpoint for a registry in a subnet."""
    return command(
        *("az", "network", "private-endpoint", "create", *_where(network.id), "--name", f"{registry.name}-endpoint"),
        *("--subnet", subnet.id, "--private-connection-resource-id", registry.id, "--group-id", "registry"),
        *("--connection-name", registry.name),
    )


def peer(network: VirtualNetwork, remote_id: str, stale: str | None = None) -> tuple[str, ...]:
    """One side of a peering; a side that is there and not connected has to go first."""
    peering = ("az", "network", "vnet", "peering")
    side = (*_where(network.id), "--vnet-name", network.name)
    gone = (command(*peering, "delete", *side, "--name", stale),) if stale else ()
    name = stale or f"to-{_name(remote_id)}"
    new = command(*peering, "create", *side, "--name", name, "--remote-vnet", remote_id, "--allow-vnet-access")
    return (*gone, new)


def link_zone(zone_id: str, network: VirtualNetwork) -> str:
    """Links a private DNS zone to a network."""
    return command(
        *("az", "network", "private-dns", "link", "vnet", "create", *_where(zone_id), "--zone-name", _name(zone_id)),
        *("--name", network.name, "--virtual-network", network.id, "--registration-enabled", "false"),
    )


def create_zone(name: str, beside: str) -> str:
    """A private DNS zone, in the resource group of something else."""
    return command("az", "network", "private-dns", "zone", "create", *_where(beside), "--name", name)


def zone_group(endpoint_id: str, zone_id: str) -> str:
    """A DNS zone group: Azure then keeps the endpoint's records in the zone itself."""
    return command(
        *("az", "network", "private-endpoint", "dns-zone-group", "create", *_where(endpoint_id)),
        *("--endpoint-name", _name(endpoint_id), "--name", "default", "--private-dns-zone", zone_id),
        *("--zone-name", _name(zone_id).replace(".", "-")),
    )


def redirect(zone: Zone, link: ZoneLink) -> str:
    """Lets names that a zone lacks be asked of public DNS."""
    return command(
        *("az", "network", "private-dns", "link", "vnet", "update", *_where(zone.id), "--zone-name", zone.name),
        *("--name", link.name, "--resolution-policy", "NxDomainRedirect"),
    )


def record(verb: str, zone: Zone, name: str, address: str) -> str:
    """``add-record`` or ``remove-record`` of an A record; ``name`` is relative to the zone."""
    return command(
        *("az", "network", "private-dns", "record-set", "a", verb, *_where(zone.id), "--zone-name", zone.name),
        *("--record-set-name", name, "--ipv4-address", address),
    )


def open_rule(group: SecurityGroup, closing: SecurityRule, destination: str, *, direction: str = "Outbound") -> str:
    """A rule that lets TCP 443 through before the one that closes it; where no priority is free, that one goes."""
    taken = {r.priority for r in group.rules if r.direction.lower() == closing.direction.lower()}
    free = [p for p in range(min(closing.priority - 1, _LAST), _FIRST - 1, -1) if p not in taken]
    rule = ("az", "network", "nsg", "rule")
    side = (*_where(group.id), "--nsg-name", group.name)
    if not free:
        return command(*rule, "delete", *side, "--name", closing.name)
    return command(
        *(*rule, "create", *side, "--name", "AllowRegistryHttps", "--priority", str(free[0])),
        *("--direction", direction, "--access", "Allow", "--protocol", "Tcp"),
        *("--destination-address-prefixes", destination, "--destination-port-ranges", "443"),
    )


def open_route(table: RouteTable, tag: str) -> str:
    """A route that leads a service tag straight to the internet, before a default route."""
    return command(
        *("az", "network", "route-table", "route", "create", *_where(table.id), "--route-table-name", table.name),
        *("--name", tag, "--address-prefix", tag, "--next-hop-type", "Internet"),
    )
