"""Microsoft.Authorization over the wire: lists with their filters, single objects, and changes kept in the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from simulator.arm import ids, versions
from simulator.arm.authorization import (
    PROVIDER,
    Authorization,
    is_at_or_above,
    parse_filter,
    principals,
    principals_of,
    scope_of,
    subscription_of,
)
from simulator.arm.request import ArmRequest
from simulator.arm.resources import Resource
from simulator.graph.objects import directory
from simulator.responses import Refusal, answer, arm_refusal, encode
from simulator.tenant import Tenant

KINDS = {"roleassignments": "roleAssignments", "roledefinitions": "roleDefinitions"}
KINDS["denyassignments"] = "denyAssignments"
_NOT_FOUND = {
    "roleAssignments": ("RoleAssignmentNotFound", "The role assignment '{}' is not found."),
    "roleDefinitions": ("RoleDefinitionDoesNotExist", "The specified role definition with ID '{}' does not exist."),
    "denyAssignments": ("DenyAssignmentNotFound", "The deny assignment '{}' is not found."),
}


class ArmAuthorization:
    """Answers below `{scope}/providers/Microsoft.Authorization/`. A scope may be anything, the tenant included."""

    def __init__(self, tenant: Tenant, page_size: int) -> None:
        self._tenant = tenant
        self._page_size = page_size

    def handles(self, path: ids.ArmPath) -> bool:
        named = (path.namespace or "").lower() == "microsoft.authorization" and len(path.types) == 1
        return named and path.types[0].lower() in KINDS

    def answer(self, request: ArmRequest) -> web.Response:
        kind = KINDS[request.path.types[0].lower()]
        scope = request.path.scope
        verb = {"PUT": "write", "DELETE": "delete"}.get(request.method, "read")
        answered = request.path.text if request.path.names else scope + PROVIDER.rstrip("/")
        request.deny(f"Microsoft.Authorization/{kind}/{verb}", scope, answered)
        if not request.path.names:
            return self._list(request, kind, scope)
        if request.method == "GET":
            return self._get(request, kind, scope)
        if kind == "roleAssignments" and request.method == "PUT":
            return self._create(request, scope)
        if kind == "roleAssignments" and request.method == "DELETE":
            return self._delete(request)
        raise arm_refusal(405, "MethodNotAllowed", f"The simulator does not take {request.method} for {kind}.")

    def _list(self, request: ArmRequest, kind: str, scope: str) -> web.Response:
        query = parse_filter(request.query.get("$filter"))
        authorization = self._tenant.authorization_with_own_roles()
        if kind == "roleDefinitions":
            items = [encode(body) for body in authorization.role_definitions(scope, query)]
        else:
            shows = self._shown(request, authorization, kind, scope)
            result = filter(shows, authorization.assignments(kind, scope, query))
            items = [versions.encoded_at(resource, request.version) for resource in result]
        return request.page(items, self._page_size)

    def _get(self, request: ArmRequest, kind: str, scope: str) -> web.Response:
        authorization = self._tenant.authorization_with_own_roles()
        name = request.path.names[0]
        if kind == "roleDefinitions":
            definition = authorization.role_definition(scope, name)
            if definition is not None:
                return answer(definition)
        else:
            resource = authorization.find(kind, request.path.text)
            if resource is not None and self._shown(request, authorization, kind, scope)(resource):
                return answer(versions.encoded_at(resource, request.version))
        raise _not_found(kind, name)

    def _shown(
        self, request: ArmRequest, authorization: Authorization, kind: str, scope: str
    ) -> Callable[[Resource], bool]:
        """Which assignments the caller gets to see at a scope: none where it may not read them.

        Through a delegation (Azure Lighthouse) lists show the managing tenant's assignments only, here those of the app
        and its groups, and nothing from above the subscription. Source: "List Azure role assignments using the REST
        API", which says so for users; for service principals the simulator assumes the same.
        """
        caller, subscriptions = request.caller, self._tenant.resources().subscriptions
        delegated = {
            name for name, subscription in subscriptions.items() if subscription.is_delegated_to(caller.tenant)
        }
        me = caller.principal.lower()
        own_names = principals_of(me, authorization.members) or {me}
        at = ids.key(scope)
        asked = subscription_of(at)

        def shown(resource: Resource) -> bool:
            subscription = scope_of(resource)
            inside = subscription_of(subscription)
            # A list shows what is inherited to whoever may list at the scope asked.
            above = caller.roles is not None and is_at_or_above(subscription, at, authorization.management_groups)
            if caller.is_denied(f"Microsoft.Authorization/{kind}/read", at if above else subscription):
                return False
            if not {asked, inside} & delegated:
                return True
            return asked in ("", inside) and bool(own_names & set(principals(resource.body)))

        return shown

    def _create(self, request: ArmRequest, scope: str) -> web.Response:
        authorization = self._tenant.authorization_with_own_roles()
        name = request.path.names[0]
        wanted = self._wanted(request, authorization)
        same = [r for r in authorization.kind("roleAssignments") if _same(r.body, wanted, scope)]
        if any(resource.lower != ids.key(request.path.text) for resource in same):
            raise arm_refusal(409, "RoleAssignmentExists", "The role assignment already exists.")
        if authorization.find("roleAssignments", request.path.text) is not None and not same:
            message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise arm_refusal(400, "RoleAssignmentUpdateNotPermitted", message)
        body = self._body(request, scope, wanted)
        folder = self._tenant.root / "authorization"
        folder.mkdir(exist_ok=True)
        (folder / f"roleAssignment-{name.lower()}.json").write_text(json.dumps(body, indent=1), encoding="utf-8")
        return answer(body, 201)

    def _wanted(self, request: ArmRequest, authorization: Authorization) -> dict[str, Any]:
        """The `properties` a PUT asks for. Raises 400 and 404 as the role provider does."""
        try:
            document = msgspec.json.decode(request.body, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise arm_refusal(400, "InvalidRequestContent", f"The request content was invalid: {error}") from error
        properties = document.get("properties")
        wanted = properties if isinstance(properties, dict) else {}
        role, principal = wanted.get("roleDefinitionId"), wanted.get("principalId")
        if not isinstance(role, str) or not isinstance(principal, str):
            message = "The request to create role assignment is not valid: roleDefinitionId and principalId are needed."
            raise arm_refusal(400, "InvalidCreateRoleAssignmentRequest", message)
        guid = role.rsplit("/", 1)[-1]
        if authorization.role_definition("", guid) is None:
            raise _not_found("roleDefinitions", guid)
        if not wanted.get("principalType") and principal.lower() not in directory(self._tenant):
            raise arm_refusal(
                400,
                "PrincipalNotFound",
                f"Principal {principal.replace('-', '')} does not exist in the directory {request.caller.tenant}. "
                "Check that you have the correct principal ID. If you are creating this principal and then "
                "immediately assigning a role, this error might be related to a replication delay. In this case, set "
                "the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  "
                "See https://aka.ms/docs-principaltype",
            )
        return wanted

    def _body(self, request: ArmRequest, scope: str, wanted: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        person = {"createdBy": request.caller.principal, "updatedBy": request.caller.principal}
        kind = directory(self._tenant).get(str(wanted["principalId"]).lower(), "ServicePrincipal")
        return {
            "properties": {
                "principalType": kind,
                "condition": None,
                "conditionVersion": None,
                "delegatedManagedIdentityResourceId": None,
                "description": None,
                **wanted,
                "scope": scope or "/",
                "createdOn": now,
                "updatedOn": now,
                **person,
            },
            "id": request.path.text,
            "type": "Microsoft.Authorization/roleAssignments",
            "name": request.path.names[0],
        }

    def _delete(self, request: ArmRequest) -> web.Response:
        resource = self._tenant.authorization_with_own_roles().find("roleAssignments", request.path.text)
        path = self._tenant.authorization_file(resource.id) if resource else None
        if resource is None or path is None:
            return web.Response(status=204)
        _remove(path, resource.lower)
        return answer(resource.body)


def _same(body: dict[str, Any], wanted: dict[str, Any], scope: str) -> bool:
    properties = body.get("properties")
    if not isinstance(properties, dict) or ids.key(str(properties.get("scope"))) != ids.key(scope):
        return False
    role = str(properties.get("roleDefinitionId")).rsplit("/", 1)[-1].lower()
    return role == str(wanted["roleDefinitionId"]).rsplit("/", 1)[-1].lower() and (
        str(wanted["principalId"]).lower() in set(principals(body))
    )


def _remove(path: Path, lower: str) -> None:
    """Takes one body out of a file that may hold others."""
    content = json.loads(path.read_text(encoding="utf-8"))
    kept = [b for b in content if ids.key(str(b.get("id"))) != lower] if isinstance(content, list) else []
    if kept:
        path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    else:
        path.unlink()


def _not_found(kind: str, name: str) -> Refusal:
    code, message = _NOT_FOUND[kind]
    return arm_refusal(404, code, message.format(name))
