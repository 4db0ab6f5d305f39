"""The control plane beside the real API server of the tests: it schedules, and makes what every namespace has.

A module of its own: once begun, controllers run to its end and ask the API server at any time, which tests that count
what was asked would see.
"""

from __future__ import annotations

from tests.support.real_kubernetes import nodes
from tests.support.real_kubernetes.canary_estate import until
from tests.support.real_kubernetes.server import KubeApiServer


def test_the_scheduler_binds_pods_and_the_controllers_make_service_accounts(kube_cluster: KubeApiServer) -> None:
    nodes.node(kube_cluster, "node-1")
    nodes.pod(kube_cluster, "web", "a.azurecr.io/b:1")
    pod = "/api/v1/namespaces/default/pods/web"
    until(lambda: kube_cluster.request("GET", pod)["spec"].get("nodeName") == "node-1")
    kube_cluster.create({"metadata": {"name": "fresh"}}, "/api/v1/namespaces")
    accounts = "/api/v1/namespaces/fresh/serviceaccounts"
    until(lambda: kube_cluster.request("GET", accounts)["items"])


def test_what_controllers_ask_is_nobody_elses(kube_cluster: KubeApiServer) -> None:
    """Not the administrator's, whom a test may watch."""
    kube_cluster.audit.clear()
    kube_cluster.create({"metadata": {"name": "fresh"}}, "/api/v1/namespaces")
    until(lambda: any(one.user == "control-plane" and one.verb == "create" for one in kube_cluster.audit.asked()))
    assert [(one.verb, one.resource) for one in kube_cluster.audit.asked("admin")] == [("create", "namespaces")]
