"""PW405: node hardware that slows the unpacking of images."""

from __future__ import annotations

from checks.catalog.check import Check
from checks.causes import Cause
from checks.facts import AgentPool, ClusterFacts
from checks.findings import Finding, Severity, Subject
from checks.rules.azure.node_pools import cores_of, has_nodes, is_burstable
from checks.rules.fixes import az_aks


class HardwareCause(Cause):
    """Causes of PW405."""

    HARDWARE_FINE = "hardware-fine", "The node pool's size and disk are sufficient."
    BURSTABLE_SIZE = "burstable-size", "The node pool has a burstable VM size."
    SMALL_SIZE = "small-size", "The node pool has a small VM size."
    SMALL_DISK = "small-disk", "The node pool has a small OS disk."
    SMALL_SIZE_AND_SMALL_DISK = "small-size-and-small-disk", "The node pool has a small VM size and a small OS disk."
    HARDWARE_NOT_SHOWN = "hardware-not-told", "The node pool's VM size is not shown."
    NO_NODES = "no-nodes", "The node pool has no nodes, or the cluster no pool."


CHECK = Check(
    code="PW405",
    title="Node hardware",
    severity=Severity.WARNING,
    why="Layers are unpacked by the node's processors onto its OS disk; small ones slow a pull as much as a network.",
    how=(
        "From the pool as Azure Resource Manager shows it: fewer than 4 vCPUs or a burstable (B series) size by the "
        "size's name, and an OS disk that is a managed disk of less than 128 GiB (its speed goes with its size). An "
        "ephemeral OS disk is local and fast. Only ever a warning."
    ),
    permissions=("Reader on the cluster",),
    fix="Move the workload to a pool of a larger size with an ephemeral OS disk; a pool's size cannot be changed.",
    article=("client hardware",),
    links=("https://learn.microsoft.com/azure/aks/concepts-storage#ephemeral-os-disk",),
    advisory=True,
    causes=(HardwareCause,),
)

FEW_CORES = 4
SMALL_DISK = 128


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per pool with nodes."""
    pools = [pool for pool in facts.cluster.pools if has_nodes(pool)]
    if not pools:
        return (CHECK.skipped(Subject(facts.cluster.id), HardwareCause.NO_NODES, "the cluster has no pool with nodes"),)
    return tuple(_judge_pool(facts, pool) for pool in pools)


def _judge_pool(facts: ClusterFacts, pool: AgentPool) -> Finding:
    subject = Subject(facts.cluster.id, pool=pool.name)
    evidence = (facts.cluster.evidence,) if facts.cluster.evidence else ()
    slow = _slow(pool)
    if slow:
        cause = "-and-".join(cause for cause, _ in slow)
        summary = f"The nodes of {pool.name} unpack images slowly: {', '.join(words for _, words in slow)}."
        return CHECK.fails(subject, cause, summary, evidence, fix=(az_aks.add_larger_pool(facts.cluster),))
    cores = cores_of(pool.vm_size)
    if cores is None and pool.os_disk_type is None:
        because = f"Azure Resource Manager shows neither size nor OS disk of the pool {pool.name}"
        return CHECK.skipped(subject, HardwareCause.HARDWARE_NOT_SHOWN, because)
    summary = f"The nodes of {pool.name} are large enough ({pool.vm_size or 'size not shown'})."
    return CHECK.passes(subject, HardwareCause.HARDWARE_FINE, summary, evidence)


def _slow(pool: AgentPool) -> list[tuple[HardwareCause, str]]:
    slow = []
    cores = cores_of(pool.vm_size)
    if cores is not None and cores < FEW_CORES:
        slow.append((HardwareCause.SMALL_SIZE, f"{pool.vm_size} has {cores} vCPU{'' if cores == 1 else 's'}"))
    elif is_burstable(pool.vm_size):
        slow.append((HardwareCause.BURSTABLE_SIZE, f"{pool.vm_size} is burstable"))
    managed = (pool.os_disk_type or "").lower() == "managed"
    if managed and pool.os_disk_size_gb is not None and 0 < pool.os_disk_size_gb < SMALL_DISK:
        slow.append((HardwareCause.SMALL_DISK, f"its OS disk is a managed one of {pool.os_disk_size_gb} GiB"))
    return slow
