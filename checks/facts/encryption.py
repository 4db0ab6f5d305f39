"""How registries are encrypted with keys of their owners, and what ARM shows of those keys.

Shapes: azure-mgmt-containerregistry 15.0.0 (EncryptionProperty, IdentityProperties), Microsoft.KeyVault 2023-07-01.
"""

from __future__ import annotations

import msgspec

from checks.facts.authorization import RoleAssignment, RoleDefinition
from checks.facts.observation import NotSeen, Seen


class AssignedIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A user-assigned identity that a resource carries, as the resource's own body shows it."""

    id: str
    principal_id: str | None = None
    client_id: str | None = None


class ResourceIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The identities of a resource. ``system_principal`` is None where it has no system-assigned one."""

    system_principal: str | None = None
    assigned: tuple[AssignedIdentity, ...] = ()


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    """A registry's encryption with a customer-managed key, as its body shows it.

    ``key`` is the identifier that was configured, without a version where the registry follows new ones;
    ``versioned_key`` the one in use. ``identity`` is the client id of who uses the key; "" or a form of "system" for
    the registry's own identity, None where it makes no sense. Nothing ever connects to these addresses.
    """

    key: str | None = None
    versioned_key: str | None = None
    identity: str | None = ""


class AccessPolicy(msgspec.Struct, frozen=True):
    """What a vault's access policy allows an object id, or the members of a group: key permissions in lower case.

    ``compound``: only while an application, which it names too, acts for that object id.
    """

    object_id: str
    keys: tuple[str, ...]
    compound: bool = False


class KeyVault(msgspec.Struct, frozen=True, kw_only=True):
    """A key vault. ``policies`` is None where they could not be read whole, ``admitted`` counts its firewall's rules.

    ``rbac`` None: ARM did not say, which means access policies.
    """

    id: str
    name: str
    uri: str | None = None
    rbac: bool | None = None
    policies: tuple[AccessPolicy, ...] | None = ()
    default_action: str | None = None
    bypass: str | None = None
    public_network_access: str | None = None
    admitted: int = 0


class DeletedVault(msgspec.Struct, frozen=True, kw_only=True):
    """A vault that was deleted and can still be recovered; nobody else can take its name meanwhile."""

    name: str
    id: str | None = None
    location: str | None = None


class VaultKey(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a key. ``not_before`` and ``expires`` are Unix seconds; None: no such limit."""

    enabled: bool | None = None
    not_before: int | None = None
    expires: int | None = None


class KeyFound(msgspec.Struct, frozen=True):
    """What lies under a key's id: None where there is none. ``others``: the key has other versions."""

    key: VaultKey | None
    others: bool = False


class EncryptionReads(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one registry's key, once per run; None: there was nothing to read, or it was not needed.

    ``identity`` is the identity's resource: None in ``Seen`` where ARM has no such thing. ``deleted`` is there where
    the vault was not found. ``assignments`` reach the identity in the vault's subscription, through groups too.
    """

    identity: Seen[AssignedIdentity | None] | NotSeen | None = None
    vault: Seen[KeyVault] | NotSeen | None = None
    deleted: DeletedVault | None = None
    key: Seen[KeyFound] | NotSeen | None = None
    assignments: Seen[tuple[RoleAssignment, ...]] | NotSeen | None = None
    definitions: Seen[dict[str, RoleDefinition]] | NotSeen | None = None
