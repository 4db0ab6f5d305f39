"""Which node a canary pod is put on, so that no scheduler has to find one and nothing is evicted to make room.

A pod with ``spec.nodeName`` passes the scheduler by. The node is named by a pod of its own that is Ready, which shows
that its kubelet works; where nodes may be read, their own status decides too. The role "Azure Kubernetes Service RBAC
Reader" does not include nodes.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.facts import AgentPool, NotSeen, NotSeenReason, Seen, Workloads
from checks.facts.canary import CanaryNode
from checks.rules.azure.node_pools import pool_of
from checks.text import listed

MAX_NAMED = 3


def nodes_with_ready_pods(
    workloads: Seen[Workloads] | NotSeen, pool: str, pools: Iterable[AgentPool]
) -> tuple[str, ...]:
    """The nodes of a pool on which a pod is Ready, as far as their names show the pool; sorted."""
    if isinstance(workloads, NotSeen):
        return ()
    all_pools = tuple(pools)
    found = ((name, pool_of(name, all_pools)) for name in workloads.value.ready_nodes)
    return tuple(sorted(name for name, of in found if of is not None and of.name == pool))


def choose_node(
    pool: str,
    pools: Iterable[AgentPool],
    workloads: Seen[Workloads] | NotSeen,
    nodes: tuple[CanaryNode, ...] | NotSeen,
) -> str | NotSeen:
    """The node to ask, or what is missing to name one. ``nodes`` are those of the pool, as far as they may be read."""
    with_ready_pods = nodes_with_ready_pods(workloads, pool, pools)
    if isinstance(nodes, NotSeen) or not nodes:
        return with_ready_pods[0] if with_ready_pods else _unnamed(pool, workloads, nodes)
    fit = sorted(node.name for node in nodes if not why_not(node))
    if fit:
        return next((name for name in fit if name in with_ready_pods), fit[0])
    reasons = listed([f"{node.name} is {why_not(node)}" for node in nodes], MAX_NAMED)
    return NotSeen(
        NotSeenReason.NOT_FOUND,
        f"no node of the pool {pool} can take a canary pod: {reasons}",
        "a node of the pool that is Ready, schedulable and not under DiskPressure",
    )


def why_not(node: CanaryNode) -> str:
    """Why a node is not to be asked; empty for one that may be."""
    if node.virtual:
        return "a virtual node"
    if node.cordoned:
        return "cordoned"
    if node.pressure:
        return f"under {' and '.join(node.pressure)}"
    return "" if node.ready else "not Ready"


def _unnamed(pool: str, workloads: Seen[Workloads] | NotSeen, nodes: tuple[CanaryNode, ...] | NotSeen) -> NotSeen:
    if isinstance(workloads, NotSeen):
        detail = f"no node of the pool {pool} can be named: pods could not be read ({workloads.detail})"
        return NotSeen(workloads.why, detail, workloads.role, workloads.fix)
    known = f"nodes could not be read ({nodes.detail})" if isinstance(nodes, NotSeen) else "no node is labelled as its"
    return NotSeen(
        NotSeenReason.NOT_FOUND,
        f"no node of the pool {pool} can be named: no pod on its nodes is Ready, and {known}",
        "a Ready pod on a node of the pool, or nodes/read",
    )
