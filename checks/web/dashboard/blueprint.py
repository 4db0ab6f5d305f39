"""The dashboard as one function of Azure Functions, for all its addresses.

What answers is imported at the first request: a host that starts only indexes the functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import azure.functions as func

from checks.loading import LOADING
from checks.logs import redacted_errors
from checks.settings import Settings, UnusableSettings
from checks.web.blueprint import asked_of, carried

if TYPE_CHECKING:
    from checks.web.respond import OpenContext

ROUTE = "dashboard/{*page}"  # a catch-all takes nothing, too: the bare address
METHODS = ("GET", "HEAD", "POST")  # the host refuses others


def dashboard(
    open_context: OpenContext,
    settings: Settings | UnusableSettings,
    environment: Mapping[str, str],
    problem: Callable[[], str | None],
) -> func.Blueprint:
    """The function ``dashboard``, open to the host: who may look is decided in ``respond``.

    ``problem`` says what is wrong with the settings, and logs it.
    """
    functions = func.Blueprint()  # type: ignore[no-untyped-call]

    def handle(req: func.HttpRequest) -> func.HttpResponse:
        with LOADING:
            from checks.web.dashboard.respond import respond
        problem()
        with redacted_errors():
            return carried(asyncio.run(respond(asked_of(req), open_context, settings, environment)))

    handle.__name__ = handle.__qualname__ = "dashboard"
    handle.__doc__ = "The dashboard."
    functions.route(route=ROUTE, methods=METHODS, auth_level=func.AuthLevel.ANONYMOUS)(handle)
    return functions
