"""PW401: a replica of the registry in the cluster's region."""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import NotSeen, NotSeenReason, Registry
from checks.facts.registry_details import Replication
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.azure import regions
from checks.rules.fixes import az_acr


class ReplicaCause(Cause):
    """Causes of PW401."""

    REPLICA_IN_REGION = "replica-in-region", "The registry has a replica in the cluster's region."
    SAME_REGION = "same-region", "The registry is in the cluster's region."
    NO_REPLICA_IN_REGION = "no-replica-in-region", "The registry has no replica in the cluster's region."
    REPLICA_NOT_READY = "replica-not-ready", "The replica in the cluster's region is not ready."
    REPLICA_NOT_ROUTED = "replica-not-routed", "The replica in the cluster's region gets no traffic."
    REPLICA_STATE_NOT_SHOWN = "replica-state-not-told", "The state of the replica is not shown."
    REPLICAS_UNREADABLE = "replicas-unreadable", "Some replicas could not be understood."
    REGION_NOT_SHOWN = "region-not-told", "The region of the cluster or of the registry is not shown."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The registry could not be read."
    SKU_DOES_NOT_REPLICATE = "sku-does-not-replicate", "The registry's SKU has no geo-replication."


CHECK = Check(
    code="PW401",
    title="Replica in the cluster's region",
    severity=Severity.WARNING,
    why="Layers that cross regions come slower and cost egress, and another region's outage stops the pulls.",
    how=(
        "The regions of the registry and of its replicas are held against the cluster's. A replica counts where it is "
        "provisioned, its status is Ready and it takes part in global routing (regionEndpointEnabled). A registry "
        "whose list of replicas is empty is served by its home region. Only Premium registries replicate; others are "
        "skipped where they lie in another region."
    ),
    permissions=("Reader on the registry",),
    fix="Create a replica in the cluster's region, or let the one that is there take part in routing.",
    article=("geo-replication",),
    links=("https://learn.microsoft.com/azure/container-registry/container-registry-geo-replication",),
    advisory=True,
    causes=(ReplicaCause,),
)

_PROVISIONED = frozenset({"succeeded", "updating"})


