"""Container registries: one port for all, told apart by the host name the client asks for.

Known are the login servers of registries bodies and the hosts TENANT/registries has a file for. A login server of Azure
asks for a token of an identity with rights (see rights.py), takes the user names and passwords its file lists under
"credentials", serves everybody where anonymous pull is on, and closes its door (403 DENIED) where its firewall says so,
with the caller's address, or where it cannot use its key (encryption.py). A host with a file and no Azure resource is
somebody else's registry: its file's "anonymous" (true unless said otherwise) and "credentials" decide.

    {"repositories": {name: {tag: {"digest": ..., "platforms": [...]}}}, "credentials": {user: password},
     "anonymous": true}
"""

from __future__ import annotations

import base64
import binascii
import re
import time
import uuid
from typing import Any

from aiohttp import web

from simulator.arm.rbac import CATALOG, CONTENT, DELETE, METADATA, PULL, PUSH, Rights
from simulator.entra.tokens import ACR_AUDIENCE, ARM_AUDIENCES, TokenError, Tokens
from simulator.registry import manifests
from simulator.registry.hosts import Host, find_host
from simulator.responses import CloseConnection, Refusal, answer
from simulator.tenant import Tenant

REFRESH_SECONDS = 11_700
ACCESS_SECONDS = 4_500
UNAUTHORIZED = "authentication required, visit https://aka.ms/acr/authorization for more information."
# An assumption: that such a registry answers 403 where it gives out tokens and content is known, its words are not.
KEYLESS = "access to the registry is denied because its encryption key cannot be used"
_PARTS = re.compile(r"/v2/(?P<repository>.+)/(?P<what>manifests|blobs|tags)/(?P<reference>[^/]+)")
_ATTRIBUTES = re.compile(r"/acr/v1/(?P<repository>.+)/_manifests/(?P<digest>[^/]+)")
_SCOPE = re.compile(r"(?P<kind>repository|registry):(?P<name>[^:]+(?::\d+)?[^:]*):(?P<actions>[\w*,/]+)")


