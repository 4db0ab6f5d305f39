"""Node pools: the pool of a node, and the platform and VM size of its nodes.

Sources: AKS names nodes ``aks-<pool>-<number>-vmss<suffix>`` (``aks<pool><six characters>`` for Windows); Azure's
"virtual machine size naming conventions" (a "p" among the letters after the vCPU count is an Arm processor).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from checks.facts import AgentPool, ContainerImage, PodEvent

# Standard_<family><vCPUs>[-<constrained vCPUs>]<features>[_<accelerator>][_v<version>]
_SIZE = re.compile(r"(?:standard|basic)_([a-z]{1,4})(\d{1,4})(?:-(\d{1,4}))?([a-z]{0,8})(?:_.*)?", re.IGNORECASE)
_WINDOWS_SUFFIX = 6


def pool_of(node: str | None, pools: Iterable[AgentPool]) -> AgentPool | None:
    """The pool that a node's name shows, or None."""
    if not node:
        return None
    for pool in pools:
        if node.startswith(f"aks-{pool.name}-"):
            return pool
        windows = (pool.os_type or "").lower() == "windows"
        if windows and node.startswith(f"aks{pool.name}") and len(node) == 3 + len(pool.name) + _WINDOWS_SUFFIX:
            return pool
    return None


def pools_of_events(
    events: Sequence[PodEvent], containers: Iterable[ContainerImage], pools: Iterable[AgentPool]
) -> list[AgentPool | None]:
    """The pool of the node that each event comes from, None if it is not known.

    Kubelet's events name the node; for an event that does not, it is the node of its pod.
    """
    unnamed = {(event.namespace, event.pod) for event in events if not event.node}
    nodes = {(c.namespace, c.pod): c.node for c in containers if (c.namespace, c.pod) in unnamed} if unnamed else {}
    named = [event.node or nodes.get((event.namespace, event.pod)) for event in events]
    all_pools = tuple(pools)
    of_node = {node: pool_of(node, all_pools) for node in set(named)}
    return [of_node[node] for node in named]


def has_nodes(pool: AgentPool) -> bool:
    """Whether a pool has nodes, as far as Azure Resource Manager shows."""
    return pool.count != 0 and (pool.power_state or "").lower() != "stopped"


def platform_of(pool: AgentPool) -> str | None:
    """ "os/architecture" of a pool's nodes, or None if Azure Resource Manager does not show it."""
    system = (pool.os_type or "").lower()
    architecture = _architecture(pool)
    return f"{system}/{architecture}" if system in ("linux", "windows") and architecture else None


def _architecture(pool: AgentPool) -> str | None:
    image = (pool.node_image_version or "").lower()
    if "arm64" in image:
        return "arm64"
    size = _SIZE.fullmatch(pool.vm_size or "")
    if size is None:
        return "amd64" if image.startswith("aks") else None
    return "arm64" if "p" in size[4].lower() else "amd64"


def cores_of(vm_size: str | None) -> int | None:
    """The vCPUs in a VM size's name (of a constrained size, the available ones); None if it contains none."""
    size = _SIZE.fullmatch(vm_size or "")
    return int(size[3] or size[2]) if size else None


def is_burstable(vm_size: str | None) -> bool:
    """Whether a VM size is of the B series, which is burstable and throttled without credits."""
    size = _SIZE.fullmatch(vm_size or "")
    return size is not None and size[1].lower() == "b"
