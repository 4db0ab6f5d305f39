"""The commands about a registry's endpoints and performance, quoted like all others (checks/rules/fixes/shell.py)."""

from __future__ import annotations

from checks.facts import Registry, resource_group_of, subscription_of
from checks.rules.fixes.shell import command


def _where(registry: Registry) -> tuple[str, ...]:
    return ("--subscription", subscription_of(registry.id), "--resource-group", resource_group_of(registry.id))


def _of(registry: Registry) -> tuple[str, ...]:
    return ("--registry", registry.name, *_where(registry))


def create_replica(registry: Registry, location: str) -> str:
    """``az acr replication create`` in a region."""
    return command("az", "acr", "replication", "create", *_of(registry), "--location", location)


def route_to_replica(registry: Registry, replica: str) -> str:
    """``az acr replication update``: the replica takes part in global routing again."""
    return command(
        *("az", "acr", "replication", "update", *_of(registry), "--name", replica),
        *("--region-endpoint-enabled", "true"),
    )


def show_replica(registry: Registry, replica: str) -> str:
    """``az acr replication show``: the state of one replica."""
    return command("az", "acr", "replication", "show", *_of(registry), "--name", replica)


def show_usage(registry: Registry) -> str:
    """``az acr show-usage``: usage against the limits."""
    return command("az", "acr", "show-usage", "--name", registry.name, *_where(registry), "--output", "table")


def take_sku(registry: Registry, sku: str) -> str:
    """``az acr update --sku``."""
    return command("az", "acr", "update", "--name", registry.name, *_where(registry), "--sku", sku)


def show_credential_set(registry: Registry, name: str) -> str:
    """``az acr credential-set show``: its secrets and their health."""
    return command("az", "acr", "credential-set", "show", *_of(registry), "--name", name)


def show_cache_rule(registry: Registry, name: str) -> str:
    """``az acr cache show``: the rule and the credential set that it names."""
    return command("az", "acr", "cache", "show", *_of(registry), "--name", name)


def let_read_vault(vault: str, principal_id: str) -> str:
    """``az keyvault set-policy``: the credential set's identity may get secrets of a vault."""
    return command(
        *("az", "keyvault", "set-policy", "--name", vault, "--object-id", principal_id),
        *("--secret-permissions", "get"),
    )


def list_rules(registry: Registry) -> str:
    """``az acr network-rule list``: whom the registry's firewall lets in."""
    return command("az", "acr", "network-rule", "list", "--name", registry.name, *_where(registry))


def check_health(registry: Registry) -> str:
    """``az acr check-health``: the same questions, asked from where it is run."""
    where = ("--subscription", subscription_of(registry.id))
    return command("az", "acr", "check-health", "--name", registry.name, *where, "--ignore-errors", "--yes")


def resolve(host: str) -> str:
    """``nslookup``: what the resolver says of a name."""
    return command("nslookup", host)


def show_dns_servers(network_id: str) -> str:
    """``az network vnet show``: the DNS servers that a virtual network gives its machines."""
    return command("az", "network", "vnet", "show", "--ids", network_id, "--query", "dhcpOptions.dnsServers")
