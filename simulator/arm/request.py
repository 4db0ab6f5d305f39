"""One request to ARM, checked for what ARM checks first: a token for its audience, an api-version, a subscription."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from simulator.arm import ids
from simulator.arm.resources import Resources
from simulator.entra.app_permissions import Caller
from simulator.entra.tokens import ARM_AUDIENCES, TokenError, Tokens
from simulator.responses import Refusal, answer, arm_refusal, joined

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z]+(\.\d+)?)?", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ArmRequest:
    """`query` has lower-case names; `base` is the address the client used, for links in answers."""

    method: str
    path: ids.ArmPath
    query: dict[str, str]
    version: str
    base: str
    body: bytes
    caller: Caller

    def deny(self, action: str, scope: str, named_scope: str | None = None) -> None:
        """Raises 403 AuthorizationFailed when the caller may not; `said_scope` is the scope the message names."""
        if self.caller.is_denied(action, scope):
            raise self.forbidden(action, named_scope or scope)

    def forbidden(self, action: str, scope: str) -> Refusal:
        return arm_refusal(
            403,
            "AuthorizationFailed",
            f"The client '{self.caller.client}' with object id '{self.caller.principal}' does not have "
            f"authorization to perform action '{action}' over scope '{scope or '/'}' or the scope "
            "is invalid. If access was recently granted, please refresh your credentials.",
        )

    def page(self, items: Sequence[bytes], size: int) -> web.Response:
        """One page of a list, with an absolute nextLink where there is more."""
        start = _offset(self.query.get("$skiptoken"))
        shown = items[start : start + size]
        if start + size >= len(items):
            return answer(joined(shown, {}))
        token = base64.urlsafe_b64encode(str(start + size).encode()).decode()
        kept = {name: value for name, value in self.query.items() if name != "$skiptoken"}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**kept, "$skiptoken": token}.items())
        return answer(joined(shown, {"nextLink": f"{self.base}{quote(self.path.text)}?{query}"}))


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return max(0, int(base64.urlsafe_b64decode(token)))
    except ValueError as error:
        raise arm_refusal(400, "InvalidSkipToken", "The provided skip token is invalid.") from error


def authenticate(tokens: Tokens, header: str | None, audiences: Iterable[str], tenant: str) -> None:
    """Raises 401 with ARM's body and challenge."""
    try:
        tokens.bearer(header, audiences)
    except TokenError as error:
        raise _unauthorized(error, tenant) from error


def _unauthorized(error: TokenError, tenant: str) -> Refusal:
    code, message = {
        "missing": ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
        "malformed": ("InvalidAuthenticationToken", "The access token is invalid."),
        "expired": ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
        "audience": (
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{error.detail}'. It should exactly "
            f"match with one of the allowed audiences '{ARM_AUDIENCES[1]}/','{ARM_AUDIENCES[0]}/'.",
        ),
    }[error.reason]
    challenge = (
        f'Bearer authorization_uri="https://login.windows.net/{tenant}", error="invalid_token", '
        f'error_description="{message}"'
    )
    return arm_refusal(401, code, message, {"WWW-Authenticate": challenge})


def api_version(query: dict[str, str]) -> str:
    """Raises 400 without one, or with one that is none."""
    version = query.get("api-version")
    if not version:
        raise arm_refusal(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _VERSION.fullmatch(version):
        raise arm_refusal(
            400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid. It has the form YYYY-MM-DD."
        )
    return version


def known_subscription(path: ids.ArmPath, resources: Resources) -> str:
    """The subscription of a path. Raises 400 for what is no id and 404 for one that is not in the tenant."""
    subscription = path.subscription or ""
    if not _GUID.fullmatch(subscription):
        message = f"The provided subscription identifier '{subscription}' is malformed or invalid."
        raise arm_refusal(400, "InvalidSubscriptionId", message)
    if subscription.lower() not in resources.subscriptions:
        raise arm_refusal(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
    return subscription


def known_group(path: ids.ArmPath, resources: Resources) -> None:
    """Raises 404 ResourceGroupNotFound for a path in a resource group that is not there."""
    subscription = resources.subscriptions.get((path.subscription or "").lower())
    if path.group is not None and (subscription is None or path.group.lower() not in subscription.groups):
        raise arm_refusal(404, "ResourceGroupNotFound", f"Resource group '{path.group}' could not be found.")


def resource_not_found(path: ids.ArmPath) -> Refusal:
    """404 as ARM words it for an id: 'Type/name' under resource group 'rg'."""
    named = "/".join([path.namespace or "", *(f"{t}/{n}" for t, n in zip(path.types, path.names, strict=False))])
    return arm_refusal(
        404,
        "ResourceNotFound",
        f"The Resource '{named}' under resource group '{path.group or '<null>'}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


Handler = Callable[[ArmRequest], web.Response]
