"""openapi.json says what the routes take and answer."""

from typing import Annotated, Any, Literal

import msgspec
from jsonschema import Draft202012Validator
from msgspec import Meta

from checks.jobs.context import utc_now
from checks.web.addresses import ADDRESSES, Address
from checks.web.http import Asked, HttpResponse
from checks.web.openapi import document
from checks.web.page import http_api_page
from checks.web.problems import KINDS, NOT_FOUND, problem
from checks.web.route import Route
from checks.web.routes import ROUTES, route_at
from tests.support.failing_clusters import FIRST, hold_failing
from tests.support.http import ask
from tests.support.storage import app_settings, job_context


class Query(msgspec.Struct, frozen=True):
    """A query."""

    verdict: Annotated[tuple[Literal["fail", "pass"], ...], Meta(description="Only these.")] = ()
    limit: Annotated[int, Meta(ge=1, le=200, description="At most so many.")] = 50
    name: Annotated[str, Meta(max_length=9, description="Whose.")] | None = None


class Answer(msgspec.Struct, frozen=True):
    """An answer of ``x``."""

    name: str


async def handler(context: Any, asked: Asked) -> HttpResponse:
    return HttpResponse(200, Answer("x"))


SAMPLE = Route(
    address=Address("sample", "GET", "samples/{id}"),
    handler=handler,
    summary="A sample.",
    path={"id": "Its id."},
    query=Query,
    responses={200: (Answer, "The sample.")},
)


def test_names_and_addresses_are_used_once() -> None:
    assert (
        len({route.name for route in ROUTES}) == len({(route.method, route.route) for route in ROUTES}) == len(ROUTES)
    )


def test_every_address_that_the_host_indexes_has_its_route() -> None:
    assert tuple(route.address for route in ROUTES) == ADDRESSES
    assert [route_at(address).address for address in ADDRESSES] == list(ADDRESSES)


def test_every_parameter_in_an_address_is_described() -> None:
    for route in ROUTES:
        assert {f"{{{name}}}" for name in route.path} == {p for p in route.route.split("/") if p.startswith("{")}


def test_a_route_is_described_with_all_it_takes() -> None:
    described = document([SAMPLE])
    operation = described.paths["/api/samples/{id}"]["get"]
    assert operation["parameters"][:3] == [
        {"name": "id", "in": "path", "required": True, "description": "Its id.", "schema": {"type": "string"}},
        {
            "name": "verdict",
            "in": "query",
            "required": False,
            "description": "Only these.",
            "style": "form",
            "explode": True,
            "schema": {"type": "array", "items": {"enum": ["fail", "pass"]}, "default": []},
        },
        {
            "name": "limit",
            "in": "query",
            "required": False,
            "description": "At most so many.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
        },
    ]
    assert operation["responses"]["200"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}
    }
    assert operation["parameters"][3]["description"] == "Whose."
    assert {"304", "400", "401", "500", "503"} < set(operation["responses"])
    assert described.components["schemas"]["Answer"]["description"] == "An answer of `x`."
    assert "| `limit` | query | At most so many. Default: `50`. |" in http_api_page([SAMPLE])


def resolves(part: Any, schemas: dict[str, Any]) -> None:
    if isinstance(part, list):
        for each in part:
            resolves(each, schemas)
    elif isinstance(part, dict):
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/components/schemas/") in schemas
        for each in part.values():
            resolves(each, schemas)


def test_everything_that_is_referred_to_is_there() -> None:
    described = msgspec.to_builtins(document(ROUTES))
    schemas = described["components"]["schemas"]
    resolves(described, schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


async def test_what_is_answered_fits_its_description(storage: str) -> None:
    """Of every GET, with a cluster that fails, its incident, a silence and a run that was asked for."""
    await hold_failing(storage, FIRST, "one", "role-missing")
    described = msgspec.to_builtins(document(ROUTES))
    path = {"subscription": FIRST, "resource_group": "rg", "name": "one", "login_server": "acrone"}
    async with job_context(app_settings(storage), utc_now) as job:
        silence = b'{"author": "jo", "reason": "known", "minutes": 5, "matchers": {"cluster": "two"}}'
        ids = {
            "runs": (await ask(job, "post_checks", body=b"{}"))[1]["run"],
            "incident": (await ask(job, "incidents"))[1]["incidents"][0]["id"],
            "get_silence": (await ask(job, "silence", body=silence))[1]["id"],
        }
        for route in (each for each in ROUTES if each.method == "GET" and not each.text):
            status, body = await ask(job, route.name, path=path | {"id": ids.get(route.name, "")})
            assert status == 200, route.name
            operation = described["paths"][f"/api/{route.route}"]["get"]["responses"]["200"]
            schema = operation["content"]["application/json"]["schema"]
            Draft202012Validator({**schema, "components": described["components"]}).validate(body)


def test_problems_fit_their_description() -> None:
    described = msgspec.to_builtins(document(ROUTES))
    schema = {"$ref": "#/components/schemas/Problem", "components": described["components"]}
    answer = problem(NOT_FOUND, "there is none", fix=["do"], cluster="x")
    Draft202012Validator(schema).validate(msgspec.json.decode(answer.encoded()))
    assert len({kind.slug for kind in KINDS}) == len(KINDS)
    assert all(kind.slug in http_api_page([]) for kind in KINDS)


def test_an_answer_that_is_no_json_is_described_by_its_media_type() -> None:
    described = document(ROUTES).paths["/api/metrics"]["get"]["responses"]["200"]
    assert described["content"] == {"application/openmetrics-text": {"schema": {"type": "string"}}}


def test_every_route_says_how_long_it_waits_for_storage() -> None:
    for route in ROUTES:
        described = document(ROUTES).paths[f"/api/{route.route}"][route.method.lower()]["responses"]["503"]
        assert f"within {route.seconds:g} s" in described["description"]
