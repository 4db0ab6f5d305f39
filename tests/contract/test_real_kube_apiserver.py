"""The real API server of the tests: it reads Entra tokens, refuses as AKS does, logs, schedules and forgets."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from simulator import running
from simulator.entra.tokens import AKS_SERVER, Tokens
from tests.support.cli import scan
from tests.support.real_kubernetes import nodes, programs
from tests.support.real_kubernetes.audit import Asked
from tests.support.real_kubernetes.nodes import load_folder
from tests.support.real_kubernetes.roles import READER, WRITER, verbs_allowed
from tests.support.real_kubernetes.server import ApiError, KubeApiServer
from tests.support.real_kubernetes.tenant import APP, hand_out, moved
from tests.support.tenant_builder import Tenant, guid

USER = guid("the app")


def ask(server: KubeApiServer, path: str, token: str | None, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    """One request of whoever holds the token."""
    context = ssl.create_default_context(cafile=str(server.authority.file))
    connection = http.client.HTTPSConnection(server.url.removeprefix("https://"), context=context, timeout=30)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, path, body and json.dumps(body), headers | {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def token(user: str = USER, audience: str = AKS_SERVER, lifetime: int = 3600) -> str:
    return Tokens().mint({"aud": audience, "oid": user}, lifetime)


def test_a_user_is_an_object_id_and_is_refused_in_azures_words(kube_apiserver: KubeApiServer) -> None:
    status, body = ask(kube_apiserver, "/api/v1/pods", token())
    assert (status, body["reason"]) == (403, "Forbidden")
    assert body["message"] == (
        f'pods is forbidden: User "{USER}" cannot list resource "pods" in API group "" at the cluster scope: '
        "User does not have access to the resource in Azure. Update role assignment to allow access."
    )


@pytest.mark.parametrize("bad", ["none", token(audience="https://management.azure.com"), token(lifetime=-1)])
def test_a_token_that_is_none_of_akss_is_401(kube_apiserver: KubeApiServer, bad: str) -> None:
    status, body = ask(kube_apiserver, "/api/v1/pods", bad)
    assert (status, body["message"]) == (401, "Unauthorized")


def test_a_reader_reads_pods_and_neither_secrets_nor_nodes(kube_apiserver: KubeApiServer) -> None:
    kube_apiserver.grant(READER, USER)
    paths = ("pods", "events", "serviceaccounts", "secrets", "nodes", "namespaces/default/secrets/x")
    answers = {path: ask(kube_apiserver, f"/api/v1/{path}", token())[0] for path in paths}
    assert answers == {
        "pods": 200, "events": 200, "serviceaccounts": 200, "secrets": 403, "nodes": 403,
        "namespaces/default/secrets/x": 403,
    }  # fmt: skip
    assert ("list", "pods") in verbs_allowed(READER) and ("create", "pods") not in verbs_allowed(READER)


def test_a_writer_of_one_namespace_writes_there_only(kube_apiserver: KubeApiServer) -> None:
    pod = {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "main", "image": "a.azurecr.io/b:1"}]}}
    for name in ("mine", "theirs"):
        kube_apiserver.namespace(name)
    kube_apiserver.grant(WRITER, USER, "mine")
    made = {
        name: ask(kube_apiserver, f"/api/v1/namespaces/{name}/pods", token(), "POST", pod)[0]
        for name in ("mine", "theirs")
    }
    assert made == {"mine": 201, "theirs": 403}


def test_the_audit_log_says_who_asked_for_what(kube_apiserver: KubeApiServer) -> None:
    kube_apiserver.grant(READER, USER)
    kube_apiserver.audit.clear()
    ask(kube_apiserver, "/api/v1/pods?limit=1", token())
    ask(kube_apiserver, "/api/v1/namespaces/default/secrets/x", token())
    assert kube_apiserver.audit.asked(USER) == [
        Asked(USER, "list", "pods", ""),
        Asked(USER, "get", "secrets", "default"),
    ]


def test_pods_have_the_status_that_the_test_gives_them(kube_apiserver: KubeApiServer) -> None:
    name = nodes.pod(kube_apiserver, "web", "a.azurecr.io/b:1", namespace="shop", nodeName="node-1")
    nodes.waits(kube_apiserver, name, "ImagePullBackOff", "Back-off", namespace="shop")
    nodes.event(kube_apiserver, name, "Failed", "text", namespace="shop")
    (pod,) = kube_apiserver.request("GET", "/api/v1/pods")["items"]
    (event,) = kube_apiserver.request("GET", "/api/v1/events")["items"]
    assert pod["status"]["containerStatuses"][0]["state"] == {
        "waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}
    }
    assert event["involvedObject"] == {"kind": "Pod", "name": "web", "namespace": "shop"}


def test_what_a_test_made_is_gone_after_it(kube_apiserver: KubeApiServer) -> None:
    nodes.node(kube_apiserver, "node-1")
    nodes.pod(kube_apiserver, "web", "a.azurecr.io/b:1", namespace="shop")
    kube_apiserver.grant(READER, USER)
    kube_apiserver.empty()
    for path in ("pods", "nodes", "events"):
        assert kube_apiserver.request("GET", f"/api/v1/{path}")["items"] == [], path
    assert "shop" not in [
        item["metadata"]["name"] for item in kube_apiserver.request("GET", "/api/v1/namespaces")["items"]
    ]
    assert ask(kube_apiserver, "/api/v1/pods", token())[0] == 403


def test_a_refusal_of_the_administrator_is_an_error(kube_apiserver: KubeApiServer) -> None:
    with pytest.raises(ApiError) as refused:
        kube_apiserver.request("GET", "/api/v1/namespaces/default/pods/none")
    assert refused.value.status == 404


def test_programs_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(programs.ASSETS, str(tmp_path))
    assert programs.what_is_missing() == (
        "no etcd, kube-apiserver: set KUBEBUILDER_ASSETS (setup-envtest use -p path prints it)"
    )


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A cluster with a pod that waits and brings a pull secret, and another that has none of its own."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    secret = {"spec": {"imagePullSecrets": [{"name": "regcred"}]}}
    tenant.pod("a.azurecr.io/b:1", name="web", namespace="shop", waiting=("ErrImagePull", "text"), **secret)
    tenant.pod("a.azurecr.io/c:1", name="api", namespace="shop")
    tenant.event("web", "Failed", "text", namespace="shop")
    return tenant


def test_pullwatch_reads_pods_with_the_reader_role_and_asks_for_nothing_else(
    kube_apiserver: KubeApiServer, tenant: Tenant
) -> None:
    moved(tenant, kube_apiserver)
    with running(tenant.root) as sim:
        finding = scan(sim.environment).finding("PW301")
    assert (finding["verdict"], finding["subject"]["workload"]) == ("fail", "shop/Pod/web")
    asked = kube_apiserver.audit.asked(APP)
    assert {(one.verb, one.resource) for one in asked} == {("list", "pods"), ("list", "events")}
    assert {(one.verb, one.resource) for one in asked} <= verbs_allowed(READER)


def test_with_pull_secrets_it_asks_for_their_accounts_and_gets_those_that_pods_name(
    kube_apiserver: KubeApiServer, tenant: Tenant
) -> None:
    """README: "`get` on secrets in their namespaces", beside what the Reader may; never a list of secrets."""
    moved(tenant, kube_apiserver)
    with running(tenant.root) as sim:
        finding = scan(sim.environment | {"PULLWATCH_READ_PULL_SECRETS": "true"}).finding("PW303")
    assert (finding["verdict"], finding["subject"]["secret"]) == ("unknown", "shop/regcred")
    beyond = {one for one in kube_apiserver.audit.asked(APP) if one[1:3] not in verbs_allowed(READER)}
    assert beyond == {Asked(APP, "get", "secrets", "shop")}


def test_without_entra_id_the_kubeconfig_is_used_where_a_setting_allows_it(
    kube_apiserver: KubeApiServer, tenant: Tenant
) -> None:
    tenant.cluster(properties={"aadProfile": ...})
    load_folder(kube_apiserver, tenant.root / "kubernetes" / "aks-1")
    hand_out(tenant, kube_apiserver, local=True)
    kube_apiserver.audit.clear()
    with running(tenant.root) as sim:
        off = scan(sim.environment).finding("PW301")
        assert kube_apiserver.audit.asked() == []
        on = scan(sim.environment | {"PULLWATCH_ALLOW_LOCAL_ACCOUNTS": "true"}).finding("PW301")
    assert (off["verdict"], on["verdict"]) == ("unknown", "fail")
    assert {(one.verb, one.resource) for one in kube_apiserver.audit.asked("admin")} <= verbs_allowed(READER)
