"""Where pods go: the scheduler's choice with its preemption, and what a kubelet checks of a pod that names its node.

A tenant may hold Node objects; then their labels, taints, conditions and allocatable resources count, and full nodes
are full. Without any, every pool with nodes has room. Sources: kube-scheduler (NodeUnschedulable, TaintToleration,
NodeAffinity, NodeResourcesFit, DefaultPreemption), pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/eviction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from simulator.arm.resources import Resource
from simulator.kubernetes.objects import ClusterObjects, KubeObject
from simulator.kubernetes.quantities import requested, thousandths
from simulator.nodes.node_network import items, table

POOL_LABEL = "kubernetes.azure.com/agentpool"
_TAINT = re.compile(r"(?P<key>[^=:]+)(?:=(?P<value>[^:]*))?:(?P<effect>\w+)")
_ENDED = ("Succeeded", "Failed")
_PRESSURES = ("DiskPressure", "PIDPressure")
_RESOURCES = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its pool's body, and what its own object says. `allocatable` is empty where there is no object."""

    name: str
    pool: dict[str, Any]
    labels: dict[str, Any]
    taints: tuple[Taint, ...]
    cordoned: bool
    pressures: tuple[str, ...]
    allocatable: dict[str, Any]

    @property
    def os(self) -> str:
        return str(self.labels.get("kubernetes.io/os", "linux"))


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What became of a pod: a node and the pods evicted for it, or the scheduler's words."""

    node: Node | None
    victims: tuple[KubeObject, ...] = ()
    why: str = ""


def pools_of(cluster: Resource) -> list[dict[str, Any]]:
    """The pools that have nodes."""
    pools = items(table(cluster.body.get("properties")).get("agentPoolProfiles"))
    return [pool for pool in pools if pool.get("count") != 0 and not _is_stopped(pool)]


def node_named(cluster: Resource, objects: ClusterObjects, name: str) -> Node | None:
    """The node of this name: by its object, or by the pool that its name shows."""
    for node in nodes_of(cluster, objects):
        if node.name == name:
            return node
    return node_by_name(cluster, name)


def node_by_name(cluster: Resource, name: str) -> Node | None:
    """The node that a name alone shows: one of the pool that it is named after."""
    fitting = (pool for pool in pools_of(cluster) if _is_named_after(name, pool))
    return next((without_object(pool, name) for pool in fitting), None)


def schedule(cluster: Resource, objects: ClusterObjects, spec: dict[str, Any]) -> Scheduled:
    """The scheduler's choice for a pod that names no node; pods of lower priority give way where all nodes are full."""
    nodes = nodes_of(cluster, objects) or [without_object(pool) for pool in pools_of(cluster)]
    having = [node for node in nodes if not node.cordoned or _tolerates(node, spec, cordoned=True)]
    fitting = [node for node in having if _has_labels(node, table(spec.get("nodeSelector")))]
    tolerated = [node for node in fitting if _tolerates(node, spec)]
    for node in tolerated:
        if not _lacks(node, spec, _pods_on(objects, node.name)):
            return Scheduled(node)
    for node in tolerated:
        victims = _victims(node, spec, _pods_on(objects, node.name))
        if victims:
            return Scheduled(node, victims)
    return Scheduled(None, (), _unschedulable(cluster, nodes, fitting, tolerated))


