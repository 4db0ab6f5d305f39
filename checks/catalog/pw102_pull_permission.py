"""PW102: an effective pull permission on each registry the cluster uses."""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check, Decides, Step
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import (
    Authorization,
    ClusterFacts,
    NotSeen,
    Principal,
    Registry,
    RegistryUse,
    RoleAssignment,
    Seen,
    same_id,
)
from checks.findings import Evidence, Fail, Finding, Pass, Severity, Skipped, Subject, Unknown
from checks.rules import images
from checks.rules.access import abac_conditions, identity_access, rbac
from checks.rules.access.identity_resource import IdentityState, identity_state
from checks.rules.access.pullers import Puller, PullerKind, Pullers
from checks.rules.access.tenants import identity_crosses
from checks.rules.fixes import az_aks, az_roles, bicep, service_accounts
from checks.rules.pull import partial_reads
from checks.text import listed


class RoleCause(Cause):
    """Causes of PW102."""

    ROLE_HELD = "role-held", "The kubelet identity holds a role that allows pulls."
    ROLE_THROUGH_GROUP = "role-through-group", "The kubelet identity holds a role that allows pulls through a group."
    ROLE_MISSING = "role-missing", "The kubelet identity holds no role that allows pulls from the registry."
    ROLE_NOT_HONOURED = (
        "role-not-honoured",
        "The kubelet identity holds a role that the registry's role assignment mode does not honor.",
    )
    REPOSITORIES_LEFT_OUT = (
        "repositories-left-out",
        "The role's conditions leave out repositories that the cluster uses.",
    )
    DENIED = "denied", "A deny assignment takes the permission to pull away."
    DENY_UNDETERMINED = "deny-undetermined", "Whether a deny assignment applies is not known."
    DENY_THROUGH_GROUP = (
        "deny-through-group",
        "A deny assignment names groups, and whether the identity is a member is not known.",
    )
    CONDITION = "condition", "Whether a role's condition allows the pull could not be decided."
    MODE_UNKNOWN = "mode-unknown", "The registry's role assignment mode is not shown, and the answer depends on it."
    ROLE_DEFINITION_UNREADABLE = (
        "role-definition-unreadable",
        "The definition of a role that is held could not be read.",
    )
    ASSIGNMENTS_UNREADABLE = (
        "assignments-unreadable",
        "Some role assignments could not be read, and one of them may grant the pull.",
    )
    IDENTITY_FIRST = "identity-first", "The kubelet identity was deleted or replaced, which has to be repaired first."
    MIRROR_ONLY = "mirror-only", "Nodes ask the registry only as a mirror of another one, never with their identity."
    TENANT_FIRST = "tenant-first", "The registry is of another tenant, so no role helps the managed identity."
    ASSIGNMENTS_DELEGATED = (
        "assignments-delegated",
        "The registry's tenant is seen through Azure Lighthouse, which does not show its role assignments.",
    )
    ASSIGNMENTS_NOT_READ = "assignments-not-read", "The role assignments were not read."
    ANONYMOUS_PULL = "anonymous-pull", "The registry allows anonymous pulls, so no role is needed."
    PULL_SECRETS = "pull-secrets", "All images of the registry come with pull secrets, so no role is needed."
    NO_IDENTITY = (
        "no-identity",
        "The pods' service accounts name no identity to pull with, and there is no default one.",
    )
    IDENTITY_NOT_KNOWN = "identity-not-known", "Which identity pulls for some of the pods is not known."
    VIRTUAL_NODES = "virtual-nodes", "Only pods on virtual nodes use the registry, which pull with pull secrets alone."
    PULL_SECRETS_NOT_READ = (
        "pull-secrets-not-read",
        "Pods name pull secrets that were not read, so a missing role proves nothing.",
    )


