"""Role assignments, role definitions and deny assignments: which of them an ARM list answers for a scope and filter.

What the filters mean (recorded and documented behaviour):
- none: at, above and below the scope; `atScope()`: at and above it.
- `principalId eq '{id}'`: at, above and below, direct only, a group's own id too; not together with atScope().
- `assignedTo('{id}')`: direct and through groups, transitively; only for users and service principals (a group's id
  answers nothing). For deny assignments the ones for everyone (principal 0000...) are found by atScope() only.
"Above" includes the management groups over a subscription and `/`, which are no prefixes of its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from simulator.arm import ids
from simulator.arm.builtin_roles import builtin_roles
from simulator.arm.resources import Resource
from simulator.responses import arm_refusal

PROVIDER = "/providers/Microsoft.Authorization/"
_AT_SCOPE = re.compile(r"atscope\(\)", re.IGNORECASE)
_ASSIGNED_TO = re.compile(r"assignedto\(\s*'([^']*)'\s*\)", re.IGNORECASE)
_EQUALS = re.compile(r"(\w+)\s+eq\s+'?((?:[^']|'')*?)'?", re.IGNORECASE)
_OR = re.compile(r"\s+or\s+(?=(?:[^']*'[^']*')*[^']*$)", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+(?=(?:[^']*'[^']*')*[^']*$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed `$filter`. Ids are lower case."""

    at_scope: bool = False
    and_below: bool = False
    assigned_to: str | None = None
    principal: str | None = None
    equals: tuple[tuple[str, str], ...] = ()


def parse_filter(text: str | None) -> Filter:
    """Raises Refusal (400) for what Azure does not take."""
    at_scope = and_below = False
    assigned = principal = None
    equals: list[tuple[str, str]] = []
    for part in _AND.split(text.strip()) if text and text.strip() else []:
        match = _ASSIGNED_TO.fullmatch(part)
        equal = _EQUALS.fullmatch(part)
        if _AT_SCOPE.fullmatch(part):
            at_scope = True
        elif part.lower() == "atscopeandbelow()":
            and_below = True
        elif match:
            assigned = match[1].lower()
        elif equal and equal[1].lower() == "principalid":
            principal = equal[2].lower()
        elif equal:
            equals.append((equal[1].lower(), equal[2].replace("''", "'")))
        else:
            raise _unsupported(text or "")
    if principal is not None and (at_scope or assigned is not None):
        raise _unsupported(text or "")
    return Filter(at_scope, and_below, assigned, principal, tuple(equals))


def parse_alternatives(text: str | None) -> tuple[Filter, ...]:
    """The filters that `or` combines in one, as the list of resources takes it; `and` binds tighter."""
    return tuple(map(parse_filter, _OR.split(text.strip()))) if text and text.strip() else (Filter(),)


def _unsupported(text: str) -> Exception:
    return arm_refusal(
        400,
        "UnsupportedQuery",
        f"The filter '{text}' is not supported. Supported filters are either 'atScope()' or "
        "'principalId eq '{value}' or assignedTo('{value}')'.",
    )


class ManagementGroups:
    """Which management groups a subscription stands under.

    From TENANT/authorization/managementGroups.json: {name: {"parent": name | null, "subscriptions": [ids]}}. Without
    that file every management group stands above every subscription.
    """

    def __init__(self, document: Any) -> None:
        self._known = isinstance(document, dict)
        self._groups = {str(k).lower(): v for k, v in document.items()} if isinstance(document, dict) else {}

    def above(self, scope: str) -> set[str] | None:
        """Names (lower case) above or at the key of a scope; None means all of them."""
        if scope.startswith(ids.MANAGEMENT_GROUPS):
            return self._ancestors(scope.removeprefix(ids.MANAGEMENT_GROUPS).split("/")[0])
        if not scope.startswith("/subscriptions/"):
            return set()
        if not self._known:
            return None
        subscription = scope.split("/")[2]
        names: set[str] = set()
        for name, group in self._groups.items():
            members = group.get("subscriptions") if isinstance(group, dict) else None
            if any(str(member).lower().rsplit("/", 1)[-1] == subscription for member in members or ()):
                names |= self._ancestors(name)
        return names

    def _ancestors(self, name: str) -> set[str]:
        ancestors: set[str] = set()
        while name and name not in ancestors:
            ancestors.add(name)
            group = self._groups.get(name)
            parent = group.get("parent") if isinstance(group, dict) else None
            name = str(parent).lower().rsplit("/", 1)[-1] if parent else ""
        return ancestors


