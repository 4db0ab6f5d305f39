"""Who may pull from a registry, decided as Azure RBAC and Azure Container Registry decide it.

Source: Azure role-based access control documentation (role definitions, deny assignments, scope overview, conditions)
and Azure Container Registry's "role assignment permissions mode". In legacy mode a pull needs the *action*
``pull/read``; in ABAC mode it needs two *dataActions*, which a condition may restrict to repositories. Actions never
match dataActions, roles add up, ``notActions`` subtract within their own element only, and a matching deny assignment
overrides all roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from checks.arm_ids import name_of
from checks.facts import DenyAssignment, Permission, RoleAssignment, RoleDefinition, same_id
from checks.rules import wildcards
from checks.rules.access import abac_conditions as conditions

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
DENY_THROUGH_GROUP = "deny-through-group"
MAX_CONDITION_SHOWN = 600


class Granted(msgspec.Struct, frozen=True):
    """The principal may pull. ``through_group``: by an assignment to a group; tokens may reflect it up to a day late.

    ``conditioned``: by assignments with conditions, which are true for every requested repository.
    """

    role: str
    scope: str
    through_group: bool = False
    conditioned: bool = False


class Partial(msgspec.Struct, frozen=True):
    """ABAC mode: conditions exclude some repositories in use (``left_out``); the others may be pulled."""

    left_out: tuple[str, ...]
    covered: tuple[str, ...]
    role: str
    scope: str


class Denied(msgspec.Struct, frozen=True):
    """A deny assignment blocks the pull, whatever the roles grant."""

    name: str
    scope: str


class NotGranted(msgspec.Struct, frozen=True):
    """No role assignment grants the pull. ``held`` are the principal's roles on the registry, none of which grants it.

    ``not_honoured`` are those of them that would grant the pull in the registry's other mode.
    """

    held: tuple[str, ...] = ()
    not_honoured: tuple[str, ...] = ()


class Undetermined(msgspec.Struct, frozen=True):
    """The assignments were read but do not decide it: ``why`` names the assignment or condition responsible."""

    why: str
    cause: str


Decision = Granted | Partial | Denied | NotGranted | Undetermined


class Offer(msgspec.Struct, frozen=True):
    """One element of an assigned role that allows an action, with the conditions of the assignment and of the element.

    Each condition is its text and its assignment's conditionVersion.
    """

    assignment: RoleAssignment
    role: str
    conditions: tuple[tuple[str, str | None], ...] = ()


class _Held(msgspec.Struct, frozen=True):
    """A principal's roles on a registry: offers per required action, role names, and a role that could not be read."""

    offers: dict[str, list[Offer]]
    names: tuple[str, ...]
    not_honoured: tuple[str, ...]
    unreadable: str | None


def allows(permission: Permission, action: str, *, data: bool = False) -> bool:
    """Whether one element of a role's permissions allows an action (or, with ``data``, a dataAction)."""
    given = permission.data_actions if data else permission.actions
    taken = permission.not_data_actions if data else permission.not_actions
    return wildcards.leaves(given, taken, action)


def reaches(scope: str, resource_id: str) -> bool:
    """Whether an assignment at ``scope`` reaches a resource.

    Management groups and the root are not prefixes of an id: Azure lists them only if they are ancestors, so they
    reach it. Other scopes reach on a "/" boundary ("rg" does not reach "rg2").
    """
    low = scope.rstrip("/").lower()
    if not low or low.startswith("/providers/microsoft.management/managementgroups/"):
        return True
    return (resource_id.lower() + "/").startswith(low + "/")


def role_guid(role_definition_id: str) -> str:
    """The stable key of a role: the last segment of its definition id, in lower case."""
    return name_of(role_definition_id).lower()


def is_abac(mode: str | None) -> bool:
    """Whether a registry's mode grants permissions per repository, by dataActions."""
    return (mode or "").lower() == ABAC_MODE.lower()


