"""The app's own roles, as role assignments that say what caller.json says: Reader wherever nothing is denied.

Azure has no "denied" for one identity: what an app may not read is what none of its roles covers. So each subscription
is covered from the top down, by as few assignments as its denials allow:

- nothing denied: Reader at the subscription;
- every read denied (`*`, `*/read`) at a place or above it, or a hidden subscription: nothing there or below;
- some reads denied at a place or above it: a custom role there, `*/read` with the denied patterns as notActions;
- anything denied further down: nothing at the place itself, the same question for each of its parts. Parts are what
  bodies of the tenant show: the resource groups of a subscription (and resources in none), the resources of a group,
  the children of a resource that have bodies of their own.

Registries do not go by these, although Reader includes `registries/pull/read`: whether the app may pull is for the
folder to say (Tenant.authorization).

Denied writes and actions change nothing: Reader has none. `granted` actions are a custom role of their own at the same
places. An assignment that authorization/*.json has as well (same scope, role and principal) is not made twice, as in
Azure; one that is there for a denied place stays: the folder then contradicts itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resources
from simulator.entra.app_permissions import Caller, matches_every_read, matches_some_read

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
SINCE = "2026-01-15T09:00:00.0000000Z"
_PROVIDER = "/providers/Microsoft.Authorization/"
_SERVED_BY_REGISTRIES = tuple(f"microsoft.containerregistry/registries/{part}/" for part in ("pull", "repositories"))
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """That the app reads everything at a scope and below it but what `excepted` patterns match."""

    scope: str
    excepted: tuple[str, ...]


def own_roles(caller: Caller, resources: Resources, given: Iterable[Body]) -> list[Body]:
    """Role assignments of the app and the custom role definitions they name; `given` are the folder's bodies."""
    if caller.assignments is not None or caller.enforced:
        return list(caller.assignments or ())
    known = {_identity(body) for body in given}
    documents: dict[str, Body] = {}
    for reading in readings(caller, resources):
        for role, definition in _roles(reading, caller.granted):
            assignment = _assignment(reading.scope, role, caller.principal)
            if _identity(assignment) not in known:
                documents[assignment["id"]] = assignment
                documents.update({definition["id"]: definition} if definition else {})
    return list(documents.values())


def readings(caller: Caller, resources: Resources) -> Iterator[Reading]:
    denied = [(denial.scope, [p for p in denial.actions if _is_shown_by_arm(p)]) for denial in caller.denials]
    denied = [(scope, patterns) for scope, patterns in denied if patterns]
    for subscription in resources.subscriptions.values():
        if not caller.hides_subscription(subscription.id):
            yield from _readings(f"/subscriptions/{subscription.id}", denied, resources)


def _is_shown_by_arm(pattern: str) -> bool:
    """Whether a denied action is about what Azure Resource Manager shows: what a registry itself serves is not."""
    return matches_some_read(pattern) and not pattern.lower().startswith(_SERVED_BY_REGISTRIES)


def _readings(scope: str, denied: list[tuple[str, list[str]]], resources: Resources) -> Iterator[Reading]:
    location = ids.key(scope)
    excepted = [pattern for at, patterns in denied if ids.covers(at, location) for pattern in patterns]
    if any(matches_every_read(pattern) for pattern in excepted):
        return
    if any(at != location and ids.covers(location, at) for at, _ in denied):
        for part in _parts(scope, resources):
            yield from _readings(part, denied, resources)
    else:
        yield Reading(scope, tuple(dict.fromkeys(excepted)))


def _parts(scope: str, resources: Resources) -> list[str]:
    path = ids.parse(scope)
    if path.is_resource:
        return [child.id for child in resources.all_children(scope)]
    subscription = path.subscription or ""
    inside = resources.in_subscription(subscription, path.group)
    if path.group is not None:
        return [resource.id for resource in inside]
    groups = resources.subscriptions[subscription.lower()].groups.values()
    return [*(group.id for group in groups), *(resource.id for resource in inside if resource.path.group is None)]


def _roles(reading: Reading, granted: tuple[str, ...]) -> Iterator[tuple[str, Body | None]]:
    """(role definition id, its body unless it is built in) of each role at a place."""
    subscription = "/".join(reading.scope.split("/")[:3])
    if reading.excepted:
        definition = _definition(subscription, f"Reader without {', '.join(reading.excepted)}", ["*/read"], reading)
        yield definition["id"], definition
    else:
        yield f"{subscription}{_PROVIDER}roleDefinitions/{READER}", None
    if granted:
        definition = _definition(subscription, f"Only {', '.join(granted)}", granted, None)
        yield definition["id"], definition


def _definition(subscription: str, name: str, actions: Iterable[str], reading: Reading | None) -> Body:
    guid = _guid(subscription, name)
    permission = {
        "actions": list(actions),
        "notActions": list(reading.excepted) if reading else [],
        "dataActions": [],
        "notDataActions": [],
    }
    return {
        "properties": {
            "roleName": name,
            "type": "CustomRole",
            "description": "What the app may do here",
            "assignableScopes": [subscription],
            "permissions": [permission],
            "createdOn": SINCE,
            "updatedOn": SINCE,
            "createdBy": None,
            "updatedBy": None,
        },
        "id": f"{subscription}{_PROVIDER}roleDefinitions/{guid}",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": guid,
    }


def _assignment(scope: str, role: str, principal: str) -> Body:
    guid = _guid(scope, role, principal)
    return {
        "properties": {
            "roleDefinitionId": role,
            "principalId": principal,
            "principalType": "ServicePrincipal",
            "scope": scope,
            "condition": None,
            "conditionVersion": None,
            "createdOn": SINCE,
            "updatedOn": SINCE,
            "createdBy": None,
            "updatedBy": None,
            "delegatedManagedIdentityResourceId": None,
            "description": None,
        },
        "id": f"{scope}{_PROVIDER}roleAssignments/{guid}",
        "type": "Microsoft.Authorization/roleAssignments",
        "name": guid,
    }


def _guid(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(parts).lower()))


def _identity(body: Body) -> tuple[str, str, str]:
    """Scope, role and principal: what Azure lets no two assignments share. Empty parts for what is no assignment."""
    properties = body.get("properties")
    table = properties if isinstance(properties, dict) else {}
    role = str(table.get("roleDefinitionId", "")).rsplit("/", 1)[-1].lower()
    return ids.key(str(table.get("scope", ""))), role, str(table.get("principalId", "")).lower()
