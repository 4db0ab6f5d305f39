"""The routes as an OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from checks.report.formats.json_schema import plain
from checks.version import VERSION
from checks.web.addresses import Level
from checks.web.http import JSON
from checks.web.problems import MEDIA_TYPE, Problem
from checks.web.reading import MAX_BODY, fields_of, takes_many
from checks.web.route import Answered, Route, Shape

REF = "#/components/schemas/{name}"
SECURITY: list[dict[str, list[str]]] = [{"header": []}, {"query": []}]


class OpenApiDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What OpenAPI 3.1 says a description consists of."""

    openapi: str
    info: dict[str, str]
    paths: dict[str, dict[str, Any]]
    components: dict[str, dict[str, Any]]


def document(routes: Iterable[Route]) -> OpenApiDocument:
    """The whole document."""
    listed = list(routes)
    shapes, components = _schemas(_bodies(listed))
    paths: dict[str, dict[str, Any]] = {}
    for route in listed:
        paths.setdefault(f"/api/{route.route}", {})[route.method.lower()] = _operation(route, shapes)
    return OpenApiDocument(
        openapi="3.1.0",
        info={
            "title": "Pullwatch",
            "version": VERSION,
            "description": (
                "Can this AKS cluster pull its images from its registries, and if not, why? What has a GET also "
                "answers to HEAD. Azure Functions itself answers another method, and another address, with 404."
            ),
        },
        paths=paths,
        components={"schemas": components, "securitySchemes": _keys()},
    )


def answers(route: Route) -> dict[int, Answered]:
    """What a route answers by status: its own, and what any route may give."""
    common: dict[int, Answered] = {400: (Problem, "A query parameter that is unknown, repeated or of another type.")}
    if route.body is not None:
        common[400] = (Problem, "A body or a query parameter that cannot be used; `detail` says why.")
        common[413] = (Problem, f"The body is longer than {MAX_BODY} bytes.")
        common[415] = (Problem, "The body is compressed; it is taken as it is only.")
    if route.method == "GET":
        common[304] = (None, "`If-None-Match` has the `ETag` of what would be answered.")
    if route.level is Level.FUNCTION:
        common[401] = (None, "The function key is missing or wrong. Azure Functions answers this, without a body.")
    common[500] = (Problem, "Pullwatch itself failed; the app's log has more.")
    common[503] = (
        Problem,
        f"Storage does not answer within {route.seconds:g} s (`Retry-After`: when to ask again, in seconds), "
        "or a setting cannot be used.",
    )
    return dict(sorted((common | dict(route.responses)).items()))


def shapes_of(shape: Shape) -> tuple[type[msgspec.Struct], ...]:
    """The Structs that a body may be."""
    return () if shape is None else shape if isinstance(shape, tuple) else (shape,)


def _operation(route: Route, shapes: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.name, "summary": route.summary}
    if route.description:
        operation["description"] = route.description
    operation["security"] = SECURITY if route.level is Level.FUNCTION else []
    parameters = [_path_parameter(name, text) for name, text in route.path.items()]
    parameters += query_parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": shapes[route.body]}}}
    operation["responses"] = {str(status): _response(given, shapes) for status, given in answers(route).items()}
    if route.text:
        operation["responses"]["200"]["content"] = {route.text: {"schema": {"type": "string"}}}
    return operation


def _path_parameter(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}


def query_parameters(route: Route) -> list[dict[str, Any]]:
    """The parameters of a route's query, as OpenAPI describes them."""
    return [_query_parameter(route.query, field.encode_name) for field in fields_of(route.query)]


def _query_parameter(shape: type[msgspec.Struct], name: str) -> dict[str, Any]:
    (field,) = (each for each in fields_of(shape) if each.encode_name == name)
    schema = dict(_inlined(shape)[name])
    described = {"name": name, "in": "query", "required": field.required}
    text = description_of(schema)
    schema.pop("description", None)
    many = {"style": "form", "explode": True} if takes_many(field) else {}
    return described | ({"description": text} if text else {}) | many | {"schema": schema}


def description_of(schema: dict[str, Any]) -> str:
    """What a member means; of one that may be null, what the other alternative says."""
    alternatives = (each.get("description", "") for each in schema.get("anyOf", ()))
    return str(schema.get("description") or next(filter(None, alternatives), ""))


def _inlined(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """The properties of a query's Struct: scalars, words and lists of them, which stand where they are used."""
    schema = plain(msgspec.json.schema(shape))
    properties: dict[str, Any] = _without_references(schema["$defs"][shape.__name__]["properties"], schema["$defs"])
    return properties


def _without_references(part: Any, shapes: dict[str, Any]) -> Any:
    if isinstance(part, list | tuple):
        return [_without_references(each, shapes) for each in part]
    if not isinstance(part, dict):
        return part
    named = shapes[part["$ref"].removeprefix("#/$defs/")] if "$ref" in part else {}
    return named | {name: _without_references(value, shapes) for name, value in part.items() if name != "$ref"}


def _response(given: Answered, shapes: dict[Any, Any]) -> dict[str, Any]:
    shape, text = given
    if shape is None:
        return {"description": text}
    schemas = [shapes[part] for part in shapes_of(shape)]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"description": text, "content": {MEDIA_TYPE if shape is Problem else JSON: {"schema": schema}}}


def _bodies(routes: Iterable[Route]) -> list[Any]:
    """Every shape of a body, once, in the order of the routes."""
    shapes: dict[Any, None] = {}
    for route in routes:
        given = (part for shape, _ in answers(route).values() for part in shapes_of(shape))
        shapes |= dict.fromkeys((*shapes_of(route.body), *given))
    return list(shapes)


def _schemas(bodies: list[Any]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """The schema of each shape, and the components that they refer to."""
    schemas, components = msgspec.json.schema_components(bodies, ref_template=REF)
    by_shape = {shape: plain(schema) for shape, schema in zip(bodies, schemas, strict=True)}
    return by_shape, {name: plain(schema) for name, schema in sorted(components.items())}


def _keys() -> dict[str, Any]:
    return {
        "header": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
        "query": {
            "type": "apiKey",
            "in": "query",
            "name": "code",
            "description": "Addresses are logged on their way: use the header where you can.",
        },
    }