class _Case(msgspec.Struct, frozen=True):
    """A registry and a cluster whose regions are both known."""

    subject: Subject
    registry: Registry
    region: str
    evidence: tuple[Evidence, ...]


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that the cluster uses."""
    return (_judge(view),)


def _judge(view: RegistryView) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    performance = facts.performance.get(use.login_server)
    if isinstance(use.registry, NotSeen) or performance is None:
        return CHECK.skipped(
            subject, ReplicaCause.REGISTRY_NOT_SEEN, f"the registry {use.login_server} could not be read"
        )
    registry, region = use.registry.value, facts.cluster.location
    if not region or not registry.location:
        whose = "the registry's" if region else "the cluster's"
        summary = f"Azure Resource Manager does not show {whose} region."
        return CHECK.unknown(subject, ReplicaCause.REGION_NOT_SHOWN, summary, missing=f"{whose} location")
    gap = performance.replications
    case = _Case(subject, registry, region, (use.registry.evidence,))
    if isinstance(gap, NotSeen):
        return _alone(case) if gap.why is NotSeenReason.NOT_APPLICABLE else CHECK.not_seen(subject, gap, "The replicas")
    shown = Evidence(_describe(gap.value), gap.evidence.source, gap.evidence.read_at, gap.evidence.api_version)
    case = msgspec.structs.replace(case, evidence=(*case.evidence, shown))
    own_replication = next((one for one in gap.value if regions.same_region(one.location, region)), None)
    if own_replication is not None:
        return _judged(case, own_replication, gap.value)
    if regions.same_region(registry.location, region):
        return _home(case, _elsewhere(gap.value, region))
    if gap.partial:
        return CHECK.unknown(
            subject,
            ReplicaCause.REPLICAS_UNREADABLE,
            f"Replicas: {gap.partial}.",
            case.evidence,
            missing="readable replicas",
        )
    return _none(case, gap.value)


def _alone(case: _Case) -> Finding:
    """A registry of a SKU that does not replicate."""
    if regions.same_region(case.registry.location, case.region):
        return _home(case, "")
    because = (
        f"{case.registry.name} is {case.registry.sku} in {case.registry.location} and the cluster is in {case.region}; "
        "only Premium registries have replicas"
    )
    return CHECK.skipped(case.subject, ReplicaCause.SKU_DOES_NOT_REPLICATE, because)


def _home(case: _Case, elsewhere: str) -> Finding:
    summary = f"{case.registry.name} lies in the cluster's region {regions.normalize(case.region)}.{elsewhere}"
    return CHECK.passes(case.subject, ReplicaCause.SAME_REGION, summary, case.evidence)


def _judged(case: _Case, replica: Replication, others: tuple[Replication, ...]) -> Finding:
    where = f"the replica of {case.registry.name} in {regions.normalize(case.region)}"
    if not replica.provisioning_state and not replica.status:
        summary = f"Azure Resource Manager does not show the state of {where}."
        return CHECK.unknown(
            case.subject, ReplicaCause.REPLICA_STATE_NOT_SHOWN, summary, case.evidence, missing="provisioningState"
        )
    if not ready(replica):
        fix = (az_acr.show_replica(case.registry, replica.name),)
        summary = f"{_upper(where)} is not ready: {state_of(replica)}."
        return CHECK.fails(case.subject, ReplicaCause.REPLICA_NOT_READY, summary, case.evidence, fix=fix)
    if replica.routed is False:
        fix = (az_acr.enable_replica_routing(case.registry, replica.name),)
        summary = (
            f"{_upper(where)} takes no part in global routing (regionEndpointEnabled is false): pulls go elsewhere."
        )
        return CHECK.fails(case.subject, ReplicaCause.REPLICA_NOT_ROUTED, summary, case.evidence, fix=fix)
    summary = f"{_upper(where)} is ready.{_elsewhere(others, case.region)}"
    return CHECK.passes(case.subject, ReplicaCause.REPLICA_IN_REGION, summary, case.evidence)


def _none(case: _Case, replicas: tuple[Replication, ...]) -> Finding:
    regions_of = sorted(
        {regions.normalize(p) for p in (case.registry.location or "", *(r.location for r in replicas)) if p}
    )
    summary = f"{case.registry.name} has no replica in the cluster's region {regions.normalize(case.region)}: " + (
        f"it is in {', '.join(regions_of)}."
    )
    fix = (az_acr.create_replica(case.registry, regions.normalize(case.region)),)
    return CHECK.fails(case.subject, ReplicaCause.NO_REPLICA_IN_REGION, summary, case.evidence, fix=fix)


def ready(replica: Replication) -> bool:
    """Whether a replica serves: provisioned (an update does not stop it) and, where a status is told, Ready."""
    provisioned = (replica.provisioning_state or "succeeded").lower() in _PROVISIONED
    return provisioned and (replica.status or "ready").lower() == "ready"


def state_of(replica: Replication) -> str:
    """A replica's state in Azure's words."""
    routed = ", not routed" if replica.routed is False else ""
    return f"{replica.provisioning_state or 'state not shown'}, {replica.status or 'status not shown'}{routed}"


def _elsewhere(replicas: tuple[Replication, ...], region: str) -> str:
    """A sentence on the replicas elsewhere that do not serve, or ""."""
    poor = [r for r in replicas if not regions.same_region(r.location, region) and not ready(r)]
    return f" Elsewhere not ready: {'; '.join(f'{r.location} ({state_of(r)})' for r in poor[:5])}." if poor else ""


def _describe(replicas: tuple[Replication, ...]) -> str:
    return "replicas: " + ("; ".join(f"{r.location}: {state_of(r)}" for r in replicas[:20]) or "none listed")


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
