"""What belongs to subscriptions, read once per run and worker process and shared by every cluster.

An inventory is plain facts. Those of the latest runs are kept (``inventories``), so that the shards of one run in one
process read a subscription once between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from checks.collect.arm import (
    existing,
    name_servers,
    network_managers,
    networks,
    own_access,
    reads,
    role_definitions,
    virtual_hubs,
)
from checks.collect.arm.client import Azure
from checks.collect.arm.listed import IdentitiesListed, MachinesByGroup
from checks.collect.arm.parts import ALL, OF_REGISTRIES, Part
from checks.collect.wire.single_flight import SingleFlight
from checks.facts import (
    Authorization,
    Cluster,
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
from checks.facts.encryption import DeletedVault, EncryptionReads, KeyVault
from checks.facts.image_pull import ImagePullProfile
from checks.facts.network import Network, networks_of
from checks.facts.observation import NOT_ASKED
from checks.facts.pulls import Manifest
from checks.facts.registry_details import Probe, PullCounts
from checks.facts.registry_log import LogEntry, Logged, LoggedCall
from checks.facts.visibility import Visibility
from checks.rules import registry_names, visibility
from checks.rules.access import rbac
from checks.rules.registry_log.callers import Callers

AT_ONCE = 8
_READ_ONLY = OF_REGISTRIES | {Part.REGISTRY_RULES}  # for which it matters only that the app may read them
_UNASKED = Authorization(assignments=NOT_ASKED, definitions=NOT_ASKED, denies=NOT_ASKED)


class Inventory:
    """The facts of many subscriptions, with the indexes that joins over clusters and registries need.

    ``probes``, ``performance``, ``encryption`` and ``pull_counts`` fill as clusters ask for their registries (by login
    server), each read once; ``identities``, ``image_pull_profiles`` and what keys are looked for in, ``vaults``,
    ``deleted_vaults`` (by name) and ``vault_roles`` (by subscription), and ``machines`` (by subscription and type)
    likewise.
    """

    def __init__(
        self,
        subscriptions: Iterable[SubscriptionFacts],
        acr_suffix: str,
        identity: own_access.Identity = own_access.UNKNOWN,
        unread: Iterable[Subscription] = (),
    ) -> None:
        self.unread: dict[str, Subscription] = {subscription.id: subscription for subscription in unread}
        self._order = list(self.unread)  # whatever is read first, answers name subscriptions in this order
        self.parts: dict[str, frozenset[Part]] = {}
        self.own_definitions: SingleFlight[Seen[RoleDefinition]] = SingleFlight()
        self._spared: dict[str, frozenset[Part]] = {}  # known to hold nothing by a list of all resources alone
        self._only_read: set[str] = set()  # where own roles were not asked for, as a list shows Reader
        self._identity = identity
        self._acr_suffix = acr_suffix
        self._suffix = f".{acr_suffix}"
        self.probes: SingleFlight[Seen[Probe]] = SingleFlight()
        self.performance: SingleFlight[RegistryPerformance] = SingleFlight()
        self.pull_counts: SingleFlight[Seen[PullCounts] | NotSeen] = SingleFlight()
        self.encryption: SingleFlight[EncryptionReads] = SingleFlight()
        self.vaults: SingleFlight[Seen[dict[str, KeyVault]] | NotSeen] = SingleFlight()
        self.deleted_vaults: SingleFlight[Seen[dict[str, DeletedVault]] | NotSeen] = SingleFlight()
        self.vault_roles: SingleFlight[Seen[dict[str, RoleDefinition]] | NotSeen] = SingleFlight()
        self.manifests: SingleFlight[Seen[Manifest]] = SingleFlight()
        self.registry_tokens: SingleFlight[str] = SingleFlight()
        self.images_asked: set[str] = set()
        self.identities: SingleFlight[Seen[IdentitiesListed] | NotSeen] = SingleFlight()
        self.machines: SingleFlight[Seen[MachinesByGroup] | NotSeen] = SingleFlight()
        self.name_servers = name_servers.NameServerReads()
        self.image_pull_profiles: SingleFlight[Seen[dict[str, ImagePullProfile]] | NotSeen] = SingleFlight()
        self.management = network_managers.ManagementReads()
        self.hubs: virtual_hubs.HubReads = SingleFlight()
        self.logged: SingleFlight[Logged] = SingleFlight()
        self._calls: tuple[tuple[LogEntry, ...], Mapping[str, tuple[LoggedCall, ...]]] | None = None
        self._zone_groups: SingleFlight[Seen[tuple[str, ...]] | NotSeen] = SingleFlight()
        self._put(subscriptions)

    def _put(self, subscriptions: Iterable[SubscriptionFacts]) -> None:
        self._calls = None
        self._assigned_in: dict[str, list[str]] | None = None
        by_id = {facts.subscription.id: facts for facts in subscriptions}
        self.subscriptions = {guid: by_id[guid] for guid in (*self._order, *by_id) if guid in by_id}
        self.unread = {guid: one for guid, one in self.unread.items() if guid not in self.subscriptions}
        self.visibility = _visibility(self.subscriptions, self.unread, self._identity)
        self._registries: dict[str, Seen[Registry]] = {}
        self.login_servers: dict[str, tuple[str, ...]] = {}
        self.networks = networks_of(
            ((guid, facts.network) for guid, facts in self.subscriptions.items() if facts.network is not None),
            self.visibility,
        )
        self._registry_roles: set[str] = set()
        for facts in self.subscriptions.values():
            self._index(facts)
        self._registries_in: dict[str, list[Registry]] = {}
        for registry in self.registries():
            self._registries_in.setdefault(subscription_of(registry.id), []).append(registry)

    def tenants(self) -> dict[str, str]:
        """The tenants of all subscriptions that can be seen, by guid."""
        visible = (*(facts.subscription for facts in self.subscriptions.values()), *self.unread.values())
        return {one.id: one.tenant_id for one in visible if one.tenant_id}

    async def extend(self, azure: Azure, wanted: Mapping[str, frozenset[Part]], *, sparing: bool = False) -> bool:
        """Reads what is wanted of subscriptions (guids) that can be seen and was not read yet; whether that was any.

        For the inventory of one cluster alone: nobody else may be using it meanwhile. ``sparing`` asks first which
        kinds there are at all, where that may save more than it costs.
        """
        limit = asyncio.Semaphore(AT_ONCE)
        visible = self.unread | {guid: facts.subscription for guid, facts in self.subscriptions.items()}
        missing = {
            guid: lacking
            for guid, parts in wanted.items()
            if guid in visible and ((lacking := parts - self._read(guid, sparing=sparing)) or guid in self.unread)
        }

        async def bounded(guid: str, parts: frozenset[Part]) -> SubscriptionFacts:
            async with limit:
                return await self._more(azure, visible[guid], parts, sparing=sparing)

        more = await asyncio.gather(*(bounded(guid, parts) for guid, parts in missing.items()))
        for guid, parts in missing.items():
            self.parts[guid] = self.parts.get(guid, frozenset()) | parts
        if more:
            known = self.subscriptions | {facts.subscription.id: facts for facts in more}
            own = _visibility(known, {}, self._identity)
            self._put((await role_definitions.completed(azure, known, own)).values())
        return bool(more)

    def _read(self, guid: str, *, sparing: bool) -> frozenset[Part]:
        """The parts that were read. That a list of all resources names none of a kind is enough while it is spared."""
        spared = frozenset() if sparing else self._spared.get(guid, frozenset())
        return self.parts.get(guid, frozenset()) - spared

    async def _more(
        self, azure: Azure, subscription: Subscription, parts: frozenset[Part], *, sparing: bool
    ) -> SubscriptionFacts:
        known = self.subscriptions.get(subscription.id)
        if known is not None:
            ask = sparing and parts >= existing.KINDS.keys()
            empty = await existing.none_of(azure, subscription.id, self.visibility) if ask else {}
            self._spared[subscription.id] = self._spared.get(subscription.id, frozenset()) - parts | frozenset(empty)
            facts = _merged(known, await _subscription(azure, subscription, parts, known, empty))
            more_matters = subscription.id in self._only_read and not parts <= _READ_ONLY
            return await self._with_own_roles(azure, facts) if more_matters else facts
        facts = await _subscription(azure, subscription, parts)
        return await self._with_own_roles(azure, facts, only_read=parts <= _READ_ONLY)

    async def _with_own_roles(
        self, azure: Azure, facts: SubscriptionFacts, *, only_read: bool = False
    ) -> SubscriptionFacts:
        """The facts with the app's own roles. ``only_read``: it does not matter what they allow besides reading."""
        guid, own = facts.subscription.id, self._identity.object_id
        self._only_read.discard(guid)
        reading = own_access.reads_everything(facts.authorization.assignments, guid, own) if only_read else None
        if reading is not None:
            self._only_read.add(guid)
            return msgspec.structs.replace(facts, own_roles=reading)
        roles = await own_access.roles(azure, guid, own, self.own_definitions)
        return msgspec.structs.replace(facts, own_roles=roles)

    def _index(self, facts: SubscriptionFacts) -> None:
        if isinstance(facts.registries, Seen):
            for registry in facts.registries.value:
                evidence = registry.evidence or facts.registries.evidence
                self._registries[registry.login_server] = Seen(registry, evidence)
                known = self.login_servers.get(registry.name.lower(), ())
                self.login_servers[registry.name.lower()] = (*known, registry.login_server)
        if isinstance(facts.authorization.definitions, Seen):
            roles = facts.authorization.definitions.value.values()
            self._registry_roles |= {role.guid for role in roles if rbac.is_registry_role(role)}

    def registries(self) -> Iterator[Registry]:
        """Every registry that was seen."""
        return (seen.value for seen in self._registries.values())

    def clusters(self) -> Iterator[Cluster]:
        """Every cluster that was seen."""
        parts = (facts.clusters for facts in self.subscriptions.values())
        return (cluster for part in parts if isinstance(part, Seen) for cluster in part.value)

    def shows_all_clusters(self) -> bool:
        """Whether no list of clusters, of subscriptions that can be seen, lacks any."""
        listed = (facts.clusters for facts in self.subscriptions.values())
        whole = all(isinstance(part, Seen) and not part.partial for part in listed)
        return whole and not self.unread and visibility.hidden_anywhere(self.visibility, visibility.CLUSTERS) is None

    def calls_of(self, cluster: Cluster, entries: tuple[LogEntry, ...]) -> tuple[LoggedCall, ...]:
        """The calls that registries logged and a cluster may have made; found once for all clusters."""
        if self._calls is None or self._calls[0] is not entries:
            callers = Callers(self.clusters(), self.networks, whole=self.shows_all_clusters())
            self._calls = (entries, callers.calls_by_cluster(entries))
        return self._calls[1].get(cluster.id.lower(), ())

    def registry(self, host: str) -> Seen[Registry] | NotSeen:
        """What ARM says of a login server; where it says nothing, why that may be."""
        registry = self._registries.get(host)
        if registry is not None:
            return registry
        if not host.endswith(self._suffix):
            return NotSeen(NotSeenReason.NOT_APPLICABLE, f"{host} is no registry of this cloud")
        if self.unread or any(facts.registries == NOT_ASKED for facts in self.subscriptions.values()):
            return NotSeen(NotSeenReason.NOT_ASKED, f"{host} is in no registry list that was asked for")
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

    def registries_assigned_to(self, principal: str) -> Iterator[tuple[Registry, tuple[RoleAssignment, ...]]]:
        """Every registry in a subscription whose list shows direct assignments of a principal, with all of these."""
        for subscription in self._subscriptions_naming(principal):
            direct = self.subscriptions[subscription].authorization.direct(principal)
            for registry in self._registries_in.get(subscription, ()):
                yield registry, direct

    def _subscriptions_naming(self, principal: str) -> Iterable[str]:
        """Those with direct assignments of a principal: looked up, as every cluster asks and few name it."""
        if self._assigned_in is None:
            self._assigned_in = {}
            for subscription, facts in self.subscriptions.items():
                for named in facts.authorization.principals():
                    self._assigned_in.setdefault(named, []).append(subscription)
        return self._assigned_in.get(principal.lower(), ())

    def is_registry_role(self, assignment: RoleAssignment) -> bool:
        """Whether an assignment's role is about container registries and nothing else."""
        return rbac.role_guid(assignment.role_definition_id) in self._registry_roles


