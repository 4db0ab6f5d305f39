"""A cluster's own API, read-only: its pods and the events about them.

Where the API server is out of reach, Run Command reads them instead, if a setting allows it.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from checks.collect.arm import reads
from checks.collect.arm.client import Azure
from checks.collect.kubernetes import calls, run_command
from checks.collect.kubernetes.connection import RBAC_READER, cluster_token, open_api
from checks.collect.kubernetes.kubeconfig import Kubeconfig, of_cluster
from checks.collect.kubernetes.lists import Listed, Reader, deadline
from checks.collect.kubernetes.objects import (
    EVENTS,
    Event,
    Pod,
    PodWithConditions,
    containers,
    node_of_ready,
    node_taken_by,
    pod_events,
)
from checks.collect.kubernetes.texts import Texts
from checks.collect.wire.errors import BrokenOff, CollectError, Unreachable
from checks.facts import Cluster, ContainerImage, NotSeen, NotSeenReason, PodEvent, Seen, Workloads

__all__ = ["RBAC_READER", "local_accounts_off", "not_to_be_looked_at", "open_api", "pods_and_events", "workloads"]
TWO_MOMENTS = " (the list expired while it was read: its second part is of a later moment)"


async def workloads(azure: Azure, cluster: Cluster, *, ready_nodes: bool = False) -> Seen[Workloads] | NotSeen:
    """The pods' images and what waits, with the events about pods; or why they could not be read.

    ``ready_nodes``: also the nodes on which a pod is Ready, and the pods of each, where the API is read directly.
    """
    until = deadline(azure)
    gap = not_to_be_looked_at(cluster)
    if gap is not None:
        return gap
    try:
        kubeconfig = await of_cluster(azure, cluster)
        if not kubeconfig.exec_plugin and not azure.settings.allow_local_accounts:
            return local_accounts_off()
        try:
            return await pods_and_events(azure, cluster, kubeconfig, until, ready_nodes=ready_nodes)
        except BrokenOff:
            raise  # there is a way: another one has nothing to mend
        except Unreachable as error:
            token = partial(cluster_token, azure, cluster) if kubeconfig.exec_plugin else None
            return await run_command.instead(azure, cluster, token, error, until)
    except CollectError as error:
        return error.as_gap()


def local_accounts_off() -> NotSeen:
    """A cluster without Entra ID is not looked at unless a setting allows it."""
    return NotSeen(
        NotSeenReason.OFF,
        "the cluster has no Entra ID: its kubeconfig is equal to cluster-admin and is not used unless "
        "PULLWATCH_ALLOW_LOCAL_ACCOUNTS is true",
        "PULLWATCH_ALLOW_LOCAL_ACCOUNTS=true",
    )


def not_to_be_looked_at(cluster: Cluster) -> NotSeen | None:
    """Why a cluster's API has nothing to say: it is stopped, not there yet, or going away."""
    state = (cluster.provisioning_state or "").lower()
    if cluster.stopped:
        return NotSeen(NotSeenReason.NOT_APPLICABLE, "the cluster is stopped")
    if state in ("creating", "deleting"):
        return NotSeen(NotSeenReason.NOT_APPLICABLE, f"the cluster is {state}")
    return None


async def pods_and_events(
    azure: Azure, cluster: Cluster, kubeconfig: Kubeconfig, until: float | None = None, *, ready_nodes: bool = False
) -> Seen[Workloads]:
    """The workloads, read from the API server that the kubeconfig names. Raises CollectError.

    ``until``: the event loop's time to end by, the cluster's deadline from now unless given.
    """
    ready: set[str] = set()
    on_nodes: Counter[str] = Counter()
    texts = Texts()

    def with_node(pod: PodWithConditions) -> list[ContainerImage]:
        if node := node_of_ready(pod):
            ready.add(node)
        if node := node_taken_by(pod):
            on_nodes[node] += 1
        return containers(pod, texts)

    async with open_api(azure, cluster, kubeconfig) as api:
        with azure.buffer() as buffer:
            reader = Reader(azure, cluster, api, buffer, deadline(azure) if until is None else until)
            if ready_nodes:
                pods = await reader.whole(calls.PODS, PodWithConditions, with_node)
            else:
                pods = await reader.whole(calls.PODS, Pod, partial(containers, texts=texts))
            events = await _events(reader, texts)
    result = Workloads(
        containers=tuple(pods.items),
        events=events,
        pods=pods.objects,
        unreadable=pods.unreadable,
        ready_nodes=frozenset(ready),
        pods_on_nodes=dict(on_nodes),
        texts_cut=texts.cut,
    )
    return Seen(result, reads.evidence(f"pods and events{_moments(pods)}", kubeconfig.server, "v1"))


async def _events(reader: Reader, texts: Texts) -> Seen[tuple[PodEvent, ...]] | NotSeen:
    selected = {"fieldSelector": EVENTS}
    try:
        events = await reader.whole(calls.EVENTS_PATH, Event, partial(pod_events, texts=texts), selected)
    except CollectError as error:
        return error.as_gap()
    gaps = f"{events.unreadable} events could not be read" if events.unreadable else ""
    return Seen(tuple(events.items), reads.evidence(f"events{_moments(events)}", "Kubernetes API", "v1"), gaps)


def _moments(listed: Listed[ContainerImage] | Listed[PodEvent]) -> str:
    return TWO_MOMENTS if listed.of_two_moments else ""
