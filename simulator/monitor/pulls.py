"""What the registries of a tenant saw of its nodes' pulls: the tries of every container on a node, with times.

A container that runs, or ran, was pulled when its status says that it started (the pod, where it restarted since); one
whose image was on the node already (imagePullPolicy) was not pulled for it. A container that waits in ErrImagePull or
ImagePullBackOff tries every five minutes from its start until now, and hears what the node hears now. Times go back a
day, those of tries three hours; a pod without any time that says when it started tried at such times, and if it runs
nobody knows when it was pulled. Containers of virtual nodes are left out: Azure Container Instances pull those.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from simulator.arm.resources import Resource
from simulator.kubernetes.clusters import CLUSTER, Clusters, cluster_of
from simulator.kubernetes.objects import ClusterObjects
from simulator.monitor.clock import moment
from simulator.nodes import placement
from simulator.nodes.account_identity import service_account
from simulator.nodes.container_instances import is_virtual_node
from simulator.nodes.image_pull import NodePull
from simulator.nodes.machines import own_identity, pool_of, provisioned_machine
from simulator.nodes.node_network import items, table
from simulator.nodes.outcomes import PULL, Seen, Step

KEPT = timedelta(days=1)
TRIED = timedelta(hours=3)
EVERY = timedelta(minutes=5)
APART = timedelta(milliseconds=40)  # between a sign-in and what follows it
_WAITS = ("ErrImagePull", "ImagePullBackOff")
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tries:
    """One container's pulls: once at `first`, or (`repeats`) again and again from then on.

    `address` is the one that the registry saw. `identities` are the names that it writes down, by object id.
    """

    seen: Seen
    key: str
    address: str
    identities: dict[str, str]
    first: datetime
    repeats: bool

    def times(self, now: datetime) -> Iterator[datetime]:
        """When it was tried, the oldest first."""
        if not self.repeats:
            if now - KEPT <= self.first <= now:
                yield self.first
            return
        missed = max(now - TRIED - self.first, timedelta())
        at = self.first + -(-missed // EVERY) * EVERY
        while at <= now:
            yield at
            at += EVERY

    @property
    def reached(self) -> bool:
        """Whether it came as far as being asked who it is: the registry's firewall let it in."""
        return any(step.status != 403 for step in self.seen.steps)

    @property
    def pulled(self) -> bool:
        return any(step.operation == PULL and step.status == 200 for step in self.seen.steps)

    def identity(self, step: Step) -> str:
        return self.identities.get(step.principal, step.principal)


@dataclass(frozen=True, slots=True)
class _Known:
    """The tries of one cluster, and the state of the tenant that they follow from."""

    state: tuple[Any, ...]
    tries: tuple[Tries, ...]


class Pulls:
    """Answers from the tenant as it is now; what did not change is not worked out again."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters
        self._tenant = clusters.tenant
        self._nodes = NodePull(clusters.tenant)
        self._known: dict[str, _Known] = {}

    def of(self, registry: Resource) -> Iterator[Tries]:
        """The tries that one registry saw."""
        for tries in self.all():
            if tries.seen.registry == registry.id:
                yield tries

    def all(self) -> Iterator[Tries]:
        for resource in self._tenant.resources().everywhere(CLUSTER):
            cluster = cluster_of(resource)
            if self._clusters.folder(cluster).is_dir():
                yield from self._of_cluster(resource, self._clusters.objects(cluster))

    def _of_cluster(self, cluster: Resource, objects: ClusterObjects) -> tuple[Tries, ...]:
        pods = objects.listed("v1", "pods")  # reads the folder, so that its version is that of now
        tenant = self._tenant
        parts = (tenant.resources(), tenant.authorization(), tenant.registries(), tenant.graph())
        state = (*parts, self._nodes.generation, objects.version)
        known = self._known.get(cluster.lower)
        if known is None or not _is_same(known.state, state):
            one = _OneCluster(cluster, objects, self._nodes, tenant.resources(), tenant.graph())
            made = tuple(_without_what_was_there(one.tries([pod.body() for pod in pods])))
            known = self._known[cluster.lower] = _Known(state, made)
        return known.tries


def _is_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether nothing changed: indexes are the very same objects, numbers are equal."""
    return all(a is b for a, b in zip(one[:-2], other[:-2], strict=True)) and one[-2:] == other[-2:]


@dataclass(frozen=True, slots=True)
class _Made:
    """Tries, and what says whether the image was on the node already: the node and image, or "" for who asks anyhow."""

    tries: Tries
    image: str


def _without_what_was_there(made: Iterator[_Made]) -> Iterator[Tries]:
    """Of containers that take an image that is there, only the first on a node pulls it."""
    there: set[str] = set()
    for one in sorted(made, key=lambda one: one.tries.first):
        if one.image and not one.tries.repeats:
            if one.image in there:
                continue
            there.add(one.image)
        yield one.tries