CHECK = Check(
    code="PW102",
    title="Effective pull permission",
    severity=Severity.ERROR,
    why="Without it every pull that is not already cached on a node is refused with 401 Unauthorized.",
    how=(
        "All role assignments that reach the registry (at it and at every scope above, management groups and the root "
        "included) for the kubelet identity are evaluated by the actions of their roles, not by name: wildcards, "
        "notActions inside their own element, dataActions in ABAC mode, deny assignments over all of them. Where the "
        "direct assignments do not grant it, Azure is asked once for those that come through groups. In ABAC mode the "
        "documented conditions are evaluated for each repository that the cluster's images come from; any other "
        "condition leaves it open, and its text is shown. In legacy mode a registry has nothing that a condition could "
        "be evaluated on. An eligible assignment (PIM) grants nothing until it is activated, and a managed identity "
        "cannot activate one. A mode that ARM does not show at an api-version that would show it counts as legacy. "
        "Where serviceAccountImagePullProfile is enabled (a preview), the identities of the pods' service accounts are "
        "judged instead (the annotation kubernetes.azure.com/acr-client-id, else the default identity; identity "
        "bindings give their object ids), but for pods on Windows nodes. Whether the cluster's own RBAC lets a service "
        "account use an identity is not read. Virtual nodes pull with the pods' pull secrets alone (PW304)."
    ),
    permissions=(
        "Reader on the registry's subscription (role assignments, role definitions, deny assignments)",
        "Reader on the cluster, and Azure Kubernetes Service RBAC Reader (its service accounts), only where pods pull "
        "with the identities of their service accounts",
    ),
    fix="Assign AcrPull (legacy mode) or Container Registry Repository Reader (ABAC mode) on the registry.",
    article=("role assignments",),
    links=(
        "https://learn.microsoft.com/azure/aks/cluster-container-registry-integration",
        "https://learn.microsoft.com/azure/container-registry/container-registry-rbac-abac-repository-permissions",
    ),
    decides=Decides.ACCESS,
    step=Step.ROLE,
    causes=(RoleCause,),
)

READER = "Container Registry Repository Reader"
MAX_NAMED = 10
MAX_IN_CONDITION = 50
_ORDER = (Fail, Unknown, Pass, Skipped)
_SETTLES = "A new role assignment can take up to 10 minutes to take effect."


