"""The API servers: who gets in, how lists go on, selectors, what is made and deleted, what is out of reach."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator import Simulator
from tests.support.tenant_server import CLUSTER, Client, Folder, Reply

AKS = "6dae42f8-4368-4678-94ff-3960e28e3630"


def pod(number: int, namespace: str = "shop", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"p{number}", "namespace": namespace, "labels": {"n": str(number % 2)}},
        "spec": {"nodeName": f"node{number % 3}"},
        "status": {"phase": "Running"},
        **more,
    }


@pytest.fixture
def folder(folder: Folder) -> Folder:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e1", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": "p1", "namespace": "shop"},
        "reason": "Failed",
        "message": "Error: ErrImagePull",
    }
    folder.write(
        "kubernetes/aks-one/pods.json", {"kind": "PodList", "apiVersion": "v1", "items": [pod(n) for n in range(5)]}
    )
    folder.write("kubernetes/aks-one/events.json", event)
    return folder


class Api:
    """One cluster's API server, with the address its kubeconfig names."""

    def __init__(self, client: Client, sim: Simulator) -> None:
        document: Any = sim.kubeconfig(CLUSTER)
        self.base = document["clusters"][0]["cluster"]["server"]
        self.token = document["users"][0]["user"]["token"]
        self.client = client

    def __call__(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        data = None if body is None else json.dumps(body).encode()
        named = {"Authorization": f"Bearer {self.token}", **headers}
        return self.client.send(self.base + path, method, data, **named)

    def names(self, path: str) -> list[str]:
        return [item["metadata"]["name"] for item in self(path).json["items"]]


@pytest.fixture
def api(client: Client, sim: Simulator) -> Api:
    return Api(client, sim)


def test_a_list_goes_on_with_continue_until_all_are_told(api: Api) -> None:
    seen, token, left = [], "", []
    while True:
        reply = api(f"/api/v1/pods?limit=2&continue={token}").json
        seen += [item["metadata"]["name"] for item in reply["items"]]
        token = reply["metadata"].get("continue", "")
        left.append(reply["metadata"].get("remainingItemCount"))
        if not token:
            break
    assert (seen, left) == (["p0", "p1", "p2", "p3", "p4"], [3, 1, None])
    assert reply["kind"] == "PodList"


def test_an_expired_continue_token_is_told_as_410(api: Api, folder: Folder) -> None:
    token = api("/api/v1/pods?limit=2").json["metadata"]["continue"]
    rule = {"service": "kubernetes", "path": "^.*/pods\\?.*continue=", "times": 1, "effect": {"status": 410}}
    folder.write("faults.json", [rule])
    expired = api(f"/api/v1/pods?limit=2&continue={token}")
    assert (expired.status, expired.json["reason"]) == (410, "Expired")
    assert api.names(f"/api/v1/pods?continue={expired.json['metadata']['continue']}") == ["p2", "p3", "p4"]
    assert api(f"/api/v1/pods?limit=2&continue={token}").status == 200
    assert api("/api/v1/pods?continue=nonsense").status == 400


def test_throttling_is_plain_text_with_a_time_to_wait(api: Api, folder: Folder) -> None:
    folder.write("faults.json", [{"service": "kubernetes", "times": 1, "effect": {"status": 429}}])
    throttled = api("/api/v1/pods")
    assert (throttled.status, throttled.headers["Retry-After"]) == (429, "1")
    assert throttled.headers["Content-Type"].startswith("text/plain")
    assert throttled.body == b"Too many requests, please try again later.\n"


def test_a_long_answer_is_packed_where_that_is_asked_for(api: Api, folder: Folder) -> None:
    assert "Content-Encoding" not in api("/api/v1/pods", **{"Accept-Encoding": "gzip"}).headers
    long = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "long", "namespace": "shop"}}
    folder.write("kubernetes/aks-one/long.json", {**long, "data": {"x": "y" * 200_000}})
    plain, asked = api("/api/v1/configmaps"), api("/api/v1/configmaps", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert asked.headers["Content-Encoding"] == "gzip" and gzip.decompress(asked.body) == plain.body


def test_selectors_choose_by_label_and_field(api: Api) -> None:
    assert api.names("/api/v1/pods?labelSelector=n%3D1") == ["p1", "p3"]
    assert api.names("/api/v1/pods?labelSelector=n+notin+(1),!gone") == ["p0", "p2", "p4"]
    assert api.names("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode1,status.phase!%3DPending") == ["p1", "p4"]
    field = "fieldSelector=involvedObject.kind%3DPod,reason%3DFailed"
    assert api.names(f"/api/v1/namespaces/shop/events?{field}") == ["e1"]
    assert api.names("/api/v1/namespaces/other/events") == []
    refused = api("/api/v1/pods?fieldSelector=spec.containers%3Dx")
    assert (refused.status, refused.json["message"]) == (400, "field label not supported: spec.containers")


def test_a_single_object_is_served_as_it_is_and_a_missing_one_named(api: Api) -> None:
    assert api("/api/v1/namespaces/shop/pods/p3").json == pod(3)
    gone = api("/api/v1/namespaces/shop/pods/p9")
    assert (gone.status, gone.json["message"]) == (404, 'pods "p9" not found')


def test_a_pod_can_be_made_once_and_deleted(api: Api) -> None:
    spec = {"containers": [{"name": "main", "image": "acrone.azurecr.io/web:1"}]}
    wanted = {"metadata": {"generateName": "canary-"}, "spec": spec}
    made = api("/api/v1/namespaces/shop/pods", "POST", wanted)
    name = made.json["metadata"]["name"]
    assert (made.status, made.json["status"]["phase"], made.json["metadata"]["namespace"]) == (201, "Pending", "shop")
    assert api("/api/v1/namespaces/shop/pods", "POST", {"metadata": {"name": name}, "spec": spec}).status == 409
    assert name in api.names("/api/v1/pods")
    assert api(f"/api/v1/namespaces/shop/pods/{name}", "DELETE").status == 200
    assert name not in api.names("/api/v1/pods")
    assert api("/api/v1/namespaces/nowhere/pods", "POST", wanted).status == 404


def test_discovery_and_version_are_enough_for_a_client_to_start(api: Api) -> None:
    assert api("/version").json["gitVersion"] == "v1.33.5"
    assert api("/api").json["versions"] == ["v1"]
    assert "pods" in {resource["name"] for resource in api("/api/v1").json["resources"]}
    assert "apps" in {group["name"] for group in api("/apis").json["groups"]}
    assert api("/openapi/v2").status == 404


def test_an_entra_cluster_wants_a_token_for_the_aks_server(api: Api, sim: Simulator) -> None:
    assert api("/api/v1/pods", Authorization=f"Bearer {sim.token(AKS)}").status == 200
    wrong = api("/api/v1/pods", Authorization=f"Bearer {sim.token('https://management.azure.com')}")
    assert (wrong.status, wrong.json["reason"]) == (401, "Unauthorized")


def credentials(client: Client, action: str = "listClusterUserCredential") -> Any:
    reply = client.arm(f"{CLUSTER}/{action}", method="POST")
    return yaml.safe_load(base64.b64decode(reply.json["kubeconfigs"][0]["value"]))


def test_a_cluster_without_entra_takes_the_certificate_of_its_kubeconfig(
    client: Client, folder: Folder, tmp_path: Path, sim: Simulator
) -> None:
    folder.write("arm/cluster.json", {"id": CLUSTER, "name": "aks-one", "properties": {}})
    user = credentials(client)["users"][0]["user"]
    server = credentials(client)["clusters"][0]["cluster"]["server"]
    pair = tmp_path / "pair.pem"
    pair.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("key", "certificate")))
    context = ssl.create_default_context(cafile=str(sim.ca_file))
    context.load_cert_chain(pair)
    import urllib.request

    with urllib.request.urlopen(f"{server}/api/v1/pods", context=context) as reply:
        assert len(json.load(reply)["items"]) == 5
    assert client.send(f"{server}/api/v1/pods").status == 401
    assert client.send(f"{server}/api/v1/pods", Authorization=f"Bearer {user['token']}").status == 200
    entra = sim.token(AKS)
    assert client.send(f"{server}/api/v1/pods", Authorization=f"Bearer {entra}").status == 401


