"""Pods that an API server refuses, changes or keeps, and the place that the scheduler makes for those it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator import running
from simulator.kubernetes.quantities import thousandths
from tests.simulator.test_simulated_kubelet import Cluster
from tests.support.network_world import World
from tests.support.tenant_builder import Tenant

PODS = "/api/v1/namespaces/default/pods"
NODE = "aks-system-12345678-vmss000000"
LABELS = {"kubernetes.azure.com/agentpool": "system", "kubernetes.io/os": "linux"}
Opened = Callable[..., Cluster]


def pod(name: str = "one", requests: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    resources = {"requests": requests} if requests else {}
    containers = [{"name": "main", "image": "acrone.azurecr.io/team/web:1", "resources": resources}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def made_in_file(kind: str, name: str, version: str = "v1", **body: Any) -> dict[str, Any]:
    namespaced = kind in ("Pod", "ResourceQuota", "LimitRange", "ServiceAccount")
    metadata = {"name": name} | ({"namespace": "default"} if namespaced else {}) | body.pop("metadata", {})
    return {"kind": kind, "apiVersion": version, "metadata": metadata, **body}


def node(**over: Any) -> dict[str, Any]:
    spec, conditions = over.pop("spec", {}), over.pop("conditions", ("Ready",))
    allocatable = {"cpu": "1", "memory": "4Gi", "pods": "10"} | over
    status = {"conditions": [{"type": one, "status": "True"} for one in conditions], "allocatable": allocatable}
    return made_in_file("Node", NODE, metadata={"labels": LABELS}, spec=spec, status=status)


def running_pod(name: str, cpu: str, priority: int = 0) -> dict[str, Any]:
    spec = pod(name, {"cpu": cpu})["spec"] | {"nodeName": NODE, "priority": priority}
    return made_in_file("Pod", name, spec=spec, status={"phase": "Running"})


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens a cluster that holds these objects."""
    simulators = []

    def open_cluster(*bodies: dict[str, Any], **caller: Any) -> Cluster:
        world = World()
        tenant = world.into(Tenant(tmp_path / "tenant"))
        tenant.reachable()
        for body in bodies:
            tenant.write("kubernetes/aks-1", body)
        if caller:
            tenant.caller(**caller)
        simulator = running(tenant.root, kubelet_delay=0.02)
        simulators.append(simulator)
        return Cluster(simulator.__enter__(), world.cluster_id)

    yield open_cluster
    for simulator in simulators:
        simulator.__exit__(None, None, None)


def refused(api: Cluster, body: dict[str, Any], status: int = 403) -> str:
    reply = api(PODS, "POST", body)
    assert (reply.status, reply.json["kind"]) == (status, "Status")
    return str(reply.json["message"])


