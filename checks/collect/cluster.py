"""Everything about one cluster, gathered into the facts that the judges take."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

import msgspec

from checks.collect.arm import (
    graph,
    identities,
    image_pull,
    name_servers,
    network_managers,
    reads,
    through_groups,
    virtual_hubs,
)
from checks.collect.arm.bodies import GUID
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.arm.registries import details, keys
from checks.collect.kubernetes import api, canary, node_identities, pull_secrets, service_accounts
from checks.collect.kubernetes.canary_records import CanaryRecords
from checks.collect.monitor import pull_counts, registry_logs
from checks.collect.registry import manifests, probes
from checks.facts import (
    NO_CANARY,
    Authorization,
    ClientSecret,
    Cluster,
    ClusterFacts,
    ContainerImage,
    NotSeen,
    NotSeenReason,
    Principal,
    RegistryUse,
    Seen,
    Workloads,
    same_id,
    subscription_of,
)
from checks.facts.cluster_facts import MIRROR_OF
from checks.facts.image_pull import ServiceAccountPulls
from checks.facts.network import Networks
from checks.facts.registry_log import RegistryLog
from checks.facts.resources import REGISTRIES_TAG as TAG
from checks.findings import ASKED_FOR, SEEN_BEFORE, Evidence
from checks.rules import images, registry_names
from checks.rules.access import identity_access, rbac
from checks.rules.fair_share import fair_share
from checks.rules.patterns import fits, is_pattern
from checks.rules.pull import mirrors, pull_times
from checks.rules.pull.observed_pulls import WAITING_FOR_IMAGE, failed_pulls
from checks.rules.registry_log.standing import troubles

MAX_REGISTRIES = 100
MAX_NAMES = 20  # of one registry
MAX_MISSED = 20  # images that a log names
LOGGED = "the registry's log"


class Looked(msgspec.Struct, frozen=True):
    """What a cluster says of itself, before anything is known of its registries: who pulls, and its pods."""

    principal: Seen[Principal] | NotSeen
    workloads: Seen[Workloads] | NotSeen


async def look(azure: Azure, cluster: Cluster, *, ready_nodes: bool = False) -> Looked:
    """A look at one cluster. A Kubernetes API that hangs costs it its pods, not its answer from ARM."""
    return Looked(await _principal(azure, cluster), await _workloads(azure, cluster, ready_nodes=ready_nodes))


async def gather(
    azure: Azure,
    inventory: Inventory,
    cluster: Cluster,
    remembered: Iterable[str] = (),
    only: tuple[str, ...] = (),
    *,
    unused_too: bool = True,
    looked: Looked | None = None,
    monitored: Collection[str] | None = None,
) -> ClusterFacts:
    """The facts about one cluster, without canaries. ``remembered`` are login servers it was seen to use before.

    ``only`` narrows them to these registries, ``unused_too`` whether it uses them or not. ``looked``: where there was
    a look at it already. ``monitored``: what registries counted and logged is read of these login servers, instead of
    all.
    """
    looked = looked or await look(azure, cluster)
    principal = looked.principal
    workloads, secrets = await pull_secrets.read(azure, inventory, cluster, looked.workloads)
    account_pulls = await _image_pull(azure, inventory, cluster, workloads)
    logged = await registry_logs.of_registries(azure, inventory, monitored)
    calls = inventory.calls_of(cluster, logged.entries)
    pulled = registry_logs.pulled_from(calls)
    uses, cut = in_use(azure, inventory, cluster, principal, workloads, remembered, only, pulled, unused_too=unused_too)
    logs = registry_logs.of_uses(logged, calls, uses)
    authorization = _authorization(inventory, uses)
    asked = await through_groups.of_kubelet_identity(azure, principal, uses, authorization)
    if account_pulls.enabled:
        known = ClusterFacts(cluster=cluster, principal=principal, workloads=workloads, image_pull=account_pulls)
        asked |= await through_groups.of_accounts(azure, known, uses, authorization)
    nodes = await identities.machines(azure, inventory, cluster)
    return ClusterFacts(
        cluster=cluster,
        principal=principal,
        workloads=workloads,
        uses=uses,
        registries_cut=cut,
        authorization=authorization,
        through_groups={key: known.groups for key, known in asked.items() if known.groups is not None},
        denies_through_groups={key: known.denies for key, known in asked.items() if known.denies is not None},
        tenants=inventory.tenants(),
        machines=nodes,
        kubelet_resource=await identities.kubelet_resource(azure, inventory, cluster, nodes),
        client_secrets=await _client_secrets(azure, cluster, principal),
        probes=await probes.of_cluster(azure, inventory, uses),
        performance=await details.of_cluster(azure, inventory, uses),
        pull_counts=await pull_counts.of_cluster(azure, inventory, _monitored(uses, monitored)),
        encryption=await keys.of_cluster(azure, inventory, uses),
        networks=await _networks(azure, inventory, cluster, uses),
        visibility=inventory.visibility,
        pull_secrets=secrets,
        manifests=await manifests.of_cluster(azure, inventory, uses, _missed(logs)),
        pull_times=pull_times.measure_pull_times(workloads.value, cluster.pools) if isinstance(workloads, Seen) else (),
        arm_registries=inventory.login_servers,
        canaries=NO_CANARY,
        image_pull=account_pulls,
        former_identity_nodes=await node_identities.former(azure, cluster, workloads),
        registry_logs=logs,
    )


def waited_for(uses: Iterable[RegistryUse], workloads: Seen[Workloads] | NotSeen) -> list[str]:
    """The registries of which Azure Monitor may say more than the pods do: whose images some wait for, all where no
    pod was read."""
    failing = {pull.registry for pull in failed_pulls(workloads.value)} if isinstance(workloads, Seen) else None
    return [use.login_server for use in uses if failing is None or use.login_server in failing]


def _missed(logs: Mapping[str, Seen[RegistryLog] | NotSeen]) -> list[str]:
    """The images that registries' logs say were not there."""
    failing = [trouble for log in logs.values() if isinstance(log, Seen) for trouble in troubles(log.value)]
    return [trouble.image for trouble in failing if trouble.image][:MAX_MISSED]


