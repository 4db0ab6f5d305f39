"""Every answer: errors are problems, what has not changed is not sent again."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import ServiceRequestError

from checks.history.errors import SchemaError
from checks.jobs.context import JobContext
from checks.web.addresses import Address, Level
from checks.web.blueprint import asked_of
from checks.web.http import Asked, HttpResponse
from checks.web.respond import TRY_AGAIN, not_configured, respond
from checks.web.route import Handler, Route
from tests.support.storage import Clock, app_settings, job_context


async def fine(context: JobContext, asked: Asked) -> HttpResponse:
    return HttpResponse(200, {"a": 1})


def failing(error: Exception) -> Handler:
    async def fails(context: JobContext, asked: Asked) -> HttpResponse:
        raise error

    return fails


def route(handler: Handler, level: Level = Level.FUNCTION) -> Route:
    return Route(address=Address("r", "GET", "r", level), handler=handler, summary="", responses={})


async def answer(storage: str, given: Route, asked: Asked) -> HttpResponse:
    return await respond(given, lambda: job_context(app_settings(storage), Clock()), asked)


async def test_what_the_caller_has_is_not_sent_again(storage: str) -> None:
    first = await answer(storage, route(fine), Asked("GET"))
    tag = first.headers["ETag"]
    assert (first.status, first.encoded()) == (200, b'{"a":1}')
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await answer(storage, route(fine), Asked("GET", headers={"if-none-match": known}))
        assert (again.status, again.encoded(), again.headers["ETag"]) == (304, b"", tag)
    other = await answer(storage, route(fine), Asked("GET", headers={"if-none-match": '"other"'}))
    assert other == first


async def test_only_a_get_or_head_that_is_answered_has_a_tag(storage: str) -> None:
    assert "ETag" in (await answer(storage, route(fine), Asked("HEAD"))).headers
    assert "ETag" not in (await answer(storage, route(fine), Asked("POST"))).headers
    assert "ETag" not in (await answer(storage, route(fine), Asked("GET", query={"x": ["1"]}))).headers


SECRET = "AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zg=="


@pytest.mark.parametrize(
    ("error", "status", "slug", "detail"),
    [
        (SchemaError("row x"), 503, "row-unreadable", "row x"),
        (ServiceRequestError("no route to 10.0.0.4"), 503, "storage-unavailable", TRY_AGAIN),
        (TimeoutError(), 503, "storage-unavailable", TRY_AGAIN),
        (RuntimeError(SECRET), 500, "internal", "RuntimeError; the app's log has more"),
    ],
)
async def test_whatever_goes_wrong_is_a_problem(
    storage: str, caplog: pytest.LogCaptureFixture, error: Exception, status: int, slug: str, detail: str | None
) -> None:
    got = await answer(storage, route(failing(error)), Asked("GET"))
    assert (got.status, got.media_type) == (status, "application/problem+json")
    body: dict[str, Any] = json.loads(got.encoded())
    assert (body["type"], body["status"], body.get("detail")) == (f"urn:pullwatch:problem:{slug}", status, detail)
    assert caplog.records, "somebody can find out why"


async def test_anybody_is_not_told_which_row_or_setting_it_is(storage: str) -> None:
    got = await answer(storage, route(failing(SchemaError("row x")), Level.ANONYMOUS), Asked("GET"))
    assert "row x" not in str(got.body)
    assert "PULLWATCH_X" in str(not_configured(route(fine), "PULLWATCH_X takes …").body)
    assert "PULLWATCH_X" not in str(not_configured(route(fine, Level.ANONYMOUS), "PULLWATCH_X takes …").body)


async def test_a_query_is_refused_before_anything_is_opened() -> None:
    @asynccontextmanager
    async def never() -> AsyncIterator[JobContext]:
        raise AssertionError("opened")
        yield

    assert (await respond(route(fine), never, Asked("GET", query={"x": ["1"]}))).status == 400


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("https://x/api/r?a=1&a=2&b=", {"a": ["1", "2"], "b": [""]}),
        ("https://x/api/r?a=1%2C2&c=%26+d", {"a": ["1,2"], "c": ["& d"]}),
        ("https://x/api/r", {}),
    ],
)
def test_repeated_parameters_of_the_host_are_seen(address: str, query: dict[str, list[str]]) -> None:
    params = {name: ",".join(values) for name, values in query.items()}
    headers = {"If-None-Match": '"x"'}
    got = asked_of(func.HttpRequest("GET", address, headers=headers, params=params, body=b""))
    assert (got.query, got.headers["if-none-match"]) == (query, '"x"')
