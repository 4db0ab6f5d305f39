"""Microsoft Graph: which object a service principal's application id stands for, and when its secrets end."""

from __future__ import annotations

import re
from typing import Any

import aiohttp

from checks.collect.arm import bodies
from checks.collect.arm.client import Azure
from checks.collect.arm.reads import evidence
from checks.collect.wire import connections
from checks.collect.wire.errors import NotAllowed, NotFound, Temporary, translate_errors
from checks.facts import ClientSecret, Principal, Seen
from checks.rules.fixes import az_roles

ROLE = "Application.Read.All (Microsoft Graph application permission)"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def service_principal(azure: Azure, client_id: str) -> Seen[Principal]:
    """The service principal of an application id. Raises NotAllowed, NotFound, Temporary or Unreachable."""
    (body,) = await _by_application(azure, client_id, "servicePrincipals")
    object_id = bodies.text(body, "id")
    if object_id is None:
        raise NotFound(f"no service principal with the application id {client_id}")
    return Seen(
        Principal(object_id=object_id, kind="service principal", client_id=client_id),
        evidence("service principal", f"{azure.settings.graph}/v1.0/servicePrincipals", "v1.0"),
    )


async def client_secrets(azure: Azure, client_id: str) -> Seen[tuple[ClientSecret, ...]]:
    """The secrets of an application: those on it and those on its service principal, without their values.

    Raises NotFound where this directory has no such application (it may be registered in another one) and its service
    principal has no secret of its own; else as ``service_principal``.
    """
    application, principal = await _by_application(azure, client_id, "applications", "servicePrincipals")
    secrets = (*bodies.objects(application, "passwordCredentials"), *bodies.objects(principal, "passwordCredentials"))
    if not application and not secrets:
        raise NotFound(f"no application {client_id} in this directory: its secrets are where it was registered")
    source = f"{azure.settings.graph}/v1.0/applications"
    return Seen(tuple(bodies.client_secret(item) for item in secrets), evidence("client secrets", source, "v1.0"))


async def _by_application(azure: Azure, client_id: str, *collections: str) -> list[dict[str, Any]]:
    """The objects of an application id, one per collection; empty where there is none."""
    if not _GUID.fullmatch(client_id):
        raise NotFound("the cluster's service principal client id is no GUID")
    async with translate_errors("no token for Microsoft Graph", ROLE, "/", azure.settings.call_seconds):
        token = await azure.token(f"{azure.settings.cloud.graph}/.default")
    what = f"read {collections[0]} in Microsoft Graph"
    async with (
        translate_errors(what, ROLE, "/", azure.settings.call_seconds),
        connections.session(()) as session,
    ):
        items = []
        for collection in collections:
            body = await _get(azure, session, collection, {"$filter": f"appId eq '{client_id}'"}, token)
            items.append(next(iter(bodies.objects(body, "value")), {}))
        return items


async def _get(
    azure: Azure, session: aiohttp.ClientSession, collection: str, query: dict[str, str], token: str
) -> object:
    url, headers = f"{azure.settings.graph}/v1.0/{collection}", {"Authorization": f"Bearer {token}"}
    async with session.get(url, params=query, headers=headers, allow_redirects=False) as response:
        if response.status in (401, 403):
            raise _not_allowed(azure, f"Microsoft Graph answered {response.status} for {collection}")
        if response.status != 200:
            raise Temporary(f"Microsoft Graph answered {response.status} for {collection}")
        try:
            return await response.json(content_type=None)
        except ValueError:
            raise Temporary("Microsoft Graph sent what is no JSON") from None


def _not_allowed(azure: Azure, detail: str) -> NotAllowed:
    return NotAllowed(detail, ROLE, "/", (az_roles.grant_application_read(azure.settings.cloud.graph),))