def test_without_its_folder_or_in_private_the_api_server_is_out_of_reach(
    client: Client, folder: Folder, sim: Simulator
) -> None:
    private = {"apiServerAccessProfile": {"enablePrivateCluster": True}}
    bodies = [
        {"id": CLUSTER, "name": "aks-one", "properties": private},
        {"id": CLUSTER.replace("aks-one", "aks-none"), "name": "aks-none", "properties": {}},
    ]
    folder.write("arm/cluster.json", bodies)
    for body in bodies:
        document: Any = sim.kubeconfig(str(body["id"]))
        server = document["clusters"][0]["cluster"]["server"]
        port = int(server.split(":")[2].split("/")[0])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            client.send(server.replace(str(port), str(sim.ports["kubernetes"])) + "/api/v1/pods")


def test_an_empty_folder_is_a_cluster_without_pods(client: Client, folder: Folder, sim: Simulator) -> None:
    for path in (folder.root / "kubernetes" / "aks-one").iterdir():
        path.unlink()
    assert Api(client, sim).names("/api/v1/pods") == []


def test_azure_rbac_may_close_one_kind_and_leave_the_others(api: Api, folder: Folder) -> None:
    actions = ["Microsoft.ContainerService/managedClusters/secrets/read"]
    folder.write("authorization/caller.json", {"denied": [{"scope": CLUSTER, "actions": actions}]})
    refused = api("/api/v1/secrets")
    assert refused.status == 403
    assert "User does not have access to the resource in Azure" in refused.json["message"]
    assert api("/api/v1/pods").status == 200


