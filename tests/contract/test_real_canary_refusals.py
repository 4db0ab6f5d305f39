"""Canary pods that a real API server refuses: each refusal is read out of its own words.

No controllers: they would make the service account again, and end the namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.real_kubernetes.canary_estate import (
    NAMESPACE,
    Kubelets,
    canaries,
    estate,
    look,
    node,
    ready_pod,
    until,
)
from tests.support.real_kubernetes.roles import WRITER
from tests.support.real_kubernetes.server import ApiError, KubeApiServer
from tests.support.real_kubernetes.tenant import APP

POLICIES = "/apis/admissionregistration.k8s.io/v1"

# refusals ------------------------------------------------------------------------------------------------------------


def limit(server: KubeApiServer) -> None:
    limits = [{"type": "Container", "min": {"cpu": "10m"}}]
    path = f"/api/v1/namespaces/{NAMESPACE}/limitranges"
    server.create({"metadata": {"name": "least"}, "spec": {"limits": limits}}, path)


def end_namespace(server: KubeApiServer) -> None:
    """Without controllers it stays in Terminating."""
    server.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


def take_service_account(server: KubeApiServer) -> None:
    server.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")


@contextmanager
def policy(server: KubeApiServer) -> Iterator[None]:
    """A ValidatingAdmissionPolicy that takes no pods in this namespace, until it has no effect any more.

    Admission may remember a limit of the test before for a moment: pods must be taken before they are not.
    """
    until(lambda: takes_pods(server))
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    labels = {"kubernetes.io/metadata.name": NAMESPACE}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules, "namespaceSelector": {"matchLabels": labels}},
        "validations": [{"expression": "false", "message": "no pods today"}],
    }
    server.create({"metadata": {"name": "none"}, "spec": spec}, f"{POLICIES}/validatingadmissionpolicies")
    binding = {"policyName": "none", "validationActions": ["Deny"]}
    server.create({"metadata": {"name": "none"}, "spec": binding}, f"{POLICIES}/validatingadmissionpolicybindings")
    until(lambda: not takes_pods(server))
    try:
        yield
    finally:
        server.request("DELETE", f"{POLICIES}/validatingadmissionpolicybindings/none")
        server.request("DELETE", f"{POLICIES}/validatingadmissionpolicies/none")
        until(lambda: takes_pods(server))


def takes_pods(server: KubeApiServer) -> bool:
    """Whether the namespace takes a pod of the administrator's; none is kept."""
    body = {"metadata": {"name": "dry"}, "spec": {"containers": [{"name": "main", "image": "a.azurecr.io/b:1"}]}}
    try:
        server.create(body, f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All")
    except ApiError:
        return False
    return True


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (limit, "canary-limit-range"),
        (end_namespace, "canary-namespace-ending"),
        (take_service_account, "canary-service-account"),
    ],
    ids=["limit-range", "namespace-ending", "service-account"],
)
def test_each_refusal_has_its_own_cause(
    kube_apiserver: KubeApiServer, tmp_path: Path, change: Callable[[KubeApiServer], None], cause: str
) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with estate(tmp_path, kube_apiserver) as (sim, _):
        change(kube_apiserver)
        # Admission learns of it a moment later.
        with Kubelets(kube_apiserver):
            assert until(lambda: look(sim) == {"system": ("unknown", cause)})
        assert canaries(kube_apiserver) == []


def test_a_policy_that_takes_no_pods_is_named(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with estate(tmp_path, kube_apiserver) as (sim, _), policy(kube_apiserver):
        assert look(sim) == {"system": ("unknown", "canary-admission")}


def test_a_namespace_that_is_not_there_is_named(kube_apiserver: KubeApiServer, tmp_path: Path) -> None:
    ready_pod(kube_apiserver, "shop", nodeName=node(kube_apiserver))
    with estate(tmp_path, kube_apiserver) as (sim, _):
        kube_apiserver.grant(WRITER, APP, "default")
        kube_apiserver.grant(WRITER, APP)
        found = look(sim, PULLWATCH_CANARY_NAMESPACE="nowhere")
    assert found == {"system": ("unknown", "canary-namespace-missing")}
