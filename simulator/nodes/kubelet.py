"""The scheduler and the kubelets of a cluster, as far as a pod that is made over the wire needs them.

A pod goes to a node that fits its node selector and whose taints it tolerates (placement.py); one that names its node
passes the scheduler by and meets the kubelet's own checks. Its images are then pulled, and what happened is told as on
a real cluster: events Scheduled, Pulling, Pulled or Failed and BackOff, and a status that waits in ErrImagePull, then
in ImagePullBackOff, where kubelets before 1.32 leave the error out. Pods that stand in files are left as they are,
unless a pod of higher priority needs their place.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from simulator.arm.resources import Resource
from simulator.kubernetes.clusters import Cluster, Clusters
from simulator.kubernetes.objects import ClusterObjects, KubeObject, kube_object
from simulator.nodes import placement
from simulator.nodes.account_identity import service_account
from simulator.nodes.container_instances import is_virtual_node, refusal
from simulator.nodes.image_pull import NodePull
from simulator.nodes.machines import own_identity, pool_of, provisioned_machine
from simulator.nodes.node_network import items, table
from simulator.nodes.outcomes import Failed, Pulled

DELAY_SECONDS = 0.1
TELLS_WHY = (1, 32)  # kubernetes/kubernetes#127918


class Kubelet:
    """Answers pods of all clusters. `delay` is how long a step takes, in seconds."""

    def __init__(self, clusters: Clusters, delay: float = DELAY_SECONDS) -> None:
        self.delay = delay
        self._clusters = clusters
        self._pulls = NodePull(clusters.tenant)

    def take(self, cluster: Cluster, objects: ClusterObjects, pod: KubeObject) -> None:
        """Called on the server's loop once a pod was made; what comes of it follows by itself."""
        asyncio.get_running_loop().call_later(self.delay, self._first, cluster, objects, pod)

    def _first(self, cluster: Cluster, objects: ClusterObjects, made: KubeObject) -> None:
        pod = _Pod(objects, made)
        resource = self._clusters.tenant.resources().find(cluster.id)
        if pod.is_gone or resource is None:
            return
        if is_virtual_node(resource, pod.spec.get("nodeName")):
            pod.by_provider(refusal(self._clusters.tenant, objects, made.namespace or "", pod.spec))
            return
        node = self._placed(resource, objects, pod)
        if node is None:
            return
        account = service_account(objects, made.namespace or "", pod.spec)
        own = own_identity(resource, node.name, node.labels, self._clusters.tenant.resources())
        outcomes = {
            str(c.get("name")): self._pulls.pull(resource, node.pool, str(c.get("image")), pod.uid, account, own=own)
            for c in items(pod.spec.get("containers"))
        }
        pod.answer(outcomes)
        if any(isinstance(outcome, Failed) for outcome in outcomes.values()):
            asyncio.get_running_loop().call_later(self.delay, pod.back_off, outcomes, _version(cluster) >= TELLS_WHY)

    def _placed(self, cluster: Resource, objects: ClusterObjects, pod: _Pod) -> placement.Node | None:
        """The node that runs the pod; None where the scheduler or the kubelet refuses it, or no kubelet is there."""
        name = pod.spec.get("nodeName")
        if name:
            node = placement.node_named(cluster, objects, str(name)) or self._provisioned(cluster, str(name))
            reason, message = placement.kubelet_refusal(node, objects, pod.spec, pod.key) if node else ("", "")
            if reason:
                pod.event(reason, message, kind="Warning")
                pod.put({"phase": "Failed", "reason": reason, "message": message, "startTime": _now()})
                return None
            return node
        placed = placement.schedule(cluster, objects, pod.spec)
        for victim in placed.victims:
            objects.delete(victim)
        if placed.node is None:
            pod.event("FailedScheduling", placed.why, kind="Warning")
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": placed.why}
            pod.put({"phase": "Pending", "conditions": [condition]})
            return None
        pod.schedule(placed.node.name)
        return placed.node

    def _provisioned(self, cluster: Resource, name: str) -> placement.Node | None:
        """A node that node auto-provisioning made."""
        machine = provisioned_machine(cluster, name, self._clusters.tenant.resources())
        return placement.without_object(pool_of(machine), name) if machine is not None else None


