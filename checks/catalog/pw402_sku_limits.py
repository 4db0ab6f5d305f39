"""PW402: the registry's SKU, its usage against the limits, and throttling that was seen."""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import ClusterFacts, NotSeen, NotSeenReason, Registry, RegistryUse, Seen
from checks.facts.registry_details import Outcome, Usage
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.azure import registry_skus
from checks.rules.azure.registry_skus import SKUS, SkuLimits
from checks.rules.fixes import az_acr
from checks.rules.pull.errors import PullErrorCause
from checks.rules.pull.observed_pulls import failed_pulls


class LimitCause(Cause):
    """Causes of PW402."""

    WITHIN_LIMITS = "within-limits", "The registry's usage is within the limits of its SKU."
    NEAR_LIMIT = "near-limit", "The registry's usage is near a limit of its SKU."
    RATE_LIMITED = "rate-limited", "Nodes were limited by the registry's rate."
    USAGE_NOT_READ = "usage-not-read", "The registry's usage was not read."
    USAGE_NOT_SHOWN = "usage-not-told", "Azure Resource Manager shows no usage of the registry."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The registry could not be read."


CHECK = Check(
    code="PW402",
    title="SKU limits and throttling",
    severity=Severity.WARNING,
    why=(
        "A registry that throttles answers 429 and pulls wait in back-off. All nodes of a cluster pull as one "
        "identity, which has half of the registry's rate."
    ),
    how=(
        "Usage (listUsages) is held against the hard limits of the SKU: 90 % or more is reported. The limit that Azure "
        "names for Size is the storage included in the price, not a cap: more is billed, nothing stops. A limit of -1 "
        "is none. Throttling counts where pods wait for images because of it, or where the registry answered 429 to "
        "Pullwatch's own probe."
    ),
    permissions=("Reader on the registry",),
    fix="Take a larger SKU, delete what is not needed, or spread pulls over time.",
    article=("tier limits",),
    links=("https://learn.microsoft.com/azure/container-registry/container-registry-skus",),
    advisory=True,
    causes=(LimitCause,),
)


class _Case(msgspec.Struct, frozen=True):
    """One registry, gathered."""

    subject: Subject
    registry: Registry
    sku: SkuLimits | None
    evidence: tuple[Evidence, ...]


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that the cluster uses."""
    return (_judge(view),)


def _judge(view: RegistryView) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    performance = facts.performance.get(use.login_server)
    if isinstance(use.registry, NotSeen) or performance is None:
        return CHECK.skipped(
            subject, LimitCause.REGISTRY_NOT_SEEN, f"the registry {use.login_server} could not be read"
        )
    registry, usages = use.registry.value, performance.usages
    case = _Case(subject, registry, SKUS.get((registry.sku or "").lower()), (use.registry.evidence,))
    throttled = _throttled(facts, use)
    if throttled is not None:
        return _rate_limited(case, throttled)
    if isinstance(usages, NotSeen):
        if usages.why is NotSeenReason.NOT_APPLICABLE:
            return CHECK.skipped(subject, LimitCause.USAGE_NOT_READ, usages.detail)
        return CHECK.not_seen(subject, usages, f"The usage of {registry.name}")
    description = "; ".join(f"{row.name} {row.current} of {row.limit}" for row in usages.value[:20])
    at = usages.evidence
    evidence = (*case.evidence, Evidence(f"usage: {description}", at.source, at.read_at, at.api_version))
    return _usage(msgspec.structs.replace(case, evidence=evidence), usages)


def _throttled(facts: ClusterFacts, use: RegistryUse) -> Evidence | None:
    """What told of throttling: a pod that waits because of it, or the answer to the probe."""
    if isinstance(facts.workloads, Seen):
        own_images = msgspec.structs.replace(facts.workloads.value, containers=use.images)
        for pull in failed_pulls(own_images):
            if pull.classified.cause is PullErrorCause.RATE_LIMITED:
                where = f"pod {pull.container.namespace}/{pull.container.pod}"
                return Evidence(pull.text[:600], where, facts.workloads.evidence.read_at)
    probe = facts.probes.get(use.login_server)
    if isinstance(probe, Seen) and probe.value.outcome is Outcome.TOO_MANY_REQUESTS:
        return Evidence(probe.value.detail, probe.evidence.source, probe.evidence.read_at)
    return None


def _rate_limited(case: _Case, description: Evidence) -> Finding:
    rate = ""
    if case.sku is not None:
        rate = (
            f" {case.registry.sku} serves {case.sku.reads_per_minute:,} reads a minute, {case.sku.reads_per_identity:,}"
            " of them to one identity, and all nodes of a cluster pull as one."
        )
    premium = (case.registry.sku or "").lower() == "premium"
    larger = () if premium else (az_acr.change_sku(case.registry, "Premium"),)
    summary = f"{case.registry.name} throttles (HTTP 429).{rate}"
    fix = (*larger, az_acr.show_usage(case.registry))
    return CHECK.fails(case.subject, LimitCause.RATE_LIMITED, summary, (*case.evidence, description), fix=fix)


def _usage(case: _Case, usages: Seen[tuple[Usage, ...]]) -> Finding:
    full = [row for row in usages.value if registry_skus.is_near_limit(row, case.sku)]
    if full:
        named = ", ".join(f"{row.name} {_amount(row, case.sku)}" for row in full[:5])
        summary = f"{case.registry.name} ({case.registry.sku or 'SKU not shown'}) is near a limit: {named}."
        larger = {"basic": "Standard", "standard": "Premium"}.get((case.registry.sku or "").lower())
        bigger = (az_acr.change_sku(case.registry, larger),) if larger else ()
        fix = (az_acr.show_usage(case.registry), *bigger)
        return CHECK.fails(case.subject, LimitCause.NEAR_LIMIT, summary, case.evidence, fix=fix)
    if usages.partial or not usages.value:
        description = usages.partial or "Azure Resource Manager listed no usage"
        summary = f"The usage of {case.registry.name} is not known in full: {description}."
        return CHECK.unknown(case.subject, LimitCause.USAGE_NOT_SHOWN, summary, case.evidence, missing="readable usage")
    summary = f"{case.registry.name} ({case.registry.sku or 'SKU not shown'}) is below 90 % of every limit."
    return CHECK.passes(case.subject, LimitCause.WITHIN_LIMITS, f"{summary}{_billed(usages.value)}", case.evidence)


def _amount(row: Usage, sku: SkuLimits | None) -> str:
    limit = registry_skus.maximum_of(row, sku)
    if row.name.lower() == registry_skus.SIZE and limit is not None:
        return f"{row.current / registry_skus.TIB:.1f} of {limit / registry_skus.TIB:.0f} TiB"
    return f"{row.current} of {limit}"


def _billed(rows: tuple[Usage, ...]) -> str:
    """A sentence where storage is above what the price includes: billed, no trouble for pulls."""
    size = next((row for row in rows if row.name.lower() == registry_skus.SIZE), None)
    if size is None or size.limit is None or size.limit <= 0 or size.current <= size.limit:
        return ""
    above = (size.current - size.limit) / registry_skus.GIB
    return f" It stores {above:.0f} GiB more than the price includes, which is billed and stops nothing."
