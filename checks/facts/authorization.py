"""Role assignments, role definitions and deny assignments as ARM shows them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import msgspec

from checks.facts.observation import NotSeen, Seen


class RoleAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """One role assignment. ``scope`` may be "/", a management group, a subscription or anything below."""

    id: str
    scope: str
    principal_id: str
    role_definition_id: str
    principal_type: str | None = None
    condition: str | None = None
    condition_version: str | None = None


class Permission(msgspec.Struct, frozen=True):
    """One element of a role's ``permissions``: notActions subtract inside their own element only."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str | None = None


class RoleDefinition(msgspec.Struct, frozen=True):
    """A role. ``guid`` is the last segment of its id in lower case: the stable key."""

    guid: str
    name: str
    permissions: tuple[Permission, ...] = ()


class DenyAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """A deny assignment. ``effect`` is None at api-versions that do not show it (an audit one then looks enforced).

    ``may_be_groups`` are those of its principals and excluded principals (lower case) that are groups, or whose type
    ARM does not tell.
    """

    id: str
    name: str
    scope: str
    permissions: tuple[Permission, ...] = ()
    principals: tuple[str, ...] = ()
    exclude_principals: tuple[str, ...] = ()
    may_be_groups: tuple[str, ...] = ()
    not_child_scopes: bool = False
    condition: str | None = None
    effect: str | None = None


class Authorization(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What one subscription's authorization reads gave: each list was seen, or not and why.

    It is shared by all clusters that use a registry there, so what many of them ask for is looked up, not searched.
    """

    assignments: Seen[tuple[RoleAssignment, ...]] | NotSeen
    definitions: Seen[dict[str, RoleDefinition]] | NotSeen
    denies: Seen[tuple[DenyAssignment, ...]] | NotSeen

    def direct(self, principal_id: str) -> tuple[RoleAssignment, ...]:
        """The assignments that name a principal itself (its object id), in the list's order."""
        return self._by_principal.get(principal_id.lower(), ())

    def principals(self) -> Iterable[str]:
        """Whom the assignments name, by object id in lower case."""
        return self._by_principal.keys()

    @cached_property
    def _by_principal(self) -> dict[str, tuple[RoleAssignment, ...]]:
        listed: dict[str, list[RoleAssignment]] = {}
        for assignment in self.assignments.value if isinstance(self.assignments, Seen) else ():
            listed.setdefault(assignment.principal_id.lower(), []).append(assignment)
        return {principal: tuple(assignments) for principal, assignments in listed.items()}
