"""Commands that repair a kubelet identity that was deleted or made anew.

Sources: azure-cli acs/managed_cluster_decorator.py (``az aks update`` without options asks, ``--yes`` does not answer
it; ``--assign-kubelet-identity`` needs a user-assigned control plane identity and upgrades every node pool), "Use a
managed identity in AKS", "Use a pre-created kubelet managed identity".
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.arm_ids import same_id
from checks.facts import Cluster, Registry, resource_group_of
from checks.rules.access import rbac
from checks.rules.fixes import az_aks, az_roles, kubectl

MAX_REGISTRIES, MAX_POOLS = 3, 5
_OBJECT_ID = "OBJECT_ID"


def repair_deleted(
    cluster: Cluster, resource_id: str, pools: Iterable[str], registries: Iterable[Registry]
) -> tuple[str, ...]:
    """A new identity for the nodes, and its roles: those of the deleted one are lost."""
    if not _own(cluster, resource_id):
        return (*_reconciled(cluster), *_granted(cluster, registries), *_new_nodes(cluster, pools))
    created = (az_roles.create_identity(resource_id), az_aks.assign_kubelet_identity(cluster, resource_id))
    return (*created, *_granted(cluster, registries))


def repair_replaced(cluster: Cluster, resource_id: str, pools: Iterable[str]) -> tuple[str, ...]:
    """The cluster takes over the identity that was made anew; which roles it holds, the next check says."""
    roles = "# The new identity needs roles of its own: the next check names those that are missing."
    if not _own(cluster, resource_id):
        return (*_reconciled(cluster), roles, *_new_nodes(cluster, pools))
    return (az_aks.assign_kubelet_identity(cluster, resource_id), roles)


def leave_service_principal(
    cluster: Cluster, pools: Iterable[str], registries: Iterable[Registry], *, crossing: bool
) -> tuple[str, ...]:
    """Another service principal for one that does not exist; or, for good, a managed identity with roles and new nodes.

    A managed identity crosses into no other tenant, and there is no way back: ``crossing`` registries rule it out.
    """
    replace = az_aks.replace_service_principal(cluster)
    if crossing:
        return ("# Give the cluster another service principal:", replace)
    other = ("# Either give the cluster another service principal:", replace)
    migrate = "# or move it to a managed identity, from which there is no way back:"
    migrated = az_aks.enable_managed_identity(cluster)
    return (*other, migrate, migrated, *_granted(cluster, registries), *_new_nodes(cluster, pools))


def attach_again(cluster: Cluster, pools: Iterable[str], provisioned: Iterable[str] = ()) -> tuple[str, ...]:
    """An identity that stands, and that machines of pools, or of node auto-provisioning, do not carry."""
    return (*_reconciled(cluster), *_new_nodes(cluster, pools), *replace_provisioned(provisioned))


def image_again(cluster: Cluster, pools: Iterable[str]) -> tuple[str, ...]:
    """Nodes that still have an identity from before: no role and no reconcile changes what a node was made with."""
    return _new_nodes(cluster, pools)


def replace_provisioned(machines: Iterable[str]) -> tuple[str, ...]:
    """Node auto-provisioning makes a new node for one whose claim is deleted; a machine is named aks-CLAIM."""
    claims = [name.removeprefix("aks-") for name in list(machines)[:MAX_POOLS]]
    note = "# Node auto-provisioning drains a node whose NodeClaim is deleted, and makes another one if it is needed:"
    return (note, *(kubectl.delete_node_claim(claim) for claim in claims)) if claims else ()


def _own(cluster: Cluster, resource_id: str) -> bool:
    """Whether somebody made the identity; AKS makes one in the node resource group, and makes it anew."""
    made_by_aks = same_id(resource_group_of(resource_id), cluster.node_resource_group)
    return cluster.user_assigned and not made_by_aks


def _reconciled(cluster: Cluster) -> tuple[str, ...]:
    return ("# Reconciles the cluster; it asks, and --yes does not answer it:", az_aks.reconcile_cluster(cluster))


def _granted(cluster: Cluster, registries: Iterable[Registry]) -> tuple[str, ...]:
    """The roles of the new principal, whose object id is known only then."""
    needed = list(registries)[:MAX_REGISTRIES]
    if not needed:
        return ()
    roles = (
        az_roles.assign_role_to(
            _OBJECT_ID,
            "Container Registry Repository Reader" if rbac.is_abac(registry.role_assignment_mode) else "AcrPull",
            registry.id,
        )
        for registry in needed
    )
    return (az_aks.read_kubelet_object_id(cluster, _OBJECT_ID), *roles)


def _new_nodes(cluster: Cluster, pools: Iterable[str]) -> tuple[str, ...]:
    """Nodes keep the old identity until they are imaged anew."""
    pools = list(pools)
    if not pools:
        return ()
    upgrades = (az_aks.upgrade_node_image(cluster, pool) for pool in list(pools)[:MAX_POOLS])
    newest = "# A node pool that has the newest image already stays as it is: add a new one, then drain the old one."
    return (*upgrades, newest)
