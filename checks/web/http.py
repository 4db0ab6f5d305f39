"""What is asked and what is answered, free of the library that carries it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

JSON = "application/json"


class Asked(msgspec.Struct, frozen=True):
    """A request: ``path`` holds the route's parameters, ``query`` the values of each name in their order, all decoded
    and none checked. Names of headers are in lower case. ``caller`` is what a run's ``requested_by`` becomes.
    """

    method: str
    path: dict[str, str] = {}
    query: dict[str, list[str]] = {}
    headers: dict[str, str] = {}
    body: bytes = b""
    caller: str = "http"


class HttpResponse(msgspec.Struct, frozen=True):
    """A status, a body (a Struct or plain data for JSON, bytes as they are; None for no body) and further headers."""

    status: int
    body: Any = None
    headers: dict[str, str] = {}
    media_type: str = JSON

    def encoded(self) -> bytes:
        """The body as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else msgspec.json.encode(self.body)


def revalidated(asked: Asked, answer: HttpResponse) -> HttpResponse:
    """The answer to a GET or HEAD with the ETag of its body; 304 without a body where the caller has just that one."""
    if asked.method not in ("GET", "HEAD") or answer.status != 200:
        return answer
    tag = f'"{hashlib.sha256(answer.encoded()).hexdigest()}"'
    headers = answer.headers | {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = [each.strip().removeprefix("W/") for each in asked.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return HttpResponse(304, None, headers, answer.media_type)
    return msgspec.structs.replace(answer, headers=headers)
