"""The customer-managed keys of registries in use: the identity, the vault and the key, as Azure Resource Manager shows
them. Read only of registries that are encrypted so, each once per run and process.

A vault is found by its name, of which there is one in the world: first in the registry's own subscription, whose vaults
are listed once, then by Azure Resource Graph in all others that can be seen. Nothing connects to a vault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from checks.collect.arm import bodies, reads, resource_graph
from checks.collect.arm.client import Azure
from checks.collect.arm.identities import IDENTITY_API
from checks.collect.arm.inventory import Inventory
from checks.collect.arm.registries import key_vault_bodies
from checks.collect.wire.errors import CollectError, NotFound, Temporary
from checks.facts import NotSeen, NotSeenReason, Registry, RegistryUse, RoleDefinition, Seen, subscription_of
from checks.facts.encryption import (
    AssignedIdentity,
    DeletedVault,
    Encryption,
    EncryptionReads,
    KeyFound,
    KeyVault,
    VaultKey,
)
from checks.rules import visibility
from checks.rules.customer_key import identifiers, identities
from checks.rules.customer_key.identifiers import KeyName

T = TypeVar("T")

VAULTS_API = "2023-07-01"
AT_ONCE = 4
VAULTS = "Microsoft.KeyVault/vaults"


async def of_cluster(azure: Azure, inventory: Inventory, uses: tuple[RegistryUse, ...]) -> dict[str, EncryptionReads]:
    """What was read of the keys of a cluster's registries, by login server: of those that have a key of their own."""
    limit = asyncio.Semaphore(AT_ONCE)
    known = [use.registry.value for use in uses if isinstance(use.registry, Seen)]
    encrypted = [registry for registry in known if registry.encryption is not None]

    async def bounded(registry: Registry) -> EncryptionReads:
        async with limit:
            return await inventory.encryption.get(
                registry.login_server, lambda: _Reads(azure, inventory, registry).all()
            )

    found = await asyncio.gather(*map(bounded, encrypted))
    return {registry.login_server: read for registry, read in zip(encrypted, found, strict=True)}


class _Reads:
    """The reads about one registry's key."""

    def __init__(self, azure: Azure, inventory: Inventory, registry: Registry) -> None:
        self._azure, self._inventory, self._registry = azure, inventory, registry
        self._visible = inventory.subscriptions.keys() | inventory.unread.keys()

    async def all(self) -> EncryptionReads:
        """What could be read, and of the rest why not."""
        identity = await self._identity()
        name = identifiers.in_use(self._registry.encryption or Encryption())
        if name is None or name.hsm:
            return EncryptionReads(identity=identity)
        vault = await self._vault(name)
        if isinstance(vault, NotSeen):
            deleted = await self._deleted(name.vault) if vault.why is NotSeenReason.NOT_FOUND else None
            return EncryptionReads(identity=identity, vault=vault, deleted=deleted)
        key = await self._key(vault.value, name)
        principal = self._principal(identity)
        if not vault.value.rbac or principal is None:
            return EncryptionReads(identity=identity, vault=vault, key=key)
        subscription = subscription_of(vault.value.id)
        return EncryptionReads(
            identity=identity,
            vault=vault,
            key=key,
            assignments=await reads.seen(reads.assigned_to(self._azure, subscription, principal)),
            definitions=await self._definitions(subscription),
        )

    async def _identity(self) -> Seen[AssignedIdentity | None] | NotSeen | None:
        """The resource of the user-assigned identity that the key is used with; None where it is the registry's own.

        A subscription that cannot be seen answers 404 too, so it is not asked.
        """
        named = identities.named(self._registry)
        if named is None:
            return None
        if subscription_of(named.id) not in self._visible:
            return visibility.unlisted(self._inventory.visibility, subscription_of(named.id), "The key's identity")
        return await self._one(named.id, IDENTITY_API, "managed identity", _assigned_identity)

    def _principal(self, identity: Seen[AssignedIdentity | None] | NotSeen | None) -> str | None:
        """The object id that the key is used with, where it is known and an object id."""
        if isinstance(identity, Seen) and identity.value is None:
            return None  # it is gone: no role of it matters
        principal = identities.principal(self._registry, identity)
        return principal if principal and bodies.GUID.fullmatch(principal) else None

    async def _vault(self, key: KeyName) -> Seen[KeyVault] | NotSeen:
        """The vault of a key: NOT_FOUND where nothing that can be seen is called so."""
        name, suffix = key.vault, self._azure.settings.cloud.vault_suffix
        if key.host != f"{name}.{suffix}":
            return NotSeen(NotSeenReason.NOT_APPLICABLE, f"{key.host} is no key vault of this cloud")
        home = subscription_of(self._registry.id)
        listed = await self._inventory.vaults.get(home, lambda: reads.seen(_vaults(self._azure, home)))
        if isinstance(listed, Seen) and name in listed.value and _is_at(listed.value[name], key.host):
            return Seen(listed.value[name], listed.evidence)
        others = sorted(self._visible - {home})
        located = await self._located(name, others) if others else ()
        if isinstance(located, NotSeen):
            return located
        for resource_id in located:
            found = await self._one(resource_id, VAULTS_API, "key vault", key_vault_bodies.vault)
            if isinstance(found, NotSeen):
                return found
            if found.value is not None and _is_at(found.value, key.host):
                return Seen(found.value, found.evidence)
        if isinstance(listed, NotSeen):
            return listed
        detail = f"no key vault {name} is in the subscriptions that Pullwatch's identity can see"
        return NotSeen(NotSeenReason.NOT_FOUND, detail, visibility.READER)

    async def _located(self, name: str, subscriptions: list[str]) -> tuple[str, ...] | NotSeen:
        try:
            found = await resource_graph.vaults_called(self._azure, subscriptions, name)
        except CollectError as error:
            return error.as_gap()
        return tuple(one for one in found.ids if subscription_of(one) in subscriptions)[:1]

    async def _deleted(self, name: str) -> DeletedVault | None:
        """The vault of a name among the deleted ones of the registry's own subscription."""
        home = subscription_of(self._registry.id)
        listed = await self._inventory.deleted_vaults.get(home, lambda: reads.seen(_deleted_vaults(self._azure, home)))
        return listed.value.get(name) if isinstance(listed, Seen) else None

    async def _key(self, vault: KeyVault, name: KeyName) -> Seen[KeyFound] | NotSeen:
        """The key, in the version that the registry uses, if it is known which."""
        path = f"{vault.id}/keys/{name.name}"
        version = f"{path}/versions/{name.version}" if name.version else path
        found = await self._one(version, VAULTS_API, "key", key_vault_bodies.key)
        if isinstance(found, NotSeen) or found.value is not None or not name.version:
            return found if isinstance(found, NotSeen) else Seen(KeyFound(found.value), found.evidence)
        newest: Seen[VaultKey | None] | NotSeen = await self._one(path, VAULTS_API, "key", key_vault_bodies.key)
        if isinstance(newest, NotSeen):
            return newest
        return Seen(KeyFound(None, others=newest.value is not None), found.evidence)

    async def _definitions(self, subscription: str) -> Seen[dict[str, RoleDefinition]] | NotSeen:
        """The role definitions of a subscription: those that were read with its registries, or else listed once."""
        known = self._inventory.subscriptions.get(subscription)
        if known is not None and isinstance(known.authorization.definitions, Seen):
            return known.authorization.definitions
        return await self._inventory.vault_roles.get(
            subscription, lambda: reads.seen(reads.role_definitions(self._azure, subscription))
        )

    async def _one(
        self, resource_id: str, api: str, what: str, reader: Callable[[Any], T | None]
    ) -> Seen[T | None] | NotSeen:
        return await reads.seen(_one(self._azure, resource_id, api, what, reader))


