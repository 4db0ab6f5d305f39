"""Which node a canary pod is put on, so that no scheduler has to find one and nothing is evicted to make room.

A pod with ``spec.nodeName`` passes the scheduler by. The node is named by a pod of its own that is Ready, which shows
that its kubelet works; where nodes may be read, their own status decides too. The role "Azure Kubernetes Service RBAC
Reader" does not include nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from checks.facts import AgentPool, NotSeen, NotSeenReason, Seen, Workloads
from checks.facts.canary import CanaryNode
from checks.rules.azure.node_pools import pool_of
from checks.text import listed

MAX_NAMED = 3
# One for the canary, and one for whoever comes while it is there: on a node that it filled up, a pod of higher priority
# would evict another.
PLACES = 2


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
    pools = tuple(pools)
    profile = next((each for each in pools if each.name == pool), None)
    with_ready_pods = nodes_with_ready_pods(workloads, pool, pools)
    if isinstance(nodes, NotSeen) or not nodes:
        return (
            _with_places(with_ready_pods, profile, workloads) if with_ready_pods else _unnamed(pool, workloads, nodes)
        )
    fit = sorted(node.name for node in nodes if not why_not(node))
    if fit:
        return _with_places(sorted(fit, key=lambda name: name not in with_ready_pods), profile, workloads)
    reasons = listed([f"{node.name} is {why_not(node)}" for node in nodes], MAX_NAMED)
    return NotSeen(
        NotSeenReason.NOT_FOUND,
        f"no node of the pool {pool} can take a canary pod: {reasons}",
        "a node of the pool that is Ready, schedulable and not under DiskPressure",
    )


def _with_places(
    names: Sequence[str], profile: AgentPool | None, workloads: Seen[Workloads] | NotSeen
) -> str | NotSeen:
    """The first node that has places left for pods; where nobody says how many it has, it counts as having them."""
    most = profile.max_pods if profile is not None else None
    taken = workloads.value.pods_on_nodes if isinstance(workloads, Seen) else {}
    for name in names:
        if most is None or taken.get(name, 0) + PLACES <= most:
            return name
    return NotSeen(
        NotSeenReason.NOT_FOUND,
        f"the nodes that can be named have less than {PLACES} places left for pods (maxPods is {most})",
        "a node of the pool with places left",
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