def _monitored(uses: tuple[RegistryUse, ...], hosts: Collection[str] | None) -> list[RegistryUse]:
    return [use for use in uses if hosts is None or use.login_server in hosts]


async def with_canaries(azure: Azure, facts: ClusterFacts, records: CanaryRecords) -> ClusterFacts:
    """The facts with what nodes answered that were asked to pull: pods are made for it, whose names ``records`` keeps.

    Their nodes have to be known from the look (``ready_nodes``).
    """
    asked = await canary.of_cluster(azure, facts.cluster, facts.uses, facts.workloads, records)
    return msgspec.structs.replace(facts, canaries=asked)


async def _image_pull(
    azure: Azure, inventory: Inventory, cluster: Cluster, workloads: Seen[Workloads] | NotSeen
) -> ServiceAccountPulls:
    """Whether pods pull with the identities of their service accounts and, only then, which these are."""
    pulls = ServiceAccountPulls(profile=await image_pull.profile(azure, inventory, cluster))
    if pulls.enabled:
        return msgspec.structs.replace(
            pulls,
            bindings=await image_pull.bindings(azure, cluster),
            client_ids=await service_accounts.client_ids(azure, cluster, workloads),
        )
    if isinstance(workloads, Seen) and workloads.value.client_ids:
        named = Seen(workloads.value.client_ids, workloads.evidence)
        return msgspec.structs.replace(pulls, client_ids=named)
    return pulls


