"""Microsoft's own libraries against the simulator: credentials, pages, long-running actions."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

import aiohttp
import pytest
import yaml
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.authorization.aio import AuthorizationManagementClient
from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient
from azure.mgmt.containerservice.aio import ContainerServiceClient
from azure.mgmt.containerservice.models import RunCommandRequest

from simulator import Simulator, running_async
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.tenant_server import CLUSTER, KUBELET, REGISTRY, SUBSCRIPTION, Folder

AKS = "6dae42f8-4368-4678-94ff-3960e28e3630"


@pytest.fixture
def environment(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    for name, value in sim.environment.items():
        monkeypatch.setenv(name, value)
    return sim


def transport(sim: Simulator) -> AioHttpTransport:
    """Told the CA explicitly: aiohttp made its default context when it was imported."""
    context = ssl.create_default_context(cafile=str(sim.ca_file))
    return AioHttpTransport(session=aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)))


def options(sim: Simulator) -> dict[str, Any]:
    return {
        "base_url": sim.environment["PULLWATCH_ARM_ENDPOINT"],
        "credential_scopes": ["https://management.azure.com/.default"],
        "transport": transport(sim),
    }


async def test_the_sdk_lists_every_cluster_over_all_pages(environment: Simulator, folder: Folder) -> None:
    bodies = [{"id": f"{CLUSTER}-{n}", "name": f"aks-one-{n}", "location": "x"} for n in range(7)]
    folder.write("arm/more.json", bodies)
    async with (
        ManagedIdentityCredential() as credential,
        ContainerServiceClient(credential, SUBSCRIPTION, **options(environment)) as client,
    ):
        texts = [cluster.name async for cluster in client.managed_clusters.list()]
    assert len(texts) == 8
    assert environment.count("identity") == 1
    assert environment.count("arm", containing="managedClusters") == 3


async def test_the_sdk_reads_the_kubelet_identity_pools_and_missing_clusters(environment: Simulator) -> None:
    async with (
        ManagedIdentityCredential() as credential,
        ContainerServiceClient(credential, SUBSCRIPTION, **options(environment)) as client,
    ):
        cluster = await client.managed_clusters.get("RG-ONE", "aks-one")
        assert cluster.as_dict()["properties"]["identityProfile"]["kubeletidentity"]["objectId"] == KUBELET
        assert [pool.name async for pool in client.agent_pools.list("rg-one", "aks-one")] == ["system"]
        with pytest.raises(ResourceNotFoundError, match="was not found"):
            await client.managed_clusters.get("rg-one", "nobody")


async def test_the_sdk_runs_a_command_to_its_end(environment: Simulator, folder: Folder) -> None:
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "one", "namespace": "shop"}}
    folder.write("kubernetes/aks-one/pods.json", pod)
    request = RunCommandRequest(command="kubectl get pods -A -o json", cluster_token=environment.token(AKS))
    async with (
        ManagedIdentityCredential() as credential,
        ContainerServiceClient(credential, SUBSCRIPTION, **options(environment)) as client,
    ):
        poller = await client.managed_clusters.begin_run_command("rg-one", "aks-one", request)
        result = await poller.result()
        assert result.properties is not None and result.properties.exit_code == 0
        assert '"name":"one"' in (result.properties.logs or "")
        with pytest.raises(HttpResponseError, match="clusterToken"):
            await client.managed_clusters.begin_run_command("rg-one", "aks-one", RunCommandRequest(command="kubectl"))


async def test_the_sdk_gets_a_kubeconfig_and_no_static_one_where_local_accounts_are_off(
    environment: Simulator, folder: Folder
) -> None:
    body = {"id": CLUSTER, "name": "aks-one", "properties": {"aadProfile": {}, "disableLocalAccounts": True}}
    folder.write("arm/cluster.json", body)
    async with (
        ManagedIdentityCredential() as credential,
        ContainerServiceClient(credential, SUBSCRIPTION, **options(environment)) as client,
    ):
        credential_results = await client.managed_clusters.list_cluster_user_credentials(
            "rg-one", "aks-one", format="exec"
        )
        assert credential_results.kubeconfigs is not None and credential_results.kubeconfigs[0].value is not None
        document = yaml.safe_load(credential_results.kubeconfigs[0].value)
        assert AKS in document["users"][0]["user"]["exec"]["args"]
        with pytest.raises(HttpResponseError, match="isn't allowed because this cluster is set to disable local"):
            await client.managed_clusters.list_cluster_admin_credentials("rg-one", "aks-one")


async def test_the_sdk_reads_registries_with_the_mode_of_its_role_assignments(environment: Simulator) -> None:
    async with (
        ManagedIdentityCredential() as credential,
        ContainerRegistryManagementClient(credential, SUBSCRIPTION, **options(environment)) as client,
    ):
        registries = [registry async for registry in client.registries.list()]
        usages = await client.registries.list_usages("rg-one", "regone")
    modes = [registry.as_dict()["properties"]["roleAssignmentMode"] for registry in registries]
    assert modes == ["LegacyRegistryPermissions"]
    assert {"Size", "Webhooks"} <= {usage["name"] for usage in usages["value"]}


async def test_the_sdk_finds_an_assignment_through_a_group(environment: Simulator, folder: Folder) -> None:
    folder.write("authorization/groups.json", {"g": [KUBELET]})
    folder.assignment("via-group", REGISTRY, "g")
    async with (
        ManagedIdentityCredential() as credential,
        AuthorizationManagementClient(credential, SUBSCRIPTION, **options(environment)) as client,
    ):
        query = f"atScope() and assignedTo('{KUBELET}')"
        items = [a.name async for a in client.role_assignments.list_for_scope(REGISTRY, filter=query)]
    assert items == ["via-group"]


async def test_the_apps_own_roles_are_found_as_microsofts_client_asks_for_them(
    environment: Simulator, folder: Folder
) -> None:
    """A role whose notActions are what caller.json denies, read through the definition that the assignment names."""
    denied = {"scope": f"/subscriptions/{SUBSCRIPTION}", "actions": ["Microsoft.Network/privateDnsZones/*"]}
    folder.write("authorization/caller.json", {"denied": [denied]})
    async with (
        ManagedIdentityCredential() as credential,
        AuthorizationManagementClient(credential, SUBSCRIPTION, **options(environment)) as client,
    ):
        query = f"atScope() and assignedTo('{DEFAULT_PRINCIPAL}')"
        items = [item async for item in client.role_assignments.list_for_subscription(filter=query)]
        role = await client.role_definitions.get_by_id(items[0].role_definition_id)
    assert [item.scope for item in items] == [denied["scope"]]
    assert [(p.actions, p.not_actions) for p in role.permissions] == [(["*/read"], denied["actions"])]


async def test_an_identity_the_app_does_not_have_gets_no_token(environment: Simulator) -> None:
    async with ManagedIdentityCredential(client_id="eeeeeeee-0000-0000-0000-000000000001") as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://management.azure.com/.default")


async def test_the_wrong_identity_header_gets_no_token(environment: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    async with ManagedIdentityCredential() as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://management.azure.com/.default")


async def test_the_simulator_runs_on_the_callers_own_loop_too(folder: Folder) -> None:
    async with running_async(folder.root) as sim, aiohttp.ClientSession() as session:
        headers = {"X-IDENTITY-HEADER": sim.environment["IDENTITY_HEADER"]}
        query = {"api-version": "2019-08-01", "resource": "https://vault.azure.net"}
        async with session.get(sim.environment["IDENTITY_ENDPOINT"], params=query, headers=headers) as reply:
            assert (await reply.json())["resource"] == "https://vault.azure.net"


@pytest.mark.skipif(which("kubectl") is None, reason="kubectl is not on PATH")
def test_kubectl_prints_pods_page_by_page(sim: Simulator, folder: Folder, tmp_path: Path) -> None:
    items = [
        {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": f"p{n}", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"containers": [{"name": "c"}]},
            "status": {
                "phase": "Pending",
                "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
            },
        }
        for n in range(5)
    ]
    folder.write("kubernetes/aks-one/pods.json", items)
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump(sim.kubeconfig(CLUSTER)))
    command = ["kubectl", "--kubeconfig", str(config), "get", "pods", "-A", "--no-headers", "--chunk-size=2"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:4] for row in rows] == [["shop", f"p{n}", "0/1", "ImagePullBackOff"] for n in range(5)]
    assert sum("continue=" in record.query for record in sim.requests) == 2
