"""ARM bodies of key vaults and their keys into facts. Shapes: Microsoft.KeyVault 2023-07-01."""

from __future__ import annotations

from typing import Any

from checks.collect.arm.bodies import boolean, get, name_of, number, objects, raw_text, strings, text
from checks.facts import subscription_of
from checks.facts.encryption import AccessPolicy, DeletedVault, KeyVault, VaultKey

MAX_POLICIES = 1024  # of a vault; more are none that Azure made
_LAST = 253_402_300_799  # 9999-12-31T23:59:59Z: no date is beyond it


def vault(body: Any) -> KeyVault | None:
    """A key vault; None where the body does not say which it is."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name or not subscription_of(resource_id):
        return None
    rules, rbac = get(body, "properties", "networkAcls"), get(body, "properties", "enableRbacAuthorization")
    policies = _policies(get(body, "properties", "accessPolicies"))
    return KeyVault(
        id=resource_id,
        name=name,
        uri=text(body, "properties", "vaultUri"),
        rbac=boolean(body, "properties", "enableRbacAuthorization"),
        policies=policies if isinstance(rbac, bool | None) else None,
        default_action="Allow" if rules is None else raw_text(rules, "defaultAction"),
        bypass=raw_text(rules, "bypass"),
        public_network_access=raw_text(body, "properties", "publicNetworkAccess"),
        admitted=len(objects(rules, "ipRules")) + len(objects(rules, "virtualNetworkRules")),
    )


def _policies(body: Any) -> tuple[AccessPolicy, ...] | None:
    if body is None:
        return ()
    if not isinstance(body, list) or len(body) > MAX_POLICIES:
        return None
    policies = tuple(policy for item in body if (policy := _policy(item)) is not None)
    return policies if len(policies) == len(body) else None


def _policy(body: Any) -> AccessPolicy | None:
    object_id, keys = text(body, "objectId"), get(body, "permissions", "keys")
    if object_id is None or not isinstance(keys, list | None):
        return None
    allowed = tuple(word.lower() for word in strings(body, "permissions", "keys"))
    return AccessPolicy(object_id.lower(), allowed, compound=bool(text(body, "applicationId")))


def deleted_vault(body: Any) -> DeletedVault | None:
    """A vault of the list of deleted ones."""
    name = name_of(body)
    if not name:
        return None
    return DeletedVault(
        name=name, id=text(body, "properties", "vaultId"), location=text(body, "properties", "location")
    )


def key(body: Any) -> VaultKey | None:
    """A key, or one version of it; None where the body is none, or its attributes make no sense."""
    attributes = get(body, "properties", "attributes")
    if not text(body, "id") or not isinstance(attributes, dict):
        return None
    if not all(_is_moment(attributes.get(name)) for name in ("nbf", "exp")):
        return None
    return VaultKey(
        enabled=boolean(attributes, "enabled"),
        not_before=_moment(attributes, "nbf"),
        expires=_moment(attributes, "exp"),
    )


def _is_moment(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _moment(attributes: Any, name: str) -> int | None:
    seconds = number(attributes, name)
    return None if seconds is None else min(seconds, _LAST)
