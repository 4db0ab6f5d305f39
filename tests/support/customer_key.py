"""A registry with a customer-managed key that is in order, as ARM bodies and as facts: each test changes one thing."""

from __future__ import annotations

from typing import Any

from checks.collect.arm import bodies
from checks.collect.arm.registries import key_vault_bodies
from checks.facts import ClusterFacts, NotSeen, Registry, RoleAssignment, RoleDefinition, Seen
from checks.facts.authorization import Permission
from checks.facts.encryption import AssignedIdentity, EncryptionReads, KeyFound
from checks.findings import Evidence
from tests.support import access_facts as base
from tests.support.tenant_builder import guid, merged

VAULT, KEY = "kv-images", "registry-key"
VERSION = "41ff1823146d47db928be540f975bcb2"
IDENTIFIER = f"https://{VAULT}.vault.azure.net/keys/{KEY}"
CLIENT, PRINCIPAL = guid("key client"), guid("key principal")
IDENTITY_ID = f"{base.GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/key-user"
VAULT_ID = f"{base.GROUP}/providers/Microsoft.KeyVault/vaults/{VAULT}"
KEY_ID = f"{VAULT_ID}/keys/{KEY}"
ENCRYPTION_USER = RoleDefinition(
    "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "Key Vault Crypto Service Encryption User",
    (
        Permission(
            data_actions=(
                "Microsoft.KeyVault/vaults/keys/read",
                "Microsoft.KeyVault/vaults/keys/wrap/action",
                "Microsoft.KeyVault/vaults/keys/unwrap/action",
            )
        ),
    ),
)


def encrypted(**over: Any) -> dict[str, Any]:
    """What the registry's body has besides: its encryption, and the identity that it uses its key with."""
    key = {"keyIdentifier": IDENTIFIER, "versionedKeyIdentifier": f"{IDENTIFIER}/{VERSION}", "identity": CLIENT}
    assigned = {IDENTITY_ID: {"principalId": PRINCIPAL, "clientId": CLIENT}}
    body = {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": assigned},
        "properties": {"encryption": {"status": "enabled", "keyVaultProperties": {"keyRotationEnabled": True} | key}},
    }
    return merged(body, over)


def vault_body(**properties: Any) -> dict[str, Any]:
    """The vault, with an access policy of the identity."""
    policy = {"tenantId": base.TENANT, "objectId": PRINCIPAL, "permissions": {"keys": ["get", "wrapKey", "unwrapKey"]}}
    shown = {
        "vaultUri": f"https://{VAULT}.vault.azure.net/",
        "enableRbacAuthorization": False,
        "accessPolicies": [policy],
        "publicNetworkAccess": "Enabled",
        "provisioningState": "Succeeded",
    }
    return {
        "id": VAULT_ID,
        "name": VAULT,
        "type": "Microsoft.KeyVault/vaults",
        "location": "westeurope",
        "properties": merged(shown, properties),
    }


def key_body(version: str = VERSION, **attributes: Any) -> dict[str, Any]:
    """The key in a version, or the newest one for ""."""
    kind = "Microsoft.KeyVault/vaults/keys"
    return {
        "id": f"{KEY_ID}/versions/{version}" if version else KEY_ID,
        "name": version or KEY,
        "type": f"{kind}/versions" if version else kind,
        "properties": {"kty": "RSA", "attributes": merged({"enabled": True, "exportable": False}, attributes)},
    }


def identity_body(**properties: Any) -> dict[str, Any]:
    """The identity's own body."""
    return {
        "id": IDENTITY_ID,
        "name": "key-user",
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "location": "westeurope",
        "properties": merged({"principalId": PRINCIPAL, "clientId": CLIENT}, properties),
    }


def registry(**over: Any) -> Registry:
    """The registry as it is read from its body."""
    return read_registry(encrypted(**over))


def read_registry(over: dict[str, Any]) -> Registry:
    """A registry as it is read from a body with this laid over it."""
    body = {
        "id": base.REGISTRY_ID,
        "name": "acrone",
        "sku": {"name": "Premium"},
        "properties": {"loginServer": "acrone.azurecr.io", "roleAssignmentMode": "LegacyRegistryPermissions"},
    }
    read = bodies.registry(merged(body, over), Evidence("registries", "a test", base.READ_AT))
    assert read is not None
    return read


def reads(**over: Any) -> EncryptionReads:
    """What was read of the key, with which everything is in order."""
    vault, key = key_vault_bodies.vault(vault_body()), key_vault_bodies.key(key_body())
    assert vault is not None and key is not None
    known: dict[str, Any] = {
        "identity": base.seen(AssignedIdentity(id=IDENTITY_ID, principal_id=PRINCIPAL, client_id=CLIENT)),
        "vault": base.seen(vault),
        "key": base.seen(KeyFound(key)),
    }
    return EncryptionReads(**(known | over))


def vault(**properties: Any) -> Seen[Any]:
    """The vault as it is read from its body."""
    return base.seen(key_vault_bodies.vault(vault_body(**properties)))


def key(**attributes: Any) -> Seen[KeyFound]:
    """The key as it is read from its body."""
    return base.seen(KeyFound(key_vault_bodies.key(key_body(**attributes))))


def roles(*held: RoleAssignment, **over: Any) -> dict[str, Any]:
    """The reads of a vault that goes by roles."""
    definitions = base.seen({ENCRYPTION_USER.guid: ENCRYPTION_USER})
    return {
        "vault": vault(enableRbacAuthorization=True),
        "assignments": base.seen(held),
        "definitions": definitions,
    } | over


def held(role: RoleDefinition = ENCRYPTION_USER, scope: str = VAULT_ID, **over: Any) -> RoleAssignment:
    """A role of the identity."""
    return base.held(role, scope, **({"principal_id": PRINCIPAL} | over))


def facts(
    encryption: EncryptionReads | None = None, shown: Registry | NotSeen | None = None, **over: Any
) -> ClusterFacts:
    """A cluster that uses the registry."""
    there = shown if isinstance(shown, NotSeen) else base.seen(shown or registry())
    read = {"acrone.azurecr.io": encryption or reads()}
    return base.facts(**({"uses": (base.use(there),), "encryption": read} | over))
