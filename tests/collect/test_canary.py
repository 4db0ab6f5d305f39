"""Canary pods over the wire: what is made, what is read of it, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from checks import settings
from checks.collect.arm.client import Azure, open_azure
from checks.collect.kubernetes import canary, canary_pod
from checks.collect.kubernetes.canary import to_the_end
from checks.collect.kubernetes.canary_api import CanaryApi
from checks.collect.kubernetes.canary_pod import LABELS, PodState, answered, failed_texts
from checks.collect.kubernetes.canary_records import CanaryPod, CanaryRecords, Unrecorded
from checks.collect.wire.errors import Temporary
from checks.facts import Cluster, NotSeen, NotSeenReason, RegistryUse, Seen, Workloads
from checks.facts.canary import Canaries, CanaryRefusal, CanaryReport, RefusedBy
from simulator import Simulator, running
from tests.simulator.test_simulated_kubelet import Cluster as Api
from tests.support.cli import clean
from tests.support.image_facts import container
from tests.support.network_world import HOST, READ, World
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

IMAGE = f"{HOST}/team/web:1"
WRITER = "Azure Kubernetes Service RBAC Writer"
PODS = "Microsoft.ContainerService/managedClusters/pods"


def tenant_of(world: World, folder: Path, *, role: bool = True) -> Tenant:
    """The world's cluster, with an empty API and a registry that has one image."""
    tenant = world.into(Tenant(folder / "tenant"))
    tenant.reachable()
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    if role:
        tenant.assign(object_id("aks-1"), ACR_PULL, world.registry_id)
    return tenant


def two_pools() -> World:
    world = World()
    return world.pools(world.pool("system"), world.pool("user"))


def node_body(
    name: str, pool: str = "system", *, labels: dict[str, str] | None = None, **status: Any
) -> dict[str, Any]:
    """A Node object of a pool."""
    spec = status.pop("spec", {})
    conditions = [{"type": kind, "status": "True"} for kind in status.pop("conditions", ("Ready",))]
    metadata = {"name": name, "labels": labels or {"kubernetes.azure.com/agentpool": pool, "kubernetes.io/os": "linux"}}
    body = {"kind": "Node", "apiVersion": "v1", "metadata": metadata, "spec": spec}
    return body | {"status": {"conditions": conditions, **status}}


def deny(tenant: Tenant, world: World, *actions: str) -> None:
    tenant.caller(denied=[{"scope": world.cluster_id, "actions": list(actions)}])


def refuse(tenant: Tenant, message: str, status: int = 403, method: str = "POST") -> None:
    """The API server answers as it does where admission refuses a pod."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "Forbidden",
            "code": status}  # fmt: skip
    rule = {"service": "kubernetes", "method": method, "path": "*/pods*", "effect": {"status": status, "body": body}}
    tenant.write("", [rule], "faults")


@asynccontextmanager
async def opened(sim: Simulator, **over: Any) -> AsyncIterator[Azure]:
    """The product's clients, with settings that differ."""
    with mock.patch.dict(os.environ, clean(sim.environment), clear=True):
        loaded = msgspec.structs.replace(settings.load(os.environ), **over)
        async with open_azure(loaded) as azure:
            yield azure


def facts(world: World) -> tuple[Cluster, tuple[RegistryUse, ...]]:
    """The cluster and its one registry, with one image in use, as the adapters would read them."""
    cluster_facts = world.facts()
    (use,) = cluster_facts.uses
    known = use.registry
    assert isinstance(known, Seen)
    registry = Seen(msgspec.structs.replace(known.value, anonymous_pull=False), known.evidence)
    return cluster_facts.cluster, (msgspec.structs.replace(use, images=(container(IMAGE),), registry=registry),)


def node_of(pool: str, *, windows: bool = False) -> str:
    """The name of a pool's first node."""
    return f"aks{pool}000000" if windows else f"aks-{pool}-12345678-vmss000000"


def workloads(cluster: Cluster) -> Seen[Workloads]:
    """A Ready pod on one node of every pool."""
    pools = ((pool.name, (pool.os_type or "").lower() == "windows") for pool in cluster.pools)
    nodes = frozenset(node_of(name, windows=windows) for name, windows in pools)
    return Seen(Workloads(events=Seen((), READ), ready_nodes=nodes), READ)


async def asked(
    sim: Simulator,
    world: World,
    *,
    pods: Seen[Workloads] | NotSeen | None = None,
    records: CanaryRecords | None = None,
    **over: Any,
) -> Canaries | NotSeen:
    cluster, uses = facts(world)
    async with opened(sim, **over) as azure:
        return await canary.of_cluster(azure, cluster, uses, pods or workloads(cluster), records or Unrecorded())


async def answers(sim: Simulator, world: World, **over: Any) -> list[CanaryReport | NotSeen]:
    """What was said per pool and image, in order. Nothing may have been left behind."""
    canaries = await asked(sim, world, **over)
    assert isinstance(canaries, Canaries)
    assert canaries.left == ()
    return [c.result.value if isinstance(c.result, Seen) else c.result for c in canaries.canaries]


def pods(sim: Simulator, world: World, namespace: str = "default") -> list[dict[str, Any]]:
    """The pods that are there now."""
    reply = Api(sim, world.cluster_id)(f"/api/v1/namespaces/{namespace}/pods")
    assert reply.status == 200
    return list(reply.json["items"])


def made_and_deleted(sim: Simulator) -> tuple[int, int]:
    """How many pods were made and how many deleted, as the API server counts them."""
    calls = [r for r in sim.requests if r.service == "kubernetes" and "/pods" in r.path]
    made = sum(r.method == "POST" and r.status == 201 for r in calls)
    return made, sum(r.method == "DELETE" and r.status == 200 for r in calls)