def is_known_mode(mode: str | None) -> bool:
    """Whether the mode is one of the two documented ones, or absent, which counts as legacy.

    The api-version in use returns the property, so Azure Resource Manager leaves it out only if it was never set.
    """
    return mode is None or mode.lower() in (ABAC_MODE.lower(), LEGACY_MODE.lower())


def required_actions(mode: str | None) -> tuple[tuple[str, ...], bool]:
    """The actions that a pull requires in a registry's mode, and whether these are dataActions."""
    return (PULL_DATA_ACTIONS, True) if is_abac(mode) else ((PULL_ACTION,), False)


def role_pulls(role: RoleDefinition, mode: str | None) -> bool:
    """Whether the elements of a role together, conditions aside, allow a pull in this mode."""
    actions, data = required_actions(mode)
    return all(any(allows(p, action, data=data) for p in role.permissions) for action in actions)


def is_registry_role(role: RoleDefinition) -> bool:
    """Whether a role is only about container registries, so that its assignments show which registries are meant."""
    names = [a for p in role.permissions for a in (*p.actions, *p.data_actions)]
    return bool(names) and all(name.lower().startswith("microsoft.containerregistry/") for name in names)


def decide(
    principal_id: str,
    registry_id: str,
    mode: str | None,
    assignments: Iterable[RoleAssignment],
    definitions: Mapping[str, RoleDefinition],
    denies: Iterable[DenyAssignment],
    *,
    via_groups: bool = False,
    repositories: tuple[str, ...] = (),
    reaching_denies: frozenset[str] | None = None,
) -> Decision:
    """Decides whether a principal may pull from a registry, in ABAC mode from each of ``repositories``.

    ``assignments`` may be of any principal and scope. With ``via_groups`` they are Azure's response to
    ``assignedTo(principal)``: every entry then applies to the principal, whoever it names. ``reaching_denies`` are the
    names (last segment of the id, lower case) of the deny assignments that apply to it; None: not read.
    """
    if not is_known_mode(mode):
        return Undetermined(f"the registry's roleAssignmentMode {mode!r} is unknown", "mode-unknown")
    own = assignments_of(principal_id, registry_id, assignments, via_groups=via_groups)
    grant = _grant(_held(own, definitions, mode), principal_id, mode, repositories)
    if isinstance(grant, NotGranted):
        return grant
    blocking = blocking_deny(denies, principal_id, registry_id, mode, repositories, reaching_denies)
    if isinstance(blocking, Denied) or (blocking is not None and not isinstance(grant, Partial)):
        return blocking
    return grant


def assignments_of(
    principal_id: str, registry_id: str, assignments: Iterable[RoleAssignment], *, via_groups: bool = False
) -> list[RoleAssignment]:
    """The role assignments of a principal that reach a registry (with ``via_groups``, all are the principal's)."""
    return [
        a
        for a in assignments
        if reaches(a.scope, registry_id) and (via_groups or a.principal_id.lower() == principal_id.lower())
    ]


def _held(own: list[RoleAssignment], definitions: Mapping[str, RoleDefinition], mode: str | None) -> _Held:
    actions, data = required_actions(mode)
    other = LEGACY_MODE if data else ABAC_MODE
    offers: dict[str, list[Offer]] = {action: [] for action in actions}
    names: list[str] = []
    not_honoured: list[str] = []
    unreadable: str | None = None
    for assignment in own:
        guid = role_guid(assignment.role_definition_id)
        role = definitions.get(guid)
        names.append(role.name if role else guid)
        if role is None:
            unreadable = unreadable or f"the role definition {guid}, assigned at {assignment.scope}, could not be read"
            continue
        for action in actions:
            offers[action] += offers_of(assignment, role, action, data=data)
        if role_pulls(role, other) and not role_pulls(role, mode):
            not_honoured.append(role.name)
    return _Held(offers, tuple(dict.fromkeys(names)), tuple(dict.fromkeys(not_honoured)), unreadable)


