"""Canaries on a real API server with its scheduler: nothing is evicted, and no pod is left, whatever ends the look.

The test plays the kubelets: it answers the pods that name its nodes.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checks.jobs.canaries import Swept, sweep_canaries
from tests.jobs.test_canaries import WORKER
from tests.support.cli import ROOT, clean, scan
from tests.support.real_kubernetes import nodes
from tests.support.real_kubernetes.canary_estate import (
    IMAGE,
    NAMESPACE,
    PODS,
    QUICK,
    Kubelets,
    by_pool,
    canaries,
    estate,
    look,
    node,
    priority_class,
    quota,
    ready_pod,
    until,
)
from tests.support.real_kubernetes.front import front
from tests.support.real_kubernetes.server import KubeApiServer
from tests.support.real_kubernetes.tenant import APP
from tests.support.storage import app_settings, job_context

QUOTA = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/few"

# no harm -------------------------------------------------------------------------------------------------------------


def test_on_full_nodes_a_look_evicts_nothing(kube_cluster: KubeApiServer, tmp_path: Path) -> None:
    """With a default class above the pods that are older than it, and placeholders below everything."""
    priority_class(kube_cluster, "overprovisioning", -10)
    node(kube_cluster)
    ready_pod(kube_cluster, "shop", "600m")
    ready_pod(kube_cluster, "placeholder", "400m", priorityClassName="overprovisioning")
    priority_class(kube_cluster, "everybody", 1000, default=True)
    before = uids(kube_cluster)
    with estate(tmp_path, kube_cluster) as (sim, _), Kubelets(kube_cluster) as kubelets:
        kube_cluster.audit.clear()
        assert look(sim) == {"system": ("pass", "canary-not-found")}
    (made,) = kubelets.seen.values()
    assert made["spec"]["priority"] == 1000, "the API server gave it the default class, which it did not ask for"
    assert uids(kube_cluster) == before
    assert deleted(kube_cluster) == {("watch", made["metadata"]["name"])}, "not even asked for"
    # The same cluster does evict for a pod that the scheduler has to find a place for.
    nodes.pod(kube_cluster, "scheduled", IMAGE, containers=[{"name": "m", "image": IMAGE, "resources": REQUESTS}])
    until(lambda: ("default", "placeholder") in deleted(kube_cluster))


def test_the_last_place_of_a_node_is_left_to_whoever_comes(kube_cluster: KubeApiServer, tmp_path: Path) -> None:
    """A canary that took it would make the scheduler evict a placeholder for the next pod."""
    priority_class(kube_cluster, "overprovisioning", -10)
    node(kube_cluster, pods=3)
    ready_pod(kube_cluster, "shop", "10m")
    ready_pod(kube_cluster, "placeholder", "10m", priorityClassName="overprovisioning")
    with estate(tmp_path, kube_cluster, max_pods=3) as (sim, _), Kubelets(kube_cluster) as kubelets:
        kube_cluster.audit.clear()
        assert look(sim) == {"system": ("unknown", "canary-no-node")}
        assert not kubelets.seen
    newcomer = "/api/v1/namespaces/default/pods/newcomer"
    nodes.pod(kube_cluster, "newcomer", IMAGE, containers=[{"name": "m", "image": IMAGE, "resources": REQUESTS}])
    until(lambda: kube_cluster.request("GET", newcomer)["spec"].get("nodeName"))
    assert deleted(kube_cluster) == set()


REQUESTS = {"requests": {"cpu": "1m"}}


def uids(server: KubeApiServer) -> dict[str, str]:
    """The pods of the customer."""
    items = server.request("GET", "/api/v1/namespaces/default/pods")["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}


def deleted(server: KubeApiServer) -> set[tuple[str, str]]:
    """The pods whose deletion or eviction anybody asked for."""
    entries = [entry.get("objectRef", {}) | {"verb": entry["verb"]} for entry in server.audit.entries()]
    return {
        (str(one.get("namespace")), str(one.get("name")))
        for one in entries
        if one.get("resource") == "pods" and (one["verb"].startswith("delete") or one.get("subresource") == "eviction")
    }


def test_a_cordoned_node_is_passed_over_where_nodes_may_be_read(kube_cluster: KubeApiServer, tmp_path: Path) -> None:
    name = node(kube_cluster, unschedulable=True)
    ready_pod(kube_cluster, "shop", nodeName=name)
    rules = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    kube_cluster.create({"metadata": {"name": "nodes"}, "rules": rules}, f"{rbac}/clusterroles")
    with estate(tmp_path, kube_cluster) as (sim, _), Kubelets(kube_cluster):
        assert look(sim) == {"system": ("pass", "canary-not-found")}, "which nobody could see"
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "nodes"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "nodes"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": APP}],
        }
        kube_cluster.create(binding, f"{rbac}/clusterrolebindings")
        assert until(lambda: look(sim).get("system") == ("unknown", "canary-no-node"))


def test_a_restricted_namespace_takes_pods_for_both_systems(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    kube_apiserver.namespace(NAMESPACE, {"pod-security.kubernetes.io/enforce": "restricted"})
    for pool in ("aks-system-12345678-vmss000000", "akswin000000"):
        ready_pod(kube_apiserver, f"on-{pool}", nodeName=pool)
    with estate(tmp_path, kube_apiserver, windows=("win",)) as (sim, _), Kubelets(kube_apiserver) as kubelets:
        assert look(sim) == dict.fromkeys(("system", "win"), ("pass", "canary-not-found"))
    assert {pod["spec"]["os"]["name"] for pod in kubelets.seen.values()} == {"linux", "windows"}
    assert all(one["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "0", "memory": "0"}
               for one in kubelets.seen.values())  # fmt: skip


def test_a_quota_without_room_is_named(kube_cluster: KubeApiServer, tmp_path: Path) -> None:
    ready_pod(kube_cluster, "shop", nodeName=node(kube_cluster))
    with estate(tmp_path, kube_cluster) as (sim, _):
        quota(kube_cluster, pods="0")
        until(lambda: kube_cluster.request("GET", QUOTA).get("status", {}).get("used"))
        finding = scan(sim.environment | QUICK, "--quiet", "--canary").finding("PW305")
    assert finding["cause"] == "canary-quota"
    assert "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0" in finding["summary"]


def test_under_a_quota_of_one_pod_every_pool_answers(kube_cluster: KubeApiServer, tmp_path: Path) -> None:
    pools = ("system", "user", "gpu")
    for pool in pools:
        ready_pod(kube_cluster, f"on-{pool}", nodeName=node(kube_cluster, pool))
    with estate(tmp_path, kube_cluster, *pools) as (sim, _), Kubelets(kube_cluster):
        quota(kube_cluster, pods="1")
        until(lambda: kube_cluster.request("GET", QUOTA).get("status", {}).get("used"))
        assert look(sim) == dict.fromkeys(pools, ("pass", "canary-not-found"))
        assert canaries(kube_cluster) == []


# every end -----------------------------------------------------------------------------------------------------------


@contextmanager
def process(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[str]]:
    """A process of the product, ended at the end."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    given = clean(environment | QUICK)
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, env=given, **pipes) as running_process:
        try:
            yield running_process
        finally:
            running_process.kill()