def is_at_or_above(scope: str, asked: str, groups: ManagementGroups) -> bool:
    """Whether an assignment's scope is at or above the scope asked for (both keys)."""
    if scope.startswith(ids.MANAGEMENT_GROUPS):
        over = groups.above(asked)
        return over is None or scope.removeprefix(ids.MANAGEMENT_GROUPS) in over
    return ids.covers(scope, asked)


def principals_of(principal: str, members: Any) -> set[str] | None:
    """The principal and every group it is in, transitively (ids in lower case); None when it is itself a group.

    `members` is groups.json: {group object id: [member object ids]}.
    """
    table: dict[str, set[str]] = {}
    for group, listed in members.items() if isinstance(members, dict) else ():
        table[str(group).lower()] = {str(m).lower() for m in listed} if isinstance(listed, list) else set()
    if principal in table:
        return None
    names = {principal}
    grew = True
    while grew:
        more = {group for group, listed in table.items() if listed & names} - names
        names |= more
        grew = bool(more)
    return names


class Authorization:
    """The bodies of TENANT/authorization, told apart by `type` (or, without one, by their id)."""

    def __init__(self, bodies: Iterable[dict[str, Any]], groups: Any, management_groups: Any) -> None:
        self.members = groups
        self.management_groups = ManagementGroups(management_groups)
        self._by_kind: dict[str, dict[str, Resource]] = {}
        self._scoped: dict[tuple[str, str], list[tuple[str, Resource]]] = {}
        for body in bodies:
            self._add(body)
        for kind, resources in self._by_kind.items():
            for resource in resources.values():
                scope = scope_of(resource)
                self._scoped.setdefault((kind, subscription_of(scope)), []).append((scope, resource))
        self.builtins = builtin_roles()

    def _add(self, body: dict[str, Any]) -> None:
        identity = body.get("id")
        if not isinstance(identity, str):
            return
        path = ids.parse(identity)
        kind = str(body.get("type") or path.full_type).lower()
        self._by_kind.setdefault(kind, {})[ids.key(identity)] = Resource(identity, ids.key(identity), kind, body, path)

    def kind(self, name: str) -> Iterator[Resource]:
        yield from self._by_kind.get(f"microsoft.authorization/{name.lower()}", {}).values()

    def find(self, kind: str, resource_id: str) -> Resource | None:
        return self._by_kind.get(f"microsoft.authorization/{kind.lower()}", {}).get(ids.key(resource_id))

    def assignments(self, kind: str, scope: str, query: Filter) -> list[Resource]:
        """`kind` is roleAssignments or denyAssignments, `scope` any spelling of a scope."""
        asked = ids.key(scope)
        wanted: set[str] | None = None
        if query.assigned_to is not None:
            wanted = principals_of(query.assigned_to, self.members)
            if wanted is None:
                return []
        elif query.principal is not None:
            wanted = {query.principal}
        assignments = []
        for at, resource in self._candidates(kind, asked):
            here = is_at_or_above(at, asked, self.management_groups)
            if not here and not (not query.at_scope and self._is_below(at, asked)):
                continue
            if wanted is not None and not wanted & set(principals(resource.body)):
                continue
            if all(_property(resource.body, name).lower() == value.lower() for name, value in query.equals):
                assignments.append(resource)
        return assignments

    def _candidates(self, kind: str, asked: str) -> Iterator[tuple[str, Resource]]:
        """(scope, assignment) of what can be related to a scope: for one in a subscription, no other subscription's."""
        kind, subscription = f"microsoft.authorization/{kind.lower()}", subscription_of(asked)
        for (scope_candidates, scope), listed in self._scoped.items():
            if scope_candidates == kind and (not subscription or scope in ("", subscription)):
                yield from listed

    def _is_below(self, scope: str, asked: str) -> bool:
        if asked.startswith(ids.MANAGEMENT_GROUPS):
            over = self.management_groups.above(scope)
            return over is None or asked.removeprefix(ids.MANAGEMENT_GROUPS) in over
        return ids.covers(asked, scope)

    def role_definitions(self, scope: str, query: Filter) -> list[dict[str, Any]]:
        """Built-in ones and the custom ones that may be assigned at the scope (or, if asked, below it)."""
        custom = {resource.path.segments[-1].lower(): resource.body for resource in self.kind("roleDefinitions")}
        shown = [builtin_at(body, scope) for guid, body in self.builtins.items() if guid not in custom]
        shown += [body for body in custom.values() if self._is_assignable(body, ids.key(scope), query.and_below)]
        return [
            body
            for body in shown
            if all(_property(body, name).lower() == value.lower() for name, value in query.equals)
        ]

    def role_definition(self, scope: str, guid: str) -> dict[str, Any] | None:
        """By the last segment of its id, as it is served through a scope."""
        wanted = guid.lower()
        for resource in self.kind("roleDefinitions"):
            if resource.path.segments[-1].lower() == wanted:
                asked = ids.key(scope)
                return resource.body if not asked or self._is_assignable(resource.body, asked, True) else None
        role_definition = self.builtins.get(wanted)
        return builtin_at(role_definition, scope) if role_definition else None

    def permissions(self, role_definition_id: str) -> list[dict[str, Any]]:
        """The `permissions` elements of a role, by any spelling of its id; empty when it is unknown."""
        permissions = self.role_definition("", role_definition_id.rsplit("/", 1)[-1])
        properties = permissions.get("properties") if permissions else None
        listed = properties.get("permissions") if isinstance(properties, dict) else None
        return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []

    def _is_assignable(self, body: dict[str, Any], asked: str, and_below: bool) -> bool:
        properties = body.get("properties")
        scopes = properties.get("assignableScopes") if isinstance(properties, dict) else None
        if not isinstance(scopes, list):
            return True
        return any(
            is_at_or_above(ids.key(str(scope)), asked, self.management_groups)
            or (and_below and self._is_below(ids.key(str(scope)), asked))
            for scope in scopes
        )


