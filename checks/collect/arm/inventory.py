"""What belongs to subscriptions, read once per run and worker process and shared by every cluster.

An inventory is plain facts. ``InventoryCache`` keeps those of the latest runs, so that the shards of one run in one
process read a subscription once between them; it is made in function_app and passed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from checks.collect.arm import name_servers, network_managers, networks, own_access, reads, virtual_hubs
from checks.collect.arm.client import Azure
from checks.collect.wire.single_flight import SingleFlight
from checks.facts import (
    Authorization,
    IdentityResource,
    NodeMachines,
    NotSeen,
    NotSeenReason,
    Registry,
    RegistryPerformance,
    RoleAssignment,
    RoleDefinition,
    Seen,
    Subscription,
    SubscriptionFacts,
    subscription_of,
)
from checks.facts.image_pull import ImagePullProfile
from checks.facts.network import networks_of
from checks.facts.pulls import Manifest
from checks.facts.registry_details import Probe
from checks.facts.visibility import Visibility
from checks.rules import registry_names, visibility
from checks.rules.access import rbac

AT_ONCE = 8


class Inventory:
    """The facts of many subscriptions, with the indexes that joins over clusters and registries need.

    ``probes`` and ``performance`` fill as clusters ask for their registries (by login server), each read once;
    ``identities`` and ``image_pull_profiles`` (by subscription) and ``machines`` (by subscription and type) likewise.
    """

    def __init__(
        self,
        subscriptions: Iterable[SubscriptionFacts],
        acr_suffix: str,
        identity: own_access.Identity = own_access.UNKNOWN,
    ) -> None:
        self.subscriptions = {facts.subscription.id: facts for facts in subscriptions}
        self.visibility = _visibility(self.subscriptions, identity)
        self._suffix = f".{acr_suffix}"
        self.probes: SingleFlight[Seen[Probe]] = SingleFlight()
        self.performance: SingleFlight[RegistryPerformance] = SingleFlight()
        self.manifests: SingleFlight[Seen[Manifest]] = SingleFlight()
        self.registry_tokens: SingleFlight[str] = SingleFlight()
        self.images_asked: set[str] = set()
        self.identities: SingleFlight[Seen[tuple[IdentityResource, ...]] | NotSeen] = SingleFlight()
        self.machines: SingleFlight[Seen[tuple[NodeMachines, ...]] | NotSeen] = SingleFlight()
        self.name_servers = name_servers.NameServerReads()
        self.image_pull_profiles: SingleFlight[Seen[dict[str, ImagePullProfile]] | NotSeen] = SingleFlight()
        self.management = network_managers.ManagementReads()
        self.hubs: virtual_hubs.HubReads = SingleFlight()
        self._zone_groups: SingleFlight[Seen[tuple[str, ...]] | NotSeen] = SingleFlight()
        self._registries: dict[str, Seen[Registry]] = {}
        self.login_servers: dict[str, tuple[str, ...]] = {}
        self._assignments: dict[tuple[str, str], list[RoleAssignment]] = {}
        self.networks = networks_of(
            ((guid, facts.network) for guid, facts in self.subscriptions.items() if facts.network is not None),
            self.visibility,
        )
        self._registry_roles: set[str] = set()
        for subscription, facts in self.subscriptions.items():
            self._index(subscription, facts)

    def _index(self, subscription: str, facts: SubscriptionFacts) -> None:
        if isinstance(facts.registries, Seen):
            for registry in facts.registries.value:
                evidence = registry.evidence or facts.registries.evidence
                self._registries[registry.login_server] = Seen(registry, evidence)
                known = self.login_servers.get(registry.name.lower(), ())
                self.login_servers[registry.name.lower()] = (*known, registry.login_server)
        if isinstance(facts.authorization.assignments, Seen):
            for assignment in facts.authorization.assignments.value:
                key = (subscription, assignment.principal_id.lower())
                self._assignments.setdefault(key, []).append(assignment)
        if isinstance(facts.authorization.definitions, Seen):
            roles = facts.authorization.definitions.value.values()
            self._registry_roles |= {role.guid for role in roles if rbac.is_registry_role(role)}

    def registries(self) -> Iterator[Registry]:
        """Every registry that was seen."""
        return (seen.value for seen in self._registries.values())

    def registry(self, host: str) -> Seen[Registry] | NotSeen:
        """What ARM says of a login server; where it says nothing, why that may be."""
        registry = self._registries.get(host)
        if registry is not None:
            return registry
        if not host.endswith(self._suffix):
            return NotSeen(NotSeenReason.NOT_APPLICABLE, f"{host} is no registry of this cloud")
        hidden = visibility.hidden_anywhere(self.visibility, visibility.REGISTRIES)
        refused = [f for f in self.subscriptions.values() if isinstance(f.registries, NotSeen)]
        if refused:
            names = ", ".join(f.subscription.id for f in refused[:3])
            return NotSeen(
                NotSeenReason.NOT_ALLOWED,
                f"{host} is in none of the subscriptions that could be read; those of {names} could not be listed",
                visibility.READER,
                next((f.registries.fix for f in refused if isinstance(f.registries, NotSeen)), ()),
            )
        if hidden is not None:
            return NotSeen(
                hidden.why, f"{host} is in no registry list that was read. {hidden.detail}", hidden.role, hidden.fix
            )
        return NotSeen(
            NotSeenReason.NOT_FOUND,
            f"{host} is in none of the {len(self.subscriptions)} subscriptions that were read: it does not exist, "
            "or lies where Pullwatch's identity has no Reader role",
            visibility.READER,
        )

    async def zone_groups_of(self, azure: Azure, endpoint_id: str) -> Seen[tuple[str, ...]] | NotSeen:
        """The private DNS zones that a private endpoint's zone groups name; asked once, and only where it may be."""
        subscription = subscription_of(endpoint_id)
        if subscription not in self.subscriptions:
            return visibility.unlisted(self.visibility, subscription, f"The private endpoint {endpoint_id}")
        key = endpoint_id.rstrip("/").lower()
        return await self._zone_groups.get(key, lambda: networks.zone_groups(azure, endpoint_id))

    def login_server_of(self, name: str) -> str:
        """The login server that somebody means by a host of a registry, or by its name: its own or the cloud's."""
        lower = name.strip().lower()
        if "." in lower or lower == "localhost":
            return registry_names.login_server_of(lower)
        known = self.login_servers.get(lower, ())
        return known[0] if len(known) == 1 else f"{lower}{self._suffix}"

    def is_acr(self, host: str) -> bool:
        """Whether a host is an Azure registry: known to ARM, or under the cloud's suffix."""
        return host in self._registries or host.endswith(self._suffix)

    def assignments_of(self, principal: str, subscription: str) -> list[RoleAssignment]:
        """The direct assignments of a principal that a subscription's list showed."""
        return self._assignments.get((subscription, principal.lower()), [])

    def is_registry_role(self, assignment: RoleAssignment) -> bool:
        """Whether an assignment's role is about container registries and nothing else."""
        return rbac.role_guid(assignment.role_definition_id) in self._registry_roles