def kubelet_refusal(node: Node, objects: ClusterObjects, spec: dict[str, Any], own: tuple[str, str]) -> tuple[str, str]:
    """The reason and text by which a node's kubelet refuses a pod that is bound to it; two empty texts: it takes it."""
    if node.pressures:
        return "Evicted", f"Pod was rejected: The node had condition: [{', '.join(node.pressures)}]. "
    if str(table(spec.get("os")).get("name", node.os)) != node.os:
        return "PodOSNotSupported", "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS"
    if not _has_labels(node, table(spec.get("nodeSelector"))):
        return "NodeAffinity", (
            "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        )
    if not _tolerates(node, spec, effects=("NoExecute",)):
        return "TaintToleration", (
            "Pod was rejected: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
        )
    others = [pod for pod in _pods_on(objects, node.name) if pod.key != own]
    lacking = _lacks(node, spec, others)
    if lacking:
        return f"OutOf{lacking}", f"Pod was rejected: Node didn't have enough resource: {lacking}"
    return "", ""


def nodes_of(cluster: Resource, objects: ClusterObjects) -> list[Node]:
    """The nodes that have objects."""
    pools = {str(pool.get("name")): pool for pool in pools_of(cluster)}
    nodes = []
    for item in objects.listed("v1", "nodes"):
        body = item.body()
        pool = pools.get(str(item.labels.get(POOL_LABEL)))
        if pool is not None:
            nodes.append(_with_object(body, item.name, pool))
    return nodes


def _with_object(body: dict[str, Any], name: str, pool: dict[str, Any]) -> Node:
    spec, status = table(body.get("spec")), table(body.get("status"))
    on = {str(c.get("type")) for c in items(status.get("conditions")) if c.get("status") == "True"}
    taints = tuple(
        Taint(str(t.get("key")), str(t.get("value", "")), str(t.get("effect"))) for t in items(spec.get("taints"))
    )
    labels = _pool_labels(pool) | table(table(body.get("metadata")).get("labels"))
    pressures = tuple(kind for kind in _PRESSURES if kind in on)
    return Node(
        name, pool, labels, taints, spec.get("unschedulable") is True, pressures, table(status.get("allocatable"))
    )


def without_object(pool: dict[str, Any], name: str = "") -> Node:
    """A node of which no object tells: it has what its pool says."""
    name = name or f"aks-{pool.get('name')}-12345678-vmss000000"
    return Node(name, pool, _pool_labels(pool), tuple(_pool_taints(pool)), False, (), {})


def _is_named_after(node: str, pool: dict[str, Any]) -> bool:
    windows = str(pool.get("osType") or "Linux").lower() == "windows"
    return node.startswith(f"aks-{pool.get('name')}-") or (windows and node.startswith(f"aks{pool.get('name')}"))


def _is_stopped(pool: dict[str, Any]) -> bool:
    return str(table(pool.get("powerState")).get("code", "Running")).lower() == "stopped"


def _pool_labels(pool: dict[str, Any]) -> dict[str, Any]:
    return table(pool.get("nodeLabels")) | {
        POOL_LABEL: str(pool.get("name")),
        "agentpool": str(pool.get("name")),
        "kubernetes.io/os": str(pool.get("osType") or "Linux").lower(),
        "kubernetes.azure.com/mode": str(pool.get("mode") or "User").lower(),
    }


def _pool_taints(pool: dict[str, Any]) -> list[Taint]:
    listed = pool.get("nodeTaints")
    found = [_TAINT.fullmatch(str(taint)) for taint in listed] if isinstance(listed, list) else []
    return [Taint(taint["key"], taint["value"] or "", taint["effect"]) for taint in found if taint]


def _has_labels(node: Node, selector: dict[str, Any]) -> bool:
    return all(node.labels.get(key) == value for key, value in selector.items())


def _tolerates(
    node: Node, spec: dict[str, Any], *, effects: tuple[str, ...] = ("NoSchedule", "NoExecute"), cordoned: bool = False
) -> bool:
    taints = [taint for taint in node.taints if taint.effect in effects]
    if cordoned:
        taints = [Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")]
    tolerations = items(spec.get("tolerations"))
    return all(any(_matches(toleration, taint) for toleration in tolerations) for taint in taints)


def _matches(toleration: dict[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.key)
    return toleration.get("key") == taint.key and str(toleration.get("value", "")) == taint.value


def _pods_on(objects: ClusterObjects, node: str) -> list[KubeObject]:
    found = []
    for pod in objects.listed("v1", "pods"):
        body = pod.body()
        alive = str(table(body.get("status")).get("phase")) not in _ENDED
        if alive and table(body.get("spec")).get("nodeName") == node:
            found.append(pod)
    return found


def _lacks(node: Node, spec: dict[str, Any], others: list[KubeObject]) -> str:
    """The resource that a node lacks for a pod; a request of zero asks for nothing, however full the node is."""
    most = node.allocatable.get("pods")
    if most is not None and len(others) + 1 > int(most):
        return "pods"
    for resource in _RESOURCES:
        room, wanted = thousandths(node.allocatable.get(resource)), requested(spec, resource)
        used = sum(requested(table(other.body().get("spec")), resource) for other in others)
        if room is not None and wanted and used + wanted > room:
            return resource
    return ""


def _victims(node: Node, spec: dict[str, Any], others: list[KubeObject]) -> tuple[KubeObject, ...]:
    """The pods of lower priority that have to go, the lowest first; none where that does not help."""
    if spec.get("preemptionPolicy") == "Never":
        return ()
    own = _priority(spec)
    lower = sorted((pod for pod in others if _priority_of(pod) < own), key=_priority_of)
    for count in range(1, len(lower) + 1):
        gone = {pod.key for pod in lower[:count]}
        if not _lacks(node, spec, [pod for pod in others if pod.key not in gone]):
            return tuple(lower[:count])
    return ()


def _priority_of(pod: KubeObject) -> int:
    return _priority(table(pod.body().get("spec")))


def _priority(spec: dict[str, Any]) -> int:
    value = spec.get("priority")
    return value if isinstance(value, int) else 0


def _unschedulable(cluster: Resource, nodes: list[Node], fitting: list[Node], tolerated: list[Node]) -> str:
    by_object = any(node.allocatable for node in nodes)
    counts = (pool.get("count", 1) for pool in pools_of(cluster))
    total = len(nodes) if by_object else sum(count for count in counts if isinstance(count, int))
    if not total:
        return "no nodes available to schedule pods"
    why = f"{total} node(s) didn't match Pod's node affinity/selector"
    if fitting:
        why = f"{total} node(s) had untolerated taint(s)"
    if tolerated:
        why = f"{total} Insufficient cpu"
    helpless = f"preemption: 0/{total} nodes are available: {total} Preemption is not helpful for scheduling."
    return f"0/{total} nodes are available: {why}. {helpless}"