def state(api: Cluster, name: str = "one") -> dict[str, Any]:
    """The pod once its kubelet or the scheduler said something."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        body: dict[str, Any] = api(f"{PODS}/{name}").json
        if body["status"].get("startTime") or body["status"].get("conditions"):
            return body
        time.sleep(0.02)
    raise AssertionError("nothing was said of the pod")


def test_a_quota_counts_the_pods_that_have_not_ended(opened: Opened) -> None:
    quota = made_in_file("ResourceQuota", "few", spec={"hard": {"pods": "2"}})
    ended = made_in_file("Pod", "done", spec=pod()["spec"], status={"phase": "Succeeded"})
    api = opened(quota, running_pod("there", "0"), ended)
    assert api(PODS, "POST", pod()).status == 201
    assert refused(api, pod("two")) == (
        'pods "two" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2'
    )
    assert api(f"{PODS}/one", "DELETE").status == 200
    assert api(PODS, "POST", pod("two")).status == 201


def test_a_quota_of_resources_wants_them_said_and_zero_costs_nothing(opened: Opened) -> None:
    api = opened(made_in_file("ResourceQuota", "cpu", spec={"hard": {"requests.cpu": "500m"}}))
    assert refused(api, pod()) == ('pods "one" is forbidden: failed quota: cpu: must specify requests.cpu for: main')
    assert refused(api, pod(requests={"cpu": "600m"})).endswith(
        "exceeded quota: cpu, requested: requests.cpu=600m, used: requests.cpu=0, limited: requests.cpu=500m"
    )
    assert api(PODS, "POST", pod(requests={"cpu": "0"})).status == 201


def test_a_limit_range_fills_in_and_compares(opened: Opened) -> None:
    limit = {"type": "Container", "min": {"cpu": "10m"}, "defaultRequest": {"cpu": "20m"}, "default": {"cpu": "1"}}
    api = opened(made_in_file("LimitRange", "least", spec={"limits": [limit]}))
    made = api(PODS, "POST", pod())
    assert made.json["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "20m"}, "limits": {"cpu": "1"}}
    assert refused(api, pod("two", {"cpu": "0"})) == (
        'pods "two" is forbidden: minimum cpu usage per Container is 10m, but request is 0'
    )


def test_a_namespace_that_ends_takes_nothing_more(opened: Opened) -> None:
    api = opened(made_in_file("Namespace", "default", status={"phase": "Terminating"}))
    assert refused(api, pod()) == (
        'pods "one" is forbidden: unable to create new content in namespace default because it is being terminated'
    )


def test_a_service_account_or_runtime_class_that_is_not_there_is_named(opened: Opened) -> None:
    api = opened()
    assert refused(api, pod(serviceAccountName="puller")) == (
        'pods "one" is forbidden: error looking up service account default/puller: serviceaccount "puller" not found'
    )
    assert refused(api, pod(runtimeClassName="kata")).endswith('pod rejected: RuntimeClass "kata" not found')


def test_the_default_priority_class_counts_and_a_pod_may_not_name_a_policy(opened: Opened) -> None:
    high = made_in_file("PriorityClass", "high", "scheduling.k8s.io/v1", value=1000, globalDefault=True)
    api = opened(high)
    made = api(PODS, "POST", pod()).json["spec"]
    assert (made["priorityClassName"], made["priority"], made["preemptionPolicy"]) == (
        "high", 1000, "PreemptLowerPriority")  # fmt: skip
    assert "the string value of PreemptionPolicy (Never) must not be provided" in refused(
        api, pod("two", preemptionPolicy="Never")
    )
    assert "no PriorityClass with name low was found" in refused(api, pod("two", priorityClassName="low"))


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"containers": []}, "spec.containers: Required value"),
        ({"containers": [{"name": "Main", "image": "a"}]}, 'spec.containers[0].name: Invalid value: "Main"'),
        ({"containers": [{"name": "main"}]}, "spec.containers[0].image: Required value"),
        ({"nodeName": "Node 1"}, 'spec.nodeName: Invalid value: "Node 1"'),
        ({"activeDeadlineSeconds": 0}, "must be between 1 and 2147483647, inclusive"),
        ({"tolerations": [{"operator": "Exists", "value": "x"}]}, "value must be empty when `operator` is 'Exists'"),
        ({"os": {"name": "windows"}, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}},
         "spec.securityContext.seccompProfile: Forbidden: cannot be set for a windows pod"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_pod_is_invalid(opened: Opened, spec: dict[str, Any], problem: str) -> None:
    assert problem in refused(opened(), pod(**spec), 422)


def test_a_request_above_its_limit_is_invalid(opened: Opened) -> None:
    container = {"name": "main", "image": "a", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "50m"}}}
    assert refused(opened(), pod(containers=[container]), 422).endswith(
        'Invalid value: "1": must be less than or equal to cpu limit of 50m'
    )


def test_finalizers_keep_a_deleted_pod(opened: Opened) -> None:
    api = opened(made_in_file("Namespace", "default", metadata={"annotations": {"simulator/finalizers": "x.io/hold"}}))
    assert api(PODS, "POST", pod()).json["metadata"]["finalizers"] == ["x.io/hold"]
    deleted = api(f"{PODS}/one", "DELETE")
    assert (deleted.status, "deletionTimestamp" in deleted.json["metadata"]) == (200, True)
    assert api(f"{PODS}/one").json["metadata"]["deletionTimestamp"] == deleted.json["metadata"]["deletionTimestamp"]


def test_only_what_was_granted_is_allowed(opened: Opened) -> None:
    assert opened()("/api/v1/nodes").status == 403


def test_what_was_granted_besides_is_allowed_too(opened: Opened) -> None:
    api = opened(node(), granted=["Microsoft.ContainerService/managedClusters/nodes/read"])
    assert api.names("/api/v1/nodes") == [NODE]


# where pods go -------------------------------------------------------------------------------------------------------


def test_a_full_node_makes_room_for_a_pod_of_higher_priority(opened: Opened) -> None:
    """As under a default class that is newer than the pods, or with placeholders of negative priority."""
    high = made_in_file("PriorityClass", "high", "scheduling.k8s.io/v1", value=1000, globalDefault=True)
    api = opened(node(), running_pod("shop", "900m"), running_pod("placeholder", "100m", -10), high)
    api(PODS, "POST", pod(requests={"cpu": "100m"}))
    assert state(api)["spec"]["nodeName"] == NODE
    assert api.names(PODS) == ["one", "shop"], "the lowest goes first"


def test_a_full_node_takes_no_pod_of_the_same_priority(opened: Opened) -> None:
    api = opened(node(), running_pod("shop", "1"))
    api(PODS, "POST", pod(requests={"cpu": "1m"}))
    assert state(api)["status"]["conditions"][0]["reason"] == "Unschedulable"
    assert api.names(PODS) == ["one", "shop"]


def test_a_pod_that_names_its_node_evicts_nothing(opened: Opened) -> None:
    high = made_in_file("PriorityClass", "high", "scheduling.k8s.io/v1", value=1000, globalDefault=True)
    api = opened(node(), running_pod("shop", "900m"), running_pod("placeholder", "100m", -10), high)
    api(PODS, "POST", pod(requests={"cpu": "0"}, nodeName=NODE))
    assert state(api)["status"]["phase"] != "Failed"
    assert api.names(PODS) == ["one", "placeholder", "shop"]


@pytest.mark.parametrize(
    ("over", "spec", "reason"),
    [
        ({"cpu": "0"}, {"requests": {"cpu": "1m"}}, "OutOfcpu"),
        ({"memory": "1Ki"}, {"requests": {"memory": "2Ki"}}, "OutOfmemory"),
        ({"pods": "0"}, {}, "OutOfpods"),
        ({}, {"os": {"name": "windows"}}, "PodOSNotSupported"),
        ({}, {"nodeSelector": {"kubernetes.azure.com/agentpool": "user"}}, "NodeAffinity"),
        ({"spec": {"taints": [{"key": "x", "effect": "NoExecute"}]}}, {}, "TaintToleration"),
        ({"conditions": ("Ready", "DiskPressure")}, {"tolerations": [{"operator": "Exists"}]}, "Evicted"),
    ],
)
def test_a_kubelet_refuses_a_pod_that_does_not_fit(
    opened: Opened, over: dict[str, Any], spec: dict[str, Any], reason: str
) -> None:
    api = opened(node(**over))
    api(PODS, "POST", pod(nodeName=NODE, **spec))
    status = state(api)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", reason)
    assert status["message"].startswith("Pod was rejected: ")


def test_a_cordoned_node_is_passed_over_by_the_scheduler_and_not_by_a_name(opened: Opened) -> None:
    api = opened(node(spec={"unschedulable": True}))
    api(PODS, "POST", pod())
    assert "conditions" in state(api)["status"]
    api(PODS, "POST", pod("two", nodeName=NODE))
    assert state(api, "two")["status"]["phase"] != "Failed"


def test_a_node_that_nobody_knows_has_no_kubelet(opened: Opened) -> None:
    api = opened()
    api(PODS, "POST", pod(nodeName="aks-ghost-12345678-vmss000000"))
    time.sleep(0.2)
    assert api(f"{PODS}/one").json["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250m", 250), ("1", 1000), ("0", 0), ("1.5", 1500), ("64Mi", 67_108_864_000), ("2k", 2_000_000), ("x", None)],
)
def test_quantities(text: str, expected: int | None) -> None:
    assert thousandths(text) == expected