class _Pod:
    """One pod on its way; every step puts a new body."""

    def __init__(self, objects: ClusterObjects, made: KubeObject) -> None:
        self._objects = objects
        self._made = made
        self._body = made.body()
        self.spec = table(self._body.get("spec"))
        self.uid = str(table(self._body.get("metadata")).get("uid"))

    @property
    def is_gone(self) -> bool:
        return self._metadata().get("uid") != self.uid

    def _metadata(self) -> dict[str, Any]:
        """The metadata of whatever pod has this name now; none where there is none."""
        made = self._made
        now = self._objects.get(made.group_version, made.resource, made.namespace, made.name)
        return {} if now is None else table(now.body().get("metadata"))

    @property
    def key(self) -> tuple[str, str]:
        return self._made.key

    def schedule(self, node: str) -> None:
        self.spec["nodeName"] = node
        self.event("Scheduled", f"Successfully assigned {self._made.namespace}/{self._made.name} to {node}")

    def answer(self, outcomes: dict[str, Pulled | Failed]) -> None:
        """The first try of every container's image."""
        statuses = []
        for container in items(self.spec.get("containers")):
            name, image = str(container.get("name")), str(container.get("image"))
            outcome = outcomes[name]
            self.event("Pulling", f'Pulling image "{image}"', name)
            if isinstance(outcome, Failed):
                self.event("Failed", f'Failed to pull image "{image}": {outcome.message}', name, "Warning")
                self.event("Failed", "Error: ErrImagePull", name, "Warning")
                statuses.append(_waiting(container, "ErrImagePull", outcome.message))
            else:
                took = "1.234s (1.234s including waiting)"
                size = f"Image size: {outcome.size} bytes."
                self.event("Pulled", f'Successfully pulled image "{image}" in {took}. {size}', name)
                statuses.append(_running(container))
        self._status(statuses)

    def by_provider(self, refused: str) -> None:
        """What a virtual node reports: the pod's own reason and an event, and no container status, where it failed."""
        if refused:
            self.event("ProviderCreateFailed", refused, kind="Warning")
            self.put({"phase": "Pending", "reason": "ProviderFailed", "message": refused, "startTime": _now()})
        else:
            self._status([_running(container) for container in items(self.spec.get("containers"))])

    def back_off(self, outcomes: dict[str, Pulled | Failed], tells_why: bool) -> None:
        if self.is_gone:
            return
        statuses = []
        for container in items(self.spec.get("containers")):
            name, image = str(container.get("name")), str(container.get("image"))
            outcome = outcomes[name]
            if isinstance(outcome, Pulled):
                statuses.append(_running(container))
                continue
            self.event("BackOff", f'Back-off pulling image "{image}"', name)
            self.event("Failed", "Error: ImagePullBackOff", name, "Warning")
            message = f'Back-off pulling image "{image}"' + (f": ErrImagePull: {outcome.message}" if tells_why else "")
            statuses.append(_waiting(container, "ImagePullBackOff", message))
        self._status(statuses)

    def _status(self, statuses: list[dict[str, Any]]) -> None:
        running = all("running" in status["state"] for status in statuses)
        status = {"phase": "Running" if running else "Pending", "startTime": _now(), "containerStatuses": statuses}
        self.put(status)

    def put(self, status: dict[str, Any]) -> None:
        if self.is_gone:
            return
        # A kubelet writes the status alone: a pod that was marked as deleted in between stays marked.
        metadata = self._metadata() | {"resourceVersion": str(self._objects.next_version())}
        item = kube_object({**self._body, "metadata": metadata, "spec": self.spec, "status": status})
        assert item is not None  # it was one before
        self._objects.put(item)

    def event(self, reason: str, message: str, container: str | None = None, kind: str = "Normal") -> None:
        made, now = self._made, _now()
        about = {"kind": "Pod", "apiVersion": "v1", "namespace": made.namespace, "name": made.name, "uid": self.uid}
        if container is not None:
            about["fieldPath"] = f"spec.containers{{{container}}}"
        body = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": f"{made.name}.{uuid.uuid4().hex[:16]}", "namespace": made.namespace},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "kubelet", "host": self.spec.get("nodeName")},
        }
        item = kube_object(body)
        assert item is not None  # it has a kind and a name
        self._objects.put(item)


def _version(cluster: Cluster) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", cluster.version)
    return (int(match[1]), int(match[2])) if match else TELLS_WHY


def _waiting(container: dict[str, Any], reason: str, message: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return _status_of(container, state, ready=False)


def _running(container: dict[str, Any]) -> dict[str, Any]:
    return _status_of(container, {"running": {"startedAt": _now()}}, ready=True)


def _status_of(container: dict[str, Any], state: dict[str, Any], *, ready: bool) -> dict[str, Any]:
    named = {"name": container.get("name"), "image": container.get("image"), "imageID": "", "restartCount": 0}
    return {**named, "ready": ready, "started": ready, "lastState": {}, "state": state}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
