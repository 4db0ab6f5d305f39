"""Everything about one cluster, gathered into the facts that the judges take."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping

from checks.collect import arm, graph, kubernetes
from checks.collect.azure import Azure
from checks.collect.estate import Estate
from checks.facts import (
    Authorization,
    Cluster,
    ClusterFacts,
    ContainerImage,
    NotSeen,
    Principal,
    Registry,
    RegistryUse,
    RoleAssignment,
    Seen,
    Why,
    Workloads,
    subscription_of,
)
from checks.rules import images, rbac
from checks.verdicts import SEEN_BEFORE, Evidence

MAX_REGISTRIES = 100
TAG = "pullwatch-registries"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def gather(
    azure: Azure, estate: Estate, cluster: Cluster, remembered: Iterable[str] = (), only: tuple[str, ...] = ()
) -> ClusterFacts:
    """The facts about one cluster. ``remembered`` are login servers it was seen to use before.

    ``only`` narrows them to these login servers, used or not. A Kubernetes API that hangs costs the cluster its pods,
    not its answer from ARM.
    """
    principal = await _principal(azure, cluster)
    try:
        async with asyncio.timeout(azure.settings.cluster_seconds):
            workloads = await kubernetes.workloads(azure, cluster)
    except TimeoutError:
        workloads = NotSeen(Why.UNREACHABLE, f"pods not read within {azure.settings.cluster_seconds} s")
    found = _sources(azure, estate, cluster, principal, workloads, remembered)
    found = {host: found.get(host, ["asked for"]) for host in only} if only else found
    uses = _uses(estate, found, _images_by_host(workloads))
    authorization = {
        subscription: estate.subscriptions[subscription].authorization
        for subscription in _subscriptions(uses)
        if subscription in estate.subscriptions
    }
    return ClusterFacts(
        cluster=cluster,
        principal=principal,
        workloads=workloads,
        uses=uses,
        authorization=authorization,
        through_groups=await _through_groups(azure, principal, uses, authorization),
    )


async def _principal(azure: Azure, cluster: Cluster) -> Seen[Principal] | NotSeen:
    """Who pulls. A managed identity's object id is in the cluster's body; a service principal's is asked of Graph."""
    kubelet = cluster.kubelet
    if kubelet is not None:
        if not kubelet.object_id or not _GUID.fullmatch(kubelet.object_id):
            return NotSeen(Why.ERROR, "ARM shows a kubelet identity without an object id")
        found = Principal(
            object_id=kubelet.object_id,
            kind="managed identity",
            client_id=kubelet.client_id,
            resource_id=kubelet.resource_id,
        )
        return Seen(found, cluster.evidence or Evidence("kubelet identity", cluster.id))
    if cluster.service_principal_client_id and not cluster.has_identity:
        return await arm.seen(graph.service_principal(azure, cluster.service_principal_client_id))
    return NotSeen(Why.ERROR, "ARM does not show which identity the nodes pull with")


def _sources(
    azure: Azure,
    estate: Estate,
    cluster: Cluster,
    principal: Seen[Principal] | NotSeen,
    workloads: Seen[Workloads] | NotSeen,
    remembered: Iterable[str],
) -> dict[str, list[str]]:
    """The login servers a cluster uses, each with every way in which that is known."""
    sources: dict[str, list[str]] = {}
    for host, found in _images_by_host(workloads).items():
        count = len({(image.namespace, image.pod) for image in found})
        sources.setdefault(host, []).append(f"images of {count} pod{'' if count == 1 else 's'}")
    for host in _tagged(cluster):
        sources.setdefault(host, []).append(f"cluster tag {TAG}")
    for host in azure.settings.registries:
        sources.setdefault(host, []).append("setting PULLWATCH_REGISTRIES")
    for host in remembered:
        sources.setdefault(host.lower(), []).append(SEEN_BEFORE)
    for host, why in _held(estate, principal, named=bool(sources)).items():
        sources.setdefault(host, []).append(why)
    return sources


def _uses(
    estate: Estate, sources: Mapping[str, list[str]], by_host: Mapping[str, list[ContainerImage]]
) -> tuple[RegistryUse, ...]:
    ordered = sorted(sources, key=lambda host: (host not in by_host, host))[:MAX_REGISTRIES]
    return tuple(
        RegistryUse(
            login_server=host,
            sources=tuple(sources[host]),
            registry=estate.registry(host),
            acr=estate.is_acr(host),
            images=tuple(by_host.get(host, ())),
        )
        for host in ordered
    )


def _images_by_host(workloads: Seen[Workloads] | NotSeen) -> dict[str, list[ContainerImage]]:
    found: dict[str, list[ContainerImage]] = {}
    for image in () if isinstance(workloads, NotSeen) else workloads.value.containers:
        host = images.host_of(image.image)
        if host is not None:
            found.setdefault(host, []).append(image)
    return found


def _tagged(cluster: Cluster) -> tuple[str, ...]:
    """Login servers in the cluster's tag, separated by anything but the characters of a host name."""
    value = next((v for k, v in cluster.tags.items() if k.lower() == TAG), "")
    return tuple(dict.fromkeys(word for word in re.split(r"[^a-z0-9.-]+", value.lower()) if "." in word))


def _held(estate: Estate, principal: Seen[Principal] | NotSeen, *, named: bool) -> dict[str, str]:
    """Registries that the identity holds a role on, by login server, with how that is known.

    A role at the registry itself always counts. One at a wider scope counts where it is about registries alone and
    nothing else names a registry: otherwise every registry of a subscription would look used.
    """
    if isinstance(principal, NotSeen):
        return {}
    found: dict[str, str] = {}
    for registry in estate.registries():
        for assignment in estate.assignments_of(principal.value.object_id, subscription_of(registry.id)):
            if not rbac.reaches(assignment.scope, registry.id):
                continue
            if assignment.scope.rstrip("/").lower() == registry.id.lower():
                found[registry.login_server] = "role on the registry"
            elif not named and estate.is_registry_role(assignment):
                found.setdefault(registry.login_server, f"role at {assignment.scope}")
    return found


def _subscriptions(uses: tuple[RegistryUse, ...]) -> set[str]:
    return {subscription_of(use.registry.value.id) for use in uses if isinstance(use.registry, Seen)}


async def _through_groups(
    azure: Azure,
    principal: Seen[Principal] | NotSeen,
    uses: tuple[RegistryUse, ...],
    authorization: Mapping[str, Authorization],
) -> dict[str, Seen[tuple[RoleAssignment, ...]] | NotSeen]:
    """Asks Azure for assignments through groups, once per subscription, only where the direct ones do not answer."""
    if isinstance(principal, NotSeen):
        return {}
    asked: dict[str, Seen[tuple[RoleAssignment, ...]] | NotSeen] = {}
    for use in uses:
        if isinstance(use.registry, NotSeen):
            continue
        subscription = subscription_of(use.registry.value.id)
        known = authorization.get(subscription)
        if subscription in asked or known is None or _answered(known, principal.value, use.registry.value):
            continue
        asked[subscription] = await arm.seen(arm.assigned_to(azure, subscription, principal.value.object_id))
    return asked


def _answered(known: Authorization, principal: Principal, registry: Registry) -> bool:
    if isinstance(known.assignments, NotSeen) or isinstance(known.definitions, NotSeen):
        return True
    decision = rbac.decide(
        principal.object_id,
        registry.id,
        registry.role_assignment_mode,
        known.assignments.value,
        known.definitions.value,
        () if isinstance(known.denies, NotSeen) else known.denies.value,
    )
    return isinstance(decision, rbac.Granted | rbac.Denied)