async def until(condition: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to it"
        await asyncio.sleep(0.02)


# the pod -------------------------------------------------------------------------------------------------------------


async def test_a_restricted_namespace_takes_the_pods_of_every_kind_of_pool(tmp_path: Path) -> None:
    world = World()
    world.pools(
        world.pool("system", osType="Linux"),
        world.pool("gpu", osType="Linux", nodeTaints=["sku=gpu:NoSchedule", "x=y:NoExecute"]),
        world.pool("win", osType="Windows"),
        world.pool("off", count=0),
    )
    tenant = tenant_of(world, tmp_path)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "watch", "labels": labels}}
    tenant.write("kubernetes/aks-1", namespace)
    deny(tenant, world, f"{PODS}/delete")  # so that they can be looked at
    with running(tenant.root, kubelet_delay=0.02) as sim:
        canaries = await asked(sim, world, canary_namespace="watch", canary_image=IMAGE)
        made = pods(sim, world, "watch")
    assert isinstance(canaries, Canaries)
    parts = [(c.ask.pool, c.ask.real, c.result.value.pulled) for c in canaries.canaries if isinstance(c.result, Seen)]
    assert parts == [("system", False, False), ("system", True, True), ("gpu", False, False), ("gpu", True, True),
                    ("win", False, False), ("win", True, False)]  # fmt: skip
    assert canaries.empty_pools == ("off",)
    by_pool = {p["spec"]["nodeSelector"]["kubernetes.azure.com/agentpool"]: p for p in made}
    assert {name: body["spec"]["nodeName"] for name, body in by_pool.items()} == {
        "system": node_of("system"), "gpu": node_of("gpu"), "win": node_of("win", windows=True)}  # fmt: skip
    for name, body in by_pool.items():
        check_harmless(body, windows=name == "win")


def check_harmless(body: dict[str, Any], *, windows: bool) -> None:
    """A pod that can do no harm, whatever its images are."""
    spec, system = body["spec"], "windows" if windows else "linux"
    assert body["metadata"]["labels"] == LABELS
    assert body["metadata"]["name"].startswith("pullwatch-canary-")
    assert spec["nodeSelector"]["kubernetes.io/os"] == spec["os"]["name"] == system
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert "priorityClassName" not in spec, "the cluster has no default class"
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes", "imagePullSecrets"} & set(spec)
    assert spec["serviceAccountName"] == "default", "which the API server gives it"
    assert spec["automountServiceAccountToken"] is False
    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 180
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert ("seccompProfile" in spec["securityContext"]) is not windows
    for one in spec["containers"]:
        assert one["imagePullPolicy"] == "Always"
        assert not {"command", "args", "env", "envFrom", "ports", "volumeMounts"} & set(one)
        assert one["resources"] == {
            "requests": {"cpu": "0", "memory": "0"}, "limits": {"cpu": "50m", "memory": "64Mi"}}  # fmt: skip
        own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert one.get("securityContext") == (None if windows else own)
    absent = next(one["image"] for one in spec["containers"] if one["name"] == "ask-0")
    assert absent.startswith(f"{HOST}/team/web:pullwatch-absent-")


async def test_the_tag_is_another_one_every_time(tmp_path: Path) -> None:
    world = World()
    with running(tenant_of(world, tmp_path).root, kubelet_delay=0.02) as sim:
        looks = [await asked(sim, world), await asked(sim, world)]
    images = {c.ask.image for canaries in looks if isinstance(canaries, Canaries) for c in canaries.canaries}
    assert len(images) == 2


# what kubelet says ---------------------------------------------------------------------------------------------------


async def test_an_absent_tag_is_not_found_and_the_pod_is_gone(tmp_path: Path) -> None:
    world = two_pools()
    with running(tenant_of(world, tmp_path).root, kubelet_delay=0.02) as sim:
        reports = await answers(sim, world)
        assert pods(sim, world) == []
        assert made_and_deleted(sim) == (2, 2)
    for report, pool in zip(reports, ("system", "user"), strict=True):
        assert isinstance(report, CanaryReport)
        assert "code = NotFound" in report.text and "failed to fetch anonymous token" in report.text
        assert (report.pulled, report.node, report.secrets) == (False, f"aks-{pool}-12345678-vmss000000", ())


async def test_a_refusal_is_told_and_the_pod_is_gone(tmp_path: Path) -> None:
    world = World()
    with running(tenant_of(world, tmp_path, role=False).root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world)
        assert pods(sim, world) == []
    assert isinstance(report, CanaryReport) and "401 Unauthorized" in report.text


async def test_a_kubelet_that_tells_only_of_back_off_is_asked_for_its_events(tmp_path: Path) -> None:
    world = World().cluster(kubernetesVersion="1.31.9")
    with running(tenant_of(world, tmp_path).root, kubelet_delay=0.02) as sim:
        report, real = await answers(sim, world, canary_image=IMAGE)
        assert sim.count("kubernetes", "/events") == 1
    assert isinstance(report, CanaryReport)
    assert report.reason == "ImagePullBackOff"
    assert report.text.startswith(f'Failed to pull image "{HOST}/team/web:pullwatch-absent-')
    assert isinstance(real, CanaryReport) and real.pulled


async def test_back_off_without_events_is_an_answer_without_a_text(tmp_path: Path) -> None:
    world = World().cluster(kubernetesVersion="1.31.9")
    tenant = tenant_of(world, tmp_path)
    deny(tenant, world, "Microsoft.ContainerService/managedClusters/events/read")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world)
    assert report == CanaryReport(reason="ImagePullBackOff", text="", node="aks-system-12345678-vmss000000")


