"""PW102: an effective pull permission on each registry the cluster uses."""

from __future__ import annotations

import msgspec

from checks.catalog.base import Check
from checks.facts import Authorization, ClusterFacts, NotSeen, Principal, Registry, RegistryUse, Seen, subscription_of
from checks.rules import commands, rbac
from checks.verdicts import Evidence, Finding, Severity, Subject

CHECK = Check(
    code="PW102",
    title="Effective pull permission",
    severity=Severity.ERROR,
    why="Without it every pull that is not already cached on a node is refused with 401 Unauthorized.",
    how=(
        "All role assignments that reach the registry (at it and at every scope above, management groups and the root "
        "included) for the kubelet identity are evaluated by the actions of their roles, not by name: wildcards, "
        "notActions inside their own element, dataActions in ABAC mode, deny assignments over all of them. Where the "
        "direct assignments do not grant it, Azure is asked once for those that come through groups."
    ),
    permissions=("Reader on the registry's subscription (role assignments, role definitions, deny assignments)",),
    fix="Assign AcrPull (legacy mode) or Container Registry Repository Reader (ABAC mode) on the registry.",
    article=("role assignments",),
    links=(
        "https://learn.microsoft.com/azure/aks/cluster-container-registry-integration",
        "https://learn.microsoft.com/azure/container-registry/container-registry-rbac-abac-repository-permissions",
    ),
)


class _Case(msgspec.Struct, frozen=True):
    """What one finding is about, gathered."""

    facts: ClusterFacts
    use: RegistryUse
    registry: Registry
    principal: Principal
    subject: Subject
    evidence: tuple[Evidence, ...]


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per Azure registry that the cluster uses."""
    return tuple(_one(facts, use) for use in facts.uses if use.acr)


def _one(facts: ClusterFacts, use: RegistryUse) -> Finding:
    subject = Subject(facts.cluster.id, registry=use.login_server)
    if isinstance(use.registry, NotSeen):
        return CHECK.not_seen(subject, use.registry, f"The registry {use.login_server}")
    if isinstance(facts.principal, NotSeen):
        return CHECK.not_seen(subject, facts.principal, "The identity that nodes pull with")
    registry = use.registry.value
    authorization = facts.authorization.get(subscription_of(registry.id))
    if authorization is None:
        return CHECK.unknown(
            subject,
            "assignments-not-read",
            f"The role assignments of {registry.name} were not read.",
            missing="role assignments",
            look_failed=True,
        )
    for part, what in (
        (authorization.assignments, "role assignments"),
        (authorization.definitions, "role definitions"),
    ):
        if isinstance(part, NotSeen):
            return CHECK.not_seen(subject, part, f"The {what} on {registry.name}")
    evidence = (use.registry.evidence, *_evidence(authorization))
    return _answer(_Case(facts, use, registry, facts.principal.value, subject, evidence), authorization)


def _evidence(authorization: Authorization) -> tuple[Evidence, ...]:
    parts = (authorization.assignments, authorization.definitions, authorization.denies)
    return tuple(part.evidence for part in parts if isinstance(part, Seen))


def _answer(case: _Case, authorization: Authorization) -> Finding:
    decision = _decide(case, authorization)
    if isinstance(decision, NotSeen):
        return CHECK.not_seen(case.subject, decision, "Assignments that reach the identity through groups")
    if isinstance(decision, rbac.Granted):
        if isinstance(authorization.denies, NotSeen):
            return CHECK.not_seen(case.subject, authorization.denies, "Deny assignments, which would outrank the role,")
        return _granted(case, decision)
    if isinstance(decision, rbac.Undetermined):
        return CHECK.unknown(
            case.subject, decision.cause, f"Not settled: {decision.why}.", case.evidence, missing=decision.why
        )
    return _refused(case, decision)


def _decide(case: _Case, authorization: Authorization) -> rbac.Decision | NotSeen:
    assignments, definitions = authorization.assignments, authorization.definitions
    if isinstance(assignments, NotSeen):
        return assignments
    if isinstance(definitions, NotSeen):
        return definitions
    denies = () if isinstance(authorization.denies, NotSeen) else authorization.denies.value
    principal, registry = case.principal.object_id, case.registry
    direct = rbac.decide(
        principal, registry.id, registry.role_assignment_mode, assignments.value, definitions.value, denies
    )
    if isinstance(direct, rbac.Granted | rbac.Denied):
        return direct
    groups = case.facts.through_groups.get(subscription_of(registry.id))
    if groups is None:
        return direct
    if isinstance(groups, NotSeen):
        return groups
    return rbac.decide(
        principal,
        registry.id,
        registry.role_assignment_mode,
        groups.value,
        definitions.value,
        denies,
        via_groups=True,
    )


def _granted(case: _Case, grant: rbac.Granted) -> Finding:
    lag = " It comes through a group, which a token may show up to a day late." if grant.through_group else ""
    return CHECK.passes(
        case.subject,
        "role-through-group" if grant.through_group else "role-held",
        f"The nodes' identity may pull from {case.registry.name}: {grant.role} at {grant.scope}.{lag}",
        case.evidence,
    )


def _refused(case: _Case, decision: rbac.Denied | rbac.NotGranted) -> Finding:
    alternative = _alternative(case)
    if alternative is not None:
        return alternative
    registry = case.registry
    if isinstance(decision, rbac.Denied):
        return CHECK.fails(
            case.subject,
            "denied",
            f"The deny assignment {decision.name!r} at {decision.scope} forbids the pull, whatever roles are held.",
            case.evidence,
            fix=(commands.list_denies(registry.id),),
        )
    abac = (registry.role_assignment_mode or "").lower() == rbac.ABAC_MODE.lower()
    held = f" It holds {', '.join(decision.held)}, which does not pull in this mode." if decision.held else ""
    if abac:
        return CHECK.fails(
            case.subject,
            "role-not-honoured" if decision.held else "role-missing",
            f"{registry.name} is in ABAC mode, where only the repository roles pull; "
            f"the nodes' identity {case.principal.object_id} holds none.{held}",
            case.evidence,
            fix=(commands.assign_role(case.principal.object_id, "Container Registry Repository Reader", registry.id),),
        )
    return CHECK.fails(
        case.subject,
        "role-missing",
        f"The nodes' identity {case.principal.object_id} holds no role that pulls from {registry.name}.{held}",
        case.evidence,
        fix=(
            commands.assign_role(case.principal.object_id, "AcrPull", registry.id),
            commands.attach_acr(case.facts.cluster, registry.id),
        ),
    )


def _alternative(case: _Case) -> Finding | None:
    """A missing role does not matter where every image in use comes another way: Skipped, with a hint."""
    if case.registry.anonymous_pull:
        return CHECK.skipped(
            case.subject,
            "anonymous-pull",
            f"no role is held on {case.registry.name}, and none is needed: it allows anonymous pull",
        )
    if case.use.images and all(image.pull_secrets for image in case.use.images):
        return CHECK.skipped(
            case.subject,
            "pull-secrets",
            f"no role is held on {case.registry.name}; every pod that uses it brings an imagePullSecret",
        )
    return None
