"""Nodes and pods of a real API server whose kubelet is the test: objects put there with their status.

load(server, bodies)     objects as a tenant's folder holds them, with the status that they have there
load_many(server, file)  thousands of them, as a generated fleet's file of a cluster holds them
node(server, "node-1")   a node that takes pods
pod(server, "web", ...)  a pod, bound to a node or left to the scheduler
waits(server, "web", "ImagePullBackOff", "Back-off pulling image …")
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from simulator.kubernetes.discovery import RESOURCES
from tests.support.real_kubernetes.server import KubeApiServer

STARTED = "2026-11-24T08:00:00Z"
# Namespaces come first: the rest stands in them. Service accounts come before pods, which get their pull secrets.
_ORDER = ("Namespace", "ServiceAccount", "Secret", "Node")
_PATHS = {
    kind: (f"/{'apis' if '/' in version else 'api'}/{version}", resource, namespaced)
    for version, resources in RESOURCES.items()
    for resource, (kind, namespaced) in resources.items()
}


def load(server: KubeApiServer, bodies: Iterable[Mapping[str, Any]]) -> None:
    """Makes objects, and gives them their status; namespaces that they name are made too."""
    for body in sorted(bodies, key=_rank):
        metadata = body["metadata"]
        if "namespace" in metadata:
            server.namespace(metadata["namespace"])
        _load(server, body, metadata.get("namespace"))


def load_folder(server: KubeApiServer, folder: Path) -> None:
    """Makes the objects of a cluster's folder of a tenant."""
    load(server, [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))])


def load_many(server: KubeApiServer, file: Path, connections: int = 8) -> None:
    """Makes what a generated fleet's file of a cluster lists, through several connections at once.

    The API server fills in itself what it says of an object: its uid, its version and who wrote which field.
    """
    bodies = [_without_record(body) for body in json.loads(file.read_text())["items"]]
    load(server, [body for body in bodies if body["kind"] in _ORDER])
    rest = [body for body in bodies if body["kind"] not in _ORDER]
    with ThreadPoolExecutor(connections) as pool:
        # Each share is told of, so that what the API server refuses is raised here.
        list(pool.map(lambda start: _load_share(server, rest[start::connections]), range(connections)))


def _load_share(server: KubeApiServer, bodies: Iterable[Mapping[str, Any]]) -> None:
    with closing(server.second_connection()) as connection:
        for body in bodies:
            _load(connection, body, body["metadata"].get("namespace"))


def _without_record(body: dict[str, Any]) -> dict[str, Any]:
    record = ("creationTimestamp", "managedFields", "resourceVersion", "uid")
    return {**body, "metadata": {key: value for key, value in body["metadata"].items() if key not in record}}


def node(server: KubeApiServer, name: str, *, cpu: str = "4", pods: int = 110, **spec: Any) -> str:
    """A node that is ready and takes pods. Returns its name."""
    capacity = {"cpu": cpu, "memory": "16Gi", "pods": str(pods), "ephemeral-storage": "120Gi"}
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    server.create({"metadata": {"name": name, "labels": labels}}, "/api/v1/nodes")
    # The API server taints new nodes; the node lifecycle controller, which would take that away, is not there.
    server.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": [], **spec}})
    status = {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting"}],
        "nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"} | _NODE_INFO,
    }
    server.patch(f"/api/v1/nodes/{name}/status", {"status": status})
    return name


_NODE_INFO = dict.fromkeys(
    ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
     "kubeProxyVersion"), "v1.36.2",
)  # fmt: skip


def pod(server: KubeApiServer, name: str, image: str, *, namespace: str = "default", **spec: Any) -> str:
    """A pod with one container called main; ``nodeName`` in the spec binds it. Returns its name."""
    server.namespace(namespace)
    containers = [{"name": "main", "image": image}]
    body = {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}
    server.create(body, f"/api/v1/namespaces/{namespace}/pods")
    return name


def waits(server: KubeApiServer, name: str, reason: str, message: str, *, namespace: str = "default") -> None:
    """The kubelet's word that the pod's container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    report(server, name, {"phase": "Pending", "containerStatuses": [_container("main", state)]}, namespace=namespace)


def runs(server: KubeApiServer, name: str, *, namespace: str = "default") -> None:
    """The kubelet's word that the pod runs."""
    state = {"running": {"startedAt": STARTED}}
    report(server, name, {"phase": "Running", "containerStatuses": [_container("main", state)]}, namespace=namespace)


def report(server: KubeApiServer, name: str, status: Mapping[str, Any], *, namespace: str = "default") -> None:
    """A status of the pod, as its kubelet writes it."""
    body = {"status": {"startTime": STARTED, **status}}
    server.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", body)


def event(server: KubeApiServer, name: str, reason: str, message: str, *, namespace: str = "default") -> None:
    """The kubelet's event about a pod."""
    body = {
        "metadata": {"generateName": f"{name}."},
        "involvedObject": {"kind": "Pod", "name": name, "namespace": namespace},
        "reason": reason,
        "message": message,
        "source": {"component": "kubelet", "host": "node-1"},
        "type": "Normal",
        "count": 1,
        "lastTimestamp": STARTED,
    }
    server.create(body, f"/api/v1/namespaces/{namespace}/events")


def _container(name: str, state: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "image": "", "imageID": "", "ready": "running" in state, "restartCount": 0, "state": state}


def _load(server: KubeApiServer, body: Mapping[str, Any], namespace: str | None) -> None:
    start, resource, namespaced = _PATHS[body["kind"]]
    path = f"{start}/namespaces/{namespace or 'default'}/{resource}" if namespaced else f"{start}/{resource}"
    wanted = {key: value for key, value in body.items() if key != "status"}
    if body["kind"] in ("Namespace", "ServiceAccount"):
        server.ensure(path, wanted)
        server.patch(f"{path}/{body['metadata']['name']}", wanted)
    else:
        server.create(wanted, path)
    if body.get("status"):
        server.patch(f"{path}/{body['metadata']['name']}/status", {"status": body["status"]})


def _rank(body: Mapping[str, Any]) -> int:
    return _ORDER.index(body["kind"]) if body["kind"] in _ORDER else len(_ORDER)
