"""A tenant whose cluster is a real API server, made for canaries; and the kubelets of its nodes, which a test plays."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulator import Simulator, running
from tests.support.cli import Scan, scan
from tests.support.network_world import HOST, World
from tests.support.real_kubernetes import nodes
from tests.support.real_kubernetes.front import Front
from tests.support.real_kubernetes.roles import READER, WRITER
from tests.support.real_kubernetes.server import ApiError, KubeApiServer
from tests.support.real_kubernetes.tenant import APP, handing_out
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

IMAGE = f"{HOST}/team/web:1"
NAMESPACE, PODS = "watch", "/api/v1/namespaces/watch/pods"
QUICK = {"PULLWATCH_CANARY_NAMESPACE": NAMESPACE, "PULLWATCH_CANARY_SECONDS": "20", "PULLWATCH_CHECK_IMAGES": "false"}


class Kubelets:
    """Answers canary pods as the kubelets of their nodes would, and says which there were."""

    def __init__(self, server: KubeApiServer, finalizers: tuple[str, ...] = ()) -> None:
        self.server, self.finalizers = server, finalizers
        self.seen: dict[str, dict[str, Any]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Kubelets:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)

    def _work(self) -> None:
        while not self._ended.wait(0.05):
            # A pod may be deleted under it, and the server may be away: a kubelet lives with both.
            with contextlib.suppress(ApiError, OSError):
                for pod in canaries(self.server):
                    self._answer(pod)

    def _answer(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        if name in self.seen or not pod["spec"].get("nodeName"):
            return
        if self.finalizers:
            self.server.patch(f"{PODS}/{name}", {"metadata": {"finalizers": list(self.finalizers)}})
        statuses = [_not_found(container) for container in pod["spec"]["containers"]]
        nodes.report(self.server, name, {"phase": "Pending", "containerStatuses": statuses}, namespace=NAMESPACE)
        self.seen[name] = pod


def _not_found(container: dict[str, Any]) -> dict[str, Any]:
    image = container["image"]
    text = f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": {image}: not found'
    state = {"waiting": {"reason": "ErrImagePull", "message": text}}
    return {"name": container["name"], "image": image, "imageID": "", "ready": False, "restartCount": 0, "state": state}


def canaries(server: KubeApiServer) -> list[dict[str, Any]]:
    """The canary pods that are there."""
    items: list[dict[str, Any]] = server.request("GET", PODS)["items"]
    return [item for item in items if item["metadata"]["name"].startswith("pullwatch-canary-")]


def until(holds: Callable[[], Any], seconds: float = 30) -> Any:
    """What it holds, once it holds."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.05)
    return found


def node(server: KubeApiServer, pool: str = "system", cpu: str = "1", pods: int = 20, **spec: Any) -> str:
    """A node of a pool."""
    name = nodes.node(server, f"aks-{pool}-12345678-vmss000000", cpu=cpu, pods=pods, **spec)
    server.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": {"kubernetes.azure.com/agentpool": pool}}})
    return name


def ready_pod(server: KubeApiServer, name: str, cpu: str = "0", **spec: Any) -> None:
    """A pod that runs and is Ready, on the node that it names or the scheduler gives it."""
    resources = {"requests": {"cpu": cpu}}
    containers = [{"name": "main", "image": IMAGE, "resources": resources}]
    body = {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}
    server.create(body, "/api/v1/namespaces/default/pods")
    path = f"/api/v1/namespaces/default/pods/{name}"
    until(lambda: server.request("GET", path)["spec"].get("nodeName"))
    nodes.runs(server, name)
    server.patch(f"{path}/status", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})


@contextmanager
def estate(
    folder: Path,
    server: KubeApiServer,
    *pools: str,
    windows: tuple[str, ...] = (),
    front: Front | None = None,
    max_pods: int = 110,
) -> Iterator[tuple[Simulator, str]]:
    """A tenant whose cluster is the real server; the app may read pods there and write them in one namespace.

    ``max_pods``: of the Linux pools, as Azure Resource Manager shows it.
    """
    world = World().registry(anonymousPullEnabled=False)
    linux = [world.pool(name, maxPods=max_pods) for name in pools or ("system",)]
    world.pools(*linux, *(world.pool(name, osType="Windows") for name in windows))
    tenant = world.into(Tenant(folder / "tenant"))
    tenant.reachable()
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    tenant.assign(object_id("aks-1"), ACR_PULL, world.registry_id)
    server.namespace(NAMESPACE)
    server.grant(READER, APP)
    server.grant(WRITER, APP, NAMESPACE)
    config = (front or server).entra_kubeconfig()
    tenant.write("", [handing_out(config)], "faults")
    with running(tenant.root) as sim:
        yield sim, world.cluster_id


def look(sim: Simulator, **more: str) -> dict[str, tuple[str, str]]:
    """A scan's canary findings, by pool ("" for the cluster)."""
    return by_pool(scan(sim.environment | QUICK | more, "--quiet", "--canary"))


def by_pool(result: Scan) -> dict[str, tuple[str, str]]:
    """The canary findings of a scan: verdict and cause."""
    return {f["subject"].get("pool") or "": (f["verdict"], f["cause"]) for f in result.findings("PW305")}


def priority_class(server: KubeApiServer, name: str, value: int, *, default: bool = False) -> None:
    """A priority class; ``default``: of all pods that name none."""
    body = {"metadata": {"name": name}, "value": value, "globalDefault": default}
    server.create(body, "/apis/scheduling.k8s.io/v1/priorityclasses")


def quota(server: KubeApiServer, **hard: str) -> None:
    """A quota in the namespace of canary pods."""
    server.create(
        {"metadata": {"name": "few"}, "spec": {"hard": hard}}, f"/api/v1/namespaces/{NAMESPACE}/resourcequotas"
    )
