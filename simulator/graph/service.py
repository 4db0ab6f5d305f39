"""Microsoft Graph v1.0: service principals, users, groups and applications to read, and mail to send."""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import email.utils
import fnmatch
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from simulator.arm.authorization import principals_of
from simulator.entra.tokens import GRAPH_AUDIENCES, TokenError, Tokens
from simulator.graph import objects as graph_objects
from simulator.responses import Refusal, answer
from simulator.tenant import Tenant

PAGE = 100
_EQUALS = re.compile(r"(?P<name>\w+)\s+eq\s+'(?P<value>(?:[^']|'')*)'", re.IGNORECASE)
_ANY = re.compile(r"(?P<name>\w+)/any\(\s*(\w+)\s*:\s*\2\s+eq\s+'(?P<value>(?:[^']|'')*)'\s*\)", re.IGNORECASE)
_BY_KEY = re.compile(r"(?P<collection>\w+)\((?P<name>\w+)='(?P<value>[^']*)'\)", re.IGNORECASE)
# RFC 5321, 4.1.2 and 4.5.3.1; a local part may be in any script (RFC 6531).
_LABEL = r"[^\W_]([\w-]*[^\W_])?"
_ADDRESS = re.compile(rf"[^@\s]{{1,64}}@{_LABEL}(\.{_LABEL})*")
_COLLECTIONS = {"serviceprincipals": "servicePrincipals", "users": "users", "groups": "groups"}
_COLLECTIONS |= {"applications": "applications"}
_TYPES = {"servicePrincipals": "servicePrincipal", "users": "user", "groups": "group", "applications": "application"}


@dataclass(frozen=True, slots=True)
class SentMail:
    """One accepted sendMail. `content` is the MIME message, or the JSON document, as it was sent (decoded)."""

    sender: str
    kind: str  # "mime" or "json"
    content: bytes


