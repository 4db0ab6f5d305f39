"""Whether the kubelet identity that a cluster names still is the one that its resource id leads to.

An identity that was deleted, or deleted and made anew, gets no token on the nodes, whatever roles its old object id
holds: that has to be repaired first.
"""

from __future__ import annotations

from enum import Enum

from checks.facts import Cluster, ClusterFacts, KubeletResource, Seen, resource_group_of

# States in which ARM may not show the kubelet identity yet; a missing one says nothing then.
UNSETTLED = frozenset({"creating", "updating", "upgrading", "canceled", "failed", "starting", "migrating"})


class IdentityState(Enum):
    """What became of the kubelet identity, as far as that was seen."""

    STANDS = "stands"
    DELETED = "deleted"
    REPLACED = "replaced"


def changes(cluster: Cluster) -> bool:
    """Whether the cluster is being changed, so that its identity may not be settled."""
    return (cluster.provisioning_state or "").lower() in UNSETTLED - {"failed", "canceled"}


def identity_state(facts: ClusterFacts) -> IdentityState:
    """Deleted or replaced only where that was seen; what was not seen counts as standing."""
    seen, kubelet = facts.kubelet_resource, facts.cluster.kubelet
    if kubelet is None or not isinstance(seen, Seen) or changes(facts.cluster):
        return IdentityState.STANDS
    resource = seen.value.resource
    if resource is None:
        return IdentityState.DELETED if _would_be_seen(facts, seen.value) else IdentityState.STANDS
    replaced = resource.principal_id and resource.principal_id.lower() != (kubelet.object_id or "").lower()
    return IdentityState.REPLACED if replaced else IdentityState.STANDS


def _would_be_seen(facts: ClusterFacts, kubelet_resource: KubeletResource) -> bool:
    """Whether an identity that is not shown is really absent, because ARM shows us what lies beside it.

    That is another identity of its group, the cluster's own machines or, where it is not one that AKS made in the
    node resource group, any other identity of its subscription.
    """
    cluster = facts.cluster
    group = resource_group_of((cluster.kubelet.resource_id if cluster.kubelet else None) or "").lower()
    brought = group != (cluster.node_resource_group or "").lower()
    machines = isinstance(facts.machines, Seen) and bool(facts.machines.value)
    return kubelet_resource.siblings > 0 or machines or (brought and kubelet_resource.others > 0)
