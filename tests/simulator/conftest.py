"""A tenant to write by hand, served while a test runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import Simulator, running
from tests.support.tenant_server import (
    CLUSTER,
    KUBELET,
    KUBELET_CLIENT,
    NETWORK,
    REGISTRY,
    SUBSCRIPTION,
    Client,
    Folder,
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A tenant with one subscription, a cluster, a registry and a network."""
    made = Folder(tmp_path / "tenant")
    made.write("arm/subscription.json", {"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION})
    made.write(
        "arm/cluster.json",
        {
            "id": CLUSTER,
            "name": "aks-one",
            "type": "Microsoft.ContainerService/ManagedClusters",
            "location": "westeurope",
            "properties": {
                "provisioningState": "Succeeded",
                "currentKubernetesVersion": "1.33.5",
                "aadProfile": {"managed": True, "enableAzureRBAC": True},
                "agentPoolProfiles": [{"name": "system", "count": 3, "type": "VirtualMachineScaleSets"}],
                "identityProfile": {"kubeletidentity": {"objectId": KUBELET, "clientId": KUBELET_CLIENT}},
            },
        },
    )
    made.write(
        "arm/registry.json",
        {
            "id": REGISTRY,
            "name": "regone",
            "type": "Microsoft.ContainerRegistry/registries",
            "location": "westeurope",
            "sku": {"name": "Premium", "tier": "Premium"},
            "properties": {
                "loginServer": "regone.azurecr.io",
                "networkRuleSet": {"defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []},
                "roleAssignmentMode": "LegacyRegistryPermissions",
            },
        },
    )
    subnet = {"name": "nodes", "id": f"{NETWORK}/subnets/nodes", "properties": {"addressPrefix": "10.1.0.0/20"}}
    made.write(
        "arm/deep/er/network.json",
        {"id": NETWORK, "name": "vnet-one", "properties": {"subnets": [subnet], "virtualNetworkPeerings": []}},
    )
    digest = "sha256:" + "a" * 64
    tags = {"1.0": {"digest": digest, "platforms": ["linux/amd64", "linux/arm64"]}}
    made.write("registries/regone.azurecr.io.json", {"repositories": {"team/app": tags}})
    return made


@pytest.fixture
def sim(folder: Folder) -> Iterator[Simulator]:
    with running(folder.root, page_size=3) as served:
        yield served


@pytest.fixture
def client(sim: Simulator) -> Client:
    return Client(sim)
