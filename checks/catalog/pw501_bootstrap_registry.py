"""PW501: the registry that a network-isolated cluster bootstraps its nodes from."""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check, Step
from checks.causes import Cause
from checks.facts import Cluster, ClusterFacts, NotSeen, Registry, RegistryUse, Seen, same_id, subscription_of
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.access import identity_access, rbac
from checks.rules.fixes import az_acr, az_aks, az_network, az_roles


class BootstrapCause(Cause):
    """Causes of PW501."""

    BOOTSTRAP_READY = "bootstrap-ready", "The bootstrap registry has all that a network-isolated cluster needs."
    MANAGED_BY_AKS = "managed-by-aks", "AKS manages the bootstrap registry."
    NOT_ISOLATED = "not-isolated", "The cluster is not network-isolated."
    NOT_PREMIUM = "not-premium", "The bootstrap registry is not of the Premium SKU."
    NO_PRIVATE_ENDPOINT = "no-private-endpoint", "The bootstrap registry has no approved private endpoint."
    CACHE_RULE_MISSING = "cache-rule-missing", "The bootstrap registry has no cache rule for the system images."
    CACHE_RULES_NOT_SEEN = "cache-rules-not-seen", "The bootstrap registry's cache rules were not read."
    ANONYMOUS_PULL = "anonymous-pull", "The bootstrap registry allows anonymous pulls."
    ARM_TOKENS_REFUSED = "arm-tokens-refused", "The bootstrap registry refuses tokens for Azure Resource Manager."
    ROLE_MISSING = "role-missing", "The kubelet identity holds no role that allows pulls from the bootstrap registry."
    ROLE_NOT_SETTLED = (
        "role-not-settled",
        "Whether the kubelet identity holds a role at the bootstrap registry is not known.",
    )
    DENIED = "denied", "A deny assignment takes the permission to pull away."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The bootstrap registry could not be read."


CHECK = Check(
    code="PW501",
    title="Bootstrap registry",
    severity=Severity.ERROR,
    why="A network-isolated cluster pulls its own system images through this registry; without it no node starts.",
    how=(
        "For clusters with outboundType none or block and bootstrapProfile.artifactSource Cache that bring a registry: "
        "it is Premium, has an approved private endpoint, a cache rule from mcr.microsoft.com/* to "
        "aks-managed-repository/*, no anonymous pull, takes tokens for Azure Resource Manager, and the kubelet "
        "identity may pull from it. The network path to it is checked with the cluster's other registries. A registry "
        "that AKS manages "
        "itself is AKS's to keep: Skipped."
    ),
    permissions=("Reader on the registry's subscription",),
    fix="Restore what is missing on the bootstrap registry, then reconcile the cluster.",
    article=("network-isolated cluster",),
    links=(
        "https://learn.microsoft.com/azure/aks/concepts-network-isolated",
        "https://learn.microsoft.com/azure/aks/network-isolated",
    ),
    step=Step.REGISTRY,
    causes=(BootstrapCause,),
)

SOURCE = "mcr.microsoft.com/*"
TARGET = "aks-managed-repository/*"


class _Case(msgspec.Struct, frozen=True):
    """The bootstrap registry of one cluster, gathered."""

    facts: ClusterFacts
    registry: Registry
    subject: Subject
    evidence: tuple[Evidence, ...]

    @property
    def name_and_subscription(self) -> tuple[str, str]:
        """The registry's name and subscription, as commands take them."""
        return self.registry.name, subscription_of(self.registry.id)


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per thing that is amiss, or one that nothing is."""
    cluster = facts.cluster
    subject = Subject(cluster.id)
    if not is_isolated(cluster):
        return (CHECK.skipped(subject, BootstrapCause.NOT_ISOLATED, "the cluster is not network isolated"),)
    wanted = cluster.bootstrap_registry_id
    if not wanted:
        why = "the cluster names no registry to bootstrap from: AKS manages its own"
        return (CHECK.skipped(subject, BootstrapCause.MANAGED_BY_AKS, why),)
    use = next((u for u in facts.uses if isinstance(u.registry, Seen) and same_id(u.registry.value.id, wanted)), None)
    if use is None or isinstance(use.registry, NotSeen):
        return (
            CHECK.unknown(
                subject,
                BootstrapCause.REGISTRY_NOT_SEEN,
                f"The bootstrap registry {wanted} does not exist, or Pullwatch may not see it.",
                (cluster.evidence,) if cluster.evidence else (),
                missing="Reader on the bootstrap registry",
                look_failed=True,
                fix=(az_roles.assign_role(az_roles.OWN_IDENTITY, "Reader", wanted),),
            ),
        )
    return _judged(facts, use, use.registry)


def is_isolated(cluster: Cluster) -> bool:
    """Whether nodes have no outbound access and pull system images through a registry."""
    outbound, source = (cluster.outbound.outbound_type or "").lower(), (cluster.artifact_source or "").lower()
    return outbound in ("none", "block") and source == "cache"


def _judged(facts: ClusterFacts, use: RegistryUse, seen: Seen[Registry]) -> tuple[Finding, ...]:
    subject = Subject(facts.cluster.id, registry=use.login_server)
    case = _Case(facts, seen.value, subject, (seen.evidence,))
    amiss = (*_settings(case), *_cache_rule(case), *_role(case))
    if amiss:
        return amiss
    summary = f"{seen.value.name} has all that nodes of a network-isolated cluster bootstrap from."
    return (CHECK.passes(subject, BootstrapCause.BOOTSTRAP_READY, summary, case.evidence),)


def _settings(case: _Case) -> tuple[Finding, ...]:
    """What the registry's own body says."""
    registry, (name, subscription) = case.registry, case.name_and_subscription
    findings = []
    if registry.sku and registry.sku.lower() != "premium":
        fix = az_acr.update_registry(name, subscription, "--sku", "Premium")
        findings.append(
            _fail(case, BootstrapCause.NOT_PREMIUM, f"{name} is {registry.sku}; private endpoints need Premium.", fix)
        )
    if not any(connection.approved() for connection in registry.network_access.connections):
        summary = f"{name} has no approved private endpoint: nodes without outbound access cannot reach it."
        findings.append(
            _fail(case, BootstrapCause.NO_PRIVATE_ENDPOINT, summary, az_network.list_endpoint_connections(registry.id))
        )
    if (registry.authentication_as_arm or "enabled").lower() == "disabled":
        summary = f"{name} takes no tokens for Azure Resource Manager, which is not supported for bootstrapping."
        findings.append(
            _fail(case, BootstrapCause.ARM_TOKENS_REFUSED, summary, az_acr.enable_arm_tokens(name, subscription))
        )
    if registry.anonymous_pull:
        summary = f"{name} allows anonymous pull, which has to be off for bootstrapping."
        fix = az_acr.update_registry(name, subscription, "--anonymous-pull-enabled", "false")
        findings.append(_fail(case, BootstrapCause.ANONYMOUS_PULL, summary, fix, Severity.WARNING))
    return tuple(findings)


