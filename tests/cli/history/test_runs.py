"""``runs`` on real storage: the latest, newest first, and one whole with all that failed in it."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from checks.history.model import Totals
from checks.history.table import keys
from checks.history.table.store import Store
from tests.cli.history.kept import NOW, RESULTS, SUBSCRIPTION, close, on, plan, planned
from tests.support.broken_rows import damage
from tests.support.reports import CLUSTER
from tests.support.said import Said

TOTALS = Totals(clusters=7, passing=3, failing=2, unknown=1, errors=1, changes=2, gone=1)


async def three_runs(store: Store) -> None:
    """One that was closed with a shard missing, one that is overdue, one that is open."""
    for number, hours in ((1, 3), (2, 2), (3, 0)):
        ticket = await store.next_sequence(NOW - timedelta(hours=hours))
        assert ticket.sequence == number
        await plan(store, planned(number, NOW - timedelta(hours=hours), subscriptions=RESULTS))
    at = NOW - timedelta(hours=3)
    run = planned(1, at, subscriptions=RESULTS)
    await close(
        store,
        msgspec.structs.replace(
            run, totals=TOTALS, closed=at + timedelta(minutes=4), degraded=True, missing=("s-1",), missing_shards=1
        ),
    )


def run_id(number: int, hours: int) -> str:
    return planned(number, NOW - timedelta(hours=hours)).id


def test_runs_are_listed_newest_first_with_what_they_came_to(storage: str) -> None:
    on(storage, three_runs)
    said = Said(storage, "runs")
    assert (said.code, said.errors) == (0, "")
    heading, opened, overdue, closed = said.out.splitlines()
    assert heading.split() == [
        "ID", "ASKED", "BY", "CREATED", "(UTC)", "CLOSED", "(UTC)", "TOOK", "CLUSTERS", "PASSING", "FAILING",
        "UNKNOWN", "ERRORS",
    ]  # fmt: skip
    assert [line.split()[0] for line in (opened, overdue, closed)] == [run_id(3, 0), run_id(2, 2), run_id(1, 3)]
    assert opened.endswith("  open")
    assert overdue.endswith("  overdue")
    assert closed.split()[-10:] == ["4m", "7", "3", "2", "1", "1", "degraded,", "1", "shard", "missing"]
    assert len(Said(storage, "runs", "--limit", "2").out.splitlines()) == 3


def test_json_has_the_totals_and_times_of_each(storage: str) -> None:
    on(storage, three_runs)
    answer = Said(storage, "runs", "-o", "json").json
    assert [run["sequence"] for run in answer["runs"]] == [3, 2, 1]
    opened, _, closed = answer["runs"]
    assert (opened["status"], opened["closed"], opened["took_seconds"]) == ("planned", None, None)
    assert (closed["status"], closed["took_seconds"], closed["missing_shards"]) == ("closed", 240.0, 1)
    assert closed["totals"]["failing"] == 2
    assert closed["degraded"] is True
    assert datetime.fromisoformat(closed["created"]) == NOW - timedelta(hours=3)


def test_one_run_whole_says_what_failed_in_it(storage: str) -> None:
    on(storage, three_runs)
    said = Said(storage, "runs", run_id(1, 3))
    assert (said.code, said.errors) == (0, "")
    for line in (
        f"run {run_id(1, 3)}",
        "  7 clusters: 3 passing, 2 failing, 1 unknown, 1 errors; 2 clusters changed, 1 gone",
        "  degraded: the checker itself is in doubt",
        "1 subscription not looked at",
        "  shop-dev (22222222-2222-4222-8222-222222222222): look-not-allowed: Listing clusters is not allowed.",
        "    az role assignment create --role Reader",
        "1 shard missing",
        "  s-1",
        "the checker failed at 1 cluster",
        "  aks-1: KeyError: x",
    ):
        assert line in said.out.splitlines(), line
    assert "shop-prod" not in said.out, "it was looked at"
    answer = Said(storage, "runs", run_id(1, 3), "-o", "json").json
    assert [one["cause"] for one in answer["subscriptions"]] == ["", "look-not-allowed"]
    assert answer["missing"] == ["s-1"]
    assert answer["failed_clusters"][0]["cluster"] == CLUSTER
    assert answer["shards"][0] == {"id": "s-0", "subscription": SUBSCRIPTION, "clusters": [CLUSTER]}


def test_a_run_that_is_under_way_says_what_has_not_ended_yet(storage: str) -> None:
    on(storage, three_runs)
    said = Said(storage, "runs", run_id(3, 0))
    assert "2 shards not ended yet" in said.out
    assert "passing" not in said.out, "its shards are counted when it is closed"
    assert "open: its deadline is " in said.out
    assert "overdue: its deadline was " in Said(storage, "runs", run_id(2, 2)).out


def test_what_there_is_none_of_is_said(storage: str) -> None:
    nothing = Said(storage, "runs")
    assert (nothing.code, nothing.out, nothing.errors) == (0, "", "pullwatch: no run is kept yet\n")
    unknown = Said(storage, "runs", "202611-000000000009")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.errors == "pullwatch: there is no run '202611-000000000009': `pullwatch runs` lists them\n"
    wrong = Said(storage, "runs", "latest")
    assert wrong.code == 64
    assert "'latest' is no id of a run" in wrong.errors


def test_a_run_that_cannot_be_read_hides_no_other(storage: str) -> None:
    on(storage, three_runs)
    broken = run_id(2, 2)
    damage(storage, "garbage JSON", broken, "run", keys.run_table(broken))
    said = Said(storage, "runs", "-o", "json")
    assert said.code == 2
    assert f"pullwatch: run {broken} cannot be read: " in said.errors
    assert [run["sequence"] for run in said.json["runs"]] == [3, 1]
    assert [one["run"] for one in said.json["unreadable"]] == [broken]
    assert Said(storage, "runs", broken).code == 2