class Graph:
    """The service behind PULLWATCH_GRAPH_ENDPOINT. What it sends lands in `outbox` and in `folder` as files."""

    def __init__(self, tenant: Tenant, tokens: Tokens, folder: Path) -> None:
        self._tenant = tenant
        self._tokens = tokens
        self._folder = folder
        self._lock = threading.Lock()
        self.outbox: list[SentMail] = []
        self.origin = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            self._tokens.bearer(request.headers.get("Authorization"), (*GRAPH_AUDIENCES, self.origin))
        except TokenError as error:
            raise _error(
                401, "InvalidAuthenticationToken", f"Access token validation failure: {error.reason}"
            ) from error
        parts = [part for part in request.path.split("/") if part]
        if not parts or parts[0].lower() not in ("v1.0", "beta"):
            raise _error(404, "ResourceNotFound", "Invalid version.")
        below = "/" + "/".join(parts[1:])
        if any(fnmatch.fnmatch(below.lower(), pattern.lower()) for pattern in self._tenant.caller().graph_denied):
            raise _denied(is_mail=request.method == "POST" and below.lower().endswith("/sendmail"))
        if request.method == "POST":
            return await self._post(request, parts[1:])
        if request.method != "GET":
            raise _error(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
        return self._read(request, parts[1:])

    def _read(self, request: web.Request, parts: list[str]) -> web.Response:
        objects = graph_objects.objects(self._tenant)
        keyed = _BY_KEY.fullmatch(parts[0]) if parts else None
        name = keyed["collection"] if keyed else parts[0] if parts else ""
        collection = _COLLECTIONS.get(name.lower())
        if collection is None:
            raise _error(400, "BadRequest", f"Resource not found for the segment '{name}'.")
        documents = objects[collection]
        if keyed:
            same = [b for b in documents.values() if _is(b, keyed["name"], keyed["value"])]
            return self._single_object(request, collection, same[0] if same else None, keyed["value"])
        if len(parts) == 1:
            return self._list(request, collection, list(documents.values()))
        body = _by_id(documents, collection, parts[1])
        if len(parts) == 3 and parts[2].lower() in ("transitivememberof", "memberof") and body is not None:
            return answer({"value": self._groups_of(str(body["id"]), objects["groups"])})
        return self._single_object(request, collection, body, parts[1])

    def _groups_of(self, identity: str, groups: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        over = principals_of(identity.lower(), self._tenant.authorization().members) or set()
        return [{"@odata.type": "#microsoft.graph.group", **groups[name]} for name in sorted(over) if name in groups]

    def _single_object(
        self, request: web.Request, collection: str, body: dict[str, Any] | None, name: str
    ) -> web.Response:
        if body is None:
            message = f"Resource '{name}' does not exist or one of its queried reference-property objects is not."
            raise _error(404, "Request_ResourceNotFound", message)
        context = f"{self._context(request)}#{collection}/$entity"
        return answer({"@odata.context": context, **_selected(body, request.query.get("$select"))})

    def _list(self, request: web.Request, collection: str, bodies: list[dict[str, Any]]) -> web.Response:
        for part in filter(None, re.split(r"\s+and\s+", request.query.get("$filter", ""), flags=re.IGNORECASE)):
            bodies = _filtered(bodies, part)
        start = int(request.query.get("$skiptoken", "0") or 0)
        size = min(int(request.query.get("$top", PAGE) or PAGE), 999)
        shown = [_selected(body, request.query.get("$select")) for body in bodies[start : start + size]]
        document: dict[str, Any] = {"@odata.context": f"{self._context(request)}#{collection}", "value": shown}
        if start + size < len(bodies) and "$top" not in request.query:
            link = request.url.update_query({"$skiptoken": str(start + size)})
            document["@odata.nextLink"] = f"{request.scheme}://{request.host}{link.raw_path_qs}"
        return answer(document)

    async def _post(self, request: web.Request, parts: list[str]) -> web.Response:
        lower = [part.lower() for part in parts]
        if lower == ["directoryobjects", "getbyids"]:
            return self._get_by_ids(await request.read())
        if len(parts) == 3 and lower[0] == "users" and lower[2] == "sendmail":
            return await self._send_mail(request, parts[1])
        raise _error(400, "BadRequest", f"Resource not found for the segment '{parts[-1] if parts else ''}'.")

    def _get_by_ids(self, data: bytes) -> web.Response:
        document = _json(data)
        ids = document.get("ids")
        objects = graph_objects.objects(self._tenant)
        items = []
        for identity in ids if isinstance(ids, list) else []:
            for collection, kind in _TYPES.items():
                body = objects[collection].get(str(identity).lower())
                if body is not None:
                    items.append({"@odata.type": f"#microsoft.graph.{kind}", **body})
        return answer({"@odata.context": "#directoryObjects", "value": items})

    async def _send_mail(self, request: web.Request, sender: str) -> web.Response:
        users = graph_objects.objects(self._tenant)["users"]
        user = _by_id(users, "users", sender)
        if users and user is None:
            raise _error(404, "ErrorInvalidUser", f"The requested user '{sender}' is invalid.")
        data = await request.read()
        if request.content_type == "text/plain":
            mail = SentMail(sender, "mime", _mime(data))
            if user is not None:
                _refuse_other_sender(mail.content, user)
            _refuse_recipients(mail.content)
        else:
            if not isinstance(_json(data).get("message"), dict):
                raise _error(400, "BadRequest", "The Message property is required.")
            mail = SentMail(sender, "json", data)
        with self._lock:
            self.outbox.append(mail)
            name = f"{len(self.outbox):04}" + (".eml" if mail.kind == "mime" else ".json")
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_bytes(mail.content)
        return web.Response(status=202)

    def _context(self, request: web.Request) -> str:
        return f"{request.scheme}://{request.host}/v1.0/$metadata"


def _denied(*, is_mail: bool) -> Refusal:
    """Exchange, which sends the mail, has words of its own."""
    if is_mail:
        return _error(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    return _error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _mime(data: bytes) -> bytes:
    """The message in a body of base64; what is no message is refused with the same words (user: sendMail)."""
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error:
        content = b""
    if not email.message_from_bytes(content).keys():
        raise _error(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
    return content


def _refuse_other_sender(content: bytes, user: dict[str, Any]) -> None:
    """A From that is none of the mailbox's own addresses needs rights that an app has not got."""
    addresses = {str(user.get(name)).lower() for name in ("userPrincipalName", "mail")}
    _, sender = email.utils.parseaddr(str(email.message_from_bytes(content).get("From", "")))
    if sender and sender.lower() not in addresses:
        message = (
            "The user account which was used to submit this request does not have the right to send mail on behalf of "
            "the specified sending account., Cannot submit message."
        )
        raise _error(403, "ErrorSendAsDenied", message)


def _refuse_recipients(content: bytes) -> None:
    """Exchange takes a message for all its recipients or not at all; what is no SMTP address it cannot resolve."""
    message = email.message_from_bytes(content, policy=email.policy.SMTPUTF8)
    headers = (header for name in ("To", "Cc", "Bcc") for header in message.get_all(name, []))
    named = [address.addr_spec for header in headers for address in header.addresses]
    unresolved = [address for address in named if not _ADDRESS.fullmatch(address)]
    if named and not unresolved:
        return
    why = "A message can't be sent because it contains no recipients."
    if unresolved:
        rule = "All recipients must be resolved before a message can be submitted."
        why = f"Recipient '{unresolved[0]}' is not resolved. {rule}"
    raise _error(400, "ErrorInvalidRecipients", f"At least one recipient is not valid., {why}")


def _by_id(documents: dict[str, dict[str, Any]], collection: str, name: str) -> dict[str, Any] | None:
    body = documents.get(name.lower())
    if body is None and collection == "users":
        return next((b for b in documents.values() if _is(b, "userPrincipalName", name) or _is(b, "mail", name)), None)
    return body


def _is(body: dict[str, Any], name: str, value: str) -> bool:
    return any(k.lower() == name.lower() and str(v).lower() == value.lower() for k, v in body.items())


def _filtered(bodies: list[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    if match := _EQUALS.fullmatch(part.strip()):
        return [body for body in bodies if _is(body, match["name"], match["value"].replace("''", "'"))]
    if match := _ANY.fullmatch(part.strip()):
        name, value = match["name"].lower(), match["value"].replace("''", "'").lower()
        return [
            body
            for body in bodies
            if any(
                key.lower() == name and isinstance(items, list) and value in {str(item).lower() for item in items}
                for key, items in body.items()
            )
        ]
    raise _error(400, "Request_UnsupportedQuery", f"Unsupported or invalid query filter clause: '{part}'.")


def _selected(body: dict[str, Any], select: str | None) -> dict[str, Any]:
    if not select:
        return body
    wanted = {name.strip().lower() for name in select.split(",")}
    return {name: value for name, value in body.items() if name.lower() in wanted}


def _json(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise _error(400, "BadRequest", "Unable to read JSON request payload.") from error


def _error(status: int, code: str, message: str) -> Refusal:
    inner = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": secrets.token_hex(16),
        "client-request-id": secrets.token_hex(16),
    }
    return Refusal(status, {"error": {"code": code, "message": message, "innerError": inner}})
