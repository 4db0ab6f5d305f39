"""Nodes that pull with something else than the cluster's kubelet identity as it is now.

Node auto-provisioning (Karpenter) makes single virtual machines in the node resource group. Such a node is named like
its machine and belongs to no pool of the cluster's. Tokens come from the machine's own metadata service, which has
those of the identities that the machine carries and no others. Every node asks for those of the client id that it was
made with (its label shows it), whatever identity the cluster was given since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.arm.ids import key
from simulator.arm.resources import Resource, Resources
from simulator.nodes.node_network import table

_CLIENT_LABEL = "kubernetes.azure.com/kubelet-identity-client-id"
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


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """What a node gets tokens for instead of the cluster's kubelet identity; None: it gets none."""

    principal: str | None


def own_identity(cluster: Resource, node: str, labels: dict[str, Any], resources: Resources) -> OwnIdentity | None:
    """Of a node that was made with another identity, or whose machine carries another; None: it has the cluster's."""
    machine = provisioned_machine(cluster, node, resources)
    if machine is not None and not carries_kubelet_identity(cluster, machine):
        return OwnIdentity(None)
    profile = table(table(cluster.body.get("properties")).get("identityProfile"))
    made_with = str(labels.get(_CLIENT_LABEL) or "").lower()
    if not made_with or made_with == str(table(profile.get("kubeletidentity")).get("clientId")).lower():
        return None
    for identity in resources.everywhere("Microsoft.ManagedIdentity/userAssignedIdentities"):
        properties = table(identity.body.get("properties"))
        if str(properties.get("clientId")).lower() == made_with:
            return OwnIdentity(str(properties.get("principalId")))
    return OwnIdentity(None)