def offers_of(assignment: RoleAssignment, role: RoleDefinition, action: str, *, data: bool) -> list[Offer]:
    """The elements of an assigned role that allow an action."""
    offers = []
    for permission in role.permissions:
        if allows(permission, action, data=data):
            texts = ((assignment.condition, assignment.condition_version), (permission.condition, None))
            offers.append(Offer(assignment, role.name, tuple((text, v) for text, v in texts if text is not None)))
    return offers


def _grant(
    held: _Held, principal_id: str, mode: str | None, repositories: tuple[str, ...]
) -> Granted | Partial | NotGranted | Undetermined:
    free = [[offer for offer in offers if not offer.conditions] for offers in held.offers.values()]
    if all(free):
        return _granted(free, principal_id)
    unreadable = Undetermined(held.unreadable, "role-definition-unreadable") if held.unreadable else None
    if not all(held.offers.values()):
        return unreadable or NotGranted(held.names, held.not_honoured)
    first = next(o for offers in held.offers.values() for o in offers if o.conditions)
    if not is_abac(mode):
        why = f"{_assigned(first)}, which cannot be evaluated for a registry in legacy mode"
        return Undetermined(why, "condition")
    if not repositories:
        return Undetermined(f"{_assigned(first)}, and no repository in use is known", "condition")
    results = {repository: _covered(held.offers, repository) for repository in repositories}
    left_out = tuple(repository for repository, result in results.items() if result is False)
    undetermined = [result for result in results.values() if isinstance(result, Undetermined)]
    if left_out:
        covered = tuple(repository for repository, result in results.items() if result is True)
        return unreadable or Partial(left_out, covered, first.role, first.assignment.scope)
    if undetermined:
        return undetermined[0]
    return _granted(list(held.offers.values()), principal_id)


def _granted(offers: list[list[Offer]], principal_id: str) -> Granted:
    """Names the roles: one that allows every action if there is one, else the first for each action."""
    per_action = [{(o.assignment.id, o.role, o.assignment.scope): o for o in allowing} for allowing in offers]
    whole = next((key for key in per_action[0] if all(key in allowing for allowing in per_action)), None)
    chosen = [per_action[0][whole]] if whole else [next(iter(allowing.values())) for allowing in per_action]
    return Granted(
        " and ".join(dict.fromkeys(o.role for o in chosen)),
        " and ".join(dict.fromkeys(o.assignment.scope for o in chosen)),
        any(o.assignment.principal_id.lower() != principal_id.lower() for o in chosen),
        any(o.conditions for o in chosen),
    )


def _covered(offers: Mapping[str, list[Offer]], repository: str) -> bool | Undetermined:
    """Whether a repository may be pulled: each action must be offered with conditions that are true for it."""
    doubt: Undetermined | None = None
    for action, allowing in offers.items():
        answers = [_all_hold(offer.conditions, action, repository) for offer in allowing]
        if True in answers:
            continue
        unsettled = next((answer for answer in answers if isinstance(answer, conditions.Unsettled)), None)
        if unsettled is None:
            return False
        doubt = doubt or Undetermined(_unsettled_reason("a role is assigned", unsettled), "condition")
    return doubt or True


def _all_hold(texts: Iterable[tuple[str, str | None]], action: str, repository: str) -> bool | conditions.Unsettled:
    answers = [conditions.evaluate(text, action, repository, version) for text, version in texts]
    unsettled = next((answer for answer in answers if isinstance(answer, conditions.Unsettled)), None)
    return unsettled if unsettled is not None else all(answers)


def _assigned(offer: Offer) -> str:
    texts = " and ".join(shorten_condition(text) for text, _ in offer.conditions)
    return f"the role {offer.role!r} is assigned with the condition {texts}"


