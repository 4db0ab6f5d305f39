"""The Kubernetes objects of a generated cluster: nodes, namespaces, pods that run, and the events of their pulls."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from simulator.fleet import pod_bodies
from simulator.fleet.arm_bodies import NODE_IMAGE, VERSION, scale_set_name
from simulator.fleet.model import SYSTEM_REGISTRY, SYSTEM_REPOSITORIES, Cluster, Fleet, made_repositories

Body = dict[str, Any]
SYSTEM = "kube-system"


def objects(fleet: Fleet, cluster: Cluster) -> Body:
    """A List of everything in one cluster."""
    draw = random.Random(f"{fleet.wanted.seed}/objects/{cluster.index}")
    nodes = list(_node_names(fleet, cluster))
    team = cluster.name.split("-")[1]
    namespaces = [f"{team}-{number}" for number in range(fleet.wanted.namespaces)] or ["default"]
    items: list[Body] = [_namespace(fleet, cluster, name) for name in dict.fromkeys([SYSTEM, "default", *namespaces])]
    items += [_service_account(fleet, cluster, name) for name in dict.fromkeys([SYSTEM, "default", *namespaces])]
    items += [_node(fleet, cluster, name, pool) for name, pool in nodes]
    for number, image in enumerate(_system_images()):
        items += _pod(fleet, cluster, draw, number, SYSTEM, image, nodes)
    for number, image in enumerate(_images(fleet, cluster, draw)):
        namespace = namespaces[number % len(namespaces)]
        items += _pod(fleet, cluster, draw, number, namespace, image, nodes)
    return {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": ""}, "items": items}


def _images(fleet: Fleet, cluster: Cluster, draw: random.Random) -> Iterator[tuple[str, str]]:
    """(image as a pod names it, image with digest); every registry of the cluster is in use."""
    for number in range(fleet.wanted.pods if cluster.registries else 0):
        registry = cluster.registries[number % len(cluster.registries)]
        repository = draw.choice(sorted(registry.repositories))
        tag = draw.choice(sorted(registry.repositories[repository]))
        digest = registry.repositories[repository][tag]["digest"]
        yield f"{registry.login_server}/{repository}:{tag}", f"{registry.login_server}/{repository}@{digest}"


def _system_images() -> Iterator[tuple[str, str]]:
    for repository, tags in made_repositories(SYSTEM_REPOSITORIES, ("v1.9.4",)).items():
        for tag, entry in tags.items():
            yield f"{SYSTEM_REGISTRY}/{repository}:{tag}", f"{SYSTEM_REGISTRY}/{repository}@{entry['digest']}"


def _node_names(fleet: Fleet, cluster: Cluster) -> Iterator[tuple[str, str]]:
    for pool, count in cluster.pools:
        for number in range(count):
            yield f"{scale_set_name(fleet, cluster, pool)}{number:06}", pool


def _metadata(fleet: Fleet, cluster: Cluster, kind: str, namespace: str | None, name: str, age: timedelta) -> Body:
    made = fleet.wanted.now - age
    body: Body = {
        "name": name,
        "uid": fleet.guid(kind, cluster.index, namespace, name),
        "resourceVersion": "1000",
        "creationTimestamp": _time(made),
    }
    return body | ({"namespace": namespace} if namespace else {})


def _namespace(fleet: Fleet, cluster: Cluster, name: str) -> Body:
    metadata = _metadata(fleet, cluster, "Namespace", None, name, timedelta(days=200))
    labels = {"kubernetes.io/metadata.name": name}
    status = {"phase": "Active"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {**metadata, "labels": labels}, "status": status}


def _service_account(fleet: Fleet, cluster: Cluster, namespace: str) -> Body:
    metadata = _metadata(fleet, cluster, "ServiceAccount", namespace, "default", timedelta(days=200))
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _node(fleet: Fleet, cluster: Cluster, name: str, pool: str) -> Body:
    labels = {
        "agentpool": pool,
        "kubernetes.azure.com/agentpool": pool,
        "kubernetes.azure.com/cluster": cluster.node_group,
        "kubernetes.azure.com/node-image-version": NODE_IMAGE,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {**_metadata(fleet, cluster, "Node", None, name, timedelta(days=20)), "labels": labels},
        "spec": {"providerID": f"azure:///subscriptions/{cluster.subscription}/{name}"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "containerRuntimeVersion": "containerd://1.7.28-1",
                "kubeletVersion": f"v{VERSION}",
                "osImage": "Ubuntu 22.04.5 LTS",
            },
        },
    }


def _pod(
    fleet: Fleet,
    cluster: Cluster,
    draw: random.Random,
    number: int,
    namespace: str,
    image: tuple[str, str],
    nodes: list[tuple[str, str]],
) -> Iterator[Body]:
    """A pod that runs and, for about a third of them, the events of its start within the last hour."""
    app = image[0].rsplit("/", 1)[-1].split(":")[0]
    name = f"{app}-{fleet.guid('replica set', cluster.index, app)[:9].replace('-', '')}-{number:05}"
    fresh = draw.random() < 0.3
    age = timedelta(seconds=draw.randrange(60, 3000)) if fresh else timedelta(hours=draw.randrange(2, 900))
    node = draw.choice([n for n, _ in nodes])
    started = _time(fleet.wanted.now - age + timedelta(seconds=4))
    metadata = _metadata(fleet, cluster, "Pod", namespace, name, age)
    owner = name.rsplit("-", 1)[0]
    address = f"10.244.{number // 250 % 250}.{number % 250 + 2}"
    added = {
        "labels": {"app": app, "pod-template-hash": owner.rsplit("-", 1)[-1]},
        "generateName": f"{owner}-",
        "generation": 1,
        "managedFields": pod_bodies.managed_fields(app, address, started),
    }
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | added,
        "spec": pod_bodies.spec(app, image[0], node, f"{number:05}"),
        "status": _running(draw, address, app, image, started),
    }
    if fresh:
        yield from _events(fleet, cluster, draw, metadata, node, app, image[0], fleet.wanted.now - age)


def _running(draw: random.Random, address: str, container: str, image: tuple[str, str], started: str) -> Body:
    """The status of a pod that has run since it started."""
    return {
        "observedGeneration": 1,
        "phase": "Running",
        "hostIP": "10.224.0.4",
        "hostIPs": [{"ip": "10.224.0.4"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "qosClass": "Burstable",
        "startTime": started,
        "conditions": pod_bodies.conditions(started),
        "containerStatuses": [
            {
                "name": container,
                "image": image[0],
                "imageID": image[1],
                "containerID": f"containerd://{draw.getrandbits(256):064x}",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": started}},
                "lastState": {},
            }
        ],
    }


def _events(
    fleet: Fleet,
    cluster: Cluster,
    draw: random.Random,
    pod: Body,
    node: str,
    container: str,
    image: str,
    made: datetime,
) -> Iterator[Body]:
    seconds = f"{draw.uniform(0.6, 4.0):.3f}s"
    size = draw.randrange(20_000_000, 200_000_000)
    pulled = (
        f'Successfully pulled image "{image}" in {seconds} ({seconds} including waiting). Image size: {size} bytes.'
    )
    shown = (("Pulling", f'Pulling image "{image}"'), ("Pulled", pulled), ("Started", f"Started container {container}"))
    involved = {
        "kind": "Pod",
        "namespace": pod["namespace"],
        "name": pod["name"],
        "uid": pod["uid"],
        "apiVersion": "v1",
        "resourceVersion": "1000",
        "fieldPath": f"spec.containers{{{container}}}",
    }
    for number, (reason, message) in enumerate(shown):
        when = _time(made + timedelta(seconds=number + 1))
        name = f"{pod['name']}.{int(made.timestamp() * 1000) + number:016x}"
        uid = fleet.guid("Event", cluster.index, pod["namespace"], name)
        metadata = {"name": name, "namespace": pod["namespace"], "uid": uid, "resourceVersion": "1000"}
        yield {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {**metadata, "creationTimestamp": when},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": {"component": "kubelet", "host": node},
            "firstTimestamp": when,
            "lastTimestamp": when,
            "count": 1,
            "type": "Normal",
            "reportingComponent": "kubelet",
            "reportingInstance": node,
        }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