class _Case(msgspec.Struct, frozen=True):
    """What one finding is about, gathered."""

    facts: ClusterFacts
    use: RegistryUse
    registry: Registry
    principal: Principal
    asked: identity_access.AuthorizationReads
    subject: Subject
    evidence: tuple[Evidence, ...]
    # the identity of service accounts that pulls, "": the kubelet identity does
    account: str = ""

    @property
    def who(self) -> str:
        """The identity's object id."""
        return self.principal.object_id

    @property
    def noun(self) -> str:
        """What the identity is, in a sentence."""
        return self.account or identity_access.identity_noun(self.facts.cluster)


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that the cluster uses."""
    return (_judge(view),)


def _judge(view: RegistryView) -> Finding:
    """The worst of what is found about those who pull: mostly the kubelet identity alone."""
    if isinstance(view.registry, NotSeen):
        return CHECK.not_seen(view.subject, view.registry, f"The registry {view.use.login_server}")
    pullers = Pullers(view.facts)
    everybody = pullers.of_registry(view.use)
    by_puller = {
        one: _of_puller(_narrowed(view, pullers, one) if len(everybody) > 1 else view, one) for one in everybody
    }
    findings = list(by_puller.values())
    worst = min(findings, key=lambda finding: _ORDER.index(type(finding.verdict)))
    fixes = (line for finding in findings if isinstance(finding.verdict, Fail) for line in finding.fix)
    return msgspec.structs.replace(worst, fix=tuple(dict.fromkeys(fixes))) if len(findings) > 1 else worst


def _narrowed(view: RegistryView, pullers: Pullers, puller: Puller) -> RegistryView:
    """The view with the images of one puller alone."""
    own = tuple(image for image in view.use.images if pullers.of(image) == puller)
    if len(own) == len(view.use.images):
        return view
    return RegistryView(view.facts, msgspec.structs.replace(view.use, images=own))


def _of_puller(view: RegistryView, puller: Puller) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    assert isinstance(use.registry, Seen)  # one that was not has its finding already
    if puller.kind is PullerKind.KUBELET:
        return _of_kubelet_identity(view)
    if puller.kind is PullerKind.VIRTUAL_NODE:
        because = "only pods on virtual nodes use it, which pull with their pull secrets alone"
        return CHECK.skipped(subject, RoleCause.VIRTUAL_NODES, because)
    if use.mirror_only:
        return _mirror_only(subject)
    registry = use.registry.value
    if identity_crosses(facts, registry):
        because = "the registry is of another tenant, into which no managed identity crosses (PW105)"
        return CHECK.skipped(subject, RoleCause.TENANT_FIRST, because)
    if puller.kind is not PullerKind.ACCOUNT:
        return _without_identity(view, registry, puller)
    asked = identity_access.authorization_reads(facts, registry, puller.object_id)
    if asked is None:
        return _not_asked(subject, registry)
    evidence = (use.registry.evidence, *_mode(registry, use.registry.evidence), *_evidence(asked))
    principal = Principal(object_id=puller.object_id, kind="managed identity")
    return _answer(_Case(facts, use, registry, principal, asked, subject, evidence, puller.name))


def _without_identity(view: RegistryView, registry: Registry, puller: Puller) -> Finding:
    """Pods that pull with no identity, or with one that is not known."""
    use, subject, name = view.use, view.subject, registry.name
    alternative = _alternative(use, registry, subject)
    if alternative is not None:
        return alternative
    if puller.gap is not None:
        return CHECK.not_seen(subject, puller.gap, f"Which identity pulls from {name}")
    if puller.kind is PullerKind.OPEN:
        why = f"Which identity pulls from {name} is not settled: {puller.why}."
        return CHECK.unknown(subject, RoleCause.IDENTITY_NOT_KNOWN, why, view.evidence, missing=puller.why)
    if registry.anonymous_pull is None:
        what = "whether it allows anonymous pull"
        why = f"Pods pull from {name} with no identity, and {what} is not shown."
        return CHECK.unknown(subject, RoleCause.IDENTITY_NOT_KNOWN, why, view.evidence, missing=what)
    accounts = sorted({f"{image.namespace}/{image.service_account or 'default'}" for image in use.images})
    return CHECK.fails(
        subject,
        RoleCause.NO_IDENTITY,
        f"Pods pull from {name} without an identity, which it does not allow: the cluster has service accounts' "
        "identities pull (serviceAccountImagePullProfile), it has no default one, and these service accounts name "
        f"none: {listed(accounts, MAX_NAMED)}.",
        view.evidence,
        fix=service_accounts.name_an_identity(view.facts.cluster),
    )


def _mirror_only(subject: Subject) -> Finding:
    because = "nodes ask it only as a mirror, with credentials for another registry and never with their identity"
    return CHECK.skipped(subject, RoleCause.MIRROR_ONLY, because)


def _not_asked(subject: Subject, registry: Registry) -> Finding:
    return CHECK.unknown(
        subject,
        RoleCause.ASSIGNMENTS_NOT_READ,
        f"The role assignments of {registry.name} were not read.",
        missing="role assignments",
        look_failed=True,
    )


def _of_kubelet_identity(view: RegistryView) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    assert isinstance(use.registry, Seen)
    if isinstance(facts.principal, NotSeen):
        return CHECK.not_seen(subject, facts.principal, "The identity that nodes pull with")
    registry = use.registry.value
    state = identity_state(facts)
    if state is not IdentityState.STANDS:
        because = f"the kubelet identity was {state.value}, so what its old object id holds settles nothing (PW101)"
        return CHECK.skipped(subject, RoleCause.IDENTITY_FIRST, because)
    if use.mirror_only:
        return _mirror_only(subject)
    if identity_crosses(facts, registry):
        because = "the registry is of another tenant, into which no managed identity crosses (PW105)"
        return CHECK.skipped(subject, RoleCause.TENANT_FIRST, because)
    asked = identity_access.authorization_reads(facts, registry)
    if asked is None:
        return _not_asked(subject, registry)
    evidence = (use.registry.evidence, *_mode(registry, use.registry.evidence), *_evidence(asked))
    return _answer(_Case(facts, use, registry, facts.principal.value, asked, subject, evidence))


def _mode(registry: Registry, read: Evidence) -> tuple[Evidence, ...]:
    """What the registry's mode is taken to be, as evidence: an absent one has to be shown."""
    shown = registry.role_assignment_mode or f"not shown, which counts as {rbac.LEGACY_MODE}"
    return (Evidence(f"roleAssignmentMode: {shown}", registry.id, read.read_at, read.api_version),)


