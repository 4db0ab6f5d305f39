"""Entra access tokens that are good for this simulator only.

They look like Entra's (three parts, the claims clients read) and are signed with a key made at start, so a token from
anywhere else is refused as Azure would refuse it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

ARM_AUDIENCES = (
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://management.chinacloudapi.cn",
    "https://management.core.chinacloudapi.cn",
    "https://management.usgovcloudapi.net",
    "https://management.core.usgovcloudapi.net",
)
GRAPH_AUDIENCES = (
    "https://graph.microsoft.com",
    "00000003-0000-0000-c000-000000000000",
    "https://graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
)
LOGS_AUDIENCES = (
    "https://api.loganalytics.io",
    "https://api.loganalytics.azure.cn",
    "https://api.loganalytics.us",
)
ACR_AUDIENCE = "https://containerregistry.azure.net"
AKS_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
LIFETIME_SECONDS = 86_400  # a managed identity's token lives 24 hours


@dataclass(frozen=True, slots=True)
class TokenError(Exception):
    """Why a token is refused: `missing`, `malformed`, `expired` or `audience` (then `detail` is the wrong one)."""

    reason: str
    detail: str = ""


class Tokens:
    """Mints and reads tokens. `claims` of a token: aud, oid, appid, tid, exp, ... as in Entra's version 1 tokens."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def mint(self, claims: dict[str, Any], lifetime: int = LIFETIME_SECONDS) -> str:
        now = int(time.time())
        full = {"iat": now, "nbf": now - 300, "exp": now + lifetime, **claims}
        head = _b64(msgspec.json.encode({"typ": "JWT", "alg": "RS256", "kid": "simulator"}))
        text = head + "." + _b64(msgspec.json.encode(full))
        return text + "." + self._sign(text)

    def entra(self, audience: str, principal: str, client: str, tenant: str) -> str:
        """An access token for a managed identity or service principal."""
        return self.mint(
            {
                "aud": audience,
                "iss": f"https://sts.windows.net/{tenant}/",
                "appid": client,
                "appidacr": "2",
                "idp": f"https://sts.windows.net/{tenant}/",
                "idtyp": "app",
                "oid": principal,
                "sub": principal,
                "tid": tenant,
                "ver": "1.0",
            }
        )

    def read(self, token: str, audiences: Iterable[str] | None = None) -> dict[str, Any]:
        """The claims. Raises TokenError; `audiences` None accepts any."""
        text, _, signature = token.rpartition(".")
        if not text or not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            raise TokenError("malformed")
        claims = msgspec.json.decode(_unb64(text.split(".")[1]))
        if claims["exp"] <= time.time():
            raise TokenError("expired")
        wanted = {_plain(audience) for audience in audiences or ()}
        if audiences is not None and _plain(str(claims.get("aud"))) not in wanted:
            raise TokenError("audience", str(claims.get("aud")))
        return dict(claims)

    def bearer(self, header: str | None, audiences: Iterable[str] | None = None) -> dict[str, Any]:
        """The claims of an `Authorization` header's bearer token. Raises TokenError."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenError("missing")
        return self.read(token.strip(), audiences)

    def _sign(self, text: str) -> str:
        return _b64(hmac.new(self._key, text.encode(), hashlib.sha256).digest())


def _plain(audience: str) -> str:
    return audience.rstrip("/").removesuffix("/.default").lower()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
