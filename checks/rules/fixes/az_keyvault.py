"""``az keyvault`` commands that let a registry use its key again."""

from __future__ import annotations

from collections.abc import Iterable

from checks.arm_ids import name_of, subscription_of
from checks.rules.fixes.shell import command, resource_options

REGISTRY_NEEDS = ("get", "wrapKey", "unwrapKey")


def enable_key(vault_id: str, key: str, version: str) -> str:
    """``az keyvault key set-attributes --enabled true`` of one version; "" is the newest."""
    return _set_attributes(vault_id, key, version, "--enabled", "true")


def extend_key(vault_id: str, key: str, version: str) -> str:
    """``az keyvault key set-attributes --expires``: whoever runs it says until when."""
    return _set_attributes(vault_id, key, version, "--expires", "<YYYY-MM-DDThh:mm:ssZ>")


def start_key(vault_id: str, key: str, version: str, moment: str) -> str:
    """``az keyvault key set-attributes --not-before`` a moment (ISO 8601, UTC)."""
    return _set_attributes(vault_id, key, version, "--not-before", moment)


def _set_attributes(vault_id: str, key: str, version: str, *attribute: str) -> str:
    which = (*_key_options(vault_id, key), *(("--version", version) if version else ()))
    return command("az", "keyvault", "key", "set-attributes", *which, *attribute)


def recover_key(vault_id: str, key: str) -> str:
    """``az keyvault key recover``: a deleted key with all of its versions, while the vault still keeps it."""
    return command("az", "keyvault", "key", "recover", *_key_options(vault_id, key))


def list_key_versions(vault_id: str, key: str) -> str:
    """``az keyvault key list-versions``."""
    return command("az", "keyvault", "key", "list-versions", *_key_options(vault_id, key))


def recover_vault(name: str, subscription: str, location: str | None) -> str:
    """``az keyvault recover``: a deleted vault with everything in it."""
    where = ("--location", location) if location else ()
    return command("az", "keyvault", "recover", "--subscription", subscription, "--name", name, *where)


def set_key_permissions(vault_id: str, object_id: str, permissions: Iterable[str]) -> str:
    """``az keyvault set-policy``: all key permissions of an object id, because it takes away what it does not name."""
    return command(
        *("az", "keyvault", "set-policy", *resource_options(vault_id), "--name", name_of(vault_id)),
        *("--object-id", object_id, "--key-permissions", *permissions),
    )


def set_key_permissions_of(variable: str, vault_id: str) -> str:
    """``az keyvault set-policy`` for a new identity, whose object id is in a shell variable."""
    where = command(*resource_options(vault_id), "--name", name_of(vault_id))
    return f'az keyvault set-policy {where} --object-id "${variable}" --key-permissions ' + command(*REGISTRY_NEEDS)


def let_trusted_services_in(vault_id: str) -> str:
    """``az keyvault update --bypass AzureServices``: the firewall stays as it is for everybody else."""
    where = (*resource_options(vault_id), "--name", name_of(vault_id))
    return command("az", "keyvault", "update", *where, "--bypass", "AzureServices")


def _key_options(vault_id: str, key: str) -> tuple[str, ...]:
    return ("--subscription", subscription_of(vault_id), "--vault-name", name_of(vault_id), "--name", key)
