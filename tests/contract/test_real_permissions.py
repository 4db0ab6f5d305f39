"""docs/permissions.md lists the requests to API servers: the audit log of a real one has these and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator import running
from tests.support.cli import scan
from tests.support.permissions_page import Asked, requests
from tests.support.real_kubernetes.canary_estate import NAMESPACE, Kubelets, estate, look, node, quota, ready_pod, until
from tests.support.real_kubernetes.server import KubeApiServer
from tests.support.real_kubernetes.tenant import APP, moved
from tests.support.tenant_builder import Tenant

QUOTA = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/few"


def asked(server: KubeApiServer) -> set[Asked]:
    """What the app asked of a server since its log was cleared."""
    return {Asked(one.verb, one.resource, not one.namespace) for one in server.audit.asked(APP)}


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A cluster with a pod that brings a pull secret, and one that may have its service account's."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.pod("a.azurecr.io/b:1", name="web", spec={"imagePullSecrets": [{"name": "regcred"}]})
    tenant.pod("a.azurecr.io/c:1", name="api")
    return tenant


def test_a_scan_asks_for_pods_and_events(kube_apiserver: KubeApiServer, tenant: Tenant) -> None:
    moved(tenant, kube_apiserver)
    with running(tenant.root) as sim:
        scan(sim.environment)
    assert asked(kube_apiserver) == requests("pods and events")


def test_with_pull_secrets_it_asks_for_these_besides(kube_apiserver: KubeApiServer, tenant: Tenant) -> None:
    moved(tenant, kube_apiserver)
    with running(tenant.root) as sim:
        scan(sim.environment | {"PULLWATCH_READ_PULL_SECRETS": "true"})
    assert asked(kube_apiserver) == requests("pods and events") | requests("pull secrets")


def test_with_canaries_it_asks_for_these_besides(kube_cluster: KubeApiServer, tmp_path: Path) -> None:
    """On a pool whose node a Ready pod shows, on one whose node nobody shows, without an answer, under a full quota."""
    kube_cluster.audit.clear()
    ready_pod(kube_cluster, "shop", nodeName=node(kube_cluster))
    with estate(tmp_path, kube_cluster, "system", "user") as (sim, _):
        with Kubelets(kube_cluster):
            assert look(sim)["system"] == ("pass", "canary-not-found")
        assert look(sim, PULLWATCH_CANARY_SECONDS="5")["system"][0] == "unknown"
        quota(kube_cluster, pods="0")
        until(lambda: kube_cluster.request("GET", QUOTA).get("status", {}).get("used"))
        assert look(sim)["system"] == ("unknown", "canary-quota")
    assert asked(kube_cluster) == requests("pods and events") | requests("canary pulls")
