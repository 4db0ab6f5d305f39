"""Hostile requests by real HTTP: every wrong id, filter and body gets a problem or nothing, and never what is not asked
for. The simulated tenant has no cluster: whatever is answered comes from storage."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from checks.web.openapi import query_parameters
from checks.web.reading import MAX_BODY
from checks.web.resources.checks import MAX_SUBSCRIPTIONS
from checks.web.route import Route
from checks.web.routes import ROUTES
from localhost.azurite import azurite
from localhost.functions_host import Answer, RunningHost, functions_host
from simulator import running
from tests.support.cli import ROOT
from tests.support.failing_clusters import FIRST, SECOND, hold_failing
from tests.support.sampling import sampled
from tests.support.storage import app_settings
from tests.support.tenant_builder import Tenant

INJECTION = "' or 1 eq 1 or RowKey eq '"
# Each as it stands in the address.
WRONG = {
    "long": "x" * 2_000,
    "dots": "..",
    "coded dots": "%2e%2e%2f%2e%2e",
    "backslash": "..%5c..",
    "nul": "a%00b",
    "line feed": "a%0d%0aX-Injected:%20yes",
    "quote": "%27",
    "double quote": "%22",
    "injection": quote(INJECTION),
    "longer injection": quote(f"{FIRST}' or PartitionKey ne '"),
    "every character": "*",
    "mark": "%23%3f",
    "not UTF-8": "%ff%fe",
    "percent": "%zz",
    "unicode": quote("акс-‮1☃"),
    "surrogate": "%ed%a0%80",
    "braces": "%7b0%7d",
}
RIGHT = {"subscription": FIRST, "resource_group": "rg", "name": "one", "login_server": "acrone", "id": "deadbeef"}
BODIES = {
    "post_checks": {},
    "acknowledge": {"author": "jo", "reason": "known"},
    "silence": {"author": "jo", "reason": "known", "minutes": 5, "matchers": {"cluster": "one"}},
}
TAKES_BODY = [route for route in ROUTES if route.body is not None]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """The app with a failing cluster in each of two subscriptions: ``one`` and ``two``."""
    with azurite() as storage:
        asyncio.run(hold_failing(storage.connection_string, FIRST, "one", "role-missing"))
        asyncio.run(hold_failing(storage.connection_string, SECOND, "two", "authentication-disabled"))
        with (
            running(Tenant(tmp_path_factory.mktemp("tenant")).root) as simulator,
            functions_host(ROOT, simulator.environment | app_settings(storage.connection_string)) as host,
        ):
            yield host


def asked(host: RunningHost, route: Route, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """What a route answers at an address."""
    given = json.dumps(BODIES[route.name]).encode() if body is None and route.body is not None else body
    return host.request(route.method, f"/api/{path}", given, headers)


def assert_refused(answer: Answer, what: str, *statuses: int) -> dict[str, Any]:
    """A problem of one of these statuses; its body."""
    assert answer.status in statuses, (what, answer.status, answer.body[:500])
    assert answer.headers["content-type"] == "application/problem+json", what
    assert "x-injected" not in answer.headers, what
    assert len(answer.body) < 2_000, what
    body = answer.json()
    assert isinstance(body, dict)
    assert body["status"] == answer.status, what
    return body


def answers(host: RunningHost, addresses: list[tuple[Route, str]]) -> Iterator[tuple[str, Answer]]:
    """What each is answered, a few at once."""
    with ThreadPoolExecutor(8) as pool:
        yield from zip(
            (path for _, path in addresses), pool.map(lambda each: asked(host, *each), addresses), strict=True
        )


@pytest.mark.parametrize("wrong", sampled(WRONG, 4, 1))
def test_a_wrong_id_is_not_found_on_every_route(host: RunningHost, wrong: str) -> None:
    assert host.get(f"/api/clusters/{FIRST}/rg/one").status == 200, "or nothing below says anything"
    given = [(route, route.route.format(**(RIGHT | {name: WRONG[wrong]}))) for route in ROUTES for name in route.path]
    for path, answer in answers(host, given):
        assert_refused(answer, path, 404)


def test_without_an_id_there_is_no_such_address(host: RunningHost) -> None:
    for path in ("clusters//rg/one", f"clusters/{FIRST}/rg/", f"clusters/{FIRST}//one/history", "registries/"):
        answer = host.get(f"/api/{path}")
        assert (answer.status, answer.body) == (404, b""), path
    assert host.request("DELETE", "/api/silences/").status == 404
    assert host.request("POST", "/api/incidents//acknowledgement", b"{}").status == 404


def test_ids_are_found_in_any_case_of_letters(host: RunningHost) -> None:
    for path in (
        f"clusters/{FIRST.upper()}/RG/ONE",
        "Registries/ACRONE.azurecr.io",
        f"clusters/{FIRST}/rg/one/history/",
    ):
        assert host.get(f"/api/{path}").status == 200, path


FILTERS = (
    *(INJECTION, f"{FIRST}{INJECTION}", "' or PartitionKey ne '", "x' or true or '"),
    *("*", "%", "\0", "\r\n", "☃"),
)


@pytest.mark.parametrize("text", sampled(FILTERS, 5))
def test_a_filter_shows_nothing_that_it_does_not_name(host: RunningHost, text: str) -> None:
    assert names(host, "clusters") == {"one", "two"}, "or nothing below says anything"
    assert names(host, f"clusters?subscription={FIRST}") == {"one"}
    given = [
        (route, f"{route.route.format(**RIGHT)}?{described['name']}={quote(text)}")
        for route in ROUTES
        for described in query_parameters(route)
    ]
    for path, answer in answers(host, given):
        if answer.status == 200:
            body = answer.json()
            assert isinstance(body, dict)
            assert (body["clusters"], body["counts"]["clusters"]) == ([], 0), path
        else:  # a cluster of such a name is looked for, and not there
            assert_refused(answer, path, 404 if path.startswith("doctor?cluster=") and answer.status == 404 else 400)


def names(host: RunningHost, path: str) -> set[str]:
    """Those of the clusters that a list has."""
    body = host.get(f"/api/{path}").json()
    assert isinstance(body, dict)
    return {cluster["name"] for cluster in body["clusters"]}


@pytest.mark.parametrize("query", sampled(["$filter=1", "limit=1&limit=2", "LIMIT=1", "%00=1", "x" * 1_000], 5))
def test_a_parameter_that_no_route_has_is_refused_on_each(host: RunningHost, query: str) -> None:
    given = [(route, f"{route.route.format(**RIGHT)}?{query}") for route in ROUTES]
    for path, answer in answers(host, given):
        assert assert_refused(answer, path, 400)["type"] == "urn:pullwatch:problem:unusable-query"


UNUSABLE: dict[str, tuple[bytes, dict[str, str], int]] = {
    "too long": (b" " * MAX_BODY + b"{}", {}, 413),
    "5 MB": (b'{"author": "' + b"x" * 5_000_000 + b'"}', {}, 413),
    "no body": (b"", {}, 400),
    "nested arrays": (b"[" * 30_000, {}, 400),
    "nested objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {}, 400),
    "an array": (b"[]", {}, 400),
    "null": (b"null", {}, 400),
    "a form": (b"cluster=aks-1", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
    "XML": (b"<a/>", {"Content-Type": "application/xml"}, 400),
    "not UTF-8": (b'{"author": "\xff"}', {}, 400),
    "a lone surrogate": (b'{"author": "\\ud800", "reason": "x"}', {}, 400),
    "UTF-16": ('{"author": "jo", "reason": "x"}'.encode("utf-16"), {}, 400),
    "a long number": (b'{"minutes": ' + b"9" * 5_000 + b"}", {}, 400),
    "no number": (b'{"minutes": NaN}', {}, 400),
    "unknown": (b'{"$where": "1"}', {}, 400),
    "compressed": (gzip.compress(b"{}"), {"Content-Encoding": "gzip"}, 415),
    "compressed in secret": (gzip.compress(b"{}"), {}, 400),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_body_that_cannot_be_used_is_refused_on_every_route_that_takes_one(host: RunningHost, name: str) -> None:
    body, headers, status = UNUSABLE[name]
    for route in TAKES_BODY:
        path = f"/api/{route.route.format(**RIGHT)}"
        assert_refused(host.request(route.method, path, body, headers), f"{name} at {path}", status)


@pytest.mark.parametrize("value", sampled(["[[]]", "{}", "1.5", '"\\u0000"', "-1"], 2))
def test_members_of_another_type_are_refused(host: RunningHost, value: str) -> None:
    for route in TAKES_BODY:
        assert route.body is not None
        for name in route.body.__struct_fields__:
            if value == '"\\u0000"' and name in ("author", "reason", "cluster"):
                continue  # a text, if no useful one
            body = json.dumps({**BODIES[route.name], name: 0}).replace(f'"{name}": 0', f'"{name}": {value}')
            assert_refused(asked(host, route, route.route.format(**RIGHT), body.encode()), f"{name}: {value}", 400)


def test_a_request_for_some_subscriptions_that_is_made_twice_in_one_body_asks_for_no_run(host: RunningHost) -> None:
    body = b'{"subscriptions": ["%s"], "subscriptions": []}' % FIRST.encode()
    assert "given twice" in assert_refused(host.request("POST", "/api/checks", body), "twice", 400)["detail"]


@pytest.mark.matrix  # tests/web has that they are taken; this run asks for each in turn
def test_1300_subscriptions_are_taken_and_one_more_is_refused_with_the_bound(host: RunningHost) -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(MAX_SUBSCRIPTIONS + 1)]
    taken = json.dumps({"subscriptions": ids[:1_300]}, indent=4).encode()
    answer = host.request("POST", "/api/checks", taken)
    assert (answer.status, answer.headers["retry-after"]) == (202, "5")
    host.wait_idle(180)
    run = host.get(answer.headers["location"]).json()
    assert isinstance(run, dict)
    assert run["status"] == "closed"
    assert {each["id"] for each in run["subscriptions"]} == set(ids[:1_300])
    refused = host.request("POST", "/api/checks", json.dumps({"subscriptions": ids}).encode())
    assert "1300" in assert_refused(refused, "1,301", 400)["detail"]


def test_a_head_is_answered_as_the_get_is_without_its_body(host: RunningHost) -> None:
    for path in ("health", "clusters", f"clusters/{FIRST}/rg/one", "metrics", "openapi.json"):
        whole, head = host.get(f"/api/{path}"), host.request("HEAD", f"/api/{path}")
        assert (head.status, head.body) == (200, b""), path
        assert head.headers["content-length"] == str(len(whole.body)), path
        assert {name: head.headers[name] for name in ("content-type", "etag")} == {
            name: whole.headers[name] for name in ("content-type", "etag")
        }, path
    assert host.request("HEAD", "/api/runs/000000-000000000000").status == 404
    assert host.request("HEAD", "/api/checks").status == 404, "no function has that method there"
