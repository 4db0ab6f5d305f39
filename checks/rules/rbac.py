"""Who may pull from a registry, decided as Azure RBAC and ACR decide it.

Source: Azure role-based access control documentation (role definitions, deny assignments, scope overview) and Azure
Container Registry's "role assignment permissions mode". In legacy mode a pull needs the *action* ``pull/read``; in
ABAC mode it needs two *dataActions*. Actions never match dataActions, roles add up, ``notActions`` subtract inside
their own element only, and a matching deny assignment beats them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from checks.facts import DenyAssignment, Permission, RoleAssignment, RoleDefinition, same_id

PULL_ACTION = "Microsoft.ContainerRegistry/registries/pull/read"
PULL_DATA_ACTIONS = (
    "Microsoft.ContainerRegistry/registries/repositories/content/read",
    "Microsoft.ContainerRegistry/registries/repositories/metadata/read",
)
ABAC_MODE = "AbacRepositoryPermissions"
LEGACY_MODE = "LegacyRegistryPermissions"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
REPOSITORY_READER = "b93aa761-3e63-49ed-ac28-beffa264f7ac"
EVERYONE = "00000000-0000-0000-0000-000000000000"


class Granted(msgspec.Struct, frozen=True):
    """It may pull. ``through_group``: by a group's assignment, which tokens may show up to a day late."""

    role: str
    scope: str
    through_group: bool = False


class Denied(msgspec.Struct, frozen=True):
    """A deny assignment stands against it, whatever the roles say."""

    name: str
    scope: str


class NotGranted(msgspec.Struct, frozen=True):
    """No assignment grants the pull. ``held`` are the roles it has on the registry, which do not pull in this mode."""

    held: tuple[str, ...] = ()


class Undetermined(msgspec.Struct, frozen=True):
    """The assignments were read but do not settle it: ``why`` says which text or assignment stands in the way."""

    why: str
    cause: str


Decision = Granted | Denied | NotGranted | Undetermined


def matches(pattern: str, action: str) -> bool:
    """Whether an (action) pattern covers an action: ``*`` stands for any text, "/" included; case says nothing."""
    parts = [re.escape(part) for part in pattern.split("*")]
    return re.fullmatch(".*".join(parts), action, re.IGNORECASE | re.DOTALL) is not None


def allows(permission: Permission, action: str, *, data: bool = False) -> bool:
    """Whether one element of a role's permissions allows an action (or, with ``data``, a dataAction)."""
    given = permission.data_actions if data else permission.actions
    taken = permission.not_data_actions if data else permission.not_actions
    return any(matches(pattern, action) for pattern in given) and not any(matches(p, action) for p in taken)


def reaches(scope: str, resource_id: str) -> bool:
    """Whether an assignment at ``scope`` reaches a resource.

    Management groups and the root are no prefixes of an id: the list calls of Azure return them only where they are
    ancestors, so they reach. Below, a scope reaches on a "/" boundary ("rg" does not reach into "rg2").
    """
    low = scope.rstrip("/").lower()
    if not low or low.startswith("/providers/microsoft.management/managementgroups/"):
        return True
    return (resource_id.lower() + "/").startswith(low + "/")


def role_guid(role_definition_id: str) -> str:
    """The stable key of a role: the last segment of its definition id, in lower case."""
    return role_definition_id.rstrip("/").rsplit("/", 1)[-1].lower()


def required(mode: str | None) -> tuple[tuple[str, ...], bool]:
    """What a pull needs in a registry's mode, and whether these are dataActions.

    None counts as legacy: collect asks at an api-version that shows the property, and ARM leaves it out only for
    registries made before it existed.
    """
    return (PULL_DATA_ACTIONS, True) if (mode or "").lower() == ABAC_MODE.lower() else ((PULL_ACTION,), False)


def role_pulls(role: RoleDefinition, mode: str | None) -> Permission | None:
    """The first element of a role's permissions that allows everything a pull needs in this mode, or None."""
    actions, data = required(mode)
    fitting = (p for p in role.permissions if all(allows(p, action, data=data) for action in actions))
    plain_first = sorted(fitting, key=lambda p: p.condition is not None)
    return plain_first[0] if plain_first else None