def _cache_rule(case: _Case) -> tuple[Finding, ...]:
    performance = case.facts.performance.get(case.registry.login_server)
    rules = performance.cache_rules if performance is not None else None
    if rules is None or isinstance(rules, NotSeen):
        gap = rules.detail if rules is not None else "they were not read"
        summary = f"The cache rules of {case.registry.name} could not be read: {gap}"
        fix = rules.fix if rules is not None else ()
        missing = (rules.role if rules is not None else None) or "the registry's cache rules"
        unread = CHECK.unknown(
            case.subject,
            BootstrapCause.CACHE_RULES_NOT_SEEN,
            summary,
            case.evidence,
            missing=missing,
            look_failed=True,
            fix=fix,
        )
        return (unread,)
    if any(rule.source.lower() == SOURCE and rule.target.lower() == TARGET for rule in rules.value):
        return ()
    summary = f"{case.registry.name} has no cache rule from {SOURCE} to {TARGET}: system images are not found in it."
    return (_fail(case, BootstrapCause.CACHE_RULE_MISSING, summary, az_acr.cache_mcr(*case.name_and_subscription)),)


def _role(case: _Case) -> tuple[Finding, ...]:
    """Whether the kubelet identity may pull; what is not settled is PW102's to tell, in full."""
    asked, principal = identity_access.authorization_reads(case.facts, case.registry), case.facts.principal
    if asked is None or isinstance(principal, NotSeen):
        return (_role_open(case, "the kubelet identity or its roles were not read"),)
    who = principal.value.object_id
    decision = identity_access.decide(who, case.registry, asked, ())
    if isinstance(decision, rbac.Granted):
        return ()
    if isinstance(decision, NotSeen | rbac.Undetermined):
        return (_role_open(case, decision.detail if isinstance(decision, NotSeen) else decision.why),)
    if isinstance(decision, rbac.Denied):
        summary = f"The deny assignment {decision.name!r} forbids pulling from {case.registry.name}."
        return (_fail(case, BootstrapCause.DENIED, summary, az_roles.list_deny_assignments(case.registry.id)),)
    role = "Container Registry Repository Reader" if rbac.is_abac(case.registry.role_assignment_mode) else "AcrPull"
    noun = identity_access.identity_noun(case.facts.cluster)
    summary = f"The {noun} {who} may not pull from the bootstrap registry {case.registry.name}."
    return (_fail(case, BootstrapCause.ROLE_MISSING, summary, az_roles.assign_role(who, role, case.registry.id)),)


def _role_open(case: _Case, why: str) -> Finding:
    noun = identity_access.identity_noun(case.facts.cluster)
    summary = f"Whether the {noun} may pull from {case.registry.name} is not settled: {why}."
    return CHECK.unknown(case.subject, BootstrapCause.ROLE_NOT_SETTLED, summary, case.evidence, missing=why)


def _fail(case: _Case, cause: str, summary: str, fix: str, severity: Severity | None = None) -> Finding:
    commands_in_order = (fix, az_aks.reconcile_cluster(case.facts.cluster))
    return CHECK.fails(case.subject, cause, summary, case.evidence, fix=commands_in_order, severity=severity)
