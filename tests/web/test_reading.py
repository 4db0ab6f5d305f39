"""Requests are read strictly: what is unknown, repeated, of another type or too much is refused by its name."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from checks.report.outcome import Outcome
from checks.web.http import Asked
from checks.web.problems import Refused
from checks.web.reading import MAX_BODY, MAX_VALUES, read_body, read_query


class Query(msgspec.Struct, frozen=True):
    """Every kind of parameter."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    verdict: Annotated[tuple[Literal["fail", "unknown"], ...], Meta(description="Only these.")] = ()
    since: datetime | None = None
    open: bool | None = None
    outcome: Outcome | None = None
    name: str | None = None


class Needed(msgspec.Struct, frozen=True):
    """A parameter that has to be there."""

    cluster: str


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body."""

    cluster: str = ""


def query(**given: str | list[str]) -> Asked:
    return Asked("GET", query={name: [each] if isinstance(each, str) else each for name, each in given.items()})


def test_values_come_in_their_types() -> None:
    asked = query(limit="7", verdict=["fail", "unknown"], since="2026-11-24T08:00:00Z", open="true", name="5")
    since = datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert read_query(asked, Query) == Query(7, ("fail", "unknown"), since, open=True, name="5")
    assert read_query(query(), Query) == Query()


@pytest.mark.parametrize(
    ("given", "name", "why"),
    [
        ({"limti": "5"}, "limti", "it takes limit, name, open, outcome, since, verdict"),
        ({"limit": ["5", "6"]}, "limit", "given 2 times"),
        ({"limit": ["5", "5"]}, "limit", "given 2 times"),
        ({"limit": "0"}, "limit", ">= 1"),
        ({"limit": "201"}, "limit", "<= 200"),
        ({"limit": "5.5"}, "limit", "Expected `int`"),
        ({"limit": ""}, "limit", "Expected `int`"),
        ({"limit": "7.0"}, "limit", "Expected `int`"),
        ({"limit": "1e2"}, "limit", "Expected `int`"),
        ({"limit": "9" * 5000}, "limit", "cannot be used"),
        ({"verdict": ["fail", "pass"]}, "verdict", "Invalid enum value"),
        (
            {"verdict": "fail,unknown"},
            "verdict",
            "Invalid enum value 'fail,unknown' - at `$[0]`; it takes fail, unknown",
        ),
        ({"outcome": "FAIL"}, "outcome", "; it takes fail, pass, unknown"),
        ({"since": "yesterday"}, "since", "RFC3339"),
        ({"open": "maybe"}, "open", "bool"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(given: dict[str, str | list[str]], name: str, why: str) -> None:
    with pytest.raises(Refused) as raised:
        read_query(query(**given), Query)
    answer = raised.value.answer
    assert (answer.status, answer.media_type) == (400, "application/problem+json")
    assert (answer.body["type"], answer.body["parameter"]) == ("urn:pullwatch:problem:unusable-query", name)
    assert why in answer.body["detail"]
    assert len(answer.encoded()) < 1000


def test_a_parameter_that_is_needed_is_named() -> None:
    with pytest.raises(Refused) as raised:
        read_query(query(), Needed)
    assert raised.value.answer.body["parameter"] == "cluster"


def test_the_key_in_the_address_is_the_platforms_own() -> None:
    assert read_query(query(code="key", clientId="default", limit="5"), Query).limit == 5


def test_too_many_values_are_refused() -> None:
    assert read_query(query(verdict=["fail"] * MAX_VALUES), Query)
    with pytest.raises(Refused):
        read_query(query(verdict=["fail"] * (MAX_VALUES + 1)), Query)


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 400, "is empty"),
        (b" \n", 400, "is empty"),
        (b"null", 400, "got `null`"),
        (b"[]", 400, "got `array`"),
        (b"\xff", 400, "not what is expected"),
        (b'{"cluster": "a"} {}', 400, "not what is expected"),
        (b'{"clusters": "a"}', 400, "unknown field `clusters`"),
        (b"[" * MAX_BODY, 400, "not what is expected"),
        (b" " * MAX_BODY + b"{}", 413, "longer than 65536 bytes"),
        (b'{"cluster": "a", "cluster": "b"}', 400, "'cluster' is given twice"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused(body: bytes, status: int, why: str) -> None:
    with pytest.raises(Refused) as raised:
        read_body(Asked("POST", body=body), Body)
    assert raised.value.answer.status == raised.value.answer.body["status"] == status
    assert why in raised.value.answer.body["detail"]


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("br, gzip", 415), ("identity", None), ("", None)])
def test_a_compressed_body_is_refused_as_such(coding: str, status: int | None) -> None:
    asked = Asked("POST", headers={"content-encoding": coding}, body=b"{}")
    if status is None:
        assert read_body(asked, Body) == Body()
        return
    with pytest.raises(Refused) as raised:
        read_body(asked, Body)
    assert raised.value.answer.status == status
