"""The routes as functions of Azure Functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qs

import azure.functions as func

from checks.logs import redacted_errors
from checks.web.http import Asked, HttpResponse
from checks.web.respond import OpenContext, not_configured, respond
from checks.web.route import Level, Route
from checks.web.routes import ROUTES

LEVELS = {Level.ANONYMOUS: func.AuthLevel.ANONYMOUS, Level.FUNCTION: func.AuthLevel.FUNCTION}
Problem = Callable[[], str | None]


def blueprint(open_context: OpenContext, problem: Problem) -> func.Blueprint:
    """A function for each route. ``problem`` says what is wrong with the settings, None where nothing is."""
    functions = func.Blueprint()  # type: ignore[no-untyped-call]
    for route in ROUTES:
        _add(functions, route, open_context, problem)
    return functions


def _add(functions: func.Blueprint, route: Route, open_context: OpenContext, problem: Problem) -> None:
    def handle(req: func.HttpRequest) -> func.HttpResponse:
        wrong = problem()
        if wrong is not None:
            return carried(not_configured(route, wrong))
        with redacted_errors():
            return carried(asyncio.run(respond(route, open_context, asked_of(req))))

    handle.__name__ = handle.__qualname__ = route.name
    handle.__doc__ = route.summary
    functions.route(route=route.route, methods=route.methods, auth_level=LEVELS[route.level])(handle)


def asked_of(req: func.HttpRequest) -> Asked:
    """A request as it came. The query is read from the address: the host joins repeated parameters into one."""
    _, mark, query = req.url.partition("?")
    given = parse_qs(query, keep_blank_values=True) if mark else {name: [value] for name, value in req.params.items()}
    return Asked(
        method=req.method,
        path=dict(req.route_params),
        query=given,
        headers={name.lower(): value for name, value in req.headers.items()},
        body=req.get_body(),
    )


def carried(answer: HttpResponse) -> func.HttpResponse:
    """An answer as the library carries it."""
    is_text = answer.media_type.startswith("text/")
    return func.HttpResponse(
        answer.encoded(),
        status_code=answer.status,
        headers=answer.headers,
        # The library adds that itself to whatever begins with text/.
        mimetype=answer.media_type.removesuffix("; charset=utf-8") if is_text else answer.media_type,
    )
