"""Who may pull from a registry, decided as Azure RBAC and ACR decide it.

Source: Azure role-based access control documentation (role definitions, deny assignments, scope overview, conditions)
and Azure Container Registry's "role assignment permissions mode". In legacy mode a pull needs the *action*
``pull/read``; in ABAC mode it needs two *dataActions*, which a condition may narrow to repositories. Actions never
match dataActions, roles add up, ``notActions`` subtract inside their own element only, and a matching deny assignment
beats them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from checks.facts import DenyAssignment, Permission, RoleAssignment, RoleDefinition, same_id
from checks.rules.access import abac_conditions as conditions
from checks.rules.access import wildcards

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
MAX_CONDITION_TOLD = 600


class Granted(msgspec.Struct, frozen=True):
    """It may pull. ``through_group``: by a group's assignment, which tokens may show up to a day late.

    ``conditioned``: by assignments with conditions, which hold for every repository that was asked about.
    """

    role: str
    scope: str
    through_group: bool = False
    conditioned: bool = False


class Partial(msgspec.Struct, frozen=True):
    """ABAC mode: conditions leave repositories in use out; the other ones may be pulled."""

    left_out: tuple[str, ...]
    covered: tuple[str, ...]
    role: str
    scope: str


class Denied(msgspec.Struct, frozen=True):
    """A deny assignment stands against it, whatever the roles say."""

    name: str
    scope: str


class NotGranted(msgspec.Struct, frozen=True):
    """No assignment grants the pull. ``held`` are the roles it has on the registry, which do not pull in this mode.

    ``not_honoured`` are those of them that would pull in the registry's other mode.
    """

    held: tuple[str, ...] = ()
    not_honoured: tuple[str, ...] = ()


class Undetermined(msgspec.Struct, frozen=True):
    """The assignments were read but do not settle it: ``why`` says which text or assignment stands in the way."""

    why: str
    cause: str


Decision = Granted | Partial | Denied | NotGranted | Undetermined


class Offer(msgspec.Struct, frozen=True):
    """One element of a held role that allows an action, and the conditions (assignment's, element's) it is held under.

    Each condition is its text and its assignment's conditionVersion.
    """

    assignment: RoleAssignment
    role: str
    conditions: tuple[tuple[str, str | None], ...] = ()


class _Held(msgspec.Struct, frozen=True):
    """What a principal holds on a registry: offers per needed action, role names, and roles that could not be read."""

    offers: dict[str, list[Offer]]
    names: tuple[str, ...]
    not_honoured: tuple[str, ...]
    unreadable: str | None


def matches(pattern: str, action: str) -> bool:
    """Whether an (action) pattern covers an action: ``*`` stands for any text, "/" included; case says nothing."""
    return wildcards.covers(pattern, action)


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


def is_abac(mode: str | None) -> bool:
    """Whether a registry's mode takes dataActions, per repository."""
    return (mode or "").lower() == ABAC_MODE.lower()


def is_known_mode(mode: str | None) -> bool:
    """Whether the mode is one of the two that are documented, or absent, which counts as legacy.

    Collect asks at an api-version that shows the property; ARM then leaves it out only where it never was set.
    """
    return mode is None or mode.lower() in (ABAC_MODE.lower(), LEGACY_MODE.lower())


def required(mode: str | None) -> tuple[tuple[str, ...], bool]:
    """What a pull needs in a registry's mode, and whether these are dataActions."""
    return (PULL_DATA_ACTIONS, True) if is_abac(mode) else ((PULL_ACTION,), False)


def role_pulls(role: RoleDefinition, mode: str | None) -> bool:
    """Whether a role's elements together, conditions aside, allow everything that a pull needs in this mode."""
    actions, data = required(mode)
    return all(any(allows(p, action, data=data) for p in role.permissions) for action in actions)