def speaks_of_registries(role: RoleDefinition) -> bool:
    """Whether a role is about container registries and nothing else, so that holding it says which are meant."""
    names = [a for p in role.permissions for a in (*p.actions, *p.data_actions)]
    return bool(names) and all(name.lower().startswith("microsoft.containerregistry/") for name in names)


def denial(
    denies: Iterable[DenyAssignment], principal_id: str, registry_id: str, mode: str | None
) -> Denied | Undetermined | None:
    """The deny assignment that stands against a pull, one that may, or None."""
    doubt: Undetermined | None = None
    for deny in denies:
        if not _deny_applies(deny, registry_id, mode):
            continue
        if _names(deny.exclude_principals, principal_id):
            continue
        if not _names(deny.principals, principal_id):
            if _others(deny.principals):
                doubt = doubt or Undetermined(
                    f"deny assignment {deny.name!r} names other principals; one may be a group this identity is in",
                    "deny-undetermined",
                )
            continue
        if deny.condition or _others(deny.exclude_principals):
            what = "carries a condition" if deny.condition else "excludes principals that may be groups"
            doubt = doubt or Undetermined(f"deny assignment {deny.name!r} {what}", "deny-undetermined")
            continue
        return Denied(deny.name, deny.scope)
    return doubt


def decide(
    principal_id: str,
    registry_id: str,
    mode: str | None,
    assignments: Iterable[RoleAssignment],
    definitions: Mapping[str, RoleDefinition],
    denies: Iterable[DenyAssignment],
    *,
    via_groups: bool = False,
) -> Decision:
    """Whether a principal may pull from a registry.

    ``assignments`` may hold any principals' and any scopes'. With ``via_groups`` the list is Azure's answer to
    ``assignedTo(principal)``: then every entry reaches the principal, whoever it names.
    """
    mine = [
        a
        for a in assignments
        if reaches(a.scope, registry_id) and (via_groups or a.principal_id.lower() == principal_id.lower())
    ]
    grant = _grant(mine, principal_id, mode, definitions)
    if isinstance(grant, NotGranted):
        return grant
    return denial(denies, principal_id, registry_id, mode) or grant


def _grant(
    mine: list[RoleAssignment], principal_id: str, mode: str | None, definitions: Mapping[str, RoleDefinition]
) -> Granted | NotGranted | Undetermined:
    doubt: Undetermined | None = None
    for assignment in mine:
        role = definitions.get(role_guid(assignment.role_definition_id))
        if role is None:
            doubt = doubt or Undetermined(
                f"the role {role_guid(assignment.role_definition_id)} held at {assignment.scope} could not be read",
                "role-definition-unreadable",
            )
            continue
        permission = role_pulls(role, mode)
        if permission is None:
            continue
        condition = assignment.condition or permission.condition
        if condition:
            doubt = doubt or Undetermined(
                f"the role {role.name!r} is held under the condition {condition}", "condition"
            )
            continue
        return Granted(role.name, assignment.scope, assignment.principal_id.lower() != principal_id.lower())
    return doubt or NotGranted(_held(mine, definitions))


def _held(mine: list[RoleAssignment], definitions: Mapping[str, RoleDefinition]) -> tuple[str, ...]:
    guids = [role_guid(a.role_definition_id) for a in mine]
    return tuple(dict.fromkeys(definitions[guid].name if guid in definitions else guid for guid in guids))


def _deny_applies(deny: DenyAssignment, registry_id: str, mode: str | None) -> bool:
    if (deny.effect or "enforced").lower() == "audit" or not reaches(deny.scope, registry_id):
        return False
    if deny.not_child_scopes and not same_id(deny.scope, registry_id):
        return False
    actions, data = required(mode)
    return any(allows(p, action, data=data) for p in deny.permissions for action in actions)


def _names(principals: tuple[str, ...], principal_id: str) -> bool:
    return any(p.lower() in (EVERYONE, principal_id.lower()) for p in principals)


def _others(principals: tuple[str, ...]) -> bool:
    return any(p.lower() != EVERYONE for p in principals)