def in_use(
    azure: Azure,
    inventory: Inventory,
    cluster: Cluster,
    principal: Seen[Principal] | NotSeen,
    workloads: Seen[Workloads] | NotSeen,
    remembered: Iterable[str] = (),
    only: tuple[str, ...] = (),
    pulled: Iterable[str] = (),
    *,
    unused_too: bool = True,
) -> tuple[tuple[RegistryUse, ...], int]:
    """The registries that a cluster uses, by all that was read (nothing more is asked), and how many were cut.

    ``only`` are login servers, names of Azure registries ("acrshop") or patterns of either; ``unused_too``: whether it
    uses them or not. ``pulled``: those that logged that it pulls from them.
    A registry is listed once, under its login server, by whichever of its names it is known.
    """
    named = _NamedRegistries()
    _add_images(named, workloads)
    _add_settings(named, azure, inventory, cluster, remembered)
    for host in pulled:
        named.add(host, LOGGED)
    for host, why in _held(inventory, principal, named=bool(named.sources)).items():
        named.add(host, why)
    if only:
        for name in only:
            _ask_for(named, inventory, name, unused_too=unused_too)
        named.keep(ASKED_FOR)
    return named.uses(inventory)


def _ask_for(named: _NamedRegistries, inventory: Inventory, name: str, *, unused_too: bool) -> None:
    """Marks what was asked for: one registry, or those that a pattern matches (of unused ones, what ARM shows)."""
    if not is_pattern(name):
        named.add(inventory.login_server_of(name), ASKED_FOR, known_only=not unused_too)
        named.add_name(name.lower())
        return
    shown = {registry.login_server: registry.name for registry in inventory.registries()}
    hosts = dict.fromkeys((*named.sources, *(shown if unused_too else ())))
    for host in hosts:
        if fits(name, host, *named.names.get(host, ()), *((shown[host],) if host in shown else ())):
            named.add(host, ASKED_FOR)


class _NamedRegistries:
    """The registries that something names: per login server how it is known, its other names and its images."""

    def __init__(self) -> None:
        self.sources: dict[str, list[str]] = {}
        self.names: dict[str, set[str]] = {}
        self.images: dict[str, list[ContainerImage]] = {}

    def add(self, host: str, why: str, *, known_only: bool = False) -> None:
        """One more way in which a registry is known. ``known_only``: only where there was one before."""
        login_server = registry_names.login_server_of(host)
        if known_only and login_server not in self.sources:
            return
        self.sources.setdefault(login_server, []).append(why)
        self.add_name(host)

    def add_name(self, host: str) -> None:
        """A host by which a registry is named."""
        login_server = registry_names.login_server_of(host)
        if host != login_server and "." in host:
            self.names.setdefault(login_server, set()).add(host)

    def keep(self, source: str) -> None:
        """Leaves only the registries that are known in this way."""
        self.sources = {host: sources for host, sources in self.sources.items() if source in sources}

    def uses(self, inventory: Inventory) -> tuple[tuple[RegistryUse, ...], int]:
        """The registries with what Azure Resource Manager shows of them, those of images first; how many were cut."""
        chosen = self._admitted(inventory)
        ordered = sorted(chosen, key=lambda host: (host not in self.images, host))
        uses = tuple(
            RegistryUse(
                login_server=host,
                sources=tuple(dict.fromkeys(self.sources[host])),
                registry=inventory.registry(host),
                acr=inventory.is_acr(host),
                images=tuple(self.images.get(host, ())),
                names=tuple(sorted(self.names.get(host, ())))[:MAX_NAMES],
            )
            for host in ordered
        )
        return uses, len(self.sources) - len(uses)

    def _admitted(self, inventory: Inventory) -> list[str]:
        """What the bound lets through. Pods can name any number of hosts: those that Azure Resource Manager knows come
        first, then those that somebody named on purpose, those of pods that wait, the others; no namespace fills it."""
        if len(self.sources) <= MAX_REGISTRIES:
            return list(self.sources)
        known = {host for host in self.sources if isinstance(inventory.registry(host), Seen)}
        named = sorted(host for host, sources in self.sources.items() if not _of_pods(sources))
        waiting, others = self._of_pods()
        ordered = (*waiting, *named, *others, *sorted(self.sources))
        first = dict.fromkeys((*(host for host in ordered if host in known), *ordered))
        return [host for host in first if host in self.sources][:MAX_REGISTRIES]

    def _of_pods(self) -> tuple[list[str], list[str]]:
        """The registries of pods that wait for their image, and of the others, each namespace having its turn."""
        waiting: list[tuple[str, str]] = []
        others: list[tuple[str, str]] = []
        for host, containers in sorted(self.images.items()):
            for container in containers:
                queue = waiting if container.waiting_reason in WAITING_FOR_IMAGE else others
                queue.append((container.namespace, host))
        return fair_share(waiting, len(self.sources)), fair_share(others, len(self.sources))