class Registry:
    """The service registries' names are led to (PULLWATCH_CONNECT_TO)."""

    def __init__(self, tenant: Tenant, tokens: Tokens) -> None:
        self._tenant = tenant
        self._tokens = tokens

    async def answer(self, request: web.Request) -> web.StreamResponse:
        host = find_host(self._tenant, request.host.split(":")[0])
        if host is None:
            raise CloseConnection
        if host.blobs:
            return self._blob(request, host, request.path.rsplit("/", 1)[-1])
        self._firewall(host)
        if host.keyless and request.path not in ("/v2/", "/v2", "/oauth2/exchange"):
            raise _errors(403, "DENIED", KEYLESS)
        if request.path in ("/oauth2/exchange", "/oauth2/token", "/token"):
            return await self._token(request, host)
        if request.path in ("/v2/", "/v2"):
            self._claims(request, host, None)
            return answer({})
        if request.path in ("/v2/_catalog", "/acr/v1/_catalog"):
            self._claims(request, host, "registry:catalog:*")
            return answer({"repositories": sorted(host.repositories) or None})
        attributes = _ATTRIBUTES.fullmatch(request.path)
        if attributes is not None and host.azure:
            return self._attributes(request, host, attributes["repository"], attributes["digest"])
        match = _PARTS.fullmatch(request.path)
        if match is None:
            raise _errors(404, "OPERATION_UNKNOWN", "The specified operation does not exist")
        return self._in_repository(request, host, match["repository"], match["what"], match["reference"])

    def _firewall(self, host: Host) -> None:
        address = self._tenant.caller().address
        if not host.lets_in(address):
            raise _errors(
                403,
                "DENIED",
                f"client with IP '{address}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.",
            )

    async def _token(self, request: web.Request, host: Host) -> web.Response:
        form = {**request.query, **(await request.post() if request.method == "POST" else {})}
        values = {name: str(value) for name, value in form.items()}
        service = values.get("service")
        if service is not None and service.lower() != host.name and host.azure:
            raise _errors(400, "BAD_REQUEST", f"service '{service}' is not this registry")
        if request.path == "/oauth2/exchange":
            return self._exchange(host, values)
        subject, may = self._subject(request, host, values)
        scopes = [s for name, text in form.items() if name == "scope" for s in str(text).split()]
        scopes = [s for text in request.query.getall("scope", scopes) for s in text.split()]
        access = [_granted(scope, may) for scope in scopes]
        claims = self._registry_claims(host, subject) | {"grant_type": "access_token", "access": access}
        token = self._tokens.mint(claims, ACCESS_SECONDS)
        # ACR's answer names access_token; the others name token, and old clients read only that.
        return answer({"access_token": token} if host.azure else {"token": token, "access_token": token})

    def _exchange(self, host: Host, values: dict[str, str]) -> web.Response:
        """An Entra token for a refresh token; 401 for an identity without any right in a legacy registry."""
        audiences = (ACR_AUDIENCE, *(ARM_AUDIENCES if host.arm_tokens else ()))
        try:
            claims = self._tokens.read(values.get("access_token", "."), audiences)
        except TokenError as error:
            raise _unauthorized(host, None, error.reason) from error
        actions = self._actions(host, str(claims.get("oid", "")))
        if not host.azure or (not actions and not host.by_repository):
            raise _unauthorized(host, None, None)
        made = self._registry_claims(host, str(claims.get("oid", ""))) | {
            "grant_type": "refresh_token",
            "appid": claims.get("appid"),
            "tenant": claims.get("tid"),
            "permissions": {"Actions": actions, "NotActions": None},
        }
        return answer({"refresh_token": self._tokens.mint(made, REFRESH_SECONDS)})

    def _actions(self, host: Host, principal: str) -> list[str]:
        rights, scope = Rights(self._tenant.authorization(), principal), host.resource_id
        wanted = ((PULL, "read"), (PUSH, "write"), (DELETE, "delete"))
        if host.by_repository or self._is_closed(PULL, scope, principal):
            return []
        return [name for action, name in wanted if rights.may(action, scope)]

    def _is_closed(self, action: str, scope: str, principal: str) -> bool:
        """Whether caller.json takes this right away from the app itself; other identities it does not concern."""
        caller = self._tenant.caller()
        return caller.principal.lower() == principal.lower() and caller.is_denied(action, scope, data=action == CONTENT)

    def _subject(self, request: web.Request, host: Host, values: dict[str, str]) -> tuple[str, Any]:
        """Who asks for an access token, and a function (kind, name) -> actions they have."""
        user, password = _basic(request)
        if values.get("grant_type") == "password":
            user, password = values.get("username", ""), values.get("password", "")
        refresh = values.get("refresh_token") or (password if user == "00000000-0000-0000-0000-000000000000" else "")
        if refresh:
            try:
                claims = self._tokens.read(refresh, [host.name])
            except TokenError as error:
                raise _unauthorized(host, None, error.reason) from error
            listed = (claims.get("permissions") or {}).get("Actions") or []
            return str(claims["sub"]), self._identity_rights(host, str(claims["sub"]), listed)
        if user:
            if host.credentials.get(user) != password:
                raise _unauthorized(host, None, None)
            return user, lambda kind, name: ["pull"] if kind == "repository" else ["*"]
        if not host.anonymous:
            raise _unauthorized(host, None, None)
        return "anonymous", lambda kind, name: ["pull"] if kind == "repository" else []

    def _identity_rights(self, host: Host, principal: str, listed: list[str]) -> Any:
        """Legacy registries go by what the refresh token says, the others by the repository."""
        words = [{"read": "pull", "write": "push"}.get(action, action) for action in listed]

        def rights(kind: str, name: str) -> list[str]:
            if not host.by_repository:
                metadata = ["metadata_read"] if "pull" in words else []
                return [*words, *metadata] if kind == "repository" else (["*"] if words else [])
            held = Rights(self._tenant.authorization(), principal)
            if kind == "registry":
                return ["*"] if held.may(CATALOG, host.resource_id, data=True) else []
            wanted = (CONTENT, METADATA)
            may = not self._is_closed(CONTENT, host.resource_id, principal) and all(
                held.may(action, host.resource_id, data=True, repository=name) for action in wanted
            )
            return ["pull", "metadata_read"] if may or host.anonymous else []

        return rights

    def _registry_claims(self, host: Host, subject: str) -> dict[str, Any]:
        return {
            "jti": str(uuid.uuid4()),
            "sub": subject,
            "iss": "Azure Container Registry" if host.azure else host.name,
            "aud": host.name,
            "nbf": int(time.time()),
            "version": "1.0",
            "roles": [],
        }

    def _claims(self, request: web.Request, host: Host, scope: str | None) -> None:
        """Lets a request pass that has a token for the scope (None: any token of this registry). Raises 401."""
        user, password = _basic(request)
        if user and host.credentials.get(user) == password:
            return
        try:
            claims = self._tokens.bearer(request.headers.get("Authorization"), [host.name])
        except TokenError as error:
            raise _unauthorized(host, scope, None if error.reason == "missing" else "invalid_token") from error
        if scope is None:
            return
        kind, name, actions = scope.split(":")
        for entry in claims.get("access") or []:
            if entry.get("Type") == kind and entry.get("Name") == name:
                held = entry.get("Actions") or []
                if actions in held or "*" in held or (actions == "*" and held):
                    return
        raise _unauthorized(host, scope, "insufficient_scope")

    def _in_repository(
        self, request: web.Request, host: Host, repository: str, what: str, reference: str
    ) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            raise _errors(405, "UNSUPPORTED", "The operation is unsupported.")
        self._claims(request, host, f"repository:{repository}:pull")
        tags = host.repositories.get(repository)
        if tags is None:
            detail = {"name": repository}
            raise _errors(404, "NAME_UNKNOWN", "repository name not known to registry", detail)
        if what == "tags":
            return answer({"name": repository, "tags": sorted(tags)})
        if what == "blobs":
            location = f"https://{host.blob_host}/{repository}/{reference}"
            return web.Response(status=307, headers={"Location": location})
        for tag, entry in tags.items():
            for index, document in enumerate(manifests.documents(repository, tag, entry)[0]):
                if document.digest == reference or (index == 0 and tag == reference):
                    return _manifest(request, document)
        how = "sha256" if reference.startswith("sha256:") else "tagged by"
        named = f'manifest {how} "{reference}" is not found'
        raise _errors(404, "MANIFEST_UNKNOWN", named, {"Name": repository, "Tag": reference})

    def _attributes(self, request: web.Request, host: Host, repository: str, digest: str) -> web.Response:
        """ACR's own description of a manifest: platform of a single image, and the tag's "attributes" of the file."""
        self._claims(request, host, f"repository:{repository}:metadata_read")
        for tag, entry in host.repositories.get(repository, {}).items():
            for index, document in enumerate(manifests.documents(repository, tag, entry)[0]):
                if document.digest == digest:
                    shown = {"digest": digest, "mediaType": document.media_type, "tags": [tag] if index == 0 else []}
                    attributes = {"readEnabled": True, **(entry.get("attributes") or {})}
                    platform = manifests.platform_of(entry, index)
                    body = shown | platform | {"changeableAttributes": attributes}
                    return answer({"registry": host.name, "imageName": repository, "manifest": body})
        raise _errors(404, "MANIFEST_UNKNOWN", f'manifest sha256 "{digest}" is not found')

    def _blob(self, request: web.Request, host: Host, digest: str) -> web.Response:
        """The data path: no token, the link itself is the permission."""
        self._firewall(host)
        for repository, tags in host.repositories.items():
            for tag, entry in tags.items():
                for document in manifests.documents(repository, tag, entry)[1]:
                    if document.digest == digest:
                        return web.Response(body=document.content, content_type="application/octet-stream")
        return web.Response(status=404)


