"""Whether the kubelet identity that a cluster names still is the one that its resource id leads to.

An identity that was deleted, or deleted and made anew, gets no token on the nodes, whatever roles its old object id
holds: that has to be repaired first.
"""

from __future__ import annotations

from enum import Enum

from checks.facts import AgentPool, Cluster, ClusterFacts, KubeletResource, NodeMachines, Seen, resource_group_of
from checks.rules.azure.node_pools import has_nodes

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


def gets_no_token(facts: ClusterFacts) -> bool:
    """Whether nodes get no token for the kubelet identity, whatever roles it holds: it is gone, or machines lack it."""
    lacking = pools_without_identity(facts) or provisioned_without_identity(facts)
    return identity_state(facts) is not IdentityState.STANDS or bool(lacking)


def pools_without_identity(facts: ClusterFacts) -> list[str]:
    """The running pools of which a machine was seen that does not carry the kubelet identity."""
    lacking = [machine for machine in _without_identity(facts) if not machine.provisioned]
    return [p.name for p in running_pools(facts.cluster) if any(_is_of(machine, p.name) for machine in lacking)]


def provisioned_without_identity(facts: ClusterFacts) -> list[str]:
    """The machines of node auto-provisioning (their names) that do not carry the kubelet identity.

    Each carries the cluster's identities itself, and is told by its tag alone: a name may be anybody's.
    """
    if not facts.cluster.node_provisioning:
        return []
    own = ("", facts.cluster.name.lower())  # two clusters may share a node resource group
    lacking = _without_identity(facts)
    return sorted(one.name for one in lacking if one.provisioned and one.made_for.lower() in own)


def _without_identity(facts: ClusterFacts) -> list[NodeMachines]:
    """The machines that were seen without the kubelet identity; none while they may be on their way."""
    kubelet, cluster = facts.cluster.kubelet, facts.cluster
    stopped = cluster.stopped
    if (
        kubelet is None
        or not kubelet.resource_id
        or not isinstance(facts.machines, Seen)
        or stopped
        or changes(cluster)
    ):
        return []
    wanted = kubelet.resource_id.rstrip("/").lower()
    return [m for m in facts.machines.value if wanted not in (identity.rstrip("/") for identity in m.identities)]


def running_pools(cluster: Cluster) -> tuple[AgentPool, ...]:
    """Pools that have nodes."""
    return tuple(pool for pool in cluster.pools if has_nodes(pool))


def _is_of(machine: NodeMachines, pool: str) -> bool:
    """By the tag that AKS writes, else by the name that AKS gives: aks-POOL-123-vmss, and aksPOOL on Windows."""
    if machine.pool is not None:
        return machine.pool.lower() == pool.lower()
    name = machine.name.lower()
    return name == f"aks{pool.lower()}" or name.startswith(f"aks-{pool.lower()}-")


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
