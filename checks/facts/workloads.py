"""Pods and events as the Kubernetes API shows them, as far as they are about images."""

from __future__ import annotations

import msgspec

from checks.facts.observation import NotSeen, Seen


class ContainerImage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One container or image volume of one pod: the image it wants and, where it waits, why.

    ``kind`` is "init", "main", "ephemeral" or "volume" (then ``container`` is the volume's name); ``workload`` is
    "Kind/name" of the controller as far as the pod tells (a ReplicaSet's hash is cut, so it reads Deployment/name).
    ``virtual``: the pod shows that it is on a virtual node, "aci" (the add-on) or "v2".
    """

    namespace: str
    pod: str
    workload: str
    container: str
    kind: str
    image: str
    node: str | None = None
    os: str | None = None
    waiting_reason: str | None = None
    waiting_message: str | None = None
    since: str | None = None
    pull_secrets: tuple[str, ...] = ()
    pull_policy: str | None = None
    service_account: str | None = None
    virtual: str | None = None


class PodEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Kubernetes event about a pod: its reason ("Failed", "Pulled", "BackOff"), text, count and times.

    ``node`` is the node whose kubelet tells it, where the event names one.
    """

    namespace: str
    pod: str
    reason: str
    message: str
    count: int = 1
    last_seen: str | None = None
    first_seen: str | None = None
    node: str | None = None
    container: str | None = None


class Workloads(msgspec.Struct, frozen=True, kw_only=True):
    """What the Kubernetes API said. ``unreadable`` counts objects that could not be decoded (counted, not lost).

    ``read_through`` says how it was read, where not directly. ``ready_nodes`` are the nodes on which a pod is Ready,
    ``pods_on_nodes`` how many pods take a place on a node; both only where they were asked for.
    ``texts_cut`` counts the texts of pods and events of which a part is missing: they were too many or too long.
    ``client_ids`` are the managed identities that service accounts name ("namespace/name"), where these were read.
    """

    containers: tuple[ContainerImage, ...] = ()
    events: Seen[tuple[PodEvent, ...]] | NotSeen
    pods: int = 0
    unreadable: int = 0
    read_through: str = ""
    ready_nodes: frozenset[str] = frozenset()
    pods_on_nodes: dict[str, int] = {}
    texts_cut: int = 0
    client_ids: dict[str, str] = {}