def _granted(scope: str, may: Any) -> dict[str, Any]:
    match = _SCOPE.fullmatch(scope)
    if match is None:
        return {"Type": "", "Name": scope, "Actions": []}
    held, wanted = may(match["kind"], match["name"]), match["actions"].split(",")
    actions = [action for action in wanted if action in held or "*" in held]
    return {"Type": match["kind"], "Name": match["name"], "Actions": actions}


def _manifest(request: web.Request, document: manifests.Document) -> web.Response:
    headers = {"Docker-Content-Digest": document.digest, "ETag": f'"{document.digest}"'}
    headers["Docker-Distribution-Api-Version"] = "registry/2.0"
    headers["Content-Type"] = document.media_type
    return web.Response(body=document.content, headers=headers)


def _basic(request: web.Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _unauthorized(host: Host, scope: str | None, error: str | None) -> Refusal:
    path = "/oauth2/token" if host.azure else "/token"
    challenge = f'Bearer realm="https://{host.name}{path}",service="{host.name}"'
    detail = None
    if scope is not None:
        kind, name, action = scope.split(":")
        challenge += f',scope="{scope}"'
        detail = [{"Type": kind, "Name": name, "Action": action}]
    if error is not None:
        challenge += f',error="{error}"'
    headers = {"Www-Authenticate": challenge, "Docker-Distribution-Api-Version": "registry/2.0"}
    body = {"errors": [{"code": "UNAUTHORIZED", "message": UNAUTHORIZED, "detail": detail}]}
    return Refusal(401, body, headers)


def _errors(status: int, code: str, message: str, detail: Any = None) -> Refusal:
    body: dict[str, Any] = {"code": code, "message": message}
    if detail is not None:
        body["detail"] = detail
    return Refusal(status, {"errors": [body]})
