"""Roots: the one thing that is broken, for which changes of many clusters come in one mail. Pure.

A transition names a registry, a facet and a cause, and no network, zone or identity. So the root is the cluster where
the cause is about its own identity, and else the registry: also where the node network closes the path, because
clusters behind one firewall or zone share the registries that it closes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from checks.catalog.pw101_kubelet_identity import IdentityCause
from checks.catalog.pw106_secret_expiry import SecretExpiryCause
from checks.causes import RowCause
from checks.changes import Change, Reason, Status, Transition

# What says nothing of the registry, but whether anything is known of it.
SIGHT = (Reason.BLIND, Reason.SEEN_AGAIN)
_OF_THE_CLUSTER = frozenset({*IdentityCause, *SecretExpiryCause, RowCause.MORE_REGISTRIES})


class RootKind(StrEnum):
    """What kind of thing is broken."""

    REGISTRY = "registry"
    CLUSTER = "cluster"
    SIGHT = "sight"
    FIRST_LOOK = "first look"


class Root(msgspec.Struct, frozen=True, order=True):
    """What is broken (``name``: a login server, a cluster's id in lower case, or "") and how."""

    kind: RootKind
    name: str
    cause: str


def root_of(cluster: str, registry: str, cause: str) -> Root:
    """The root of a failure, and of its end, of a cluster and a registry."""
    if cause in _OF_THE_CLUSTER:
        return Root(RootKind.CLUSTER, cluster.lower(), cause)
    return Root(RootKind.REGISTRY, registry, cause)


def group(changes: Sequence[Change]) -> tuple[tuple[int, ...], ...]:
    """Which of ``changes`` (by index) belong into one mail. Each is in exactly one group; groups by their oldest.

    A cluster's changes stay together, so that a failure and its recovery are reported in order. They go with the root
    of the worst of them; of several, with the one that most clusters share. No group joins another through a cluster
    that has a part in both.
    """
    clusters: dict[str, list[int]] = {}
    for index, change in enumerate(changes):
        clusters.setdefault(change.cluster.lower(), []).append(index)
    candidates = {name: _worst([changes[index] for index in indexes]) for name, indexes in clusters.items()}
    shared = Counter(root for roots in candidates.values() for root in roots)
    groups: dict[Root, list[int]] = {}
    for name, indexes in clusters.items():
        root = min(candidates[name], key=lambda root: (-shared[root], root))
        groups.setdefault(root, []).extend(indexes)
    return tuple(sorted(tuple(sorted(indexes)) for indexes in groups.values()))


def _worst(changes: Sequence[Change]) -> set[Root]:
    """The roots of the worst that is to be notified of one cluster; its own where there is nothing.

    A first look is one more: it brings together what was seen first, unless more clusters share what is broken.
    """
    moves = [(change.cluster, moved) for change in changes for moved in change.transitions if moved.alert]
    worst = min((_badness(moved) for _, moved in moves), default=0)
    found = {_root(cluster, moved) for cluster, moved in moves if _badness(moved) == worst}
    if all(change.first_sight for change in changes):
        found.add(Root(RootKind.FIRST_LOOK, "", ""))
    return found or {Root(RootKind.CLUSTER, changes[0].cluster.lower(), "")}


def _root(cluster: str, moved: Transition) -> Root:
    if moved.reason in SIGHT:
        return Root(RootKind.SIGHT, "", moved.gap)
    return root_of(cluster, moved.registry, moved.cause)


def _badness(moved: Transition) -> int:
    """0 is the worst."""
    if moved.reason in SIGHT:
        return 1 if moved.reason is Reason.BLIND else 3
    return 0 if moved.after is Status.FAILING else 2