def builtin_at(body: dict[str, Any], scope: str) -> dict[str, Any]:
    """A built-in role's id is told with the subscription it was asked through, and without one elsewhere."""
    subscription = ids.parse(scope).subscription
    if subscription is None:
        return body
    return {**body, "id": f"/subscriptions/{subscription}{body['id']}"}


def scope_of(resource: Resource) -> str:
    """The key of an assignment's scope: as its body says, or else where its id places it."""
    properties = resource.body.get("properties")
    scope = properties.get("scope") if isinstance(properties, dict) else None
    return ids.key(scope if isinstance(scope, str) else resource.path.scope)


def subscription_of(scope: str) -> str:
    """The subscription a scope's key lies in; "" for management groups and `/`."""
    return scope.split("/")[2] if scope.startswith("/subscriptions/") else ""


def principals(body: dict[str, Any]) -> Iterator[str]:
    """Object ids (lower case) a role or deny assignment is for."""
    properties = body.get("properties")
    if not isinstance(properties, dict):
        return
    if isinstance(properties.get("principalId"), str):
        yield properties["principalId"].lower()
    listed = properties.get("principals")
    for principal in listed if isinstance(listed, list) else []:
        if isinstance(principal, dict) and isinstance(principal.get("id"), str):
            yield principal["id"].lower()


def _property(body: dict[str, Any], name: str) -> str:
    properties = body.get("properties")
    table = properties if isinstance(properties, dict) else {}
    return next((str(value) for key, value in table.items() if key.lower() == name), "")
