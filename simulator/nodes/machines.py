"""Machines that node auto-provisioning (Karpenter) made: single virtual machines in the node resource group.

Such a node is named like its machine and belongs to no pool of the cluster's. Tokens come from the machine's own
metadata service, which has those of the identities that the machine carries and no others.
"""

from __future__ import annotations

from typing import Any

from simulator.arm.ids import key
from simulator.arm.resources import Resource, Resources
from simulator.nodes.node_network import table

_KIND = "Microsoft.Compute/virtualMachines"
_CLUSTER_TAG, _POOL_TAG = "karpenter.azure.com_cluster", "karpenter.sh_nodepool"


def provisioned_machine(cluster: Resource, node: str, resources: Resources) -> Resource | None:
    """The machine behind a node of that name; None for nodes of pools."""
    group = str(table(cluster.body.get("properties")).get("nodeResourceGroup"))
    for machine in resources.of_type(_KIND, cluster.path.subscription or "", group):
        if machine.body.get("name") == node and _CLUSTER_TAG in table(machine.body.get("tags")):
            return machine
    return None


def pool_of(machine: Resource) -> dict[str, Any]:
    """What stands for a pool's body: the machine's size, under the name of Karpenter's node pool."""
    size = table(table(machine.body.get("properties")).get("hardwareProfile")).get("vmSize", "")
    return {"name": str(table(machine.body.get("tags")).get(_POOL_TAG)), "osType": "Linux", "vmSize": size}


def carries_kubelet_identity(cluster: Resource, machine: Resource) -> bool:
    """Whether the machine has the identity whose tokens its kubelet asks for."""
    profile = table(table(cluster.body.get("properties")).get("identityProfile"))
    wanted = key(str(table(profile.get("kubeletidentity")).get("resourceId")))
    carried = table(table(machine.body.get("identity")).get("userAssignedIdentities"))
    return any(key(str(identity)) == wanted for identity in carried)
