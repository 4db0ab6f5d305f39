"""One route of the HTTP interface: what it takes, what it answers, who may ask, and what answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum

import msgspec

from checks.jobs.context import JobContext
from checks.web.http import Asked, HttpResponse

Handler = Callable[[JobContext, Asked], Awaitable[HttpResponse]]
Shape = type[msgspec.Struct] | tuple[type[msgspec.Struct], ...] | None
Answered = tuple[Shape, str]


class Level(Enum):
    """Who may ask: anybody, or holders of a function key."""

    ANONYMOUS = "anonymous"
    FUNCTION = "function"


class NoQuery(msgspec.Struct, frozen=True):
    """A route without query parameters."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A method at an address below ``/api/``. ``name`` is that of its function in Azure.

    ``path`` describes each parameter in ``route``. ``query`` is a Struct whose fields are the parameters; ``body`` one
    for the body of a POST. ``responses`` has, by status, the shape of the body (None: none; a tuple: one of them)
    and when it comes; those that any route may give need not be named. ``text`` is the media type of an answer that is
    no JSON. ``seconds`` is how long the whole may take.
    """

    name: str
    route: str
    method: str
    handler: Handler
    summary: str
    responses: Mapping[int, Answered]
    description: str = ""
    level: Level = Level.FUNCTION
    path: Mapping[str, str] = {}
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    text: str = ""
    seconds: float = 60

    @property
    def methods(self) -> tuple[str, ...]:
        """What it answers to: whoever may GET may also ask for the head alone, as monitors do."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)
