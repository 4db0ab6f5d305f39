"""What a request to ARM needs of a role, and a tenant in which roles are enforced as Azure enforces them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator, running
from simulator.action_log import VARIABLE, noted
from simulator.arm.actions import action_of
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from simulator.entra.tokens import AKS_SERVER
from tests.support.tenant_server import (
    ACR_PULL,
    CLUSTER,
    GROUP,
    NETWORK,
    READER,
    REGISTRY,
    SUBSCRIPTION,
    Client,
    Folder,
)

ROOT = f"/subscriptions/{SUBSCRIPTION}"
CUSTOM = "dddddddd-0000-0000-0000-000000000001"
WRITER = "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
READS = [
    (ROOT, "Microsoft.Resources/subscriptions/read"),
    (f"{ROOT}/locations", "Microsoft.Resources/subscriptions/locations/read"),
    (f"{ROOT}/providers", "Microsoft.Resources/subscriptions/providers/read"),
    (f"{ROOT}/resourceGroups", "Microsoft.Resources/subscriptions/resourceGroups/read"),
    (GROUP, "Microsoft.Resources/subscriptions/resourceGroups/read"),
    (CLUSTER, "Microsoft.ContainerService/managedClusters/read"),
    (
        f"{ROOT}/providers/Microsoft.ContainerService/managedClusters",
        "Microsoft.ContainerService/managedClusters/read",
    ),
    (f"{REGISTRY}/listUsages", "Microsoft.ContainerRegistry/registries/listUsages/read"),
    (f"{NETWORK}/subnets", "Microsoft.Network/virtualNetworks/subnets/read"),
    (f"{NETWORK}/subnets/nodes", "Microsoft.Network/virtualNetworks/subnets/read"),
    (f"{ROOT}{ASSIGNMENTS}", "Microsoft.Authorization/roleAssignments/read"),
    (f"{REGISTRY}{ASSIGNMENTS}", "Microsoft.Authorization/roleAssignments/read"),
    (
        f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{READER}",
        "Microsoft.Authorization/roleDefinitions/read",
    ),
]


def enforced(folder: Folder, *actions: str, scope: str = ROOT) -> None:
    """The app holds a custom role of these actions and nothing else."""
    folder.write("authorization/caller.json", {"enforced": True})
    folder.write(
        "authorization/custom.json",
        {
            "id": f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{CUSTOM}",
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": CUSTOM,
            "properties": {
                "roleName": "Custom",
                "type": "CustomRole",
                "assignableScopes": [ROOT],
                "permissions": [{"actions": list(actions), "notActions": [], "dataActions": []}],
            },
        },
    )
    folder.assignment("of-the-app", scope, DEFAULT_PRINCIPAL, CUSTOM)


@pytest.mark.parametrize(("path", "action"), READS)
def test_the_action_of_a_request_is_the_one_that_a_refusal_names(
    folder: Folder, sim: Simulator, client: Client, path: str, action: str
) -> None:
    enforced(folder)
    reply = client.arm(path)
    assert reply.status == 403
    named = re.search(r"perform action '([^']+)'", reply.json["error"]["message"])
    assert named is not None and named[1].lower() == action.lower()
    assert sim.requests[-1].action.lower() == action.lower()
    enforced(folder, action)
    assert client.arm(path).status == 200


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", f"{CLUSTER}/runCommand", "Microsoft.ContainerService/managedClusters/runCommand/action"),
        ("GET", f"{CLUSTER}/commandResults/1", "Microsoft.ContainerService/managedClusters/commandResults/read"),
        ("PUT", f"{ROOT}{ASSIGNMENTS}/x", "Microsoft.Authorization/roleAssignments/write"),
        ("DELETE", f"{ROOT}{ASSIGNMENTS}/x", "Microsoft.Authorization/roleAssignments/delete"),
        ("GET", "/subscriptions", "Microsoft.Resources/subscriptions/read"),
        ("GET", "/tenants", ""),
    ],
)
def test_other_methods_need_other_actions(method: str, path: str, action: str) -> None:
    assert action_of(method, path) == action


def test_a_subscription_without_any_right_is_not_listed(folder: Folder, client: Client) -> None:
    enforced(folder, "Microsoft.Resources/subscriptions/read")
    assert len(client.arm("/subscriptions").json["value"]) == 1
    enforced(folder, "Microsoft.ContainerService/managedClusters/read")
    assert client.arm("/subscriptions").json["value"] == []


def test_a_list_of_assignments_shows_inherited_ones_too(folder: Folder, client: Client) -> None:
    enforced(folder, "Microsoft.Authorization/roleAssignments/read", "Microsoft.Resources/subscriptions/read")
    folder.assignment("above", "/providers/Microsoft.Management/managementGroups/top", DEFAULT_PRINCIPAL, READER)
    folder.assignment("at-registry", REGISTRY, "aaaaaaaa-0000-0000-0000-000000000009")
    assert client.roles(ROOT) == ["above", "at-registry", "of-the-app"]


def test_a_role_in_a_namespace_writes_there_only(folder: Folder, sim: Simulator, client: Client) -> None:
    folder.write("kubernetes/aks-one/none.json", [])
    enforced(folder, "Microsoft.Resources/subscriptions/read")
    folder.assignment("in-namespace", f"{CLUSTER}/namespaces/mine", DEFAULT_PRINCIPAL, WRITER)
    statuses = {name: _list_pods(sim, client, name) for name in ("mine", "theirs")}
    assert statuses == {"mine": 200, "theirs": 403}


def _list_pods(sim: Simulator, client: Client, namespace: str) -> int:
    server = f"https://127.0.0.1:{sim.ports['kubernetes']}/clusters{CLUSTER.split('/subscriptions')[1]}"
    short = server.replace("/resourceGroups/", "/").replace(
        "/providers/Microsoft.ContainerService/managedClusters/", "/"
    )
    url = f"{short}/api/v1/namespaces/{namespace}/pods"
    return client.send(url, Authorization=f"Bearer {sim.token(AKS_SERVER)}").status


def test_registries_go_by_the_same_roles(folder: Folder, sim: Simulator, client: Client) -> None:
    enforced(folder, "Microsoft.Resources/subscriptions/read")
    assert _exchange(sim, client) == 401
    folder.assignment("pulls", REGISTRY, DEFAULT_PRINCIPAL, ACR_PULL)
    assert _exchange(sim, client) == 200


def _exchange(sim: Simulator, client: Client) -> int:
    token = sim.token("https://containerregistry.azure.net")
    data = f"grant_type=access_token&service=regone.azurecr.io&access_token={token}".encode()
    url = f"https://127.0.0.1:{sim.ports['registry']}/oauth2/exchange"
    form = "application/x-www-form-urlencoded"
    return client.send(url, "POST", data, Host="regone.azurecr.io", Content_Type=form).status


def test_actions_are_kept_with_who_asked(folder: Folder, tmp_path: Path, monkeypatch: Any) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setenv(VARIABLE, str(kept))
    for _ in range(2):
        with running(folder.root) as sim:
            Client(sim).arm(CLUSTER)
    (pair, *again) = noted(kept)
    assert pair[0].startswith("Python-urllib") and pair[1] == "Microsoft.ContainerService/managedClusters/read"
    assert again == [pair], "another server keeps its own"