def test_pods_added_to_the_folder_are_there_at_once(api: Api, folder: Folder) -> None:
    folder.write("kubernetes/aks-one/more.json", [pod(7), pod(8, "other")])
    assert api.names("/api/v1/pods") == ["p8", "p0", "p1", "p2", "p3", "p4", "p7"]


def run_command(client: Client, sim: Simulator, command: str) -> dict[str, Any]:
    body = {"command": command, "clusterToken": sim.token(AKS)}
    started = client.arm(f"{CLUSTER}/runCommand", method="POST", body=body)
    assert started.status == 202
    while True:
        reply = client.send(
            started.headers["Location"], Authorization=f"Bearer {sim.token('https://management.azure.com')}"
        )
        if reply.status == 200:
            document: dict[str, Any] = reply.json["properties"]
            return document


def test_run_command_reaches_a_private_cluster(client: Client, folder: Folder, sim: Simulator) -> None:
    private = {"aadProfile": {}, "apiServerAccessProfile": {"enablePrivateCluster": True}}
    folder.write("arm/cluster.json", {"id": CLUSTER, "name": "aks-one", "properties": private})
    done = run_command(client, sim, "kubectl get pods,events -A -o json")
    names = [item["metadata"]["name"] for item in json.loads(done["logs"])["items"]]
    assert done["exitCode"] == 0 and len(names) == 7
    assert names[0].startswith("command-")  # the service's own pod, in its namespace aks-command
    assert run_command(client, sim, "kubectl delete pods")["exitCode"] == 1


def test_run_command_cuts_its_output_and_can_be_off(client: Client, folder: Folder, sim: Simulator) -> None:
    folder.write("kubernetes/aks-one/big.json", pod(9, spec={"text": "x" * 600_000}))
    assert len(run_command(client, sim, "kubectl get pods -A -o json")["logs"]) == 512 * 1024
    off = {"aadProfile": {}, "apiServerAccessProfile": {"disableRunCommand": True}}
    folder.write("arm/cluster.json", {"id": CLUSTER, "name": "aks-one", "properties": off})
    refused = client.arm(f"{CLUSTER}/runCommand", method="POST", body={"command": "kubectl"})
    assert (refused.status, refused.json["code"]) == (400, "BadRequest")
