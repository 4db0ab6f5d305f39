"""The directory objects of a tenant: those in TENANT/graph and those that managed identities imply.

Every managed identity has a service principal in Entra, so the identities in cluster bodies (`identityProfile`), in
userAssignedIdentities bodies and the app's own are there without a file. A body in TENANT/graph with the same `id`
counts instead; one with `"@removed"` takes an object away (an identity that was deleted while its assignments stayed).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.arm.resources import Resources
from simulator.entra.app_permissions import Caller
from simulator.tenant import Tenant

CLUSTER = "microsoft.containerservice/managedclusters"
IDENTITY = "microsoft.managedidentity/userassignedidentities"
PRINCIPAL_TYPES = {"servicePrincipals": "ServicePrincipal", "users": "User", "groups": "Group"}


def objects(tenant: Tenant) -> dict[str, dict[str, dict[str, Any]]]:
    """{collection: {object id in lower case: body}}; collections are servicePrincipals, users, groups, applications."""
    documents: dict[str, dict[str, dict[str, Any]]] = {
        name: {} for name in ("servicePrincipals", "users", "groups", "applications")
    }
    for body in derived(tenant.resources(), tenant.caller()):
        documents["servicePrincipals"].setdefault(body["id"].lower(), body)
    for group in tenant.authorization().members if isinstance(tenant.authorization().members, dict) else ():
        documents["groups"][str(group).lower()] = {"id": group, "displayName": group, "securityEnabled": True}
    for path, body in tenant.graph():
        if not isinstance(body.get("id"), str):
            continue
        collection = collection_of(path, body)
        documents[collection].pop(body["id"].lower(), None)
        if "@removed" not in body:
            documents[collection][body["id"].lower()] = body
    return documents


def directory(tenant: Tenant) -> dict[str, str]:
    """{object id in lower case: principalType} of everything a role can be given to."""
    everything = objects(tenant)
    table = {identity: kind for name, kind in PRINCIPAL_TYPES.items() for identity in everything[name]}
    members = tenant.authorization().members
    for listed in members.values() if isinstance(members, dict) else ():
        for member in listed if isinstance(listed, list) else ():
            table.setdefault(str(member).lower(), "ServicePrincipal")
    return table


def collection_of(path: Path, body: dict[str, Any]) -> str:
    """By `@odata.type`, else by the properties only one kind has, else by the file's name."""
    kind = str(body.get("@odata.type", "")).lower()
    by_type = {"user": "users", "group": "groups", "application": "applications"}
    by_type["serviceprincipal"] = "servicePrincipals"
    for name, collection in by_type.items():
        if kind == f"#microsoft.graph.{name}":
            return collection
    if "userPrincipalName" in body or ("mail" in body and "appId" not in body):
        return "users"
    if "securityEnabled" in body or "groupTypes" in body:
        return "groups"
    return "applications" if "application" in path.stem.lower() else "servicePrincipals"


def derived(resources: Resources, caller: Caller) -> Iterator[dict[str, Any]]:
    """Service principals of managed identities."""
    yield service_principal("pullwatch", caller.principal, caller.client, caller.resource_id)
    for resource in resources.everywhere(IDENTITY):
        properties = resource.body.get("properties")
        if isinstance(properties, dict):
            yield from _if_known(properties.get("principalId"), properties.get("clientId"), resource.id)
    for resource in resources.everywhere(CLUSTER):
        properties = resource.body.get("properties")
        profile = properties.get("identityProfile") if isinstance(properties, dict) else None
        for identity in profile.values() if isinstance(profile, dict) else ():
            if isinstance(identity, dict):
                yield from _if_known(identity.get("objectId"), identity.get("clientId"), identity.get("resourceId"))


def _if_known(principal: Any, client: Any, resource_id: Any) -> Iterator[dict[str, Any]]:
    if isinstance(principal, str) and isinstance(client, str):
        name = str(resource_id).rsplit("/", 1)[-1]
        yield service_principal(name, principal, client, resource_id if isinstance(resource_id, str) else None)


def service_principal(name: str, principal: str, client: str, resource_id: str | None) -> dict[str, Any]:
    alternative = ["isExplicit=True", resource_id] if resource_id else []
    return {
        "id": principal,
        "deletedDateTime": None,
        "accountEnabled": True,
        "alternativeNames": alternative,
        "appDisplayName": None,
        "appId": client,
        "displayName": name,
        "servicePrincipalNames": [client, f"https://identity.azure.net/{client}"],
        "servicePrincipalType": "ManagedIdentity",
        "keyCredentials": [],
        "passwordCredentials": [],
    }
