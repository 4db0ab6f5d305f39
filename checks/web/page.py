"""The routes as a page for people: docs/http-api.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from checks.report.pages.page import table
from checks.web.addresses import Level
from checks.web.openapi import answers, description_of, query_parameters, shapes_of
from checks.web.problems import KINDS, URN
from checks.web.route import Route, Shape

_LEVELS = {Level.ANONYMOUS: "Anybody may ask.", Level.FUNCTION: "Takes a function key."}
_INTRODUCTION = """# HTTP API

Bodies are JSON. [openapi.json](openapi.json), which the app serves as `GET /api/openapi.json`, has every shape.

A function key goes into the header `x-functions-key`.

A parameter that a route does not know, or that is given twice where it is taken once, is refused; so is a member of a
body. A body is read as JSON whatever its `Content-Type` says.

Every answer with 200 to a GET has an `ETag`; with that in `If-None-Match` the answer is 304 as long as nothing has
changed; `GET /api/health/details` has the time of its answer, and so a new one each time. What has a GET also answers
to HEAD, the same without the body. Addresses are taken in any case of letters, with or without a slash at their end."""
_PLATFORM = """## What Azure answers itself

These come before a request reaches the app, or instead of what it answers, and their body is none of this app. The
local host (`make host`) asks for no key and has none of these limits."""
_PLATFORM_ANSWERS = (
    ("400", "The address cannot be read, such as one with `%00`."),
    ("401", "The function key is missing or wrong."),
    ("404", "There is no such address, or it takes no such method: Azure Functions has no 405."),
    ("413", "The body is longer than 100 MB."),
    ("414, 431", "The address or the headers are too long."),
    ("429", "An instance has more requests than it takes. Wait, and ask again."),
    ("502, 504", "There was no answer within 230 s, when Azure's load balancer gives up. The app answers before that."),
    ("503", "The app starts, restarts or is stopped. Wait, and ask again."),
)
_WAITING = """OPTIONS gets that 404 too, unless CORS is set up for the app: then Azure answers it.

The first request after a quiet time waits for an instance to start, mostly for some seconds, on top of the times below.
Give clients a timeout of 240 s for `POST /api/checks` with `cluster`, and of 90 s for the others."""
_PROBLEMS = """## Errors

Every error is `application/problem+json` as RFC 9457 describes it: `type`, `title`, `status`, mostly `detail`, and
`fix` where commands or steps help."""


def http_api_page(routes: Iterable[Route]) -> str:
    """The page as Markdown, without a line feed at its end."""
    kinds = [(f"`{URN}{kind.slug}`", str(kind.status), kind.title) for kind in KINDS]
    parts = [
        _INTRODUCTION,
        _PLATFORM,
        table(("status", "when"), _PLATFORM_ANSWERS),
        _WAITING,
        *(_section(route) for route in routes),
        _PROBLEMS,
        table(("type", "status", "title"), kinds),
    ]
    return "\n\n".join(parts)


def _section(route: Route) -> str:
    parts = [f"## {route.method} /api/{route.route}", f"{route.summary} {_LEVELS[route.level]}"]
    if route.description:
        parts.append(route.description)
    inputs = [(f"`{name}`", "path", text) for name, text in route.path.items()]
    inputs += [(f"`{each['name']}`", "query", _parameter(each)) for each in query_parameters(route)]
    inputs += [(f"`{name}`", "body", text) for name, text in _members(route.body)]
    if inputs:
        parts.append(table(("parameter", "in", "what"), inputs))
    given = [(str(status), _shape(shape), text) for status, (shape, text) in answers(route).items()]
    parts.append(table(("status", "body", "when"), given))
    return "\n\n".join(parts)


def _parameter(described: dict[str, Any]) -> str:
    """What a query parameter means, with the words it takes and its default."""
    schema = described["schema"]
    words = (schema.get("items") or schema).get("enum")
    parts = [described.get("description", "")]
    if words:
        parts.append("One of " + ", ".join(f"`{word}`" for word in words if word is not None) + ".")
    if schema.get("default") not in (None, []):
        parts.append(f"Default: `{schema['default']}`.")
    return " ".join(part for part in parts if part)


def _members(body: type[msgspec.Struct] | None) -> list[tuple[str, str]]:
    if body is None:
        return []
    properties = msgspec.json.schema(body)["$defs"][body.__name__]["properties"]
    return [(name, description_of(schema)) for name, schema in properties.items()]


def _shape(shape: Shape) -> str:
    return " or ".join(f"`{part.__name__}`" for part in shapes_of(shape))
