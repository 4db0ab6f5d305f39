"""Answers of the services: JSON bodies, and refusals that travel as exceptions up to the server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import web

JSON = "application/json; charset=utf-8"


def encode(body: Any) -> bytes:
    return msgspec.json.encode(body)


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer; bytes are sent as they are."""
    data = body if isinstance(body, bytes) else encode(body)
    return web.Response(body=data, status=status, headers={"Content-Type": JSON, **(headers or {})})


def joined(items: Iterable[bytes], tail: Mapping[str, Any], name: str = "value") -> bytes:
    """`{"value": [...], **tail}` from items that are encoded already."""
    rest = "".join(f",{json.dumps(key)}:{json.dumps(value)}" for key, value in tail.items())
    return b'{"' + name.encode() + b'":[' + b",".join(items) + b"]" + rest.encode() + b"}"


class Refusal(Exception):
    """A service says no: a status with its body (an object, or None for an empty body)."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        if self.body is None:
            return web.Response(status=self.status, headers=self.headers)
        return answer(self.body, self.status, self.headers)


class CloseConnection(Exception):
    """The service drops the connection without an answer."""


def arm_refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """ARM's error shape: {"error": {"code", "message"}}."""
    return Refusal(status, {"error": {"code": code, "message": message}}, headers)
