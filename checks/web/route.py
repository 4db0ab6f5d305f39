"""One route of the HTTP interface: what it takes, what it answers, who may ask, and what answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from checks.jobs.context import JobContext
from checks.web.addresses import Address, Level
from checks.web.http import Asked, HttpResponse

Handler = Callable[[JobContext, Asked], Awaitable[HttpResponse]]
Shape = type[msgspec.Struct] | tuple[type[msgspec.Struct], ...] | None
Answered = tuple[Shape, str]


class NoQuery(msgspec.Struct, frozen=True):
    """A route without query parameters."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What is at an address.

    ``path`` describes each parameter in ``route``. ``query`` is a Struct whose fields are the parameters; ``body`` one
    for the body of a POST. ``responses`` has, by status, the shape of the body (None: none; a tuple: one of them)
    and when it comes; those that any route may give need not be named. ``text`` is the media type of an answer that is
    no JSON. ``seconds`` is how long the whole may take.
    """

    address: Address
    handler: Handler
    summary: str
    responses: Mapping[int, Answered]
    description: str = ""
    path: Mapping[str, str] = {}
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    text: str = ""
    seconds: float = 60

    @property
    def name(self) -> str:
        """The name of its function in Azure."""
        return self.address.name

    @property
    def route(self) -> str:
        """The address below ``/api/``, with its parameters in braces."""
        return self.address.route

    @property
    def method(self) -> str:
        """The one method that it is described with."""
        return self.address.method

    @property
    def level(self) -> Level:
        """Who may ask."""
        return self.address.level