def _visibility(
    subscriptions: Mapping[str, SubscriptionFacts], unread: Mapping[str, Subscription], identity: own_access.Identity
) -> Visibility:
    known = {guid: facts.subscription for guid, facts in subscriptions.items()}
    tenants = {guid: (one.tenant_id or "").lower() for guid, one in (known | dict(unread)).items()}
    return Visibility(
        object_id=identity.object_id,
        own_roles={guid: facts.own_roles for guid, facts in subscriptions.items()} | dict.fromkeys(unread, NOT_ASKED),
        delegated=frozenset(
            g for g, tenant in tenants.items() if identity.tenant_id and tenant not in ("", identity.tenant_id)
        ),
    )


async def read(azure: Azure, subscriptions: Iterable[Subscription]) -> Inventory:
    """Reads the subscriptions, a few at once. What cannot be read is in the estate as such."""
    inventory = await unread(azure, subscriptions)
    await inventory.extend(azure, dict.fromkeys(inventory.unread, ALL))
    return inventory


async def unread(azure: Azure, subscriptions: Iterable[Subscription]) -> Inventory:
    """An inventory of subscriptions of which nothing is read yet: ``extend`` reads what is wanted of them."""
    identity = await own_access.identity(azure)
    return Inventory((), azure.settings.cloud.acr_suffix, identity, subscriptions)


