"""PW301: pods that cannot pull now."""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check, Step
from checks.causes import Cause
from checks.facts import Cluster, ClusterFacts, ContainerImage, NotSeen, NotSeenReason, Registry, Seen, Workloads
from checks.findings import Basis, Evidence, Finding, Severity, Subject
from checks.rules.azure import virtual_nodes
from checks.rules.azure.node_pools import pool_of
from checks.rules.fair_share import fair_share
from checks.rules.pull import image_volumes, virtual_node_failures
from checks.rules.pull.errors import PullErrorCause, affected_scope
from checks.rules.pull.observed_pulls import FailedPull, failed_pulls
from checks.rules.pull.remedies import PullContext, remedy


class PodsCause(Cause):
    """Causes of PW301 beside those of failed pulls."""

    NO_POD_WAITS = "no-pod-waits", "No pod waits for an image."
    NO_PODS = "no-pods", "The cluster has no pods."
    CLUSTER_NOT_RUNNING = "cluster-not-running", "The cluster is stopped."
    OBJECTS_UNREADABLE = (
        "objects-unreadable",
        "Some pods could not be understood, so nothing is claimed of all of them.",
    )


CHECK = Check(
    code="PW301",
    title="Pods that cannot pull now",
    severity=Severity.ERROR,
    why="This is what users feel: a workload does not start because its image does not arrive.",
    how=(
        "Every container (init and ephemeral ones too) that waits for an image is classified by the text kubelet "
        "passed on; where the status reports only a back-off, the pod's events supply the text, except for those about "
        "something else (a probe, a mount, the start of a container). An error that names an image volume counts for "
        "the volume's image, not for that of the container that mounts it. Pods that ended or are being deleted wait "
        "for nothing. Findings are grouped by workload and image. "
        "Pods on virtual nodes are a group of their own: Azure Container Instances pulls for them, with their pull "
        "secrets only, and reports a failure as the pod's reason (ProviderFailed); neither its success nor its failure "
        "says anything of the nodes."
    ),
    permissions=(
        "Azure Kubernetes Service Cluster User Role on the cluster",
        "Azure Kubernetes Service RBAC Reader on the cluster (where Azure RBAC is used)",
        "Microsoft.ContainerService/managedClusters/runcommand/action and …/commandResults/read on the cluster (only "
        "with PULLWATCH_ALLOW_RUN_COMMAND, for clusters out of reach)",
    ),
    fix="Depends on the cause; the finding names it.",
    article=("symptoms",),
    links=(
        "https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/extensions/cannot-pull-image-from-acr-to-aks-cluster",
    ),
    speaks_of_all_pods=True,
    basis=Basis.NODES,
    step=Step.NODES,
    causes=(PodsCause, PullErrorCause),
)

MAX_PER_CAUSE = 20
MAX_TEXT = 600
_Group = tuple[str, str, bool]  # a workload, an image, and whether it waits on virtual nodes


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per workload and image that waits, at most 20 a registry and cause; one for the cluster otherwise."""
    subject = Subject(facts.cluster.id)
    gap = facts.workloads
    if isinstance(gap, NotSeen) and gap.why is NotSeenReason.NOT_APPLICABLE:
        return (CHECK.skipped(subject, PodsCause.CLUSTER_NOT_RUNNING, gap.detail),)
    if isinstance(gap, NotSeen):
        return (CHECK.not_seen(subject, gap, "The cluster's pods"),)
    workloads = gap.value
    failing = tuple(_settled(facts, pull) for pull in failed_pulls(workloads))
    if failing:
        return _capped(facts, failing, gap)
    if workloads.pods == 0:
        return (
            CHECK.unknown(
                subject,
                PodsCause.NO_PODS,
                "The cluster has no pods, so nothing is reported of its pulls.",
                missing="a pod",
            ),
        )
    evidence = (gap.evidence,)
    if workloads.unreadable:
        summary = f"{workloads.unreadable} of the cluster's objects could not be read; no other pod waits for an image."
        return (
            CHECK.unknown(
                subject, PodsCause.OBJECTS_UNREADABLE, summary, evidence, missing="readable pods", look_failed=True
            ),
        )
    return (
        CHECK.passes(subject, PodsCause.NO_POD_WAITS, f"None of {workloads.pods} pods waits for an image.", evidence),
    )


def _settled(facts: ClusterFacts, pull: FailedPull) -> FailedPull:
    """A pull on a virtual node, whose text says less, with what Azure Resource Manager shows of the registry."""
    if not pull.virtual:
        return pull
    classified = virtual_node_failures.settled(pull.classified, _registry(facts, pull))
    return msgspec.structs.replace(pull, classified=classified)


def _capped(facts: ClusterFacts, failing: tuple[FailedPull, ...], seen: Seen[Workloads]) -> tuple[Finding, ...]:
    groups: dict[_Group, list[FailedPull]] = {}
    for pull in failing:
        groups.setdefault((pull.container.workload, pull.container.image, pull.virtual), []).append(pull)
    by_cause: dict[tuple[str | None, PullErrorCause], list[_Group]] = {}
    for group in sorted(groups, key=lambda one: (-len(groups[one]), one)):
        groups[group] = _settled_first(groups[group])
        first = groups[group][0]
        by_cause.setdefault((first.registry, first.classified.cause), []).append(group)
    findings: list[Finding] = []
    rest: list[Finding] = []
    for (registry, cause), listed in by_cause.items():
        shown = fair_share(((group[0].partition("/")[0], group) for group in listed), MAX_PER_CAUSE)
        findings += (_finding(facts, group, groups[group], seen.evidence) for group in shown)
        if len(listed) > len(shown):
            rest.append(_rest(facts.cluster, registry, cause, len(listed) - len(shown)))
    return (*findings, *rest)


def _settled_first(pulls: list[FailedPull]) -> list[FailedPull]:
    """One whose cause is settled tells the others', which wait for the same image with fewer words."""
    return sorted(pulls, key=lambda pull: affected_scope(pull.classified.cause) == "unsettled")


