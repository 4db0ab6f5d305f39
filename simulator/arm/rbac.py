"""What an identity may do, as Azure decides it: roles add up, a deny assignment that applies wins.

A condition is taken as met when it is absent, or when it is about repository names and the repository fits; one that
speaks of anything else is not met.
"""

from __future__ import annotations

import re
from typing import Any

from simulator.arm import ids
from simulator.arm.authorization import Authorization, Filter, principals_of
from simulator.entra.app_permissions import matches

PULL = "Microsoft.ContainerRegistry/registries/pull/read"
PUSH = "Microsoft.ContainerRegistry/registries/push/write"
DELETE = "Microsoft.ContainerRegistry/registries/artifacts/delete"
CONTENT = "Microsoft.ContainerRegistry/registries/repositories/content/read"
METADATA = "Microsoft.ContainerRegistry/registries/repositories/metadata/read"
CATALOG = "Microsoft.ContainerRegistry/registries/catalog/read"
EVERYONE = "00000000-0000-0000-0000-000000000000"
_NAME = re.compile(
    r"@Request\[Microsoft\.ContainerRegistry/registries/repositories:name\]\s+"
    r"(?:ForAnyOfAnyValues:)?(?P<how>StringEqualsIgnoreCase|StringStartsWithIgnoreCase)\s+(?P<values>\{[^}]*\}|'[^']*')",
    re.IGNORECASE,
)


class Rights:
    """Questions about one principal, answered from the tenant's assignments as they are now."""

    def __init__(self, authorization: Authorization, principal: str) -> None:
        self._authorization = authorization
        self._principal = principal.lower()

    def may(self, action: str, scope: str, *, data: bool = False, repository: str | None = None) -> bool:
        """Whether an action (`data`: a dataAction) is allowed at a scope, for a repository where that matters."""
        if self._is_denied(action, scope, data):
            return False
        resources = self._authorization.assignments("roleAssignments", scope, Filter(True, assigned_to=self._principal))
        return any(self._grants(resource.body, action, data, repository) for resource in resources)

    def _grants(self, body: dict[str, Any], action: str, data: bool, repository: str | None) -> bool:
        properties = body.get("properties")
        if not isinstance(properties, dict):
            return False
        if not _holds(properties.get("condition"), repository):
            return False
        permissions = self._authorization.permissions(str(properties.get("roleDefinitionId", "")))
        return any(allows(p, action, data) and _holds(p.get("condition"), repository) for p in permissions)

    def _is_denied(self, action: str, scope: str, data: bool) -> bool:
        own_names = principals_of(self._principal, self._authorization.members) or {self._principal}
        for resource in self._authorization.assignments("denyAssignments", scope, Filter(True)):
            properties = resource.body.get("properties")
            if not isinstance(properties, dict) or str(properties.get("denyAssignmentEffect")).lower() == "audit":
                continue
            if properties.get("doNotApplyToChildScopes") is True and ids.key(
                str(properties.get("scope", resource.path.scope))
            ) != ids.key(scope):
                continue
            concerned = _identities(properties.get("principals")) & {*own_names, EVERYONE}
            if not concerned or _identities(properties.get("excludePrincipals")) & own_names:
                continue
            permissions = properties.get("permissions")
            if any(allows(p, action, data) for p in permissions if isinstance(p, dict)) if permissions else False:
                return True
        return False


def allows(permission: dict[str, Any], action: str, data: bool) -> bool:
    """One element of `permissions`: some pattern takes the action in and none takes it out again."""
    names = ("dataActions", "notDataActions") if data else ("actions", "notActions")
    taken, excepted = (_strings(permission.get(name)) for name in names)
    return any(matches(p, action) for p in taken) and not any(matches(p, action) for p in excepted)


def _holds(condition: Any, repository: str | None) -> bool:
    if not condition:
        return True
    patterns = list(_NAME.finditer(str(condition)))
    if not patterns or repository is None:
        return False
    return any(_fits(match, repository.lower()) for match in patterns)


def _fits(match: re.Match[str], repository: str) -> bool:
    values = [value.lower() for value in re.findall(r"'([^']*)'", match["values"])]
    if match["how"].lower() == "stringequalsignorecase":
        return repository in values
    return any(repository.startswith(value) for value in values)


def _identities(listed: Any) -> set[str]:
    items = listed if isinstance(listed, list) else []
    return {str(item.get("id")).lower() for item in items if isinstance(item, dict)}


def _strings(listed: Any) -> list[str]:
    return [str(item) for item in listed] if isinstance(listed, list) else []