async def test_pull_secrets_that_the_namespace_gives_the_pod_are_told(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": "default"}}
    tenant.write("kubernetes/aks-1", account | {"imagePullSecrets": [{"name": "regcred"}]})
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world)
    assert isinstance(report, CanaryReport) and report.secrets == ("regcred",)


async def test_a_node_that_is_no_node_of_the_pool_refuses_the_pod_in_the_kubelet_s_words(tmp_path: Path) -> None:
    """Its name looks like the pool's, its labels show that another made it (node auto-provisioning, say)."""
    world = World()
    tenant = tenant_of(world, tmp_path)
    labels = {"kubernetes.azure.com/agentpool": "system", "kubernetes.io/os": "windows"}
    tenant.write("kubernetes/aks-1", node_body(node_of("system"), labels=labels))
    with running(tenant.root, kubelet_delay=0.02) as sim:
        canaries = await asked(sim, world)
        assert pods(sim, world) == []
    assert isinstance(canaries, Canaries) and canaries.left == ()
    (one,) = canaries.canaries
    assert one.refusal is not None and (one.refusal.by, one.refusal.reason) == (RefusedBy.KUBELET, "PodOSNotSupported")
    assert isinstance(one.result, NotSeen) and one.result.why is NotSeenReason.NOT_FOUND
    assert "Failed to admit pod as the OS field doesn't match node OS" in one.result.detail


async def test_a_kubelet_that_is_silent_costs_its_time_and_the_pod_is_gone(tmp_path: Path) -> None:
    world = World()
    with running(tenant_of(world, tmp_path).root, kubelet_delay=60) as sim:
        started = time.monotonic()
        (gap,) = await answers(sim, world, canary_seconds=1)
        assert time.monotonic() - started < 5
        assert pods(sim, world) == []
        assert made_and_deleted(sim) == (1, 1)
    assert gap == NotSeen(NotSeenReason.NOT_FOUND, "kubelet reported nothing within 1 s", "an answer in time")


async def test_nothing_is_made_where_there_is_nothing_to_ask(tmp_path: Path) -> None:
    world = World()
    world.pools(world.pool("system", count=0))
    with running(tenant_of(world, tmp_path).root, kubelet_delay=0.02) as sim:
        assert await asked(sim, world) == Canaries(empty_pools=("system",))
        assert sim.count("kubernetes") == 0


# which node is asked -------------------------------------------------------------------------------------------------

NODES_READ = "Microsoft.ContainerService/managedClusters/nodes/read"
READY = Seen(Workloads(events=Seen((), READ), ready_nodes=frozenset({node_of("system")})), READ)


async def test_full_nodes_and_a_default_priority_class_evict_nothing(tmp_path: Path) -> None:
    """A scheduled pod of the default class would: it is above the pods that are older than the class."""
    world = World()
    tenant = tenant_of(world, tmp_path)
    tenant.write(
        "kubernetes/aks-1", node_body(node_of("system"), allocatable={"cpu": "1", "memory": "1Gi", "pods": "9"})
    )
    for name, cpu, priority in (("shop", "900m", 0), ("placeholder", "100m", -10)):
        container = {"name": "main", "image": IMAGE, "resources": {"requests": {"cpu": cpu}}}
        tenant.pod(
            IMAGE, name=name, spec={"nodeName": node_of("system"), "priority": priority, "containers": [container]}
        )
    meta = {"name": "everybody"}
    tenant.write("kubernetes/aks-1", {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": meta,
                                      "value": 1000, "globalDefault": True})  # fmt: skip
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world)
        assert {p["metadata"]["name"] for p in pods(sim, world)} == {"shop", "placeholder"}
        made = pod_to_be_scheduled(sim, world)
        assert made == {"scheduled"}, "the double would have evicted both"
    assert isinstance(report, CanaryReport) and "NotFound" in report.text