async def _workloads(azure: Azure, cluster: Cluster, *, ready_nodes: bool) -> Seen[Workloads] | NotSeen:
    try:
        async with asyncio.timeout(azure.settings.cluster_seconds):
            return await api.workloads(azure, cluster, ready_nodes=ready_nodes)
    except TimeoutError:
        return NotSeen(NotSeenReason.UNREACHABLE, f"pods not read within {azure.settings.cluster_seconds} s")


async def _principal(azure: Azure, cluster: Cluster) -> Seen[Principal] | NotSeen:
    """Who pulls. A managed identity's object id is in the cluster's body; a service principal's is asked of Graph."""
    kubelet = cluster.kubelet
    if kubelet is not None:
        if not kubelet.object_id or not GUID.fullmatch(kubelet.object_id):
            return NotSeen(NotSeenReason.ERROR, "ARM shows a kubelet identity without an object id")
        principal = Principal(
            object_id=kubelet.object_id,
            kind="managed identity",
            client_id=kubelet.client_id,
            resource_id=kubelet.resource_id,
        )
        return Seen(principal, cluster.evidence or Evidence("kubelet identity", cluster.id))
    client_id = cluster.service_principal_client_id
    if client_id and identity_access.is_service_principal(cluster):
        return await reads.seen(graph.service_principal(azure, client_id))
    return NotSeen(NotSeenReason.ERROR, "ARM does not show which identity the nodes pull with")


async def _client_secrets(
    azure: Azure, cluster: Cluster, principal: Seen[Principal] | NotSeen
) -> Seen[tuple[ClientSecret, ...]] | NotSeen | None:
    """The secrets of a service-principal cluster; not asked for where not even the principal could be looked up."""
    client_id = cluster.service_principal_client_id
    if not client_id or not identity_access.is_service_principal(cluster):
        return None
    return principal if isinstance(principal, NotSeen) else await reads.seen(graph.client_secrets(azure, client_id))


def _of_pods(sources: Iterable[str]) -> bool:
    """Whether nothing but pods, of now or of earlier runs, names a registry."""
    return all(source == SEEN_BEFORE or source.startswith(("images of ", MIRROR_OF)) for source in sources)


def _add_images(named: _NamedRegistries, workloads: Seen[Workloads] | NotSeen) -> None:
    """The registries of the images that pods name."""
    by_image: dict[str, list[ContainerImage]] = {}  # many pods have the same image
    for container in () if isinstance(workloads, NotSeen) else workloads.value.containers:
        by_image.setdefault(container.image, []).append(container)
    for image, containers in by_image.items():
        host = images.host_of(image)
        if host is not None:
            named.images.setdefault(registry_names.login_server_of(host), []).extend(containers)
            named.add_name(host)
    for mirror, host in _mirrors(workloads):
        named.add(mirror, f"{MIRROR_OF}{host} in pull errors")
    for login_server, containers in named.images.items():
        count = len({(container.namespace, container.pod) for container in containers})
        named.add(login_server, f"images of {count} pod{'' if count == 1 else 's'}")


def _mirrors(workloads: Seen[Workloads] | NotSeen) -> list[tuple[str, str]]:
    """The Azure registries that pull errors name as mirrors, each with the registry that it stands for."""
    waiting = () if isinstance(workloads, NotSeen) else workloads.value.containers
    named: dict[tuple[str, str], None] = {}
    for container in waiting:
        if not container.waiting_message:
            continue
        host = images.host_of(container.image)
        mirror = mirrors.mirror_in(container.waiting_message, host)
        if host and registry_names.is_azure(mirror):
            named[(mirror, host)] = None
    return list(named)