class _OneCluster:
    """The pods of one cluster."""

    def __init__(
        self, cluster: Resource, objects: ClusterObjects, nodes: NodePull, resources: Any, graph: list[Any]
    ) -> None:
        self._cluster, self._objects, self._pulls = cluster, objects, nodes
        self._resources, self._graph = resources, graph
        self._nodes: dict[str, placement.Node | None] = {}
        self._identities: dict[str, str] = {}

    def tries(self, pods: list[Body]) -> Iterator[_Made]:
        for pod in pods:
            spec, status = table(pod.get("spec")), table(pod.get("status"))
            name = str(spec.get("nodeName") or "")
            node = None if not name or is_virtual_node(self._cluster, name) else self._node(name)
            if node is not None:
                for kind in ("initContainers", "containers"):
                    told = {str(s.get("name")): s for s in items(status.get(f"{kind[:-1]}Statuses"))}
                    for container in items(spec.get(kind)):
                        yield from self._of_container(pod, node, container, told.get(str(container.get("name")), {}))

    def _of_container(self, pod: Body, node: placement.Node, container: Body, told: Body) -> Iterator[_Made]:
        metadata, status = table(pod.get("metadata")), table(pod.get("status"))
        namespace, name = str(metadata.get("namespace") or "default"), str(metadata.get("name"))
        uid = str(metadata.get("uid") or f"{namespace}/{name}")
        waits = table(table(told.get("state")).get("waiting")).get("reason") in _WAITS
        began = moment(status.get("startTime")) or moment(metadata.get("creationTimestamp"))
        ran = None if waits else _started(told, began)
        image, policy = str(container.get("image") or ""), _policy(container)
        if policy == "Never" or not (waits or ran):
            return
        account = service_account(self._objects, namespace, table(pod.get("spec")))
        own = own_identity(self._cluster, node.name, node.labels, self._resources)
        if waits:
            seen = self._pulls.pull(self._cluster, node.pool, image, uid, account, own=own).seen
        else:
            seen = self._pulls.seen_once(self._cluster, node.pool, image, uid, account, own=own)
        if seen is not None:
            key = f"{self._cluster.lower}/{uid}/{container.get('name')}"
            first = ran or began or _some_time(key)
            address = self._address(seen, node)
            names = {step.principal: self._identity(step.principal) for step in seen.steps}
            there = "" if policy == "Always" else f"{node.name} {image}"
            yield _Made(Tries(seen, key, address, names, first, waits), there)

    def _node(self, name: str) -> placement.Node | None:
        """The node of a pod. One of which nobody tells is taken for one of the first pool."""
        if name not in self._nodes:
            node = placement.node_named(self._cluster, self._objects, name)
            if node is None:
                machine = provisioned_machine(self._cluster, name, self._resources)
                pools = [pool_of(machine)] if machine is not None else placement.pools_of(self._cluster)
                node = placement.without_object(pools[0], name) if pools else None
            self._nodes[name] = node
        return self._nodes[name]

    def _address(self, seen: Seen, node: placement.Node) -> str:
        """What the registry saw: a public address as it is; inside the network that of the very node."""
        if not seen.own:
            return seen.address
        item = self._objects.get("v1", "nodes", "", node.name)
        status = table(item.body().get("status")) if item is not None else {}
        for address in items(status.get("addresses")):
            if address.get("type") == "InternalIP":
                return str(address.get("address"))
        return _in_subnet(self._subnet(node), node.name, seen.address)

    def _subnet(self, node: placement.Node) -> str:
        subnet = self._resources.find(str(node.pool.get("vnetSubnetID") or "/"))
        return str(table(subnet.body.get("properties")).get("addressPrefix", "")) if subnet is not None else ""

    def _identity(self, principal: str) -> str:
        """Object id or client id: some clusters' registries write the one, some the other."""
        if principal and zlib.crc32(self._cluster.lower.encode()) % 2:
            if principal not in self._identities:
                self._identities[principal] = self._client(principal) or principal
            return self._identities[principal]
        return principal

    def _client(self, principal: str) -> str:
        profile = table(table(self._cluster.body.get("properties")).get("identityProfile"))
        kubelet = table(profile.get("kubeletidentity"))
        bound = (table(table(one.body.get("properties")).get("managedIdentity"))
                 for one in self._resources.children(self._cluster.id, "identityBindings"))  # fmt: skip
        pairs = [(one.get("objectId"), one.get("clientId")) for one in (kubelet, *bound)]
        for identity in self._resources.everywhere("Microsoft.ManagedIdentity/userAssignedIdentities"):
            properties = table(identity.body.get("properties"))
            pairs.append((properties.get("principalId"), properties.get("clientId")))
        pairs += [(body.get("id"), body.get("appId")) for _, body in self._graph]
        return next((str(client) for of, client in pairs if client and str(of).lower() == principal.lower()), "")


def _started(told: Body, began: datetime | None) -> datetime | None:
    """When a container that runs or ran was pulled; None for one that never did, or where nothing tells."""
    states = [table(told.get(name)) for name in ("state", "lastState")]
    ran = [table(state.get(kind)) for state in states for kind in ("running", "terminated") if kind in state]
    if not ran and not told.get("imageID"):
        return None
    if told.get("restartCount"):
        return began
    return next((at for at in (moment(one.get("startedAt")) for one in ran) if at is not None), began)


def _policy(container: Body) -> str:
    """Kubernetes's default: an image that is there is taken, but for the tag `latest`."""
    image = str(container.get("image") or "")
    latest = image.endswith(":latest") or ":" not in image.rsplit("/", 1)[-1]
    return str(container.get("imagePullPolicy") or ("Always" if latest else "IfNotPresent"))


def _some_time(key: str) -> datetime:
    """A start for tries of which nothing tells when they began: always the same, long ago."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=zlib.crc32(key.encode()) % 300)


def _in_subnet(prefix: str, node: str, otherwise: str) -> str:
    """An address of a subnet, always the same for a node; the first four of a subnet are Azure's."""
    try:
        network = ip_network(prefix, strict=False)
    except ValueError:
        return otherwise
    room = min(network.num_addresses - 5, 250)
    return str(network[4 + zlib.crc32(node.encode()) % room]) if room > 0 else otherwise