def pod_to_be_scheduled(sim: Simulator, world: World) -> set[str]:
    """The pods that are there once the scheduler found a place for a pod that names no node."""
    api, path = Api(sim, world.cluster_id), "/api/v1/namespaces/default/pods"
    container = {"name": "main", "image": IMAGE, "resources": {"requests": {"cpu": "1"}}}
    api(path, "POST", {"metadata": {"name": "scheduled"}, "spec": {"containers": [container]}})
    end = time.monotonic() + 10
    while "nodeName" not in api(f"{path}/scheduled").json["spec"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    return {p["metadata"]["name"] for p in pods(sim, world)}


async def test_nodes_that_may_be_read_are_chosen_by_their_status(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    names = [f"aks-system-12345678-vmss00000{n}" for n in range(5)]
    tenant.write("kubernetes/aks-1", node_body(names[0], spec={"unschedulable": True}), "0")
    tenant.write("kubernetes/aks-1", node_body(names[1], conditions=("Ready", "DiskPressure")), "1")
    tenant.write("kubernetes/aks-1", node_body(names[2], conditions=()), "2")
    taints = [{"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}]
    tenant.write("kubernetes/aks-1", node_body(names[3], spec={"taints": taints}), "3")
    tenant.write("kubernetes/aks-1", node_body(names[4]), "4")
    tenant.caller(granted=[NODES_READ])
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world, pods=READY)
    assert isinstance(report, CanaryReport) and report.node == names[4]


async def test_a_long_list_of_nodes_is_read_until_one_can_be_asked(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    names = [f"aks-system-12345678-vmss{n:06}" for n in range(130)]
    cordoned = [node_body(name, spec={"unschedulable": True}) for name in names]
    listed = {"kind": "NodeList", "apiVersion": "v1", "items": [*cordoned[:60], node_body(names[60]), *cordoned[61:]]}
    tenant.write("kubernetes/aks-1", listed)
    tenant.caller(granted=[NODES_READ])
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world, pods=READY)
        assert sim.count("kubernetes", "/nodes") == 2, "the third page was not needed"
    assert isinstance(report, CanaryReport) and report.node == names[60]


async def test_a_pool_whose_nodes_cannot_be_asked_is_told_with_what_is_missing(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    tenant.write("kubernetes/aks-1", node_body(node_of("system"), spec={"unschedulable": True}))
    tenant.caller(granted=[NODES_READ])
    with running(tenant.root, kubelet_delay=0.02) as sim:
        canaries = await asked(sim, world, pods=READY)
        assert made_and_deleted(sim) == (0, 0)
    assert isinstance(canaries, Canaries)
    (one,) = canaries.canaries
    assert one.refusal is not None and one.refusal.by is RefusedBy.PULLWATCH
    assert isinstance(one.result, NotSeen) and one.result.why is NotSeenReason.NOT_FOUND
    assert one.result.detail == (f"no node of the pool system can take a canary pod: {node_of('system')} is cordoned")


@pytest.mark.parametrize("seen", [True, False])
async def test_without_a_node_that_can_be_named_no_pod_is_made(tmp_path: Path, seen: bool) -> None:
    world = World()
    gap = NotSeen(NotSeenReason.NOT_ALLOWED, "HTTP 403", "Azure Kubernetes Service RBAC Reader", ("az role …",))
    given = Seen(Workloads(events=Seen((), READ)), READ) if seen else gap
    with running(tenant_of(world, tmp_path).root, kubelet_delay=0.02) as sim:
        (result,) = await answers(sim, world, pods=given)
        assert made_and_deleted(sim) == (0, 0)
    assert isinstance(result, NotSeen)
    if seen:
        assert "no pod on its nodes is Ready, and nodes could not be read" in result.detail
        assert (result.why, result.role) == (
            NotSeenReason.NOT_FOUND,
            "a Ready pod on a node of the pool, or nodes/read",
        )
    else:
        assert result.detail == "no node of the pool system can be named: pods could not be read (HTTP 403)"
        assert (result.why, result.role, result.fix) == (gap.why, gap.role, gap.fix)


# an API server that is busy or away ----------------------------------------------------------------------------------


def fault(method: str, **effect: Any) -> dict[str, Any]:
    times = effect.pop("times", 2)
    path = "*/pods" if method == "POST" else "*/pods/*"
    return {"service": "kubernetes", "method": method, "path": path, "times": times, "effect": effect}


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_an_api_server_that_is_busy_is_waited_for(tmp_path: Path, method: str) -> None:
    """429 of API Priority and Fairness is no JSON."""
    world = World()
    tenant = tenant_of(world, tmp_path)
    body = "Too many requests, please try again later.\n"
    tenant.write("", [fault(method, status=429, retry_after=1, body=body)], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world)
        assert pods(sim, world) == []
        assert sum(r.status == 429 for r in sim.requests) == 2
    assert isinstance(report, CanaryReport) and "NotFound" in report.text


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_api_server_that_is_away_for_a_moment_is_waited_for(tmp_path: Path, method: str) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    tenant.write("", [fault(method, close=True, times=4)], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world)
        assert pods(sim, world) == []
    assert isinstance(report, CanaryReport) and "NotFound" in report.text


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_api_server_that_was_away_may_refuse_for_a_moment(tmp_path: Path, method: str) -> None:
    """Its authorizers read their bindings anew."""
    world = World()
    tenant = tenant_of(world, tmp_path)
    tenant.write("", [fault(method, close=True), fault(method, status=403)], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (report,) = await answers(sim, world)
        assert pods(sim, world) == []
        assert sum(r.status == 403 for r in sim.requests if "/pods/" in r.path and r.method == method) == 2
    assert isinstance(report, CanaryReport) and "NotFound" in report.text


async def test_a_pod_that_could_not_be_deleted_in_time_is_left_and_told(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    tenant.write("", [fault("DELETE", status=429, retry_after=1, times=None)], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        canaries = await asked(sim, world, call_seconds=3)
        (there,) = pods(sim, world)
    assert isinstance(canaries, Canaries)
    assert canaries.left == (f"default/{there['metadata']['name']}",)
    assert canaries.left_why is not None and "answered 429" in canaries.left_why.detail


async def test_a_pod_that_somebody_else_deletes_is_told_and_not_deleted_twice(tmp_path: Path) -> None:
    world = World()
    with running(tenant_of(world, tmp_path).root, kubelet_delay=60) as sim:
        task = asyncio.create_task(answers(sim, world))
        await until(lambda: made_and_deleted(sim)[0] == 1)
        name = pods(sim, world)[0]["metadata"]["name"]
        Api(sim, world.cluster_id)(f"/api/v1/namespaces/default/pods/{name}", "DELETE")
        (gap,) = await task
    assert isinstance(gap, NotSeen)
    assert gap.detail == f"somebody deleted the pod {name} before the kubelet answered"


# finalizers, quotas, names that are kept -----------------------------------------------------------------------------


def hold_pods(tenant: Tenant) -> None:
    """A namespace, "watch", in which a finalizer holds every pod that is deleted."""
    annotations = {"simulator/finalizers": "audit.contoso.example/keep"}
    namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "watch", "annotations": annotations}}
    tenant.write("kubernetes/aks-1", namespace)


async def test_finalizers_that_keep_a_pod_are_told_and_counted(tmp_path: Path) -> None:
    world = two_pools()
    tenant = tenant_of(world, tmp_path)
    hold_pods(tenant)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        canaries = await asked(sim, world, canary_namespace="watch")
        there = {f"watch/{p['metadata']['name']}" for p in pods(sim, world, "watch")}
    assert isinstance(canaries, Canaries)
    assert set(canaries.held) == there and len(there) == 2
    assert (canaries.left, canaries.finalizers) == ((), ("audit.contoso.example/keep",))


async def test_pods_of_a_cluster_whose_local_account_may_no_longer_be_used_are_left_with_the_reason(
    tmp_path: Path,
) -> None:
    world = World().cluster(aadProfile=...)
    pod = CanaryPod(world.cluster_id, "default", "pullwatch-canary-system-00")
    with running(tenant_of(world, tmp_path).root) as sim:
        async with opened(sim) as azure:
            with pytest.raises(Temporary, match="PULLWATCH_ALLOW_LOCAL_ACCOUNTS"):
                await canary.delete_recorded(azure, [pod])
        async with opened(sim, allow_local_accounts=True) as azure:
            assert await canary.delete_recorded(azure, [pod]) == {}


async def test_pods_that_are_held_are_not_joined_by_more(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    hold_pods(tenant)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        first = await asked(sim, world, canary_namespace="watch")
        second = await asked(sim, world, canary_namespace="watch")
        there = pods(sim, world, "watch")
    assert isinstance(first, Canaries) and isinstance(second, Canaries)
    assert len(there) == 1
    assert second.held == first.held
    (gap,) = [canary.result for canary in second.canaries]
    assert isinstance(gap, NotSeen)
    assert gap.detail == (
        "finalizers (audit.contoso.example/keep) still hold 1 canary pod of earlier looks, so no more are made"
    )


async def test_under_a_quota_the_pools_are_asked_one_after_the_other(tmp_path: Path) -> None:
    world = World()
    world.pools(*(world.pool(name) for name in ("system", "user", "gpu")))
    tenant = tenant_of(world, tmp_path)
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "few", "namespace": "default"},
             "spec": {"hard": {"pods": "1", "requests.cpu": "0", "requests.memory": "0"}}}  # fmt: skip
    tenant.write("kubernetes/aks-1", quota)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        reports = await answers(sim, world)
        made = [r.method for r in sim.requests if r.service == "kubernetes" and r.method in ("POST", "DELETE")]
    assert made == ["POST", "DELETE"] * 3
    assert all(isinstance(report, CanaryReport) for report in reports)


async def test_a_quota_that_still_counts_a_deleted_pod_is_waited_for(tmp_path: Path) -> None:
    world = two_pools()
    tenant = tenant_of(world, tmp_path)
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "few", "namespace": "default"},
             "spec": {"hard": {"pods": "1"}}}  # fmt: skip
    tenant.write("kubernetes/aks-1", quota)
    message = 'pods "x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1'
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": 403}
    late = {"service": "kubernetes", "method": "POST", "path": "*/pods", "after": 1, "times": 1,
            "effect": {"status": 403, "body": body}}  # fmt: skip
    tenant.write("", [late], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        reports = await answers(sim, world)
    assert [isinstance(report, CanaryReport) for report in reports] == [True, True]


class Kept:
    """Records that say what was there when they were asked."""

    def __init__(self, sim: Simulator, world: World, error: Exception | None = None) -> None:
        self.sim, self.world, self.error = sim, world, error
        self.names: list[str] = []
        self.pods_at_add: list[int] = []

    async def add(self, pod: CanaryPod, seconds: int) -> None:
        """Keeps the name."""
        if self.error is not None:
            raise self.error
        assert (pod.cluster, pod.namespace, seconds) == (self.world.cluster_id, "default", 180)
        self.pods_at_add.append(made_and_deleted(self.sim)[0])
        self.names.append(pod.name)

    async def remove(self, pod: CanaryPod) -> None:
        """Forgets the name."""
        self.names.remove(pod.name)


async def test_a_name_is_kept_before_its_pod_is_made_and_until_it_is_gone(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        kept = Kept(sim, world)
        await answers(sim, world, records=kept)
        assert (kept.pods_at_add, kept.names) == ([0], [])
        deny(tenant, world, f"{PODS}/write")
        await answers(sim, world, records=kept)
        assert kept.names == [], "a pod that was not made is forgotten"
        deny(tenant, world, f"{PODS}/delete")
        await asked(sim, world, records=kept)
        assert kept.names == [pods(sim, world)[0]["metadata"]["name"]]


async def test_no_pod_is_made_where_its_name_cannot_be_kept(tmp_path: Path) -> None:
    world = World()
    with running(tenant_of(world, tmp_path).root, kubelet_delay=0.02) as sim:
        (gap,) = await answers(sim, world, records=Kept(sim, world, Temporary("the storage is away")))
        assert made_and_deleted(sim) == (0, 0)
    assert gap == NotSeen(NotSeenReason.ERROR, "the storage is away")


async def test_what_a_killed_process_left_is_swept_once_its_own_time_is_over(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    now = datetime.now(UTC)
    old, young = ((now - timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ") for s in (250, 100))
    canary_file(tenant, "pullwatch-canary-system-old", old, seconds=180)
    canary_file(tenant, "pullwatch-canary-system-young", young, seconds=180)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        await answers(sim, world)
        assert [p["metadata"]["name"] for p in pods(sim, world)] == ["pullwatch-canary-system-young"]


# nothing stays behind ------------------------------------------------------------------------------------------------


async def test_pods_are_gone_where_the_look_is_cancelled(tmp_path: Path) -> None:
    """As the deadline of an HTTP answer does it: all pools' pods, before the clients are closed."""
    world = two_pools()
    tenant = tenant_of(world, tmp_path)
    slow = {"service": "kubernetes", "method": "DELETE", "path": "*system*", "effect": {"latency": 0.5}}
    tenant.write("", [slow], "faults")
    with running(tenant.root, kubelet_delay=60) as sim:
        task = asyncio.create_task(asked(sim, world))
        await until(lambda: made_and_deleted(sim)[0] == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pods(sim, world) == []
        assert made_and_deleted(sim) == (2, 2)


async def test_pods_are_gone_where_the_look_is_cancelled_while_they_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    slow = {"service": "kubernetes", "method": "DELETE", "path": "*", "effect": {"latency": 0.5}}
    tenant.write("", [slow], "faults")
    deleting, delete = asyncio.Event(), CanaryApi.delete

    async def announced(api: CanaryApi, name: str) -> PodState | None:
        deleting.set()
        return await delete(api, name)

    monkeypatch.setattr(CanaryApi, "delete", announced)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        task = asyncio.create_task(asked(sim, world))
        await asyncio.wait_for(deleting.wait(), 10)
        for _ in range(3):
            await asyncio.sleep(0.05)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pods(sim, world) == []
        assert made_and_deleted(sim) == (1, 1)


async def test_pods_are_gone_where_pullwatch_itself_fails_at_one_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = two_pools()
    read = CanaryApi.read

    async def broken(api: CanaryApi, name: str, seconds: float) -> PodState | None:
        if "-system-" in name:
            raise RuntimeError("a defect")
        return await read(api, name, seconds)

    monkeypatch.setattr(CanaryApi, "read", broken)
    with running(tenant_of(world, tmp_path).root, kubelet_delay=60) as sim:
        with pytest.raises(RuntimeError, match="a defect"):
            await asked(sim, world)
        assert pods(sim, world) == []
        made, deleted = made_and_deleted(sim)
        assert made == deleted >= 1


async def test_a_pod_that_cannot_be_read_is_a_gap_of_its_pool_and_gone(tmp_path: Path) -> None:
    world = two_pools()
    tenant = tenant_of(world, tmp_path)
    broken = {"service": "kubernetes", "method": "GET", "path": "*/pods/*-system-*", "effect": {"status": 500}}
    tenant.write("", [broken], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        gap, report = await answers(sim, world)
        assert pods(sim, world) == []
    assert isinstance(gap, NotSeen) and "answered 500" in gap.detail
    assert isinstance(report, CanaryReport) and "NotFound" in report.text


async def test_a_pod_whose_making_was_not_answered_is_deleted_all_the_same(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    cut = {"service": "kubernetes", "method": "POST", "path": "*/pods", "effect": {"truncate": 10}}
    tenant.write("", [cut], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (gap,) = await answers(sim, world)
        assert pods(sim, world) == []
        assert sim.count("kubernetes", "/pods/", "DELETE") == 1
    assert isinstance(gap, NotSeen) and gap.detail == "create a canary pod: the answer broke off"


async def test_a_pod_that_may_come_yet_is_told_by_its_name(tmp_path: Path) -> None:
    """Something between holds the request back: the look ends, and the pod may be made after it."""
    world = World()
    tenant = tenant_of(world, tmp_path)
    never = {"service": "kubernetes", "method": "POST", "path": "*/pods", "effect": {"hang": 30}}
    tenant.write("", [never], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        canaries = await asked(sim, world, call_seconds=1)
        assert sim.count("kubernetes", "/pods/", "DELETE") == 1
    assert isinstance(canaries, Canaries) and canaries.left == ()
    (name,) = canaries.uncertain
    assert name.startswith("default/pullwatch-canary-system-")


class Announced(Unrecorded):
    """Says when a pod's name is kept, which is right before the pod is made."""

    def __init__(self) -> None:
        self.named = asyncio.Event()

    async def add(self, pod: CanaryPod, seconds: int) -> None:
        self.named.set()


async def test_the_name_of_a_pod_that_may_come_yet_is_logged_where_the_look_is_cancelled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    tenant.write("", [{"service": "kubernetes", "method": "POST", "path": "*/pods", "effect": {"hang": 30}}], "faults")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        look = asyncio.ensure_future(asked(sim, world, records=(records := Announced())))
        await records.named.wait()
        await asyncio.sleep(0.5)  # the request is on its way, and is not answered
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look
    assert re.search(r"canary pod default/pullwatch-canary-system-\w+ of .* may still be made", caplog.text)


def canary_file(tenant: Tenant, name: str, made: Any, seconds: int | None = None, **labels: str) -> None:
    metadata = {"name": name, "namespace": "default", "labels": LABELS | labels, "creationTimestamp": made}
    spec = {"containers": []} | ({"activeDeadlineSeconds": seconds} if seconds else {})
    body = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}
    tenant.write("kubernetes/aks-1", body, name)


async def test_what_a_crashed_run_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    now = datetime.now(UTC)
    old, young = ((now - timedelta(minutes=m)).strftime("%Y-%m-%dT%H:%M:%SZ") for m in (25, 10))
    canary_file(tenant, "pullwatch-canary-system-old", old)
    canary_file(tenant, "pullwatch-canary-system-young", young)
    canary_file(tenant, "pullwatch-canary-system-undated", "yesterday")
    canary_file(tenant, "somebody-else", old)
    canary_file(tenant, "pullwatch-canary-of-helm", old, **{"app.kubernetes.io/managed-by": "Helm"})
    with running(tenant.root, kubelet_delay=0.02) as sim:
        await answers(sim, world)
        left = {p["metadata"]["name"] for p in pods(sim, world)}
    assert left == {"pullwatch-canary-system-young", "pullwatch-canary-system-undated", "somebody-else",
                    "pullwatch-canary-of-helm"}  # fmt: skip


async def test_a_pod_that_may_not_be_deleted_is_told_with_the_role(tmp_path: Path) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    old = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    canary_file(tenant, "pullwatch-canary-system-old", old)
    deny(tenant, world, f"{PODS}/delete")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        canaries = await asked(sim, world)
        there = {f"default/{p['metadata']['name']}" for p in pods(sim, world)}
    assert isinstance(canaries, Canaries)
    assert isinstance(canaries.canaries[0].result, Seen), "the answer is there all the same"
    assert set(canaries.left) == there and len(there) == 2
    assert canaries.left_why is not None and canaries.left_why.role == WRITER
    assert canaries.left_why.fix[0].endswith(f"--role '{WRITER}' --scope {world.cluster_id}/namespaces/default")


# what is refused -----------------------------------------------------------------------------------------------------


async def test_pods_that_may_not_be_made_name_the_role_and_leave_nothing(tmp_path: Path) -> None:
    world = two_pools()
    tenant = tenant_of(world, tmp_path)
    deny(tenant, world, f"{PODS}/write", f"{PODS}/delete", f"{PODS}/read")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        reports = await answers(sim, world)
        assert sim.count("kubernetes", "/pods/", "DELETE") == 0, "there is nothing to delete"
    assert len(reports) == 2
    for gap in reports:
        assert isinstance(gap, NotSeen) and gap.why is NotSeenReason.NOT_ALLOWED
        assert gap.role == WRITER
        assert 'cannot create resource "pods"' in gap.detail
        assert gap.fix[0].endswith(f"--role '{WRITER}' --scope {world.cluster_id}/namespaces/default")


async def test_a_namespace_that_is_not_there_is_told_with_the_setting(tmp_path: Path) -> None:
    world = World()
    with running(tenant_of(world, tmp_path).root, kubelet_delay=0.02) as sim:
        (gap,) = await answers(sim, world, canary_namespace="nowhere")
    assert isinstance(gap, NotSeen)
    assert (gap.why, gap.role) == (NotSeenReason.ERROR, "PULLWATCH_CANARY_NAMESPACE")
    assert 'namespaces "nowhere" not found' in gap.detail


POD = 'pods "pullwatch-canary-system-1" is forbidden: '


@pytest.mark.parametrize(
    "message",
    [
        f"{POD}exceeded quota: few, requested: pods=1, used: pods=10, limited: pods=10",
        f"{POD}minimum cpu usage per Container is 10m, but request is 1m",
        f'{POD}violates PodSecurity "restricted:latest": runAsNonRoot != true',
        f"{POD}unable to create new content in namespace default because it is being terminated",
        f"{POD}ValidatingAdmissionPolicy 'probes' with binding 'probes' denied request: no probes",
        'admission webhook "validation.gatekeeper.sh" denied the request: [azurepolicy-x] no livenessProbe',
    ],
)
async def test_a_namespace_that_takes_no_such_pod_is_no_missing_role(tmp_path: Path, message: str) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    refuse(tenant, message)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (gap,) = await answers(sim, world)
    assert isinstance(gap, NotSeen)
    assert (gap.why, gap.role) == (NotSeenReason.ERROR, "PULLWATCH_CANARY_NAMESPACE")
    assert message in gap.detail


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ('pods is forbidden: User "x" cannot create resource "pods" in API group "" in the namespace "default"', 403),
        (f'{POD}User "x" cannot create resource "pods" in API group "" in the namespace "default"', 403),
        ("Unauthorized", 401),
        ("a proxy says no", 403),
    ],
)
async def test_a_missing_role_is_told_as_such(tmp_path: Path, message: str, status: int) -> None:
    world = World()
    tenant = tenant_of(world, tmp_path)
    refuse(tenant, message, status)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        (gap,) = await answers(sim, world)
    assert isinstance(gap, NotSeen) and (gap.why, gap.role) == (NotSeenReason.NOT_ALLOWED, WRITER)


async def test_a_cluster_out_of_reach_is_one_gap_and_leaves_nothing(tmp_path: Path) -> None:
    world = two_pools()
    tenant = tenant_of(world, tmp_path)
    (tenant.root / "kubernetes" / "aks-1").rmdir()
    with running(tenant.root) as sim:
        gap = await asked(sim, world)
    assert isinstance(gap, NotSeen) and gap.why is NotSeenReason.UNREACHABLE


async def test_a_cluster_that_does_not_run_is_not_asked(tmp_path: Path) -> None:
    world = World().cluster(powerState={"code": "Stopped"})
    with running(tenant_of(world, tmp_path).root) as sim:
        gap = await asked(sim, world)
        assert sim.requests == []
    assert gap == NotSeen(NotSeenReason.NOT_APPLICABLE, "the cluster is stopped")


async def test_a_cluster_without_entra_is_asked_only_where_a_setting_allows_it(tmp_path: Path) -> None:
    world = World().cluster(aadProfile=...)
    with running(tenant_of(world, tmp_path).root, kubelet_delay=0.02) as sim:
        gap = await asked(sim, world)
        assert isinstance(gap, NotSeen) and gap.role == "PULLWATCH_ALLOW_LOCAL_ACCOUNTS=true"
        assert sim.count("kubernetes") == 0
        (report,) = await answers(sim, world, allow_local_accounts=True)
    assert isinstance(report, CanaryReport)


# to_the_end ----------------------------------------------------------------------------------------------------------


async def test_work_is_awaited_to_its_end_and_the_cancellation_goes_on() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.append("done")

    task = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["done"]
    await to_the_end(work())
    assert done == ["done", "done"]


async def test_what_work_raises_is_raised() -> None:
    async def work() -> None:
        raise ValueError("told")

    with pytest.raises(ValueError, match="told"):
        await to_the_end(work())


# what an API server may send -----------------------------------------------------------------------------------------

WORDS = ("status", "containerStatuses", "state", "waiting", "terminated", "running", "reason", "message", "conditions",
         "type", "name", "items", "metadata", "creationTimestamp", "spec", "imagePullSecrets", "nodeName",
         "involvedObject", "fieldPath", "ErrImagePull", "Failed", "PodScheduled", "Unschedulable", "ask-0",
         "spec.containers{ask-0}", "pullwatch-canary-x", "2026-11-24T08:00:00Z")  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(WORDS)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=6),
    max_leaves=30,
)
STATUS = st.fixed_dictionaries(
    {"status": st.fixed_dictionaries({"containerStatuses": st.lists(st.fixed_dictionaries(
        {"name": st.just("ask-0"), "state": JSON | st.dictionaries(st.sampled_from(WORDS), JSON)}))}),
     "spec": JSON, "items": st.lists(JSON), "metadata": JSON}
)  # fmt: skip


@hypothesis.given(body=JSON | STATUS)
def test_no_body_of_a_pod_or_an_event_makes_the_look_raise(body: Any) -> None:
    raw = json.dumps(body).encode()
    state = PodState.of(raw)
    report = answered(state, "ask-0")
    assert report is None or isinstance(report.text, str)
    assert all(isinstance(name, str) for name in PodState.left_behind(raw, datetime.now(UTC)))
    assert all(isinstance(text, str) for text in failed_texts(raw).values())
    assert isinstance(PodState.message_of(raw), str)


@hypothesis.given(raw=st.binary())
def test_what_is_no_json_is_an_error_of_its_own(raw: bytes) -> None:
    assert isinstance(PodState.message_of(raw), str)
    try:
        PodState.of(raw)
    except Temporary as error:
        assert "no JSON" in str(error)


def test_a_kubelet_that_refuses_the_pod_itself_is_not_waited_for() -> None:
    body = {"status": {"phase": "Failed", "reason": "OutOfpods", "message": "Node didn't have enough resource: pods"}}
    refusal = CanaryRefusal(RefusedBy.KUBELET, "OutOfpods", "Node didn't have enough resource: pods")
    assert PodState.of(json.dumps(body).encode()).refusal == refusal
    ran = {"status": {"phase": "Failed", "containerStatuses": [{"name": "ask-0", "state": {"terminated": {}}}]}}
    assert PodState.of(json.dumps(ran).encode()).refusal is None


def test_a_pod_that_never_came_to_pull_says_why_by_its_events() -> None:
    events = [
        {"reason": "Scheduled", "message": "assigned"},
        {"reason": "FailedMount", "message": "no such volume"},
        {"reason": "FailedCreatePodSandBox", "message": "no runtime for kata is configured\nat all"},
        {"reason": "Pulling", "message": "pulling"},
    ]
    refusal = CanaryRefusal(RefusedBy.KUBELET, "FailedCreatePodSandBox", "no runtime for kata is configured at all")
    assert canary_pod.stuck(json.dumps({"items": events}).encode()) == refusal
    assert canary_pod.stuck(json.dumps({"items": events[:1]}).encode()) is None


async def test_a_pod_whose_sandbox_fails_is_told_in_the_kubelet_s_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    text = "Failed to create pod sandbox: no address left in the subnet"
    raw = json.dumps({"items": [{"reason": "FailedCreatePodSandBox", "message": text}]}).encode()

    async def events(api: CanaryApi, name: str) -> bytes:
        return raw

    monkeypatch.setattr(CanaryApi, "events", events)
    with running(tenant_of(world, tmp_path).root, kubelet_delay=60) as sim:
        canaries = await asked(sim, world, canary_seconds=1)
        assert pods(sim, world) == []
    assert isinstance(canaries, Canaries)
    (one,) = canaries.canaries
    assert one.refusal == CanaryRefusal(RefusedBy.KUBELET, "FailedCreatePodSandBox", text)
    assert isinstance(one.result, NotSeen) and text in one.result.detail


def waiting(reason: str, message: str | None = None) -> PodState:
    return PodState({"ask-0": {"waiting": {"reason": reason, "message": message}}})


def test_what_a_status_answers() -> None:
    assert answered(PodState(), "ask-0") is None, "no status yet"
    assert answered(waiting("ContainerCreating"), "ask-0") is None
    assert answered(waiting("ErrImagePull", "pull QPS exceeded"), "ask-0") is None, "the kubelet's own brake"
    braked = 'Back-off pulling image "a/b:1": ErrImagePull: pull QPS exceeded'
    assert answered(waiting("ImagePullBackOff", braked), "ask-0") is None
    assert answered(PodState({"ask-0": {"terminated": {"reason": "ContainerStatusUnknown"}}}), "ask-0") is None
    for state in (
        {"running": {}},
        {"terminated": {"reason": "Error"}},
        {"waiting": {"reason": "CreateContainerError"}},
    ):
        report = answered(PodState({"ask-0": state}), "ask-0")
        assert report is not None and report.pulled
    canary_report = answered(waiting("ErrImagePull", "not found"), "ask-0")
    assert canary_report == CanaryReport(reason="ErrImagePull", text="not found")
    empty = answered(waiting("ImagePullBackOff", 'Back-off pulling image "a/b:1"'), "ask-0")
    assert empty == CanaryReport(reason="ImagePullBackOff", text="")