def _evidence(asked: identity_access.AuthorizationReads) -> tuple[Evidence, ...]:
    authorization: Authorization = asked.authorization
    parts = (authorization.assignments, authorization.definitions, authorization.denies, asked.groups, asked.denies)
    return tuple(part.evidence for part in parts if isinstance(part, Seen))


def _answer(case: _Case) -> Finding:
    repositories = identity_access.repositories_of(case.use.images)
    decision = identity_access.decide(case.who, case.registry, case.asked, repositories)
    if isinstance(decision, NotSeen):
        return CHECK.not_seen(case.subject, decision, _what(case.asked, decision))
    if isinstance(decision, rbac.Granted):
        return _granted(case, decision, repositories)
    if isinstance(decision, rbac.Undetermined):
        why = f"Not settled: {decision.why}."
        return CHECK.unknown(case.subject, decision.cause, why, case.evidence, missing=decision.why)
    alternative = _alternative(case.use, case.registry, case.subject)
    if alternative is not None:
        return alternative
    if isinstance(decision, rbac.Denied):
        return CHECK.fails(
            case.subject,
            RoleCause.DENIED,
            f"The deny assignment {decision.name!r} at {decision.scope} forbids the pull, whatever roles are held.",
            case.evidence,
            fix=(az_roles.list_deny_assignments(case.registry.id),),
        )
    return _left_out(case, decision) if isinstance(decision, rbac.Partial) else _missing(case, decision)


def _what(asked: identity_access.AuthorizationReads, gap: NotSeen) -> str:
    """Words for the read that failed."""
    named = {
        id(asked.authorization.assignments): "The role assignments on the registry",
        id(asked.authorization.definitions): "The role definitions",
        id(asked.authorization.denies): "Deny assignments, which would outrank the role that is held,",
        id(asked.groups): "Assignments that reach the identity through groups",
        id(asked.denies): "Deny assignments that reach the identity through groups",
        id(asked.hidden): "Every role assignment on the registry",
        id(asked.hidden_denies): "Every deny assignment, which would outrank the role that is held,",
    }
    return named.get(id(gap), "The role assignments on the registry")


def _granted(case: _Case, grant: rbac.Granted, repositories: tuple[str, ...]) -> Finding:
    notes = []
    if grant.through_group:
        notes.append("It comes through a group, which a token may show up to a day late.")
    if grant.conditioned:
        which = f"all {len(repositories)} repositories" if len(repositories) > 1 else "the repository"
        notes.append(f"Its condition holds for {which} in use.")
        pods = case.facts.workloads
        if isinstance(pods, Seen) and pods.partial:
            why = f"{grant.role} is held under a condition, and not all repositories in use are known: {pods.partial}."
            return CHECK.unknown(
                case.subject, partial_reads.CAUSE, why, case.evidence, missing=partial_reads.MISSING, look_failed=True
            )
    if rbac.is_abac(case.registry.role_assignment_mode) and "/managementgroups/" in grant.scope.lower():
        notes.append("Granted at a management group, it may reach the registry several hours late.")
    return CHECK.passes(
        case.subject,
        RoleCause.ROLE_THROUGH_GROUP if grant.through_group else RoleCause.ROLE_HELD,
        " ".join((f"The {case.noun} may pull from {case.registry.name}: {grant.role} at {grant.scope}.", *notes)),
        case.evidence,
    )


def _missing(case: _Case, decision: rbac.NotGranted) -> Finding:
    registry, who = case.registry, case.who
    held = f" It holds {listed(decision.held, MAX_NAMED)}." if decision.held else ""
    if not rbac.is_abac(registry.role_assignment_mode):
        other = f" {listed(decision.not_honoured, MAX_NAMED)} pulls in ABAC mode only." if decision.not_honoured else ""
        return CHECK.fails(
            case.subject,
            RoleCause.ROLE_MISSING,
            f"The {case.noun} {who} has no role that allows pulls from {registry.name}.{held}{other} {_SETTLES}",
            case.evidence,
            fix=(
                *_grant(case),
                bicep.role_assignment(registry, rbac.ACR_PULL, who),
            ),
        )
    nothing = f" {listed(decision.not_honoured, MAX_NAMED)} grants nothing there." if decision.not_honoured else ""
    others = tuple(role for role in decision.held if role not in decision.not_honoured)
    held = f" It holds {listed(others, MAX_NAMED)}." if others else ""
    return CHECK.fails(
        case.subject,
        RoleCause.ROLE_NOT_HONOURED if decision.not_honoured else RoleCause.ROLE_MISSING,
        f"{registry.name} is in ABAC mode, where only the repository roles pull; "
        f"the {case.noun} {who} holds none.{held}{nothing} {_SETTLES}",
        case.evidence,
        fix=(
            az_roles.assign_role(who, READER, registry.id),
            bicep.role_assignment(registry, rbac.REPOSITORY_READER, who),
        ),
    )


