"""PW105: whether the cluster's identity and the registry are of one tenant."""

from __future__ import annotations

from checks.catalog.check import Check, Decides, Step
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import NotSeen, Registry, RegistryUse
from checks.findings import Finding, Severity
from checks.rules.access import identity_access
from checks.rules.access.tenants import identity_crosses, tenants_of
from checks.rules.fixes import az_acr, kubectl


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
    fix="Give the pods a pull secret of the registry's tenant, or copy the images into a registry of the cluster's.",
    article=("access",),
    links=("https://learn.microsoft.com/azure/container-registry/authenticate-aks-cross-tenant",),
    decides=Decides.ACCESS,
    step=Step.IDENTITY,
    causes=(TenantCause,),
)


MAX_NAMED = 5  # repositories that a command names


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that could be read."""
    return (_judge(view),)


def _judge(view: RegistryView) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    if isinstance(use.registry, NotSeen):
        return CHECK.skipped(subject, TenantCause.REGISTRY_NOT_SEEN, "the registry could not be read")
    registry, cluster = use.registry.value, facts.cluster
    evidence = (use.registry.evidence, *((cluster.evidence,) if cluster.evidence else ()))
    tenants = tenants_of(facts, registry)
    ours = ", ".join(tenants.ours)
    if tenants.same:
        return CHECK.passes(
            subject, TenantCause.SAME_TENANT, f"The cluster and {registry.name} are of one tenant.", evidence
        )
    if not tenants.known:
        because = f"Azure Resource Manager does not show both tenants ({registry.name})"
        return CHECK.skipped(subject, TenantCause.TENANT_NOT_SHOWN, because)
    if not identity_crosses(facts, registry):
        what = "whether the service principal's application is multi-tenant"
        summary = f"{registry.name} is of tenant {tenants.theirs}, the cluster of {ours}. Not settled: {what}."
        return CHECK.unknown(subject, TenantCause.SERVICE_PRINCIPAL_CROSSES, summary, evidence, missing=what)
    return CHECK.fails(
        subject,
        TenantCause.TENANTS_DIFFER,
        f"{use.login_server} is of tenant {tenants.theirs}; a managed identity of {ours} gets no token for it.",
        evidence,
        fix=_fix(use, registry),
    )


def _fix(use: RegistryUse, registry: Registry) -> tuple[str, ...]:
    """A pull secret of the registry's tenant, or a copy in a registry of the cluster's: no identity crosses.

    Source: "Authenticate with Azure Container Registry from an AKS cluster in a different Microsoft Entra tenant".
    """
    repositories = identity_access.repositories_of(use.images)[:MAX_NAMED] or ("<repository>",)
    namespace = next((image.namespace for image in use.images if image.namespace), "<namespace>")
    image = next((image.image for image in use.images), f"{use.login_server}/<repository>:<tag>")
    return (
        "# Either give the pods a pull secret with a token of the registry's tenant (run the first in that tenant):",
        az_acr.create_pull_token(registry, repositories),
        *kubectl.create_pull_secret(namespace, f"{registry.name}-pull", use.login_server, replace=False),
        "# or copy the images into a registry of the cluster's tenant, and use that one:",
        az_acr.import_image(image),
    )
