"""Microsoft Graph: which object a service principal's application id stands for."""

from __future__ import annotations

import re

import aiohttp
from azure.core.exceptions import ClientAuthenticationError

from checks.collect import bodies, net
from checks.collect.arm import evidence
from checks.collect.azure import Azure
from checks.collect.errors import NotAllowed, NotFound, Temporary, mapped
from checks.facts import Principal, Seen

ROLE = "Application.Read.All (Microsoft Graph application permission)"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def service_principal(azure: Azure, client_id: str) -> Seen[Principal]:
    """The service principal of an application id. Raises NotAllowed, NotFound, Temporary or Unreachable."""
    if not _GUID.fullmatch(client_id):
        raise NotFound("the cluster's service principal client id is no GUID")
    url = f"{azure.settings.graph}/v1.0/servicePrincipals"
    async with mapped("read the service principal", ROLE, "/", azure.settings.call_seconds):
        try:
            token = await azure.token(f"{azure.settings.cloud.graph}/.default")
        except ClientAuthenticationError as error:
            raise NotAllowed(f"no token for Microsoft Graph: {error.message}", ROLE, "/") from error
        async with net.session(()) as session:
            body = await _get(session, url, {"$filter": f"appId eq '{client_id}'"}, token)
    found = bodies.text(next(iter(bodies.objects(body, "value")), {}), "id")
    if found is None:
        raise NotFound(f"no service principal with the application id {client_id}")
    return Seen(
        Principal(object_id=found, kind="service principal", client_id=client_id),
        evidence("service principal", url, "v1.0"),
    )


async def _get(session: aiohttp.ClientSession, url: str, query: dict[str, str], token: str) -> object:
    headers = {"Authorization": f"Bearer {token}"}
    async with session.get(url, params=query, headers=headers, allow_redirects=False) as response:
        if response.status in (401, 403):
            raise NotAllowed(f"Microsoft Graph answered {response.status}", ROLE, "/")
        if response.status != 200:
            raise Temporary(f"Microsoft Graph answered {response.status}")
        try:
            return await response.json(content_type=None)
        except ValueError as error:
            raise Temporary("Microsoft Graph sent what is no JSON") from error
