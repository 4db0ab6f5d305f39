"""The addresses as functions of Azure Functions.

What answers is imported at the first request: a host that starts only indexes the functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import azure.functions as func

from checks.loading import LOADING
from checks.logs import redacted_errors
from checks.web.addresses import ADDRESSES, Address, Level
from checks.web.http import Asked, HttpResponse

if TYPE_CHECKING:
    from checks.web.respond import OpenContext

LEVELS = {Level.ANONYMOUS: func.AuthLevel.ANONYMOUS, Level.FUNCTION: func.AuthLevel.FUNCTION}
Problem = Callable[[], str | None]


def blueprint(open_context: OpenContext, problem: Problem) -> func.Blueprint:
    """A function for each address. ``problem`` says what is wrong with the settings, None where nothing is."""
    functions = func.Blueprint()  # type: ignore[no-untyped-call]
    for address in ADDRESSES:
        _add(functions, address, open_context, problem)
    return functions


def _add(functions: func.Blueprint, address: Address, open_context: OpenContext, problem: Problem) -> None:
    def handle(req: func.HttpRequest) -> func.HttpResponse:
        with LOADING:
            from checks.web.respond import not_configured, respond
            from checks.web.routes import route_at
        route = route_at(address)
        wrong = problem()
        if wrong is not None:
            return carried(not_configured(route, wrong))
        with redacted_errors():
            return carried(asyncio.run(respond(route, open_context, asked_of(req))))

    handle.__name__ = handle.__qualname__ = address.name
    handle.__doc__ = f"{address.method} /api/{address.route}"
    functions.route(route=address.route, methods=address.methods, auth_level=LEVELS[address.level])(handle)


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
