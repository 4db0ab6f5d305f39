"""What only Azure can tell of groups: role and deny assignments that reach an identity through them.

Each question is asked once per identity and subscription, and only where the answers so far leave a registry open.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from checks.collect.arm import reads
from checks.collect.arm.client import Azure
from checks.facts import (
    Authorization,
    ClusterFacts,
    NotSeen,
    NotSeenReason,
    Principal,
    RegistryUse,
    Seen,
    subscription_of,
)
from checks.rules.access import identity_access
from checks.rules.access.pullers import PullerKind, Pullers

Asked = dict[str, identity_access.AuthorizationReads]
MAX_IDENTITIES = 20  # of service accounts of one cluster


async def of_kubelet_identity(
    azure: Azure,
    principal: Seen[Principal] | NotSeen,
    uses: tuple[RegistryUse, ...],
    authorization: Mapping[str, Authorization],
) -> Asked:
    """What was read per subscription of the registries, completed by what comes through groups."""
    asked = {
        subscription: identity_access.AuthorizationReads(authorization=known)
        for subscription, known in authorization.items()
    }
    for use in uses:
        if isinstance(principal, NotSeen) or isinstance(use.registry, NotSeen):
            continue
        subscription = subscription_of(use.registry.value.id)
        known = asked.get(subscription)
        if known is not None:
            asked[subscription] = await _completed(azure, known, use, principal.value.object_id)
    return asked


async def of_accounts(
    azure: Azure, facts: ClusterFacts, uses: tuple[RegistryUse, ...], authorization: Mapping[str, Authorization]
) -> Asked:
    """The same for the identities of service accounts that pull, by ``identity_access.reads_key``."""
    asked: Asked = {}
    identities: set[str] = set()
    pullers = Pullers(facts)
    too_many = NotSeen(NotSeenReason.LIMIT, f"groups are asked for {MAX_IDENTITIES} identities of a cluster")
    for use in (use for use in uses if isinstance(use.registry, Seen)):
        assert isinstance(use.registry, Seen)
        subscription = subscription_of(use.registry.value.id)
        known = authorization.get(subscription)
        for puller in pullers.of_registry(use):
            if puller.kind is not PullerKind.ACCOUNT or known is None:
                continue
            key = identity_access.reads_key(subscription, puller.object_id)
            identities.add(puller.object_id)
            before = asked.get(key, identity_access.AuthorizationReads(authorization=known))
            if len(identities) > MAX_IDENTITIES:
                asked[key] = msgspec.structs.replace(before, groups=too_many, denies=too_many)
            else:
                asked[key] = await _completed(azure, before, use, puller.object_id)
    return asked


async def _completed(
    azure: Azure, known: identity_access.AuthorizationReads, use: RegistryUse, who: str
) -> identity_access.AuthorizationReads:
    assert isinstance(use.registry, Seen)
    registry, repositories = use.registry.value, identity_access.repositories_of(use.images)
    subscription = subscription_of(registry.id)
    if known.groups is None and identity_access.needs_groups(
        identity_access.decide(who, registry, known, repositories)
    ):
        groups = await reads.seen(reads.assigned_to(azure, subscription, who))
        known = msgspec.structs.replace(known, groups=groups)
    if known.denies is None and identity_access.needs_denies(
        identity_access.decide(who, registry, known, repositories)
    ):
        denies = await reads.seen(reads.denies_assigned_to(azure, subscription, who))
        known = msgspec.structs.replace(known, denies=denies)
    return known
