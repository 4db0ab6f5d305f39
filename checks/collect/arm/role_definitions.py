"""Role definitions, listed in as few subscriptions as it takes: a list is long, and the same almost everywhere.

A role has the same id and definition in every subscription of a tenant; a list lacks only custom roles that cannot be
assigned there. So a subscription whose assignments name only roles of a list that was read needs none of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import msgspec

from checks.collect.arm import reads
from checks.collect.arm.client import Azure
from checks.facts import NotSeen, RoleDefinition, Seen, SubscriptionFacts
from checks.facts.observation import NOT_ASKED
from checks.facts.visibility import Visibility
from checks.rules import visibility
from checks.rules.access.rbac import role_guid

AT_ONCE = 8
READ = "Microsoft.Authorization/roleDefinitions/read"
Definitions = Seen[dict[str, RoleDefinition]]
ByGuid = dict[str, SubscriptionFacts]


async def completed(azure: Azure, subscriptions: Mapping[str, SubscriptionFacts], own: Visibility) -> ByGuid:
    """The subscriptions (by guid), with definitions for those of which only role assignments were read so far."""
    whole = _shared(dict(subscriptions), own)
    whole |= await _read(azure, _first_of_tenants(_lacking(whole)))
    whole = _shared(whole, own)
    return whole | await _read(azure, _lacking(whole))


def _lacking(subscriptions: ByGuid) -> list[SubscriptionFacts]:
    parts = ((facts, facts.authorization) for facts in subscriptions.values())
    return [facts for facts, part in parts if part.definitions == NOT_ASKED and part.assignments != NOT_ASKED]


def _first_of_tenants(subscriptions: Iterable[SubscriptionFacts]) -> list[SubscriptionFacts]:
    first: dict[str | None, SubscriptionFacts] = {}
    for facts in subscriptions:
        first.setdefault(facts.subscription.tenant_id, facts)
    return list(first.values())


def _shared(subscriptions: ByGuid, own: Visibility) -> ByGuid:
    """Gives those that lack definitions a list of their tenant that has all roles they name."""
    known: dict[str | None, list[Definitions]] = {}
    for facts in subscriptions.values():
        if isinstance(facts.authorization.definitions, Seen) and facts.subscription.tenant_id:
            lists = known.setdefault(facts.subscription.tenant_id, [])
            if not any(one is facts.authorization.definitions for one in lists):
                lists.append(facts.authorization.definitions)
    for facts in _lacking(subscriptions):
        lists = known.get(facts.subscription.tenant_id, [])
        found = next((one for one in lists if _has_all(one, facts, own)), None)
        if found is not None:
            subscriptions[facts.subscription.id] = _with(facts, found)
    return subscriptions


def _has_all(definitions: Definitions, facts: SubscriptionFacts, own: Visibility) -> bool:
    """Whether a list would do, where the app may read the subscription's own: what it may not is to be said."""
    assignments = facts.authorization.assignments
    return (
        isinstance(assignments, Seen)
        and not assignments.partial
        and visibility.allows(own, facts.subscription.id, READ)
        and all(role_guid(one.role_definition_id) in definitions.value for one in assignments.value)
    )


async def _read(azure: Azure, subscriptions: list[SubscriptionFacts]) -> ByGuid:
    limit = asyncio.Semaphore(AT_ONCE)

    async def bounded(facts: SubscriptionFacts) -> SubscriptionFacts:
        async with limit:
            return _with(facts, await reads.seen(reads.role_definitions(azure, facts.subscription.id)))

    return {facts.subscription.id: facts for facts in await asyncio.gather(*map(bounded, subscriptions))}


def _with(facts: SubscriptionFacts, definitions: Definitions | NotSeen) -> SubscriptionFacts:
    known = msgspec.structs.replace(facts.authorization, definitions=definitions)
    return msgspec.structs.replace(facts, authorization=known)