def _add_settings(
    named: _NamedRegistries, azure: Azure, inventory: Inventory, cluster: Cluster, remembered: Iterable[str]
) -> None:
    """The registries that the cluster's own settings, Pullwatch's settings or earlier runs name."""
    if cluster.bootstrap_registry_id and (cluster.artifact_source or "").lower() == "cache":
        for registry in (r for r in inventory.registries() if same_id(r.id, cluster.bootstrap_registry_id)):
            named.add(registry.login_server, "bootstrap registry")
    for name in registry_names.listed_registries(cluster.tag(TAG))[0]:
        named.add(inventory.login_server_of(name), f"cluster tag {TAG}")
        named.add_name(name)
    for name in azure.settings.registries:
        named.add(inventory.login_server_of(name), "setting PULLWATCH_REGISTRIES")
        named.add_name(name)
    for host in remembered:
        named.add(host.lower(), SEEN_BEFORE)


def _held(inventory: Inventory, principal: Seen[Principal] | NotSeen, *, named: bool) -> dict[str, str]:
    """Registries that the identity holds a role on, by login server, with how that is known.

    A role at the registry itself always counts. One at a wider scope counts where it is about registries alone and
    nothing else names a registry: otherwise every registry of a subscription would look used.
    """
    if isinstance(principal, NotSeen):
        return {}
    held_by_id: dict[str, str] = {}
    for registry, assignments in inventory.registries_assigned_to(principal.value.object_id):
        for assignment in assignments:
            if not rbac.reaches(assignment.scope, registry.id):
                continue
            if assignment.scope.rstrip("/").lower() == registry.id.lower():
                held_by_id[registry.login_server] = "role on the registry"
            elif not named and inventory.is_registry_role(assignment):
                held_by_id.setdefault(registry.login_server, f"role at {assignment.scope}")
    return held_by_id


async def _networks(azure: Azure, inventory: Inventory, cluster: Cluster, uses: tuple[RegistryUse, ...]) -> Networks:
    """The networks with what is read only where something of this cluster asks for it, each once per run."""
    registries = [use.registry.value for use in uses if isinstance(use.registry, Seen)]
    hubs = await virtual_hubs.of_cluster(azure, inventory.networks, inventory.hubs, cluster)
    known = msgspec.structs.replace(inventory.networks, hubs=hubs)
    networks, management = await asyncio.gather(
        with_zone_groups(azure, inventory, uses),
        network_managers.of_cluster(azure, known, inventory.management, cluster, registries),
    )
    servers = await name_servers.of_cluster(azure, inventory.name_servers, networks, cluster, registries)
    return msgspec.structs.replace(networks, management=management, hubs=hubs, name_servers=servers)


async def with_zone_groups(azure: Azure, inventory: Inventory, uses: tuple[RegistryUse, ...]) -> Networks:
    """The networks with the zone groups of the endpoints of these registries, each read once per run."""
    endpoints: dict[str, str] = {}
    for registry in (use.registry.value for use in uses if isinstance(use.registry, Seen)):
        named = [connection.endpoint_id for connection in registry.network_access.connections if connection.approved()]
        known = [endpoint.id for endpoint in inventory.networks.endpoints_of.get(registry.id.rstrip("/").lower(), ())]
        endpoints |= {one.rstrip("/").lower(): one for one in (*named, *known) if one}
    groups = await asyncio.gather(*(inventory.zone_groups_of(azure, one) for one in endpoints.values()))
    return msgspec.structs.replace(inventory.networks, zone_groups=dict(zip(endpoints, groups, strict=True)))


def _authorization(inventory: Inventory, uses: tuple[RegistryUse, ...]) -> dict[str, Authorization]:
    """What may be of the registries' subscriptions, as far as these were read."""
    named = {subscription_of(use.registry.value.id) for use in uses if isinstance(use.registry, Seen)}
    return {guid: inventory.subscriptions[guid].authorization for guid in named if guid in inventory.subscriptions}
