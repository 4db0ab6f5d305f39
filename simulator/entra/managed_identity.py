"""The managed-identity endpoint of App Service (api-version 2019-08-01): GET with X-IDENTITY-HEADER and `resource`.

Plain HTTP, as on App Service, where it listens on the loopback of the worker.
"""

from __future__ import annotations

import hmac
import secrets
import time

from aiohttp import web

from simulator.entra.app_permissions import Caller
from simulator.entra.tokens import LIFETIME_SECONDS, Tokens
from simulator.responses import Refusal, answer
from simulator.tenant import Tenant


class Identity:
    """The service behind IDENTITY_ENDPOINT; `header` is the value of IDENTITY_HEADER."""

    def __init__(self, tenant: Tenant, tokens: Tokens) -> None:
        self._tenant = tenant
        self._tokens = tokens
        self.header = secrets.token_hex(16)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        caller = self._tenant.caller()
        given = request.headers.get("X-IDENTITY-HEADER", "")
        if not hmac.compare_digest(given.encode(), self.header.encode()):
            raise Refusal(401, {"statusCode": 401, "message": "Invalid X-IDENTITY-HEADER."})
        if request.query.get("api-version") != "2019-08-01":
            raise Refusal(400, {"statusCode": 400, "message": "Unsupported api-version. Expected 2019-08-01."})
        resource = request.query.get("resource")
        if not resource:
            raise Refusal(400, {"statusCode": 400, "message": "The resource parameter is required."})
        if not _is_own(request, caller):
            message = (
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
            )
            raise Refusal(400, {"statusCode": 400, "message": message})
        token = self._tokens.entra(resource, caller.principal, caller.client, caller.tenant)
        return answer(
            {
                "access_token": token,
                "expires_on": str(int(time.time()) + LIFETIME_SECONDS),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": caller.client,
            }
        )


def _is_own(request: web.Request, caller: Caller) -> bool:
    """Without a name the system-assigned identity is meant; with one it must be the app's own."""
    named = {"client_id": caller.client, "object_id": caller.principal, "principal_id": caller.principal}
    named |= {"mi_res_id": caller.resource_id or "", "msi_res_id": caller.resource_id or ""}
    return all(request.query[name].lower() == own.lower() for name, own in named.items() if name in request.query)
