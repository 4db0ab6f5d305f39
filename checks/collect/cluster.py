"""Everything about one cluster, gathered into the facts that the judges take."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping

import msgspec

from checks.collect.arm import graph, identities, reads, registry_details
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.kubernetes import api, canary, pull_secrets
from checks.collect.kubernetes.canary_records import CanaryRecords
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
from checks.facts.network import Networks
from checks.findings import ASKED_FOR, SEEN_BEFORE, Evidence
from checks.rules import images
from checks.rules.access import identity_access, rbac
from checks.rules.pull import pull_times

MAX_REGISTRIES = 100
TAG = "pullwatch-registries"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def gather(
    azure: Azure,
    inventory: Inventory,
    cluster: Cluster,
    remembered: Iterable[str] = (),
    only: tuple[str, ...] = (),
    *,
    unused_too: bool = True,
    canaries: CanaryRecords | None = None,
) -> ClusterFacts:
    """The facts about one cluster. ``remembered`` are login servers it was seen to use before.

    ``only`` narrows them to these registries, ``unused_too`` whether it uses them or not. A Kubernetes API that hangs
    costs the cluster its pods, not its answer from ARM. ``canaries``: pods may be made that ask nodes to pull, and
    this keeps their names.
    """
    principal = await _principal(azure, cluster)
    workloads, secrets = await pull_secrets.read(azure, inventory, cluster, await _workloads(azure, cluster))
    uses = in_use(azure, inventory, cluster, principal, workloads, remembered, only, unused_too=unused_too)
    authorization = {
        subscription: inventory.subscriptions[subscription].authorization
        for subscription in _subscriptions(uses)
        if subscription in inventory.subscriptions
    }
    asked = await _asked(azure, principal, uses, authorization)
    nodes = await identities.machines(azure, inventory, cluster)
    return ClusterFacts(
        cluster=cluster,
        principal=principal,
        workloads=workloads,
        uses=uses,
        authorization=authorization,
        through_groups={key: known.groups for key, known in asked.items() if known.groups is not None},
        denies_through_groups={key: known.denies for key, known in asked.items() if known.denies is not None},
        tenants={guid: tenant for guid, s in inventory.subscriptions.items() if (tenant := s.subscription.tenant_id)},
        machines=nodes,
        kubelet_resource=await identities.kubelet_resource(azure, inventory, cluster, nodes),
        client_secrets=await _client_secrets(azure, cluster, principal),
        probes=await probes.of_cluster(azure, inventory, uses),
        performance=await registry_details.of_cluster(azure, inventory, uses),
        networks=await _with_zone_groups(azure, inventory, uses),
        visibility=inventory.visibility,
        pull_secrets=secrets,
        manifests=await manifests.of_cluster(azure, inventory, uses),
        pull_times=pull_times.measure_pull_times(workloads.value, cluster.pools) if isinstance(workloads, Seen) else (),
        arm_registries=inventory.login_servers,
        canaries=await canary.of_cluster(azure, cluster, uses, workloads, canaries) if canaries else NO_CANARY,
    )


def in_use(
    azure: Azure,
    inventory: Inventory,
    cluster: Cluster,
    principal: Seen[Principal] | NotSeen,
    workloads: Seen[Workloads] | NotSeen,
    remembered: Iterable[str] = (),
    only: tuple[str, ...] = (),
    *,
    unused_too: bool = True,
) -> tuple[RegistryUse, ...]:
    """The registries that a cluster uses, by all that was read: nothing more is asked.

    ``only`` are login servers, or names of Azure registries ("acrshop"); ``unused_too``: whether it uses them or not.
    """
    by_host = _images_by_host(workloads)
    names = _sources(azure, inventory, cluster, principal, by_host, remembered)
    if only:
        hosts = dict.fromkeys(inventory.login_server_of(name) for name in only)
        names = {host: [*names.get(host, []), ASKED_FOR] for host in hosts if unused_too or host in names}
    return _uses(inventory, names, by_host)


async def _workloads(azure: Azure, cluster: Cluster) -> Seen[Workloads] | NotSeen:
    try:
        async with asyncio.timeout(azure.settings.cluster_seconds):
            return await api.workloads(azure, cluster)
    except TimeoutError:
        return NotSeen(NotSeenReason.UNREACHABLE, f"pods not read within {azure.settings.cluster_seconds} s")


async def _principal(azure: Azure, cluster: Cluster) -> Seen[Principal] | NotSeen:
    """Who pulls. A managed identity's object id is in the cluster's body; a service principal's is asked of Graph."""
    kubelet = cluster.kubelet
    if kubelet is not None:
        if not kubelet.object_id or not _GUID.fullmatch(kubelet.object_id):
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


