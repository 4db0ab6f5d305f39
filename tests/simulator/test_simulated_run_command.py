"""Run Command: what kubectl prints by jsonpath, several commands in one, the cut, and what keeps it from running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator
from simulator.kubernetes.jsonpath import printed
from simulator.kubernetes.objects import ClusterObjects
from simulator.kubernetes.run_command import OUTPUT_BYTES, run
from simulator.kubernetes.selectors import SelectorError
from tests.support.tenant_server import CLUSTER, Client, Folder, Reply

AKS = "6dae42f8-4368-4678-94ff-3960e28e3630"
PODS = {
    "items": [
        {
            "name": "one",
            "labels": {"kubernetes.io/os": "linux"},
            "parts": [{"name": "a", "state": {"waiting": {"reason": "x"}}}, {"name": "b", "state": {"running": {}}}],
            "time": None,
            "ready": True,
            "count": 7,
        },
        {"name": "two\ttabs\nand lines"},
    ]
}


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{.items[*].name}", "one two\ttabs\nand lines"),
        ("{.items[0].name}", "one"),
        ("{.items[-1].name}", "two\ttabs\nand lines"),
        ("{$.items[0].name}", "one"),
        ('{range .items[*]}{.name}{"\\t"}{.count}{"\\n"}{end}', "one\t7\ntwo\ttabs\nand lines\t\n"),
        ("{range .items[*]}<{range .parts[*]}{.name};{end}>{end}", "<a;b;><>"),
        ("{range .items[*]}{range .parts[?(@.state.waiting)]}{.name}{.state.waiting.reason}{end}{end}", "ax"),
        ("{.items[0].labels.kubernetes\\.io/os}", "linux"),
        ("{.items[0]['name']}", "one"),
        ("{.items[0].absent}{.items[*].absent[*].deeper}", ""),
        ("{.items[*].time}", "null"),
        ("{.items[0].ready}", "true"),
        ("{.items[0].labels}", '{"kubernetes.io/os":"linux"}'),
        ("{.items[0].parts[*].state}", '{"waiting":{"reason":"x"}} {"running":{}}'),
        ("a{'b'}c{\"}\"}", "abc}"),
    ],
)
def test_jsonpath_prints_as_kubectl_does(template: str, shown: str) -> None:
    assert printed(template, PODS) == shown


@pytest.mark.parametrize(
    "template", ["{.items[*]", "{end}", "{range .items[*]}", '{"x}', "{.items[9]}", "{.items[0].name[*]}", "{.a b}"]
)
def test_jsonpath_that_kubectl_refuses_is_refused(template: str) -> None:
    with pytest.raises(SelectorError):
        printed(template, PODS)


def pod(number: int, **spec: Any) -> dict[str, Any]:
    metadata = {"name": f"p{number}", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "c"}], **spec}}


@pytest.fixture
def folder(folder: Folder) -> Folder:
    folder.write("kubernetes/aks-one/pods.json", [pod(1), pod(2)])
    return folder


@pytest.fixture
def objects(folder: Folder) -> ClusterObjects:
    return ClusterObjects(Path(folder.root) / "kubernetes" / "aks-one", print)


NAMES = "kubectl get pods -n shop -o jsonpath='{.items[*].metadata.name}'"


@pytest.mark.parametrize(
    ("command", "logs", "code"),
    [
        (NAMES, "p1 p2", 0),
        (f"{NAMES} && echo end", "p1 p2end\n", 0),
        (f"{NAMES}; echo -n 'a  b'", "p1 p2a  b", 0),
        ("kubectl get nothing -o json && echo end", 'error: the server doesn\'t have a resource type "nothing"\n', 1),
        (
            "kubectl get nothing -o json; echo end",
            'error: the server doesn\'t have a resource type "nothing"\nend\n',
            0,
        ),
        (
            "kubectl get nothing -o json && echo a; echo b",
            'error: the server doesn\'t have a resource type "nothing"\nb\n',
            0,
        ),
        ("echo 'never ends", "sh: syntax error: No closing quotation\n", 2),
    ],
)
def test_several_commands_run_one_after_the_other(objects: ClusterObjects, command: str, logs: str, code: int) -> None:
    done = run(command, objects)
    assert (done.logs, done.exit_code, done.state) == (logs, code, "Succeeded")


def test_the_services_own_pod_is_among_all_pods_and_gone_afterwards(objects: ClusterObjects) -> None:
    everywhere = NAMES.replace("-n shop", "-A")
    assert run(everywhere, objects, "abc").logs == "command-abc p1 p2"
    spared = everywhere.replace(" -A", " -A --field-selector metadata.namespace!=aks-command")
    assert run(spared, objects, "abc").logs == "p1 p2"
    assert [item.name for item in objects.listed("v1", "pods")] == ["p1", "p2"]


def test_output_is_cut_at_512_kb_wherever_that_is(folder: Folder, objects: ClusterObjects) -> None:
    folder.write("kubernetes/aks-one/big.json", pod(3, text="x" * 600_000))
    done = run("kubectl get pods -A -o jsonpath='{.items[*].spec.text}' && echo end", objects)
    assert done.logs == "x" * OUTPUT_BYTES and done.exit_code == 0


def start(client: Client, sim: Simulator, command: str, token: str | None = None) -> Reply:
    body = {"command": command, "clusterToken": sim.token(AKS) if token is None else token}
    return client.arm(f"{CLUSTER}/runCommand", method="POST", body=body)


def result(client: Client, sim: Simulator, command: str) -> dict[str, Any]:
    scope = start(client, sim, command).headers["Location"]
    while True:
        reply = client.send(scope, Authorization=f"Bearer {sim.token('https://management.azure.com')}")
        if reply.status == 200:
            document: dict[str, Any] = reply.json["properties"]
            return document
        assert reply.status == 202 and reply.headers["Retry-After"] == "1" and reply.headers["Location"]


def test_a_cluster_with_entra_id_wants_a_token_for_its_server_application(client: Client, sim: Simulator) -> None:
    for token in ("", "x", sim.token("https://management.azure.com")):
        refused = start(client, sim, NAMES, token)
        assert refused.status == 400 and "clusterToken" in refused.json["message"]
    assert result(client, sim, NAMES)["logs"] == "p1 p2"


def test_what_the_caller_may_not_list_ends_as_kubectl_ends(client: Client, sim: Simulator, folder: Folder) -> None:
    action = "Microsoft.ContainerService/managedClusters/pods/read"
    folder.write("authorization/caller.json", {"denied": [{"scope": CLUSTER, "actions": [action]}]})
    done = result(client, sim, f"{NAMES} && echo end")
    assert done["exitCode"] == 1
    assert done["logs"].startswith("Error from server (Forbidden): pods is forbidden: User ")


def test_a_policy_on_images_blocks_it_unless_it_spares_the_namespace(
    client: Client, sim: Simulator, folder: Folder
) -> None:
    constraint: dict[str, Any] = {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": "K8sAzureCustomContainerAllowedImages",
        "metadata": {"name": "allowed"},
        "spec": {"enforcementAction": "deny", "match": {"excludedNamespaces": ["kube-system"]}},
    }
    folder.write("kubernetes/aks-one/policy.json", constraint)
    refused = start(client, sim, NAMES)
    assert (refused.status, refused.json["code"]) == (400, "RunCommandBlockedByAzurePolicy")
    constraint["spec"]["match"]["excludedNamespaces"].append("aks-command")
    folder.write("kubernetes/aks-one/policy.json", constraint)
    assert start(client, sim, NAMES).status == 202


def test_its_pod_never_runs_where_nodes_have_no_way_out(client: Client, sim: Simulator, folder: Folder) -> None:
    body = json.loads((Path(folder.root) / "arm" / "cluster.json").read_text())
    body["properties"]["networkProfile"] = {"outboundType": "none"}
    folder.write("arm/cluster.json", body)
    assert result(client, sim, NAMES) == {"provisioningState": "Failed", "reason": "ImagePullBackoff"}
