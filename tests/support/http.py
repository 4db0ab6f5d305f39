"""Asking a route as the app asks it, without a host."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec

from checks.jobs.context import JobContext
from checks.web.http import Asked, HttpResponse
from checks.web.respond import respond
from checks.web.routes import ROUTES

Opens = Callable[[], AbstractAsyncContextManager[JobContext]]


async def answered(
    context: JobContext | Opens,
    name: str,
    *,
    path: dict[str, str] | None = None,
    query: dict[str, list[str]] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    seconds: float | None = None,
) -> HttpResponse:
    """What the route of that name answers; ``seconds`` instead of its own."""
    (route,) = (each for each in ROUTES if each.name == name)
    if seconds is not None:
        route = msgspec.structs.replace(route, seconds=seconds)
    asked = Asked(route.method, path or {}, query or {}, headers or {}, body)

    @asynccontextmanager
    async def opened() -> AsyncIterator[JobContext]:
        assert isinstance(context, JobContext)
        yield context

    return await respond(route, opened if isinstance(context, JobContext) else context, asked)


async def ask(context: JobContext | Opens, name: str, **given: Any) -> tuple[int, dict[str, Any]]:
    """Its status and its body as a client reads it."""
    answer = await answered(context, name, **given)
    return answer.status, json.loads(answer.encoded() or b"{}")