def _sources(
    azure: Azure,
    inventory: Inventory,
    cluster: Cluster,
    principal: Seen[Principal] | NotSeen,
    by_host: Mapping[str, list[ContainerImage]],
    remembered: Iterable[str],
) -> dict[str, list[str]]:
    """The login servers a cluster uses, each with every way in which that is known."""
    sources: dict[str, list[str]] = {}
    for host, container_images in by_host.items():
        count = len({(image.namespace, image.pod) for image in container_images})
        sources.setdefault(host, []).append(f"images of {count} pod{'' if count == 1 else 's'}")
    bootstrap = cluster.bootstrap_registry_id if (cluster.artifact_source or "").lower() == "cache" else None
    for registry in (r for r in inventory.registries() if same_id(r.id, bootstrap)):
        sources.setdefault(registry.login_server, []).append("bootstrap registry")
    for host in _tagged(cluster):
        sources.setdefault(host, []).append(f"cluster tag {TAG}")
    for host in azure.settings.registries:
        sources.setdefault(host, []).append("setting PULLWATCH_REGISTRIES")
    for host in remembered:
        sources.setdefault(host.lower(), []).append(SEEN_BEFORE)
    for host, why in _held(inventory, principal, named=bool(sources)).items():
        sources.setdefault(host, []).append(why)
    return sources


def _uses(
    inventory: Inventory, sources: Mapping[str, list[str]], by_host: Mapping[str, list[ContainerImage]]
) -> tuple[RegistryUse, ...]:
    ordered = sorted(sources, key=lambda host: (host not in by_host, host))[:MAX_REGISTRIES]
    return tuple(
        RegistryUse(
            login_server=host,
            sources=tuple(sources[host]),
            registry=inventory.registry(host),
            acr=inventory.is_acr(host),
            images=tuple(by_host.get(host, ())),
        )
        for host in ordered
    )


def _images_by_host(workloads: Seen[Workloads] | NotSeen) -> dict[str, list[ContainerImage]]:
    images_by_host: dict[str, list[ContainerImage]] = {}
    if isinstance(workloads, NotSeen):
        return images_by_host
    by_image: dict[str, list[ContainerImage]] = {}  # many pods have the same image
    for container in workloads.value.containers:
        by_image.setdefault(container.image, []).append(container)
    for image, listed in by_image.items():
        host = images.host_of(image)
        if host is not None:
            images_by_host.setdefault(host, []).extend(listed)
    return images_by_host


def _tagged(cluster: Cluster) -> tuple[str, ...]:
    """Login servers in the cluster's tag, separated by anything but the characters of a host name."""
    value = next((v for k, v in cluster.tags.items() if k.lower() == TAG), "")
    return tuple(dict.fromkeys(word for word in re.split(r"[^a-z0-9.-]+", value.lower()) if "." in word))


def _held(inventory: Inventory, principal: Seen[Principal] | NotSeen, *, named: bool) -> dict[str, str]:
    """Registries that the identity holds a role on, by login server, with how that is known.

    A role at the registry itself always counts. One at a wider scope counts where it is about registries alone and
    nothing else names a registry: otherwise every registry of a subscription would look used.
    """
    if isinstance(principal, NotSeen):
        return {}
    held_by_id: dict[str, str] = {}
    for registry in inventory.registries():
        for assignment in inventory.assignments_of(principal.value.object_id, subscription_of(registry.id)):
            if not rbac.reaches(assignment.scope, registry.id):
                continue
            if assignment.scope.rstrip("/").lower() == registry.id.lower():
                held_by_id[registry.login_server] = "role on the registry"
            elif not named and inventory.is_registry_role(assignment):
                held_by_id.setdefault(registry.login_server, f"role at {assignment.scope}")
    return held_by_id


async def _with_zone_groups(azure: Azure, inventory: Inventory, uses: tuple[RegistryUse, ...]) -> Networks:
    """The networks with the zone groups of the endpoints of these registries, each read once per run."""
    endpoints: dict[str, str] = {}
    for registry in (use.registry.value for use in uses if isinstance(use.registry, Seen)):
        named = [connection.endpoint_id for connection in registry.network_access.connections if connection.approved()]
        known = [endpoint.id for endpoint in inventory.networks.endpoints_of.get(registry.id.rstrip("/").lower(), ())]
        endpoints |= {one.rstrip("/").lower(): one for one in (*named, *known) if one}
    groups = await asyncio.gather(*(inventory.zone_groups_of(azure, one) for one in endpoints.values()))
    return msgspec.structs.replace(inventory.networks, zone_groups=dict(zip(endpoints, groups, strict=True)))


def _subscriptions(uses: tuple[RegistryUse, ...]) -> set[str]:
    return {subscription_of(use.registry.value.id) for use in uses if isinstance(use.registry, Seen)}


async def _asked(
    azure: Azure,
    principal: Seen[Principal] | NotSeen,
    uses: tuple[RegistryUse, ...],
    authorization: Mapping[str, Authorization],
) -> dict[str, identity_access.AuthorizationReads]:
    """What was read per subscription of the registries, completed by what only Azure can tell of groups.

    Each question is asked once per subscription, and only where the answers so far leave a registry open.
    """
    asked = {
        subscription: identity_access.AuthorizationReads(authorization=known)
        for subscription, known in authorization.items()
    }
    for use in uses:
        if isinstance(principal, NotSeen) or isinstance(use.registry, NotSeen):
            continue
        registry, who = use.registry.value, principal.value.object_id
        subscription, repositories = subscription_of(registry.id), identity_access.repositories_of(use.images)
        known = asked.get(subscription)
        if known is None:
            continue
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
        asked[subscription] = known
    return asked
