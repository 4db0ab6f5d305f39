"""What a Log Analytics answer becomes: entries, or a reason why there are none."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.collect.monitor.log_query import MAX_NAME, MAX_ROWS, entries_of, query_of
from checks.collect.wire.errors import Temporary
from checks.facts.registry_log import LOGIN, PULL

COLUMNS = (
    *("Type", "LoginServer", "CallerIpAddress", "Identity", "OperationName", "ResultType", "ResultDescription"),
    *("Repository", "Tag", "Digest", "First", "Last", "Events"),
)
SINCE, UNTIL = datetime(2026, 11, 29, 6, tzinfo=UTC), datetime(2026, 11, 29, 9, tzinfo=UTC)


def row(**over: Any) -> list[Any]:
    base: dict[str, Any] = {
        "Type": "ContainerRegistryRepositoryEvents",
        "LoginServer": "AcrOne.azurecr.io",
        "CallerIpAddress": "20.50.0.1",
        "Identity": "aaaaaaaa-0000-4000-8000-000000000001",
        "OperationName": "Pull",
        "ResultType": "404",
        "ResultDescription": "",
        "Repository": "team/web",
        "Tag": "1",
        "Digest": "",
        "First": "2026-11-29T08:40:00.1234567Z",
        "Last": "2026-11-29T08:55:00Z",
        "Events": 4,
    }
    return [(base | over)[name] for name in COLUMNS]


def answer(*rows: Any, **over: Any) -> bytes:
    columns = [{"name": name, "type": "string"} for name in COLUMNS]
    return json.dumps({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": list(rows)}], **over}).encode()


def test_a_row_becomes_an_entry() -> None:
    (entry,) = entries_of(answer(row())).entries
    assert (entry.kind, entry.login_server, entry.status, entry.events) == (PULL, "acrone.azurecr.io", 404, 4)
    assert (entry.first, entry.last) == ("2026-11-29T08:40:00Z", "2026-11-29T08:55:00Z")
    assert (entry.repository, entry.tag, entry.address) == ("team/web", "1", "20.50.0.1")
    (login,) = entries_of(answer(row(Type="ContainerRegistryLoginEvents"))).entries
    assert login.kind == LOGIN


@pytest.mark.parametrize(("code", "said", "status"), [
    ("401", "", 401), ("", "401", 401), ("Failed", "HTTP 403 Forbidden", 403), ("0", "429 too many requests", 429),
    ("", "client with IP '20.200.40.4' is not allowed access", None), ("", "between 401 and 403", None),
    ("Failed", 'manifest tagged by "200" is not found', None), ("Failed", "repository team/app-404 not found", None),
    ("", "2603:1020:500::1 was refused", None), ("", "HTTP status 401, then 403 Forbidden", None),
    ("HttpStatusCode", "unauthorized: status 401: 401 Unauthorized", 401), ("99999", "", None), ("", "", None),
])  # fmt: skip
def test_the_status_is_in_one_of_two_columns(code: str, said: str, status: int | None) -> None:
    (entry,) = entries_of(answer(row(ResultType=code, ResultDescription=said))).entries
    assert entry.status == status


def test_columns_may_come_in_any_order_and_some_not_at_all() -> None:
    shuffled = ["Last", "Type", "First", "LoginServer"]
    body = {"tables": [{"columns": [{"name": name} for name in shuffled], "rows": [
        ["2026-11-29T08:55:00Z", "ContainerRegistryLoginEvents", "2026-11-29T08:55:00Z", "acrone.azurecr.io"],
    ]}]}  # fmt: skip
    (entry,) = entries_of(json.dumps(body).encode()).entries
    assert (entry.kind, entry.events, entry.status, entry.identity) == (LOGIN, 1, None, "")


@pytest.mark.parametrize("body", [
    b"", b"{}", b"[]", b"null", b'{"tables": []}', b'{"tables": 3}', b"<html>",
    b"[" * 200_000, answer(row(), error={"code": "PartialError", "message": "too many records"}),
])  # fmt: skip
def test_what_is_no_whole_answer_is_none(body: bytes) -> None:
    with pytest.raises(Temporary):
        entries_of(body)


def test_an_answer_is_bounded_and_says_when_it_was() -> None:
    full = entries_of(answer(*[row(Tag=str(n)) for n in range(MAX_ROWS + 5)]))
    assert (len(full.entries), full.cut) == (MAX_ROWS, True)
    assert not entries_of(answer(row())).cut


def test_hostile_texts_are_one_line_short_and_without_secrets() -> None:
    said = "denied\r\nBearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl " + "x" * 9_000
    (entry,) = entries_of(answer(row(ResultDescription=said, Repository="r" * 9_000, Tag="<script>\x00"))).entries
    assert "\n" not in entry.text and "eyJhbGci" not in entry.text
    assert max(len(entry.text), len(entry.repository)) <= MAX_NAME
    assert "\x00" not in entry.tag


@given(st.lists(st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)), max_size=14)))
def test_rows_that_make_no_sense_are_left_out(rows: list[list[Any]]) -> None:
    assert all(entry.kind in (LOGIN, PULL) for entry in entries_of(answer(*rows)).entries)


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    zone = timezone(timedelta(hours=2))
    (entry,) = entries_of(answer(row(Last=datetime(2026, 11, 29, 10, 55, tzinfo=zone).isoformat()))).entries
    assert entry.last == "2026-11-29T08:55:00Z"
    assert entries_of(answer(row(Last="yesterday"))).entries == ()


def test_nothing_but_host_names_gets_into_the_query() -> None:
    query = query_of(['acrone.azurecr.io", "x") | take 1 //', "acrtwo.azurecr.io", "ACR", "a b"], SINCE, UNTIL)
    assert '| where LoginServer in~ ("acrtwo.azurecr.io")' in query
    assert "take 1" not in query
    assert "datetime(2026-11-29T06:00:00Z)" in query and "datetime(2026-11-29T09:00:00Z)" in query