async def _one(
    azure: Azure, resource_id: str, api: str, what: str, reader: Callable[[Any], T | None]
) -> Seen[T | None]:
    """One resource by its id; None in ``Seen`` where there is no such thing."""
    try:
        body = await reads.get(azure, resource_id, api, what)
    except NotFound:
        return Seen(None, reads.evidence(what, resource_id, api))
    found = reader(body)
    if found is None:  # an answer that is not understood is no proof that there is nothing
        raise Temporary(f"read {what}: the answer makes no sense")
    return Seen(found, reads.evidence(what, resource_id, api))


def _assigned_identity(body: Any) -> AssignedIdentity | None:
    found = bodies.identity_resource(body)
    if found is None or (found.client_id is None and found.principal_id is None):
        return None
    return AssignedIdentity(id=found.id, principal_id=found.principal_id, client_id=found.client_id)


def _is_at(vault: KeyVault, host: str) -> bool:
    """Whether a vault is the one that a key's identifier names, by its own address too, where that is shown."""
    address = (vault.uri or f"https://{host}/").lower().removesuffix("/").removesuffix(":443")
    return vault.name.lower() == host.partition(".")[0] and address == f"https://{host}"


async def _vaults(azure: Azure, subscription: str) -> Seen[dict[str, KeyVault]]:
    path = f"/subscriptions/{subscription}/providers/{VAULTS}"
    listing = await reads.raw_list(azure, path, VAULTS_API, "key vaults", f"/subscriptions/{subscription}")
    found = [vault for body in listing.items if (vault := key_vault_bodies.vault(body)) is not None]
    return Seen(
        {vault.name.lower(): vault for vault in found}, listing.evidence, reads.unreadable(listing.items, found)
    )


async def _deleted_vaults(azure: Azure, subscription: str) -> Seen[dict[str, DeletedVault]]:
    path = f"/subscriptions/{subscription}/providers/Microsoft.KeyVault/deletedVaults"
    listing = await reads.raw_list(azure, path, VAULTS_API, "deleted key vaults", f"/subscriptions/{subscription}")
    found = [vault for body in listing.items if (vault := key_vault_bodies.deleted_vault(body)) is not None]
    return Seen({vault.name.lower(): vault for vault in found}, listing.evidence)
