"""PW103: the kubelet identity may do more with a registry than pull from it."""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import ClusterFacts, NotSeen, Principal, Registry, RoleAssignment, RoleDefinition, Seen
from checks.findings import Finding, Severity
from checks.rules.access import identity_access, rbac
from checks.rules.fixes import az_roles


class PermissionCause(Cause):
    """Causes of PW103."""

    PULL_ONLY = "pull-only", "No role of the kubelet identity allows more than pulling."
    MAY_PUSH_IMAGES = "may-push-images", "A role of the kubelet identity allows pushing images."
    MAY_DELETE_IMAGES = "may-delete-images", "A role of the kubelet identity allows deleting images."
    MAY_MANAGE_REGISTRY = "may-manage-registry", "A role of the kubelet identity allows changing the registry."
    MAY_ASSIGN_ROLES = "may-assign-roles", "A role of the kubelet identity allows assigning roles."
    ROLE_DEFINITION_UNREADABLE = (
        "role-definition-unreadable",
        "The definition of a role that is held could not be read.",
    )
    NOT_LOOKED_AT = "not-looked-at", "The registry, the kubelet identity or its role assignments are not known."


CHECK = Check(
    code="PW103",
    title="More than pull",
    severity=Severity.WARNING,
    why="Every pod that reaches the node's metadata endpoint can act as this identity: push, delete or take over.",
    how=(
        "The roles that the kubelet identity holds at the registry and above it are evaluated by their actions: "
        "pushing and deleting images (actions in legacy mode, dataActions in ABAC mode), changing the registry, "
        "assigning roles. Each role that allows one of these is shown with its scope. It never fails a registry's row."
    ),
    permissions=("Reader on the registry's subscription (role assignments, role definitions)",),
    fix="Assign a role that only pulls on the registry, then remove the broad one.",
    article=("access",),
    links=("https://learn.microsoft.com/azure/container-registry/container-registry-rbac-built-in-roles-overview",),
    advisory=True,
    causes=(PermissionCause,),
)

_ACR = "Microsoft.ContainerRegistry/registries/"
MAX_LISTED = 5


class _Power(msgspec.Struct, frozen=True):
    """Something beyond pulling: its stable cause, its words, and the permission that allows it in each mode."""

    cause: str
    words: str
    actions: tuple[str, ...]
    data_actions: tuple[str, ...] | None = None


# The strongest first: a role that allows several is named after the strongest.
_POWERS = (
    _Power(PermissionCause.MAY_ASSIGN_ROLES, "assign roles", ("Microsoft.Authorization/roleAssignments/write",)),
    _Power(PermissionCause.MAY_MANAGE_REGISTRY, "change or delete the registry", (f"{_ACR}write", f"{_ACR}delete")),
    _Power(
        PermissionCause.MAY_DELETE_IMAGES,
        "delete images",
        (f"{_ACR}artifacts/delete",),
        (f"{_ACR}repositories/content/delete", f"{_ACR}repositories/metadata/delete"),
    ),
    _Power(
        PermissionCause.MAY_PUSH_IMAGES,
        "push images",
        (f"{_ACR}push/write",),
        (f"{_ACR}repositories/content/write", f"{_ACR}repositories/metadata/write"),
    ),
)


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per role that allows more than pulling, or one that none does, per Azure registry in use."""
    facts, use, subject = view.facts, view.use, view.subject
    if isinstance(use.registry, NotSeen) or isinstance(facts.principal, NotSeen):
        return (
            CHECK.skipped(subject, PermissionCause.NOT_LOOKED_AT, "the registry or the kubelet identity is not known"),
        )
    registry, principal = use.registry.value, facts.principal.value
    asked = identity_access.authorization_reads(facts, registry)
    if asked is None:
        return (CHECK.skipped(subject, PermissionCause.NOT_LOOKED_AT, "the role assignments were not read"),)
    assignments, definitions = asked.authorization.assignments, asked.authorization.definitions
    if isinstance(assignments, NotSeen):
        return (CHECK.not_seen(subject, assignments, f"The role assignments on {registry.name}"),)
    if isinstance(definitions, NotSeen):
        return (CHECK.not_seen(subject, definitions, f"The role definitions of {registry.name}"),)
    own_assignments = rbac.assignments_of(
        principal.object_id, registry.id, asked.authorization.direct(principal.object_id)
    )
    if isinstance(asked.groups, Seen):
        own_assignments = rbac.assignments_of(principal.object_id, registry.id, asked.groups.value, via_groups=True)
    evidence = (assignments.evidence, definitions.evidence)
    broad = [
        (a, powers) for a in own_assignments if (powers := _powers(a, definitions.value, registry.role_assignment_mode))
    ]
    if not broad:
        unread = next(
            (a for a in own_assignments if rbac.role_guid(a.role_definition_id) not in definitions.value), None
        )
        if unread is not None:
            role = f"the role {rbac.role_guid(unread.role_definition_id)} held at {unread.scope}"
            summary = f"Whether {role} allows more than pulling is not known: its definition could not be read."
            missing = f"the definition of {role}"
            return (
                CHECK.unknown(subject, PermissionCause.ROLE_DEFINITION_UNREADABLE, summary, evidence, missing=missing),
            )
        return (
            CHECK.passes(
                subject, PermissionCause.PULL_ONLY, f"No role on {registry.name} allows more than pulling.", evidence
            ),
        )
    return tuple(
        CHECK.fails(
            subject,
            powers[0].cause,
            _describe(assignment, powers, definitions.value, facts, registry),
            evidence,
            fix=_fix(assignment, principal, registry),
        )
        for assignment, powers in broad[:MAX_LISTED]
    )


def _powers(assignment: RoleAssignment, definitions: dict[str, RoleDefinition], mode: str | None) -> tuple[_Power, ...]:
    role = definitions.get(rbac.role_guid(assignment.role_definition_id))
    return tuple(power for power in _POWERS if role is not None and _has(role, power, mode))


def _has(role: RoleDefinition, power: _Power, mode: str | None) -> bool:
    data = power.data_actions is not None and rbac.is_abac(mode)
    names = power.data_actions if power.data_actions is not None and data else power.actions
    return any(rbac.allows(p, name, data=data) for p in role.permissions for name in names)


def _describe(
    assignment: RoleAssignment,
    powers: tuple[_Power, ...],
    definitions: dict[str, RoleDefinition],
    facts: ClusterFacts,
    registry: Registry,
) -> str:
    role = definitions[rbac.role_guid(assignment.role_definition_id)].name
    who = facts.principal.value.object_id.lower() if isinstance(facts.principal, Seen) else None
    through = "" if assignment.principal_id.lower() == who else " through a group"
    noun = identity_access.identity_noun(facts.cluster)
    under = ", under a condition," if assignment.condition else ""
    what = ", ".join(power.words for power in powers)
    return f"The {noun} holds {role} at {assignment.scope}{through}{under} and may {what} on {registry.name}."


def _fix(assignment: RoleAssignment, principal: Principal, registry: Registry) -> tuple[str, ...]:
    abac = rbac.is_abac(registry.role_assignment_mode)
    role = "Container Registry Repository Reader" if abac else "AcrPull"
    pull = az_roles.assign_role(principal.object_id, role, registry.id)
    if assignment.principal_id.lower() != principal.object_id.lower():
        return (pull, az_roles.remove_from_group(assignment.principal_id, principal.object_id))
    return (pull, az_roles.delete_assignment(assignment.id))