def speaks_of_registries(role: RoleDefinition) -> bool:
    """Whether a role is about container registries and nothing else, so that holding it says which are meant."""
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
    """Whether a principal may pull from a registry, in ABAC mode each of ``repositories``.

    ``assignments`` may hold any principals' and any scopes'. With ``via_groups`` the list is Azure's answer to
    ``assignedTo(principal)``: then every entry reaches the principal, whoever it names. ``reaching_denies`` are the
    names (last segment of the id, lower case) of the deny assignments that Azure says reach it; None: not asked.
    """
    if not is_known_mode(mode):
        return Undetermined(f"the registry's roleAssignmentMode {mode!r} is not known", "mode-unknown")
    mine = held_by(principal_id, registry_id, assignments, via_groups=via_groups)
    grant = _grant(_held(mine, definitions, mode), principal_id, mode, repositories)
    if isinstance(grant, NotGranted):
        return grant
    stands = denial(denies, principal_id, registry_id, mode, repositories, reaching_denies)
    if isinstance(stands, Denied) or (stands is not None and not isinstance(grant, Partial)):
        return stands
    return grant


def held_by(
    principal_id: str, registry_id: str, assignments: Iterable[RoleAssignment], *, via_groups: bool = False
) -> list[RoleAssignment]:
    """The assignments that reach a registry and are the principal's (with ``via_groups``: all are)."""
    return [
        a
        for a in assignments
        if reaches(a.scope, registry_id) and (via_groups or a.principal_id.lower() == principal_id.lower())
    ]


def _held(mine: list[RoleAssignment], definitions: Mapping[str, RoleDefinition], mode: str | None) -> _Held:
    actions, data = required(mode)
    other = LEGACY_MODE if data else ABAC_MODE
    offers: dict[str, list[Offer]] = {action: [] for action in actions}
    names: list[str] = []
    not_honoured: list[str] = []
    unreadable: str | None = None
    for assignment in mine:
        guid = role_guid(assignment.role_definition_id)
        role = definitions.get(guid)
        names.append(role.name if role else guid)
        if role is None:
            unreadable = unreadable or f"the role {guid} held at {assignment.scope} could not be read"
            continue
        for action in actions:
            offers[action] += offers_of(assignment, role, action, data=data)
        if role_pulls(role, other) and not role_pulls(role, mode):
            not_honoured.append(role.name)
    return _Held(offers, tuple(dict.fromkeys(names)), tuple(dict.fromkeys(not_honoured)), unreadable)


def offers_of(assignment: RoleAssignment, role: RoleDefinition, action: str, *, data: bool) -> list[Offer]:
    """What of a held role allows an action, element by element."""
    found = []
    for permission in role.permissions:
        if allows(permission, action, data=data):
            texts = ((assignment.condition, assignment.condition_version), (permission.condition, None))
            found.append(Offer(assignment, role.name, tuple((text, v) for text, v in texts if text is not None)))
    return found


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
        why = f"the role {first.role!r} is held under the condition {_told(first)}, which a registry in legacy mode "
        return Undetermined(f"{why}has no attributes for", "condition")
    if not repositories:
        why = f"the role {first.role!r} is held under the condition {_told(first)}, and no repository in use is known"
        return Undetermined(why, "condition")
    answers = {repository: _covered(held.offers, repository) for repository in repositories}
    left_out = tuple(repository for repository, answer in answers.items() if answer is False)
    doubtful = [answer for answer in answers.values() if isinstance(answer, Undetermined)]
    if left_out:
        covered = tuple(repository for repository, answer in answers.items() if answer is True)
        return unreadable or Partial(left_out, covered, first.role, first.assignment.scope)
    if doubtful:
        return doubtful[0]
    return _granted(list(held.offers.values()), principal_id)


def _granted(offers: list[list[Offer]], principal_id: str) -> Granted:
    """Names the roles: one that allows every action where there is one, else the first for each action."""
    per_action = [{(o.assignment.id, o.role, o.assignment.scope): o for o in found} for found in offers]
    whole = next((key for key in per_action[0] if all(key in found for found in per_action)), None)
    chosen = [per_action[0][whole]] if whole else [next(iter(found.values())) for found in per_action]
    return Granted(
        " and ".join(dict.fromkeys(o.role for o in chosen)),
        " and ".join(dict.fromkeys(o.assignment.scope for o in chosen)),
        any(o.assignment.principal_id.lower() != principal_id.lower() for o in chosen),
        any(o.conditions for o in chosen),
    )


