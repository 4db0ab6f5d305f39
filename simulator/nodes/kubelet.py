"""The scheduler and the kubelets of a cluster, as far as a pod that is made over the wire needs them.

A pod goes to a pool that fits its node selector and whose taints it tolerates. Its images are then pulled, and what
happened is told as on a real cluster: events Scheduled, Pulling, Pulled or Failed and BackOff, and a status that waits
in ErrImagePull, then in ImagePullBackOff, where kubelets before 1.32 leave the error out. Pods that stand in files are
left as they are.
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
from simulator.nodes.image_pull import Failed, NodePull, Pulled
from simulator.nodes.node_network import items, table

DELAY_SECONDS = 0.1
TELLS_WHY = (1, 32)  # kubernetes/kubernetes#127918
POOL_LABEL = "kubernetes.azure.com/agentpool"
_TAINT = re.compile(r"(?P<key>[^=:]+)(?:=(?P<value>[^:]*))?:(?P<effect>\w+)")


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
        pool, why = _scheduled(resource, pod.spec)
        if pool is None:
            pod.event("FailedScheduling", why, kind="Warning")
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
            pod.put({"phase": "Pending", "conditions": [condition]})
            return
        pod.schedule(f"aks-{pool.get('name')}-12345678-vmss000000")
        outcomes = {
            str(c.get("name")): self._pulls.pull(resource, pool, str(c.get("image")), pod.uid)
            for c in items(pod.spec.get("containers"))
        }
        pod.answer(outcomes)
        if any(isinstance(outcome, Failed) for outcome in outcomes.values()):
            asyncio.get_running_loop().call_later(self.delay, pod.back_off, outcomes, _version(cluster) >= TELLS_WHY)


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
        made = self._made
        now = self._objects.get(made.group_version, made.resource, made.namespace, made.name)
        return now is None or table(now.body().get("metadata")).get("uid") != self.uid

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
        metadata = table(self._body.get("metadata")) | {"resourceVersion": str(self._objects.next_version())}
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


def _scheduled(cluster: Resource, spec: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """A pool with a node for the pod, or None and the scheduler's words."""
    pools = items(table(cluster.body.get("properties")).get("agentPoolProfiles"))
    having = [pool for pool in pools if pool.get("count") != 0 and not _is_stopped(pool)]
    fitting = [pool for pool in having if _fits(pool, table(spec.get("nodeSelector")))]
    tolerated = [pool for pool in fitting if _tolerates(pool, items(spec.get("tolerations")))]
    if tolerated:
        return tolerated[0], ""
    total = sum(count for pool in having if isinstance(count := pool.get("count", 1), int))
    if not total:
        return None, "no nodes available to schedule pods"
    why = (
        f"{total} node(s) had untolerated taint(s)"
        if fitting
        else (f"{total} node(s) didn't match Pod's node affinity/selector")
    )
    helpless = f"preemption: 0/{total} nodes are available: {total} Preemption is not helpful for scheduling."
    return None, f"0/{total} nodes are available: {why}. {helpless}"


def _is_stopped(pool: dict[str, Any]) -> bool:
    return str(table(pool.get("powerState")).get("code", "Running")).lower() == "stopped"


def _fits(pool: dict[str, Any], selector: dict[str, Any]) -> bool:
    labels = table(pool.get("nodeLabels")) | {
        POOL_LABEL: str(pool.get("name")),
        "agentpool": str(pool.get("name")),
        "kubernetes.io/os": str(pool.get("osType") or "Linux").lower(),
        "kubernetes.azure.com/mode": str(pool.get("mode") or "User").lower(),
    }
    return all(labels.get(key) == value for key, value in selector.items())


def _tolerates(pool: dict[str, Any], tolerations: list[dict[str, Any]]) -> bool:
    listed = pool.get("nodeTaints")
    taints = [_TAINT.fullmatch(str(taint)) for taint in listed] if isinstance(listed, list) else []
    hard = [taint for taint in taints if taint and taint["effect"] in ("NoSchedule", "NoExecute")]
    return all(any(_matches(toleration, taint) for toleration in tolerations) for taint in hard)


def _matches(toleration: dict[str, Any], taint: re.Match[str]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and str(toleration.get("value", "")) == (taint["value"] or "")


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
