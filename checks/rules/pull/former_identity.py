"""Nodes that were made with an earlier kubelet identity, and whose pulls are refused.

A node keeps the client id that it was provisioned with until it is imaged anew; roles of the cluster's present identity
help it nothing. Source: "Use a pre-created kubelet managed identity" (the identity is updated with the node image);
karpenter-provider-azure pkg/providers/labels (the label of provisioned nodes may lag).
"""

from __future__ import annotations

from checks.facts import Cluster, NotSeen, Seen, Workloads
from checks.facts.node_identity import FormerIdentityNode
from checks.rules import registry_names
from checks.rules.pull.errors import CREDENTIALS
from checks.rules.pull.observed_pulls import failed_pulls


def refused_nodes(workloads: Seen[Workloads] | NotSeen) -> dict[str, frozenset[str]]:
    """The nodes that an Azure registry refused without a pull secret in play, by login server."""
    found: dict[str, set[str]] = {}
    for pull in failed_pulls(workloads.value) if isinstance(workloads, Seen) else ():
        container, registry = pull.container, pull.registry
        refused = pull.classified.cause in CREDENTIALS and not pull.virtual and not pull.mirror
        if refused and container.node and not container.pull_secrets and registry and registry_names.is_azure(registry):
            found.setdefault(registry, set()).add(container.node)
    return {registry: frozenset(nodes) for registry, nodes in sorted(found.items())}


def wants_labels(cluster: Cluster, workloads: Seen[Workloads] | NotSeen) -> bool:
    """Whether nodes' labels may explain a refusal: a read that only refusals are worth."""
    return cluster.kubelet is not None and bool(cluster.kubelet.client_id) and bool(refused_nodes(workloads))


def refused_by_registry(
    nodes: tuple[FormerIdentityNode, ...], workloads: Seen[Workloads] | NotSeen
) -> dict[str, tuple[FormerIdentityNode, ...]]:
    """The nodes with an earlier identity that each registry refused."""
    found = {
        registry: tuple(node for node in nodes if node.name in refused)
        for registry, refused in refused_nodes(workloads).items()
    }
    return {registry: stale for registry, stale in found.items() if stale}
