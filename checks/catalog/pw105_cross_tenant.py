"""PW105: whether the cluster's identity and the registry are of one tenant."""

from __future__ import annotations

from checks.catalog.check import Check, Decides
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import Cluster, ClusterFacts, NotSeen, RegistryUse, subscription_of
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.access import identity_access
from checks.rules.fixes import az_aks


class TenantCause(Cause):
    """Causes of PW105."""

    SAME_TENANT = "same-tenant", "The cluster and the registry belong to one tenant."
    TENANTS_DIFFER = "tenants-differ", "The registry belongs to another tenant than the cluster's managed identity."
    SERVICE_PRINCIPAL_CROSSES = (
        "service-principal-crosses",
        "The tenants differ, and whether the service principal's application is multitenant is not known.",
    )
    TENANT_NOT_SHOWN = "tenant-not-told", "Azure Resource Manager does not show both tenants."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The registry could not be read."


CHECK = Check(
    code="PW105",
    title="Tenants",
    severity=Severity.ERROR,
    why="A managed identity gets tokens of its own tenant only; no role assignment lets it cross into another one.",
    how=(
        "The tenant of the cluster's identity (and of its subscription) against the tenant of the registry's "
        "subscription. A managed identity cannot cross. A service principal can where its application is multi-tenant, "
        "which cannot be read from here. Where Azure Resource Manager shows no tenant, or only one, there is nothing "
        "to compare: Skipped."
    ),
    permissions=("Reader on both subscriptions",),
    fix="Move the image into a registry of the cluster's tenant, or use a multi-tenant service principal.",
    article=("access",),
    links=("https://learn.microsoft.com/azure/container-registry/authenticate-aks-cross-tenant",),
    decides=Decides.ACCESS,
    causes=(TenantCause,),
)


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that could be read."""
    return (_judge(view),)


def _judge(view: RegistryView) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    cluster = facts.cluster
    if isinstance(use.registry, NotSeen):
        return CHECK.skipped(subject, TenantCause.REGISTRY_NOT_SEEN, "the registry could not be read")
    registry, scope = use.registry.value, subscription_of(use.registry.value.id)
    evidence = (use.registry.evidence, *((cluster.evidence,) if cluster.evidence else ()))
    theirs = (facts.tenants.get(scope) or "").lower()
    ours = _ours(facts)
    if scope == subscription_of(cluster.id) or (theirs and theirs in ours):
        return CHECK.passes(
            subject, TenantCause.SAME_TENANT, f"The cluster and {registry.name} are of one tenant.", evidence
        )
    if not theirs or not ours:
        return CHECK.skipped(
            subject,
            TenantCause.TENANT_NOT_SHOWN,
            f"Azure Resource Manager does not show both tenants ({registry.name})",
        )
    if identity_access.is_service_principal(cluster):
        what = "whether the service principal's application is multi-tenant"
        summary = f"{registry.name} is of tenant {theirs}, the cluster of {', '.join(ours)}. Not settled: {what}."
        return CHECK.unknown(subject, TenantCause.SERVICE_PRINCIPAL_CROSSES, summary, evidence, missing=what)
    return _crosses(cluster, use, theirs, ours, subject, evidence)


def _ours(facts: ClusterFacts) -> tuple[str, ...]:
    """The cluster's tenants as ARM tells them: of its identity, and of its subscription."""
    shown = (facts.cluster.tenant_id, facts.tenants.get(subscription_of(facts.cluster.id)))
    return tuple(dict.fromkeys(tenant.lower() for tenant in shown if tenant))


def _crosses(
    cluster: Cluster,
    use: RegistryUse,
    theirs: str,
    ours: tuple[str, ...],
    subject: Subject,
    evidence: tuple[Evidence, ...],
) -> Finding:
    return CHECK.fails(
        subject,
        TenantCause.TENANTS_DIFFER,
        f"{use.login_server} is of tenant {theirs}; a managed identity of {', '.join(ours)} gets no token for it.",
        evidence,
        fix=(az_aks.use_multi_tenant_service_principal(cluster),),
    )
