"""What a registry counted, as Azure Monitor answers: read once, bounded, and nothing guessed of what makes no sense."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import settings
from checks.collect.arm import inventory
from checks.collect.arm.client import open_azure
from checks.collect.monitor import pull_counts
from checks.collect.monitor.pull_counts import MAX_HOURS, MAX_PULLS, OFF, hours_of
from checks.collect.wire.errors import CollectError, Temporary
from checks.facts import NotSeen, NotSeenReason, Registry, RegistryUse, Seen
from checks.facts.registry_details import PullCounts, PullHour
from simulator import RequestRecord, running
from tests.support.cli import clean
from tests.support.tenant_builder import Tenant

UNTIL = datetime(2026, 11, 24, 12, 7, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def metric(name: str, *points: Any, **over: Any) -> dict[str, Any]:
    shown = {"unit": "Count", "timeseries": [{"metadatavalues": [], "data": list(points)}], "errorCode": "Success"}
    return {"name": {"value": name, "localizedValue": name}, **shown, **over}


def body(totals: list[Any], successes: list[Any]) -> dict[str, Any]:
    return {"value": [metric("TotalPullCount", *totals), metric("SuccessfulPullCount", *successes)]}


def point(total: Any = ..., hour: int = 11) -> dict[str, Any]:
    when = {"timeStamp": f"2026-11-24T{hour:02}:00:00Z"}
    return when if total is ... else {**when, "total": total}


def pair(total: Any, successful: Any) -> tuple[list[tuple[int, int]], int]:
    """What is read of one hour with these two values: its pulls and those that succeeded, and what was lost."""
    hours, lost = hours_of(body([point(total)], [point(successful)]), UNTIL)
    return [(hour.pulls, hour.successful) for hour in hours], lost


def test_hours_are_read_with_both_counts_oldest_first() -> None:
    totals, successes = [point(12.0, 11), point(7, 10)], [point(7.0, 10), point(3.0, 11)]
    assert hours_of(body(totals, successes), UNTIL) == (
        (PullHour(NOON - timedelta(hours=2), 7, 7), PullHour(NOON - timedelta(hours=1), 12, 3)),
        0,
    )


def test_a_grain_without_data_counted_nothing() -> None:
    assert pair(..., ...) == ([(0, 0)], 0)
    assert pair(None, 0.0) == ([(0, 0)], 0)
    assert pair(4, ...) == ([(4, 0)], 0)
    assert hours_of(body([point(0)], []), UNTIL) == ((PullHour(NOON - timedelta(hours=1), 0, 0),), 0)
    assert hours_of(body([], []), UNTIL) == ((), 0)


@pytest.mark.parametrize(
    "value", [-1, -0.5, "12", "NaN", float("nan"), float("inf"), True, [], {}, MAX_PULLS + 1, 10**400, 1e300]
)
def test_what_is_no_count_loses_its_hour_and_no_other(value: Any) -> None:
    assert pair(value, 1) == ([], 1)
    assert pair(1, value) == ([], 1)
    hours, lost = hours_of(body([point(value), point(5, 10)], [point(1), point(5, 10)]), UNTIL)
    assert ([hour.pulls for hour in hours], lost) == ([5], 1)


def test_more_successes_than_pulls_are_no_failures() -> None:
    assert pair(3, 5) == ([(3, 3)], 0)


def test_an_hour_whose_successes_are_missing_is_not_one_of_failures() -> None:
    assert hours_of(body([point(4), point(4, 10)], [point(4, 10)]), UNTIL)[1] == 1


@pytest.mark.parametrize(
    "when",
    [
        "2026-11-24T12:08:00Z",
        "2026-11-17T10:00:00Z",
        "2026-11-24T11:00:00",
        "soon",
        "",
        None,
        5,
        "9" * 50,
        "0001-01-01Z",
    ],
)
def test_a_time_that_was_not_asked_for_or_is_none_is_lost(when: Any) -> None:
    one = {"timeStamp": when, "total": 4}
    assert hours_of(body([one], [one]), UNTIL) == ((), 1)


def test_a_time_that_is_told_twice_counts_once() -> None:
    assert hours_of(body([point(4), point(400)], [point(4)]), UNTIL) == (
        (PullHour(NOON - timedelta(hours=1), 4, 4),),
        1,
    )


def test_hours_are_bounded() -> None:
    many = [
        {"timeStamp": (UNTIL - timedelta(minutes=at)).strftime("%Y-%m-%dT%H:%M:%SZ"), "total": 1} for at in range(5_000)
    ]
    hours, lost = hours_of(body(many, many), UNTIL)
    assert len(hours) == MAX_HOURS and lost > 0
    assert hours[-1].start == UNTIL


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"value": []},
        {"value": {}},
        {"value": [metric("TotalPullCount", point(1))]},
        {"value": [metric("TotalPullCount", errorCode="InternalError"), metric("SuccessfulPullCount")]},
    ],
)
def test_an_answer_without_both_metrics_is_no_count(answer: Any) -> None:
    with pytest.raises(Temporary):
        hours_of(answer, UNTIL)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just("2026-11-24T11:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "name", "timeseries", "data", "timeStamp", "total", "errorCode"]), inner
        )
    ),
    max_leaves=20,
)


@given(ANY, ANY, ANY)
def test_no_answer_makes_it_raise_anything_else_or_count_what_cannot_be(first: Any, second: Any, series: Any) -> None:
    answers = [
        first,
        {"value": [metric("TotalPullCount", first), metric("SuccessfulPullCount", second)]},
        {"value": [metric("TotalPullCount", timeseries=series), metric("SuccessfulPullCount", timeseries=series)]},
    ]
    for answer in answers:
        try:
            hours, lost = hours_of(answer, UNTIL)
        except CollectError:
            continue
        assert lost >= 0 and all(0 <= hour.successful <= hour.pulls <= MAX_PULLS for hour in hours)


# over the wire -------------------------------------------------------------------------------------------------------


def asked(
    tenant: Tenant, answer: Any = None, status: int = 200, times: int = 1, **environment: str
) -> tuple[list[Seen[PullCounts] | NotSeen], list[RequestRecord]]:
    """What is read of one registry, so many times at once with one inventory, and the requests for metrics."""
    registry_id = tenant.registry()
    effect = {"status": status, "body": answer if answer is not None else body([], [])}
    rule = {"service": "arm", "path": "*/providers/Microsoft.Insights/metrics", "method": "GET", "effect": effect}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))
    registry = Registry(id=registry_id, name="acrone", login_server="acrone.azurecr.io")
    use = RegistryUse(
        login_server="acrone.azurecr.io",
        sources=("setting",),
        registry=Seen(registry, pull_counts.reads.evidence("", "")),
    )

    async def opened() -> list[dict[str, Seen[PullCounts] | NotSeen]]:
        async with open_azure(settings.load(os.environ)) as azure:
            shared = await inventory.unread(azure, ())
            return await asyncio.gather(*(pull_counts.of_cluster(azure, shared, (use,)) for _ in range(times)))

    with (
        running(tenant.root) as sim,
        mock.patch.dict(os.environ, clean(sim.environment | environment), clear=True),
    ):
        read = [one["acrone.azurecr.io"] for one in asyncio.run(opened())]
    return read, [record for record in sim.requests if record.path.endswith("/Microsoft.Insights/metrics")]


def test_one_request_has_both_metrics_and_the_week_whoever_asks(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    read, requests = asked(Tenant(tmp_path), times=5)
    assert len(requests) == 1
    query = {name: values[0] for name, values in parse_qs(requests[0].query).items()}
    start, end = (datetime.fromisoformat(part) for part in query.pop("timespan").split("/"))
    assert query == {
        "api-version": "2024-02-01",
        "metricnames": "TotalPullCount,SuccessfulPullCount",
        "metricnamespace": "Microsoft.ContainerRegistry/registries",
        "interval": "PT1H",
        "aggregation": "Total",
    }
    assert end - start == timedelta(days=7)
    assert timedelta(minutes=4) < before - end < timedelta(minutes=7)
    assert all(isinstance(one, Seen) and one.value.until == end for one in read)


def test_hours_that_could_not_be_read_are_counted(tmp_path: Path) -> None:
    wrong = {"timeStamp": "soon", "total": 1}
    (read,), _ = asked(Tenant(tmp_path), body([wrong, wrong], []))
    assert isinstance(read, Seen) and read.partial == "2 hours could not be read"


def test_a_refusal_names_the_role_on_the_registry(tmp_path: Path) -> None:
    refusal = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    (read,), _ = asked(Tenant(tmp_path), refusal, 403)
    assert isinstance(read, NotSeen) and (read.why, read.role) == (NotSeenReason.NOT_ALLOWED, "Reader")
    assert read.fix[0].endswith("/registries/acrone")


def test_a_subscription_that_is_not_registered_for_metrics_says_so(tmp_path: Path) -> None:
    refusal = {"error": {"code": "MissingSubscriptionRegistration", "message": "register microsoft.insights"}}
    (read,), _ = asked(Tenant(tmp_path), refusal, 409)
    assert isinstance(read, NotSeen) and read.why is NotSeenReason.ERROR
    assert "MissingSubscriptionRegistration" in read.detail


def test_nothing_is_asked_where_a_setting_says_so(tmp_path: Path) -> None:
    assert asked(Tenant(tmp_path), PULLWATCH_REGISTRY_METRICS="false") == ([OFF], [])