def _visibility(subscriptions: Mapping[str, SubscriptionFacts], identity: own_access.Identity) -> Visibility:
    tenants = {guid: (facts.subscription.tenant_id or "").lower() for guid, facts in subscriptions.items()}
    return Visibility(
        object_id=identity.object_id,
        own_roles={guid: facts.own_roles for guid, facts in subscriptions.items()},
        delegated=frozenset(
            g for g, tenant in tenants.items() if identity.tenant_id and tenant not in ("", identity.tenant_id)
        ),
    )


async def read(azure: Azure, subscriptions: Iterable[Subscription]) -> Inventory:
    """Reads the subscriptions, a few at once. What cannot be read is in the estate as such."""
    limit = asyncio.Semaphore(AT_ONCE)

    identity = await own_access.identity(azure)
    definitions: SingleFlight[Seen[RoleDefinition]] = SingleFlight()

    async def bounded(subscription: Subscription) -> SubscriptionFacts:
        async with limit:
            own_roles = await own_access.roles(azure, subscription.id, identity.object_id, definitions)
            return msgspec.structs.replace(await _subscription(azure, subscription), own_roles=own_roles)

    subscription_facts = await asyncio.gather(*(bounded(subscription) for subscription in subscriptions))
    return Inventory(subscription_facts, azure.settings.cloud.acr_suffix, identity)


async def _subscription(azure: Azure, subscription: Subscription) -> SubscriptionFacts:
    clusters, registries = await asyncio.gather(
        reads.seen(reads.clusters(azure, subscription.id)), reads.seen(reads.registries(azure, subscription.id))
    )
    needed = isinstance(registries, Seen) and registries.value
    unasked = NotSeen(NotSeenReason.NOT_APPLICABLE, "the subscription holds no registry, so its roles were not read")
    authorization = (
        await reads.authorization(azure, subscription.id)
        if needed
        else Authorization(assignments=unasked, definitions=unasked, denies=unasked)
    )
    listed = clusters.value if isinstance(clusters, Seen) else ()
    held = len(registries.value) if isinstance(registries, Seen) else 1
    return SubscriptionFacts(
        subscription=subscription,
        clusters=clusters,
        registries=registries,
        authorization=authorization,
        network=await networks.of_subscription(azure, subscription.id, listed, held),
    )


class InventoryCache(SingleFlight[Inventory]):
    """The estates of the latest runs, by run. A second caller of the same run waits for the first one's reading."""

    def __init__(self, keep: int = 2) -> None:
        super().__init__(keep)
