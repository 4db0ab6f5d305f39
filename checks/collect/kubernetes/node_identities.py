"""The nodes that were made with another kubelet identity than the cluster has now, by their label.

Nodes are not in what RBAC Reader allows, and are asked for only where pulls on nodes are refused. The API server
selects them, so that a cluster whose nodes all have its identity answers with none.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.collect.arm import reads
from checks.collect.arm.bodies import GUID
from checks.collect.arm.client import Azure
from checks.collect.kubernetes.calls import NODES
from checks.collect.kubernetes.connection import open_api
from checks.collect.kubernetes.kubeconfig import of_cluster as kubeconfig_of
from checks.collect.kubernetes.lists import Reader, deadline
from checks.collect.kubernetes.objects import Node
from checks.collect.wire.errors import CollectError
from checks.facts import Cluster, NotSeen, NotSeenReason, Seen, Workloads
from checks.facts.node_identity import CLIENT_ID_LABEL, PROVISIONED_LABEL, FormerIdentityNode
from checks.rules.pull.former_identity import wants_labels

NODES_READ = "Microsoft.ContainerService/managedClusters/nodes/read"


async def former(
    azure: Azure, cluster: Cluster, workloads: Seen[Workloads] | NotSeen
) -> Seen[tuple[FormerIdentityNode, ...]] | NotSeen | None:
    """The nodes with an earlier identity; None where nothing asks for them."""
    if isinstance(workloads, NotSeen) or not wants_labels(cluster, workloads):
        return None
    if workloads.value.read_through:
        why = "the API server is out of reach, and nodes are not read by Run Command"
        return NotSeen(NotSeenReason.UNREACHABLE, why)
    now = (cluster.kubelet.client_id if cluster.kubelet else None) or ""
    if not GUID.fullmatch(now):  # it becomes part of a selector
        return NotSeen(NotSeenReason.ERROR, "the kubelet identity's client id is none")
    until = deadline(azure)

    def stale(node: Node) -> Iterable[FormerIdentityNode]:
        labels = node.metadata.labels or {}
        named = labels.get(CLIENT_ID_LABEL, "")
        if GUID.fullmatch(named) and named.lower() != now.lower():
            provisioned = PROVISIONED_LABEL in labels
            yield FormerIdentityNode(name=node.metadata.name, client_id=named, provisioned=provisioned)

    try:
        kubeconfig = await kubeconfig_of(azure, cluster)
        async with open_api(azure, cluster, kubeconfig) as api:
            selected = {"labelSelector": f"{CLIENT_ID_LABEL},{CLIENT_ID_LABEL}!={now}"}
            listed = await Reader(azure, cluster, api, bytearray(), until).whole(NODES, Node, stale, selected)
    except CollectError as error:
        gap = error.as_gap()
        return NotSeen(gap.why, gap.detail, NODES_READ if gap.why is NotSeenReason.NOT_ALLOWED else gap.role)
    gaps = f"{listed.unreadable} nodes could not be read" if listed.unreadable else ""
    return Seen(tuple(listed.items), reads.evidence("labels of nodes", kubeconfig.server, "v1"), gaps)
