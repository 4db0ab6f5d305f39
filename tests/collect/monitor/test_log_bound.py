"""The bound of the query, with the simulated workspace's own reading of it: what is cut makes nobody refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.collect.monitor import log_query
from checks.collect.monitor.log_query import LOGINS, PULLS, Answer, entries_of, may_have_ended, query_of
from checks.facts.registry_log import LogEntry, LoggedCall, RegistryLog
from checks.rules.registry_log.outcomes import is_firewall, succeeded
from checks.rules.registry_log.standing import Trouble, troubles
from simulator.monitor.clock import Clock
from simulator.monitor.kql.query import run
from simulator.monitor.logs import _shown
from simulator.monitor.rows import Row, tables
from tests.support.logged_calls import FIREWALL

HOST = "acrone.azurecr.io"
NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)
BOUND = 6


def row(kind: str, status: str, *, minutes: float, tag: str = "1", identity: str = "ours", **over: Any) -> Row:
    of_image = {"Repository": "team/web", "Tag": tag} if kind == PULLS else {}
    return {
        "Type": kind,
        "TimeGenerated": (NOW - timedelta(minutes=minutes)).isoformat(),
        "LoginServer": HOST,
        "OperationName": "Pull" if kind == PULLS else "Login",
        "Identity": identity,
        "CallerIpAddress": "20.50.0.1",
        "ResultType": status,
        "ResultDescription": FIREWALL.format("20.50.0.1") if status == "403" else "",
        **of_image,
        **over,
    }


def asked(rows: list[Row], bound: int = BOUND) -> Answer:
    """What a workspace with these rows answers where no more than ``bound`` groups are taken."""
    held = tables({}, rows, Clock(NOW, NOW, False))
    with patch.object(log_query, "MAX_ROWS", bound):
        query = query_of([HOST], NOW - timedelta(hours=3), NOW)
        body = {"tables": [_shown(run(query, held, NOW))]}
        return entries_of(json.dumps(body).encode())


def refused(answer: Answer) -> tuple[Trouble, ...]:
    """What fails now, as the answer has it, where all of it is one cluster's."""
    own = [
        one
        for one in answer.entries
        if (one.identity or is_firewall(one)) and not may_have_ended(one, answer.cut_before)
    ]
    calls = tuple(LoggedCall(entry, "its kubelet identity") for entry in own)
    return troubles(RegistryLog("2026-11-29T06:00:00Z", "2026-11-29T09:00:00Z", calls))


def named(entries: list[LogEntry]) -> list[tuple[int | None, str]]:
    return [(entry.status, entry.tag) for entry in entries]


@pytest.mark.parametrize("in_description", [False, True])
def test_refusals_are_kept_and_the_oldest_successes_go(in_description: bool) -> None:
    successes = [row(PULLS, "200", minutes=n, tag=str(n)) for n in range(2, 12)]
    rows = [*successes, row(PULLS, "404", minutes=15, tag="gone")]
    if in_description:
        rows = [one | {"ResultType": "HttpStatusCode", "ResultDescription": one["ResultType"]} for one in rows]
    answer = asked(rows)
    assert named([*answer.entries]) == [(404, "gone"), (200, "2"), (200, "3"), (200, "4"), (200, "5"), (200, "6")]
    assert (answer.cut, answer.cut_before) == (True, "2026-11-29T08:54:00Z")
    assert not asked(rows, 12).cut


def test_a_refusal_after_the_last_success_that_was_cut_stands() -> None:
    successes = [row(PULLS, "200", minutes=n, tag=str(n)) for n in range(2, 12)]
    newer, older = row(PULLS, "404", minutes=4, tag="gone"), row(PULLS, "404", minutes=8, tag="lost")
    answer = asked([*successes, newer, older])
    assert [trouble.image for trouble in refused(answer)] == [f"{HOST}/team/web:gone"]


def test_a_refusal_of_the_second_at_which_it_was_cut_does_not() -> None:
    successes = [row(PULLS, "200", minutes=4, tag=str(n)) for n in range(9)]
    answer = asked([*successes, row(PULLS, "404", minutes=4, tag="8")])
    assert answer.cut_before == "2026-11-29T08:56:00Z" and not refused(answer)


def test_refusals_of_nobody_crowd_nothing_out() -> None:
    """Each pull begins with one."""
    tries = [row(PULLS, "401", minutes=n, tag=str(n), identity="") for n in range(2, 40)]
    answer = asked([*tries, row(LOGINS, "401", minutes=3), row(PULLS, "200", minutes=1)])
    assert [(one.kind, one.status) for one in answer.entries][:2] == [("login", 401), ("pull", 200)]
    assert [trouble.call.entry.kind for trouble in refused(answer)] == ["login"]


def test_where_refusals_alone_are_too_many_none_is_judged() -> None:
    answer = asked([row(PULLS, "404", minutes=n, tag=str(n)) for n in range(2, 12)])
    assert len(answer.entries) == BOUND and answer.cut and not refused(answer)


def test_a_success_is_one_group_whatever_is_said_of_it() -> None:
    (entry,) = asked([row(PULLS, "200", minutes=n, ResultDescription=f"took {n} ms") for n in range(2, 6)]).entries
    assert (entry.events, entry.status) == (4, 200)


STATUS = st.sampled_from(["200", "307", "401", "403", "404", "429", "503", "HttpStatusCode", "Failed"])
ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from([LOGINS, PULLS]),
        STATUS,
        minutes=st.integers(0, 25),
        tag=st.sampled_from(["1", "2", "3"]),
        identity=st.sampled_from(["ours", "ours", ""]),
    ),
    max_size=30,
)


@given(ROWS, st.integers(1, 30))
def test_nothing_is_refused_in_a_part_that_is_not_in_the_whole(rows: list[Row], bound: int) -> None:
    part, whole = asked(rows, bound), asked(rows, 100)
    stands = {(trouble.cause, trouble.image) for trouble in refused(whole)}
    assert {(trouble.cause, trouble.image) for trouble in refused(part)} <= stands
    if not part.cut:
        assert part.entries == whole.entries
    elif any(succeeded(entry) for entry in part.entries):
        failures = {entry for entry in whole.entries if not succeeded(entry) and entry.identity}
        assert failures <= set(part.entries), "successes go first"
