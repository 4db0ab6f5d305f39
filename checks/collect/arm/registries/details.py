"""What ARM tells of a registry's performance: replicas, usage, cache rules, credential sets (api 2025-11-01).

Read for registries that a cluster of the run uses, each once per run and process. Shapes: azure-mgmt-containerregistry
15.0.0 (Replication, RegistryUsage, CacheRule, CredentialSet).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from checks.collect.arm import bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.facts import NotSeen, NotSeenReason, Registry, RegistryPerformance, RegistryUse, Seen
from checks.facts.registry_details import CacheRule, Credential, CredentialSet, Replication, Usage

T = TypeVar("T")

AT_ONCE = 4


async def of_cluster(
    azure: Azure, inventory: Inventory, uses: tuple[RegistryUse, ...]
) -> dict[str, RegistryPerformance]:
    """The performance facts of a cluster's registries by login server, for those that ARM returned."""
    limit = asyncio.Semaphore(AT_ONCE)
    known = [use.registry.value for use in uses if isinstance(use.registry, Seen)]

    async def bounded(registry: Registry) -> RegistryPerformance:
        async with limit:
            return await inventory.performance.get(registry.login_server, lambda: read(azure, registry))

    details = await asyncio.gather(*(bounded(registry) for registry in known))
    return {registry.login_server: facts for registry, facts in zip(known, details, strict=True)}


async def read(azure: Azure, registry: Registry) -> RegistryPerformance:
    """The facts of one registry; what could not be read is in them as such.

    Only Premium replicates; credential sets are read only where a cache rule names one.
    """
    usages, rules, replications = await asyncio.gather(
        reads.seen(_list(azure, registry, "listUsages", usage)),
        reads.seen(_list(azure, registry, "cacheRules", cache_rule)),
        _replications(azure, registry),
    )
    return RegistryPerformance(
        replications=replications,
        usages=usages,
        cache_rules=rules,
        credential_sets=await _credential_sets(azure, registry, rules),
    )


async def _replications(azure: Azure, registry: Registry) -> Seen[tuple[Replication, ...]] | NotSeen:
    if (registry.sku or "premium").lower() != "premium":
        return NotSeen(NotSeenReason.NOT_APPLICABLE, f"a {registry.sku} registry has no replicas")
    return await reads.seen(_list(azure, registry, "replications", replication))


async def _credential_sets(
    azure: Azure, registry: Registry, rules: Seen[tuple[CacheRule, ...]] | NotSeen
) -> Seen[tuple[CredentialSet, ...]] | NotSeen:
    if isinstance(rules, Seen) and not any(rule.credential_set_id for rule in rules.value):
        return NotSeen(NotSeenReason.NOT_APPLICABLE, "no cache rule names a credential set")
    if isinstance(rules, NotSeen):
        return rules
    return await reads.seen(_list(azure, registry, "credentialSets", credential_set))


async def _list(azure: Azure, registry: Registry, child: str, reader: Callable[[Any], T | None]) -> Seen[tuple[T, ...]]:
    path = f"{registry.id}/{child}"
    listing = await reads.raw_list(azure, path, reads.REGISTRIES_API, f"{child} of {registry.name}", registry.id)
    results = tuple(item for body in listing.items[: bodies.MAX_ITEMS] if (item := reader(body)) is not None)
    return Seen(results, listing.evidence, reads.unreadable(listing.items, results))


def replication(body: Any) -> Replication | None:
    """A replica; its location or, where that is absent, its name (a region's name) says where it is."""
    name = bodies.name_of(body)
    location = bodies.text(body, "location") or name
    if not name or not location:
        return None
    return Replication(
        name=name,
        location=location,
        provisioning_state=bodies.text(body, "properties", "provisioningState"),
        status=bodies.text(body, "properties", "status", "displayStatus"),
        routed=bodies.boolean(body, "properties", "regionEndpointEnabled"),
    )


def usage(body: Any) -> Usage | None:
    """A row of ``listUsages``; one without a name or a current value says nothing."""
    name, current = bodies.text(body, "name"), bodies.number(body, "currentValue")
    if not name or current is None:
        return None
    return Usage(name, current, bodies.number(body, "limit"), bodies.text(body, "unit"))


def cache_rule(body: Any) -> CacheRule | None:
    """A cache rule; one that does not say what it fills from where is None."""
    name = bodies.name_of(body)
    source = bodies.text(body, "properties", "sourceRepository")
    target = bodies.text(body, "properties", "targetRepository")
    if not name or not source or not target:
        return None
    return CacheRule(
        name=name,
        source=source,
        target=target,
        credential_set_id=bodies.text(body, "properties", "credentialSetResourceId"),
        provisioning_state=bodies.text(body, "properties", "provisioningState"),
    )


def credential_set(body: Any) -> CredentialSet | None:
    """A credential set with the health of each of its credentials."""
    resource_id, name = bodies.text(body, "id"), bodies.name_of(body)
    if not resource_id or not name:
        return None
    return CredentialSet(
        id=resource_id,
        name=name,
        login_server=bodies.text(body, "properties", "loginServer"),
        principal_id=bodies.text(body, "identity", "principalId"),
        credentials=tuple(
            Credential(
                name=bodies.text(item, "name"),
                health=bodies.text(item, "credentialHealth", "status"),
                error_code=bodies.text(item, "credentialHealth", "errorCode"),
                error=bodies.said(item, "credentialHealth", "errorMessage"),
                secret=bodies.text(item, "passwordSecretIdentifier") or bodies.text(item, "usernameSecretIdentifier"),
            )
            for item in bodies.objects(body, "properties", "authCredentials")
        ),
    )