def _grant(case: _Case) -> tuple[str, ...]:
    """AcrPull for the identity that pulls; ``az aks`` attaches a registry to the kubelet identity alone."""
    if case.account:
        return (az_roles.assign_role(case.who, "AcrPull", case.registry.id),)
    return az_aks.grant_pull(case.facts.cluster, case.who, case.registry.id)


def _left_out(case: _Case, decision: rbac.Partial) -> Finding:
    """Repositories in use that conditions leave out; those that only pods with a pull secret use are another matter."""
    named = listed(decision.left_out, MAX_NAMED)
    if not _needed(case, decision.left_out):
        why = f"whether the pull secrets hold that the pods with images of {named} bring"
        summary = f"The conditions on {decision.role} leave out {named}; all pods that use them bring a pull secret."
        return CHECK.unknown(case.subject, RoleCause.PULL_SECRETS_NOT_READ, summary, case.evidence, missing=why)
    return CHECK.fails(
        case.subject,
        RoleCause.REPOSITORIES_LEFT_OUT,
        f"The conditions under which the {case.noun} {case.who} holds {decision.role} at {decision.scope} leave "
        f"out {named} of {case.registry.name}, which the cluster uses. {_SETTLES}",
        case.evidence,
        fix=_widen(case, decision.left_out[:MAX_IN_CONDITION]),
    )


def _needed(case: _Case, left_out: tuple[str, ...]) -> bool:
    """Whether a pod without a pull secret uses one of these repositories."""
    for image in case.use.images:
        reference = images.parse(image.image)
        if reference is not None and reference.repository in left_out and not image.pull_secrets:
            return True
    return False


def _widen(case: _Case, names: tuple[str, ...]) -> tuple[str, ...]:
    """Grants these repositories: by the condition of the assignment there is (Azure takes no second one), or anew."""
    held = _own_reader(case)
    if held is not None and held.condition:
        wider = f"({held.condition}) OR ({abac_conditions.repository_expression(names)})"
        return (
            az_roles.change_condition(held, wider),
            bicep.role_assignment(case.registry, rbac.REPOSITORY_READER, case.who, wider, held.id.rsplit("/", 1)[-1]),
        )
    condition = abac_conditions.condition_for_repositories(rbac.PULL_DATA_ACTIONS, names)
    return (
        az_roles.assign_role(case.who, READER, case.registry.id, condition),
        bicep.role_assignment(case.registry, rbac.REPOSITORY_READER, case.who, condition),
    )


def _own_reader(case: _Case) -> RoleAssignment | None:
    assignments = case.asked.authorization.assignments
    for assignment in assignments.value if isinstance(assignments, Seen) else ():
        if (
            same_id(assignment.scope, case.registry.id)
            and assignment.principal_id.lower() == case.who.lower()
            and rbac.role_guid(assignment.role_definition_id) == rbac.REPOSITORY_READER
        ):
            return assignment
    return None


def _alternative(use: RegistryUse, registry: Registry, subject: Subject) -> Finding | None:
    """A missing role does not matter where every image in use comes another way: Skipped, with a hint."""
    if registry.anonymous_pull:
        because = f"{registry.name} allows anonymous pull, so no role is needed"
        return CHECK.skipped(subject, RoleCause.ANONYMOUS_PULL, because)
    if use.images and all(image.pull_secrets for image in use.images):
        because = f"no role pulls from {registry.name}; every pod that uses it brings an imagePullSecret"
        return CHECK.skipped(subject, RoleCause.PULL_SECRETS, because)
    return None