def test_a_terminated_command_leaves_no_pod(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with estate(tmp_path, kube_apiserver) as (sim, _), ExitStack() as stack:
        command = stack.enter_context(process(sim.environment, "-m", "checks", "scan", "--canary", "--quiet"))
        until(lambda: canaries(kube_apiserver))
        command.send_signal(signal.SIGTERM)
        _, errors = command.communicate(timeout=60)
    assert (command.returncode, errors) == (143, "pullwatch: stopped by SIGTERM\n")
    assert canaries(kube_apiserver) == []


async def test_a_killed_process_leaves_a_pod_that_the_next_sweep_deletes(
    kube_apiserver: KubeApiServer, tmp_path: Path, storage: str
) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with estate(tmp_path, kube_apiserver) as (sim, _):
        settings = sim.environment | app_settings(storage)
        with process(settings, "-c", WORKER) as worker:
            until(lambda: canaries(kube_apiserver))
            worker.send_signal(signal.SIGKILL)
            worker.wait(10)
        (left,) = canaries(kube_apiserver)
        assert left["spec"]["activeDeadlineSeconds"] == 80, "the cluster ends it too"
        later = datetime.now(UTC) + timedelta(minutes=10)
        async with job_context(settings, lambda: later) as job:
            assert await sweep_canaries(job) == Swept(deleted=1)
        assert canaries(kube_apiserver) == []


@pytest.mark.matrix  # a minute of real time; test_canaries.py has it on the simulated one
def test_a_killed_command_leaves_a_pod_that_a_later_look_deletes(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    """It has no storage: the pod is found by its label, once it must have ended by itself."""
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with estate(tmp_path, kube_apiserver) as (sim, _):
        with process(sim.environment, "-m", "checks", "scan", "--canary", "--quiet") as command:
            until(lambda: canaries(kube_apiserver))
            command.send_signal(signal.SIGKILL)
            command.wait(10)
        (left,) = canaries(kube_apiserver)
        with Kubelets(kube_apiserver):
            assert look(sim) == {"system": ("pass", "canary-not-found")}
            assert names(kube_apiserver) == {left["metadata"]["name"]}, "it is young: another look may still read it"
            kube_apiserver.patch(f"{PODS}/{left['metadata']['name']}", {"spec": {"activeDeadlineSeconds": 1}})
            made = datetime.fromisoformat(left["metadata"]["creationTimestamp"])
            wait = 62 - (datetime.now(UTC) - made).total_seconds()
            time.sleep(max(wait, 0))
            assert look(sim) == {"system": ("pass", "canary-not-found")}
            assert names(kube_apiserver) == set()


def names(server: KubeApiServer) -> set[str]:
    return {pod["metadata"]["name"] for pod in canaries(server)}


def test_a_delete_that_is_throttled_is_asked_for_again(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with front(kube_apiserver) as before, estate(tmp_path, kube_apiserver, front=before) as (sim, _):
        before.rejects = "DELETE"
        arguments = ("-m", "checks", "scan", "--canary", "--quiet", "--json")
        with Kubelets(kube_apiserver), process(dict(sim.environment), *arguments) as command:
            until(lambda: before.rejected >= 2)
            assert len(canaries(kube_apiserver)) == 1
            before.rejects = ""
            out, _ = command.communicate(timeout=60)
    assert '"cause": "canary-not-found"' in out
    assert "canary-left-behind" not in out
    assert canaries(kube_apiserver) == []


def test_a_delete_that_stays_throttled_is_reported(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with front(kube_apiserver) as before, estate(tmp_path, kube_apiserver, front=before) as (sim, _):
        before.rejects = "DELETE"
        with Kubelets(kube_apiserver):
            result = scan(sim.environment | QUICK | {"PULLWATCH_CALL_SECONDS": "4"}, "--quiet", "--canary")
        (left,) = names(kube_apiserver)
    assert by_pool(result) == {"system": ("pass", "canary-not-found"), "": ("unknown", "canary-left-behind")}
    finding = next(f for f in result.findings("PW305") if f["cause"] == "canary-left-behind")
    assert "answered 429: Too many requests, please try again later." in finding["summary"]
    assert finding["fix"][0] == f"kubectl delete pod --namespace {NAMESPACE} {left}"


@pytest.mark.matrix  # a quarter of a minute of real time
def test_an_api_server_that_restarts_is_waited_for(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with estate(tmp_path, kube_apiserver) as (sim, _):
        environment = dict(sim.environment) | {"PULLWATCH_CANARY_SECONDS": "60"}
        arguments = ("-m", "checks", "scan", "--canary", "--quiet", "--json")
        with process(environment, *arguments) as command:
            until(lambda: canaries(kube_apiserver))
            kube_apiserver.restart(pause=2)
            with Kubelets(kube_apiserver):
                out, errors = command.communicate(timeout=90)
    assert errors == ""
    causes = [f["cause"] for f in json.loads(out)["clusters"][0]["findings"] if f["code"] == "PW305"]
    assert causes == ["canary-not-found"]
    assert canaries(kube_apiserver) == []


def test_a_pod_that_finalizers_keep_is_reported(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with estate(tmp_path, kube_apiserver) as (sim, _), Kubelets(kube_apiserver, ("audit.contoso.example/keep",)):
        result = scan(sim.environment | QUICK, "--quiet", "--canary")
        (held,) = canaries(kube_apiserver)
    assert held["metadata"]["deletionTimestamp"]
    assert by_pool(result) == {"system": ("pass", "canary-not-found"), "": ("unknown", "canary-held")}
    summary = next(f["summary"] for f in result.findings("PW305") if f["cause"] == "canary-held")
    assert summary.startswith("1 canary pod(s) were deleted and are still there") and "audit.contoso" in summary