def _windows(cluster: Cluster, pull: FailedPull) -> bool:
    """Whether a pod waits on a Windows node, by its selector or its node's pool."""
    pool = pool_of(pull.container.node, cluster.pools)
    system = pull.container.os or (pool.os_type if pool else None) or ""
    return system.lower() == "windows"


def _events(pulls: list[FailedPull]) -> tuple[Evidence, ...]:
    """How often kubelet reported it, and since when, where events tell."""
    count = sum(pull.events for pull in pulls)
    if not count:
        return ()
    first = min((pull.first_event for pull in pulls if pull.first_event), default=None)
    times = "1 time" if count == 1 else f"{count} times"
    return (Evidence(what=f"reported {times}{f' since {first}' if first else ''}", source="events of the pods"),)


def _finding(facts: ClusterFacts, group: _Group, pulls: list[FailedPull], evidence: Evidence) -> Finding:
    first, cluster = pulls[0], facts.cluster
    workload, image, virtual = group
    cause = first.classified.cause
    since = min((p.container.since for p in pulls if p.container.since), default=None)
    nodes = sorted({p.container.node for p in pulls if p.container.node})
    named = f"{', '.join(nodes[:3])}{' and others' if len(nodes) > 3 else ''}"
    windows = any(_windows(cluster, pull) for pull in pulls)
    where = f" on {'Windows: ' if windows else ''}{named or 'no node yet'}" if nodes or windows else ""
    pods = "1 pod waits" if len(pulls) == 1 else f"{len(pulls)} pods wait"
    summary = f"{pods} for {image}{where}{f' since {since}' if since else ''}: {cause.value.replace('_', ' ')}."
    sample = Evidence(
        what=f"{first.container.waiting_reason}: {first.text[:MAX_TEXT]}",
        source=_describe_source(first.container),
        read_at=evidence.read_at,
    )
    mirror = first.mirror
    if mirror:
        summary += f" The host that failed is {mirror}, a mirror that nodes ask before {first.host}."
    rule = Evidence(what=f"rule {first.classified.rule}: {first.classified.evidence}", source="pull error classifier")
    if virtual:
        summary += f" {virtual_node_failures.WHO_PULLS}"
    pool = virtual_nodes.POOL if virtual else None
    finding = CHECK.fails(
        Subject(cluster.id, registry=first.registry, pool=pool, image=image, workload=workload),
        cause.value,
        summary,
        (sample, rule, *_events(pulls)),
        fix=_remedy(facts, first),
    )
    return msgspec.structs.replace(finding, mirror=mirror)


def _describe_source(container: ContainerImage) -> str:
    kind = "image volume" if container.kind == image_volumes.KIND else "container"
    return f"pod {container.namespace}/{container.pod}, {kind} {container.container}"


def _remedy(facts: ClusterFacts, pull: FailedPull) -> tuple[str, ...]:
    cause, host, registry = pull.classified.cause, pull.host or "the image's registry", _registry(facts, pull)
    if pull.virtual:
        return virtual_node_failures.remedy(cause, pull.container, host, registry)
    return remedy(cause, PullContext(facts.cluster, pull.container, host, registry, pull.text))


def _registry(facts: ClusterFacts, pull: FailedPull) -> Registry | None:
    used = (use.registry for use in facts.uses if use.login_server == pull.registry)
    return next((part.value for part in used if isinstance(part, Seen)), None)


def _rest(cluster: Cluster, host: str | None, cause: PullErrorCause, more: int) -> Finding:
    return CHECK.fails(
        Subject(cluster.id, registry=host),
        cause.value,
        f"{more} more workloads wait for images of {host or 'an unnamed registry'} for the same cause.",
        fix=("kubectl get pods --all-namespaces",),
    )
