"""Which clusters a list shows, what it says of each, and what reading all of them costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

import msgspec
import pytest
from azure.data.tables.aio import TableClient

from checks.arm_ids import name_of
from checks.changes import Status
from checks.fleet import answers
from checks.fleet.clusters import Wanted, chosen, find
from checks.fleet.load import load_fleet
from checks.history.overview import OpenFacet, Overview
from checks.history.table.overviews import overview_row
from checks.history.table.store import open_store
from checks.report.outcome import Outcome
from tests.fleet.test_incidents import BILLING, NOW, SHOP, SUBSCRIPTION, ago, cluster_id, entry, fails, fleet, over, row

UNSEEN = OpenFacet("pull", Status.PASSING, "unknown", ago(30), unknown_since=ago(2.5))


def sample() -> Any:
    dark = msgspec.structs.replace(entry("dark", row(SHOP, UNSEEN)), outcome=Outcome.UNKNOWN)
    gone = msgspec.structs.replace(entry("gone", row(SHOP)), gone_since=ago(1))
    return fleet(entry("fine", row(BILLING)), dark, entry("broken", row(SHOP, fails(3)), row(BILLING)), gone)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), ["broken", "dark", "fine"]),
        (Wanted(verdict=Outcome.UNKNOWN), ["dark"]),
        (Wanted(registry=SHOP), ["broken", "dark"]),
        (Wanted(registry="AcrShop"), ["broken", "dark"]),
        (Wanted(registry="acrsho"), []),
        (Wanted(cause="Role-Missing"), ["broken"]),
        (Wanted(subscriptions=(SUBSCRIPTION,), verdict=Outcome.PASS), ["fine"]),
        (Wanted(subscriptions=("22222222-2222-4222-8222-222222222222",)), []),
    ],
    ids=str,
)
def test_all_that_is_asked_for_must_fit_and_the_worst_come_first(wanted: Wanted, names: list[str]) -> None:
    assert [name_of(one.cluster) for one in chosen(sample(), wanted)] == names


def test_one_cluster_is_found_by_its_three_parts_also_where_it_is_gone() -> None:
    for name in ("broken", "gone"):
        found = find(sample(), SUBSCRIPTION.upper(), "RG", name.upper())
        assert found is not None and found.cluster == cluster_id(name)
    assert find(sample(), SUBSCRIPTION, "other", "broken") is None


def test_a_cluster_is_answered_with_its_rows_since_when_and_its_last_day() -> None:
    looked = msgspec.structs.replace(sample(), names={SUBSCRIPTION: "shop-prod"})
    broken, dark, _ = (answers.cluster_shown(one, looked) for one in chosen(looked, Wanted()))
    assert (broken.name, broken.resource_group, broken.subscription_name) == ("broken", "rg", "shop-prod")
    assert (broken.verdict, broken.failing_since, broken.gone_since) == ("fail", ago(3), None)
    assert broken.rows[0].strip == ("pass",) * 21 + ("fail",) * 3
    assert [(one.facet, one.cause, one.fix) for one in broken.rows[0].not_fine] == [("pull", "role-missing", "az fix")]
    assert broken.rows[1].not_fine == ()
    assert (dark.failing_since, dark.rows[0].strip) == (None, ("pass",) * 21 + ("unknown",) * 3)


def test_who_depends_on_a_registry_and_in_what_state() -> None:
    shown = answers.registry_shown(sample(), "acrshop")
    assert shown is not None
    assert (shown.registry, shown.clusters, shown.failing, shown.unknown) == (SHOP, 2, 1, 1)
    assert [(one.name, one.verdict) for one in shown.dependents] == [("broken", "fail"), ("dark", "unknown")]
    assert answers.registry_shown(sample(), "nobody") is None


def test_what_was_over_today_is_in_the_strip() -> None:
    shown = answers.cluster_shown(entry("a", row(SHOP), ended=(over(SHOP, 2.5, 1.5),)), fleet())
    assert shown.rows[0].strip[-4:] == ("pass", "fail", "fail", "pass")


async def test_the_whole_fleet_is_read_in_three_queries(storage: str) -> None:
    calls: list[str] = []
    listed, got = TableClient.query_entities, TableClient.get_entity

    def query(self: TableClient, *args: Any, **options: Any) -> Any:
        calls.append("query")
        return listed(self, *args, **options)

    async def get(self: TableClient, *args: Any, **options: Any) -> Any:
        calls.append("get")
        return await got(self, *args, **options)

    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        for number in range(50):
            await store._put(
                overview_row(Overview(f"{number:08d}-1111-4111-8111-111111111111", (entry("a", row(SHOP)),)))
            )
        with mock.patch.object(TableClient, "query_entities", query), mock.patch.object(TableClient, "get_entity", get):
            read = await load_fleet(store, NOW + timedelta(hours=1))
    assert (len(read.overviews), len(list(read.clusters()))) == (50, 50)
    assert len(calls) <= 4, calls