def _covered(offers: Mapping[str, list[Offer]], repository: str) -> bool | Undetermined:
    """Whether a repository may be pulled: each action has to be offered under conditions that hold for it."""
    doubt: Undetermined | None = None
    for action, found in offers.items():
        answers = [_holds(offer, action, repository) for offer in found]
        if True in answers:
            continue
        unsettled = next((answer for answer in answers if isinstance(answer, conditions.Unsettled)), None)
        if unsettled is None:
            return False
        doubt = doubt or Undetermined(_doubt("a role is held", unsettled), "condition")
    return doubt or True


def _holds(offer: Offer, action: str, repository: str) -> bool | conditions.Unsettled:
    """All conditions of an offer, for one action on one repository."""
    return _all_hold(offer.conditions, action, repository)


def _all_hold(texts: Iterable[tuple[str, str | None]], action: str, repository: str) -> bool | conditions.Unsettled:
    answers = [conditions.evaluate(text, action, repository, version) for text, version in texts]
    unsettled = next((answer for answer in answers if isinstance(answer, conditions.Unsettled)), None)
    return unsettled if unsettled is not None else all(answers)


def _told(offer: Offer) -> str:
    return " and ".join(clipped(text) for text, _ in offer.conditions)


def clipped(text: str) -> str:
    """A condition's text on one line, cut where it is too long to be told."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_CONDITION_TOLD else f"{line[:MAX_CONDITION_TOLD]}…"


def _doubt(what: str, unsettled: conditions.Unsettled) -> str:
    return f"{what} under the condition {clipped(unsettled.text)} ({clipped(unsettled.why)})"


def denial(
    denies: Iterable[DenyAssignment],
    principal_id: str,
    registry_id: str,
    mode: str | None,
    repositories: tuple[str, ...] = (),
    reaching: frozenset[str] | None = None,
) -> Denied | Undetermined | None:
    """The deny assignment that stands against a pull, one that may, or None. One that asks for groups comes first."""
    doubts: list[Undetermined] = []
    for deny in denies:
        texts = _denied_under(deny, registry_id, mode)
        if not texts or _names(deny.exclude_principals, principal_id):
            continue
        doubt = _who(deny, principal_id, reaching)
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
    """(action, conditions) of each element that takes something away that a pull from this registry needs.

    In ABAC mode one of the two dataActions is enough: a pull needs both.
    """
    if (deny.effect or "").lower() == "audit" or not reaches(deny.scope, registry_id):
        return []
    if deny.not_child_scopes and not same_id(deny.scope, registry_id):
        return []
    actions, data = required(mode)
    return [
        (action, tuple((text, None) for text in (deny.condition, permission.condition) if text is not None))
        for permission in deny.permissions
        for action in actions
        if allows(permission, action, data=data)
    ]


def _who(deny: DenyAssignment, principal_id: str, reaching: frozenset[str] | None) -> Undetermined | bool | None:
    """None where a deny assignment is certainly meant for the principal, False where certainly not."""
    if not _names(deny.principals, principal_id):
        if not _groups(deny.principals, deny):
            return False
        if reaching is None:
            why = f"deny assignment {deny.name!r} names groups, and this identity may be in one of them"
            return Undetermined(why, DENY_THROUGH_GROUP)
        if role_guid(deny.id) not in reaching:
            return False
    if _groups(deny.exclude_principals, deny):
        return Undetermined(
            f"deny assignment {deny.name!r} excludes groups this identity may be in", "deny-undetermined"
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
    """True where it stands without a condition, or with one that holds for a repository in use."""
    if any(not found for _, found in texts):
        return True
    why = f"deny assignment {deny.name!r} carries a condition"
    if not is_abac(mode) or not repositories:
        first = next(text for _, found in texts for text, _ in found)
        return Undetermined(f"{why}: {clipped(first)}", "deny-undetermined")
    answers = [_all_hold(found, action, name) for action, found in texts for name in repositories]
    if True in answers:
        return True
    unsettled = next((answer for answer in answers if isinstance(answer, conditions.Unsettled)), None)
    return (
        Undetermined(_doubt(f"deny assignment {deny.name!r} stands", unsettled), "deny-undetermined")
        if unsettled
        else False
    )


def _groups(principals: tuple[str, ...], deny: DenyAssignment) -> bool:
    return any(p.lower() in deny.may_be_groups for p in principals)


def _names(principals: tuple[str, ...], principal_id: str) -> bool:
    return any(p.lower() in (EVERYONE, principal_id.lower()) for p in principals)
