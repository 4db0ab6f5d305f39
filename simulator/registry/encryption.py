"""Whether a registry can use the customer-managed key that its body names, by what lies in the tenant's folder.

The identity that the encryption names has to be the registry's and to have a body; so have the vault and the key, which
is enabled; an access policy or a role lets the identity get the key and unwrap with it; the vault's firewall lets
trusted services in. An expired key still unwraps. Keys of a managed HSM are taken as usable. Sources: "Enable a
customer-managed key" and "Troubleshoot customer-managed keys" (Azure Container Registry), "About keys" (Key Vault).
"""

from __future__ import annotations

import re
from typing import Any

from simulator.arm.authorization import principals_of
from simulator.arm.rbac import Rights
from simulator.arm.resources import Resource
from simulator.tenant import Tenant

VAULT = "microsoft.keyvault/vaults"
GET, UNWRAP = "Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/unwrap/action"
_IDENTIFIER = re.compile(r"https://([^./]+)\.vault\.[a-z.]+/keys/([^/]+)(?:/([^/]+))?", re.IGNORECASE)


def lost_its_key(tenant: Tenant, registry: Resource) -> bool:
    """Whether the registry is encrypted with a key that it cannot use."""
    encryption = _table(_table(registry.body.get("properties")).get("encryption"))
    named = _table(encryption.get("keyVaultProperties"))
    if str(encryption.get("status", "")).lower() != "enabled":
        return False
    match = _IDENTIFIER.fullmatch(str(named.get("versionedKeyIdentifier") or named.get("keyIdentifier") or ""))
    if match is None:
        return False
    principal = _principal(tenant, registry, str(named.get("identity") or ""))
    name, key, version = match.groups()
    vault = next(
        (one for one in tenant.resources().everywhere(VAULT) if str(one.body.get("name")).lower() == name), None
    )
    if principal is None or vault is None or not _lets_in(_table(vault.body.get("properties"))):
        return True
    path = f"{vault.id}/keys/{key}"
    found = tenant.resources().find(f"{path}/versions/{version}" if version else path)
    return found is None or not _is_enabled(found) or not _may_unwrap(tenant, vault, path, principal)


def _principal(tenant: Tenant, registry: Resource, client: str) -> str | None:
    """The object id of the identity that the encryption names, where there is such an identity."""
    identity = _table(registry.body.get("identity"))
    if client.lower() in ("", "system", "[system]"):
        own = identity.get("principalId")
        return own if isinstance(own, str) and own else None
    for resource_id in _table(identity.get("userAssignedIdentities")):
        found = tenant.resources().find(str(resource_id))
        properties = _table(found.body.get("properties")) if found is not None else {}
        if str(properties.get("clientId", "")).lower() == client.lower():
            return str(properties.get("principalId", ""))
    return None


def _lets_in(vault: dict[str, Any]) -> bool:
    rules = _table(vault.get("networkAcls"))
    if str(rules.get("bypass", "AzureServices")).lower() == "azureservices":
        return True
    closed = str(vault.get("publicNetworkAccess", "Enabled")).lower() == "disabled"
    return not closed and str(rules.get("defaultAction", "Allow")).lower() == "allow"


def _is_enabled(key: Resource) -> bool:
    attributes = _table(_table(key.body.get("properties")).get("attributes"))
    return attributes.get("enabled") is not False


def _may_unwrap(tenant: Tenant, vault: Resource, key: str, principal: str) -> bool:
    properties, authorization = _table(vault.body.get("properties")), tenant.authorization()
    if properties.get("enableRbacAuthorization") is True:
        rights = Rights(authorization, principal)
        return rights.may(GET, key, data=True) and rights.may(UNWRAP, key, data=True)
    names = principals_of(principal.lower(), authorization.members) or {principal.lower()}
    listed = properties.get("accessPolicies")
    given: set[str] = set()
    for policy in listed if isinstance(listed, list) else []:
        if isinstance(policy, dict) and str(policy.get("objectId", "")).lower() in names:
            given.update(str(word).lower() for word in _table(policy.get("permissions")).get("keys") or [])
    return "all" in given or {"get", "unwrapkey"} <= given


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