async def _subscription(
    azure: Azure,
    subscription: Subscription,
    parts: frozenset[Part],
    known: SubscriptionFacts | None = None,
    empty: existing.Empty | None = None,
) -> SubscriptionFacts:
    """Parts of a subscription. ``known`` is what was read before, which some need, ``empty`` what holds nothing."""
    guid = subscription.id
    clusters, registries = await asyncio.gather(
        reads.seen(reads.clusters(azure, guid)) if Part.CLUSTERS in parts else _nothing(),
        reads.seen(reads.registries(azure, guid)) if Part.REGISTRIES in parts else _nothing(),
    )
    listed = known.clusters if known is not None and Part.CLUSTERS not in parts else clusters
    held = known.registries if known is not None and Part.REGISTRIES not in parts else registries
    return SubscriptionFacts(
        subscription=subscription,
        clusters=clusters,
        registries=registries,
        authorization=await _authorization(azure, guid, held) if Part.AUTHORIZATION in parts else _UNASKED,
        network=await networks.of_subscription(
            azure,
            guid,
            listed.value if isinstance(listed, Seen) else (),
            len(held.value) if isinstance(held, Seen) else 1,
            parts,
            empty or {},
        ),
    )


async def _nothing() -> NotSeen:
    return NOT_ASKED


async def _authorization(azure: Azure, guid: str, registries: Seen[tuple[Registry, ...]] | NotSeen) -> Authorization:
    if isinstance(registries, Seen) and registries.value:
        return await reads.authorization(azure, guid)
    unasked = NotSeen(NotSeenReason.NOT_APPLICABLE, "the subscription holds no registry, so its roles were not read")
    return Authorization(assignments=unasked, definitions=unasked, denies=unasked)


def _merged(known: SubscriptionFacts, more: SubscriptionFacts) -> SubscriptionFacts:
    """What is known of a subscription with what was read later, which left out what is known."""
    assert known.network is not None and more.network is not None
    later = {name: part for name in Network.__struct_fields__ if (part := getattr(more.network, name)) != NOT_ASKED}
    return msgspec.structs.replace(
        known,
        clusters=known.clusters if more.clusters == NOT_ASKED else more.clusters,
        registries=known.registries if more.registries == NOT_ASKED else more.registries,
        authorization=known.authorization if more.authorization == _UNASKED else more.authorization,
        network=msgspec.structs.replace(known.network, **later),
    )