def shorten_condition(text: str) -> str:
    """A condition on one line, truncated after MAX_CONDITION_SHOWN characters."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_CONDITION_SHOWN else f"{line[:MAX_CONDITION_SHOWN]}…"


def _unsettled_reason(grant: str, unsettled: conditions.Unsettled) -> str:
    return f"{grant} with the condition {shorten_condition(unsettled.text)} ({shorten_condition(unsettled.why)})"


def blocking_deny(
    denies: Iterable[DenyAssignment],
    principal_id: str,
    registry_id: str,
    mode: str | None,
    repositories: tuple[str, ...] = (),
    reaching: frozenset[str] | None = None,
) -> Denied | Undetermined | None:
    """The deny assignment that blocks a pull or may block it, or None. One that names groups comes first."""
    doubts: list[Undetermined] = []
    for deny in denies:
        texts = _denied_under(deny, registry_id, mode)
        if not texts or _names(deny.exclude_principals, principal_id):
            continue
        doubt = _applies_to(deny, principal_id, reaching)
        if doubt is None:
            doubt = _deny_condition(deny, texts, mode, repositories)
        if doubt is True:
            return Denied(deny.name, deny.scope)
        if isinstance(doubt, Undetermined):
            doubts.append(doubt)
    doubts.sort(key=lambda doubt: doubt.cause != DENY_THROUGH_GROUP)
    return doubts[0] if doubts else None


def _denied_under(
    deny: DenyAssignment, registry_id: str, mode: str | None
) -> list[tuple[str, tuple[tuple[str, str | None], ...]]]:
    """(action, conditions) of each element that denies an action that a pull from this registry requires.

    In ABAC mode one of the two dataActions is enough, because a pull requires both.
    """
    if (deny.effect or "").lower() == "audit" or not reaches(deny.scope, registry_id):
        return []
    if deny.not_child_scopes and not same_id(deny.scope, registry_id):
        return []
    actions, data = required_actions(mode)
    return [
        (action, tuple((text, None) for text in (deny.condition, permission.condition) if text is not None))
        for permission in deny.permissions
        for action in actions
        if allows(permission, action, data=data)
    ]


def _applies_to(deny: DenyAssignment, principal_id: str, reaching: frozenset[str] | None) -> Undetermined | bool | None:
    """None if a deny assignment certainly applies to the principal, False if it certainly does not."""
    if not _names(deny.principals, principal_id):
        if not _groups(deny.principals, deny):
            return False
        if reaching is None:
            why = f"deny assignment {deny.name!r} names groups that this identity may be a member of"
            return Undetermined(why, DENY_THROUGH_GROUP)
        if role_guid(deny.id) not in reaching:
            return False
    if _groups(deny.exclude_principals, deny):
        return Undetermined(
            f"deny assignment {deny.name!r} excludes groups that this identity may be a member of", "deny-undetermined"
        )
    if (deny.effect or "enforced").lower() != "enforced":
        return Undetermined(
            f"deny assignment {deny.name!r} has the unknown effect {deny.effect!r}", "deny-undetermined"
        )
    return None


def _deny_condition(
    deny: DenyAssignment,
    texts: list[tuple[str, tuple[tuple[str, str | None], ...]]],
    mode: str | None,
    repositories: tuple[str, ...],
) -> Undetermined | bool:
    """True if it applies without a condition, or with one that is true for a repository in use."""
    if any(not with_versions for _, with_versions in texts):
        return True
    why = f"deny assignment {deny.name!r} has a condition"
    if not is_abac(mode) or not repositories:
        first = next(text for _, with_versions in texts for text, _ in with_versions)
        return Undetermined(f"{why}: {shorten_condition(first)}", "deny-undetermined")
    answers = [_all_hold(with_versions, action, name) for action, with_versions in texts for name in repositories]
    if True in answers:
        return True
    unsettled = next((answer for answer in answers if isinstance(answer, conditions.Unsettled)), None)
    return (
        Undetermined(_unsettled_reason(f"deny assignment {deny.name!r} applies", unsettled), "deny-undetermined")
        if unsettled
        else False
    )


def _groups(principals: tuple[str, ...], deny: DenyAssignment) -> bool:
    return any(p.lower() in deny.may_be_groups for p in principals)


def _names(principals: tuple[str, ...], principal_id: str) -> bool:
    return any(p.lower() in (EVERYONE, principal_id.lower()) for p in principals)
