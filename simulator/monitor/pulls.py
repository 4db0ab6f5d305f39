"""What the registries of a tenant saw of its nodes' pulls: the tries of every container on a node, with times.

A container that runs, or ran, was pulled when its status says that it started (the pod, where it restarted since); one
whose image was on the node already (imagePullPolicy) was not pulled for it. A container that waits in ErrImagePull or
ImagePullBackOff tries every five minutes from its start until now, and hears what the node hears now. Times go back a
day, those of tries three hours; a pod without any time that says when it started tried at such times, and if it runs
nobody knows when it was pulled. Containers of virtual nodes are left out: Azure Container Instances pull those.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from simulator.arm.resources import Resource, Resources
from simulator.kubernetes.clusters import CLUSTER, Clusters, cluster_of
from simulator.kubernetes.objects import ClusterObjects, KubeObject
from simulator.monitor.containers import Container, containers_of
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
    """The tries of one cluster that are not older than `since`, and the state of the tenant that they follow from."""

    state: tuple[Any, ...]
    since: datetime
    tries: tuple[Tries, ...]


class Pulls:
    """Answers from the tenant as it is now; what did not change is not worked out again."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters
        self._tenant = clusters.tenant
        self._nodes = NodePull(clusters.tenant)
        self._known: dict[str, _Known] = {}

    async def all(self, now: datetime) -> AsyncIterator[Tries]:
        """The tries that any registry saw. A fleet has very many pods: others have their turn between two clusters."""
        tenant = self._tenant
        indexes = (tenant.resources(), tenant.authorization(), tenant.registries(), tenant.graph())
        for cluster, objects in list(self._with_objects(indexes[0])):
            tries, is_new = self._of_cluster(cluster, objects, now - KEPT, indexes)
            for one in tries:
                yield one
            if is_new:
                await asyncio.sleep(0)

    def _with_objects(self, resources: Resources) -> Iterator[tuple[Resource, ClusterObjects]]:
        for resource in resources.everywhere(CLUSTER):
            cluster = cluster_of(resource)
            if self._clusters.folder(cluster).is_dir():
                yield resource, self._clusters.objects(cluster)

    def _of_cluster(
        self, cluster: Resource, objects: ClusterObjects, since: datetime, indexes: tuple[Any, ...]
    ) -> tuple[tuple[Tries, ...], bool]:
        """The tries of a cluster's containers, and whether they had to be worked out."""
        pods = objects.listed("v1", "pods")  # reads the folder, so that its version is that of now
        state = (*indexes, self._nodes.generation, objects.version)
        known = self._known.get(cluster.lower)
        if known is not None and known.since <= since and _is_same(known.state, state):
            return known.tries, False
        one = _OneCluster(cluster, objects, self._nodes, indexes[0], indexes[3])
        tries = tuple(_without_what_was_there(one.made(pods, since)))
        self._known[cluster.lower] = _Known(state, since, tries)
        return tries, True


def _is_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether nothing changed: indexes are the very same objects, numbers are equal."""
    return all(a is b for a, b in zip(one[:-2], other[:-2], strict=True)) and one[-2:] == other[-2:]


@dataclass(frozen=True, slots=True)
class _Made:
    """A container's tries, None where they are older than anybody asks; and what says whether the image was on the node
    already: the node and image, or "" for who asks anyhow."""

    first: datetime
    tries: Tries | None
    image: str = ""


def _without_what_was_there(made: Iterator[_Made]) -> Iterator[Tries]:
    """Of containers that take an image that is there, only the first on a node pulls it."""
    there: set[str] = set()
    for one in sorted(made, key=lambda one: one.first):
        was_there = one.image in there
        if one.image:
            there.add(one.image)
        if one.tries is not None and not was_there:
            yield one.tries


class _OneCluster:
    """The pods of one cluster."""

    def __init__(
        self, cluster: Resource, objects: ClusterObjects, nodes: NodePull, resources: Resources, graph: list[Any]
    ) -> None:
        self._cluster, self._objects, self._pulls = cluster, objects, nodes
        self._resources, self._graph = resources, graph
        self._nodes: dict[str, placement.Node | None] = {n.name: n for n in placement.nodes_of(cluster, objects)}
        self._identities: dict[str, str] = {}

    def made(self, pods: Iterable[KubeObject], since: datetime) -> Iterator[_Made]:
        for pod in pods:
            for container in containers_of(pod.raw):
                if container.policy != "Never" and (container.waits or container.ran is not None):
                    yield self._of_container(container, since)

    def _of_container(self, container: Container, since: datetime) -> _Made:
        there = "" if container.waits or container.policy == "Always" else f"{container.node} {container.image}"
        key = f"{self._cluster.lower}/{container.pod}/{container.name}"
        first = container.ran or container.began or _some_time(key)
        node = self._node(container.node) if container.waits or first >= since else None
        seen = self._seen(container, node) if node is not None else None
        if node is None or seen is None:
            return _Made(first, None, there)
        names = {step.principal: self._identity(step.principal) for step in seen.steps}
        tries = Tries(seen, key, self._address(seen, node), names, first, container.waits)
        return _Made(first, tries, there)

    def _seen(self, container: Container, node: placement.Node) -> Seen | None:
        spec = {"serviceAccountName": container.account}
        account = service_account(self._objects, container.namespace, spec)
        own = own_identity(self._cluster, node.name, node.labels, self._resources)
        asked = (self._cluster, node.pool, container.image, container.pod, account)
        return self._pulls.pull(*asked, own=own).seen if container.waits else self._pulls.seen_once(*asked, own=own)

    def _node(self, name: str) -> placement.Node | None:
        """The node of a pod, None for a virtual one. One of which nobody tells is taken for one of the first pool."""
        if is_virtual_node(self._cluster, name):
            return None
        if name not in self._nodes:
            node = placement.node_by_name(self._cluster, name)
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
