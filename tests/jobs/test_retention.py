"""The sweep prunes once a day, goes on where it was not enough, and bears what storage refuses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from azure.core.exceptions import HttpResponseError

from checks import settings
from checks.collect.arm.inventories import InventoryCache
from checks.jobs.context import JobContext
from checks.jobs.retention import prune as pruning
from checks.jobs.retention.prune import prune_daily
from checks.jobs.retention.turn import Pruned, keep_of
from tests.support.crash_scenarios import ALL_PASS, ONE_FAILS
from tests.support.crash_world import World
from tests.support.crash_world import what_never_changes_is_made_once as what_never_changes_is_made_once
from tests.support.crashing import MemoryQueues, Reaper
from tests.support.long_lives import days, disagreements
from tests.support.storage import app_settings


@pytest.fixture
async def world() -> World:
    """A tenant whose cluster failed, recovered, and failed again, more than two years ago; it was looked at since."""
    made = World()
    for look in (ALL_PASS, *[ONE_FAILS, ONE_FAILS, ALL_PASS] * 3):
        await made.run(look, Reaper())
    made.clock.forward(days=800)
    await made.run(ALL_PASS, Reaper())
    return made


def job(world: World) -> JobContext:
    return world.context(Reaper(), MemoryQueues(world.clock), InventoryCache())


async def test_it_prunes_once_a_day(world: World) -> None:
    done = await prune_daily(job(world))
    assert done is not None
    assert (len(done.months), done.changes > 2, done.mails > 5, done.failed) == (1, True, True, 0)
    assert str(done).startswith(f"1 month of runs, {done.changes} changes, 0 clusters gone for long, {done.mails} rows")
    world.clock.forward(hours=23)
    assert await prune_daily(job(world)) is None
    world.clock.forward(hours=2)
    again = await prune_daily(job(world))
    assert again is not None
    assert again.is_nothing
    assert await disagreements(world.store) == []


async def test_where_it_was_not_enough_the_next_sweep_goes_on(world: World) -> None:
    few: Callable[..., Any] = pruning.prune

    async def little(*arguments: Any) -> Pruned:
        return await few(*arguments, rows=4)  # type: ignore[no-any-return]

    turns = []
    with mock.patch.object(pruning, "prune", little):
        while (done := await prune_daily(job(world))) is not None:
            assert await disagreements(world.store) == []
            turns.append(done)
            world.clock.forward(minutes=5)
    assert len(turns) > 4
    assert [one.unfinished for one in turns] == [True] * (len(turns) - 1) + [False]


@pytest.mark.parametrize(
    ("refused", "failed"),
    [("old_messages", 1), ("drop_month", 1), ("drop_of_mail", 1), ("list_states", 1), ("fold_changes", 3)],
)
async def test_what_storage_refuses_costs_itself_and_is_logged(
    world: World, refused: str, failed: int, caplog: pytest.LogCaptureFixture
) -> None:
    context = job(world)
    error = HttpResponseError("the service refuses that")
    with mock.patch.object(context.store, refused, side_effect=error), caplog.at_level(logging.WARNING):
        done = await prune_daily(context)
    assert done is not None
    assert done.failed == failed
    assert "not pruned: the service refuses that" in caplog.text
    assert await disagreements(world.store) == []


def test_the_settings_are_those_of_the_docs() -> None:
    assert keep_of(settings.load(app_settings("UseDevelopmentStorage=true"))) == days()
    given = {"KEEP_RUNS_DAYS": "31", "KEEP_CHANGES_DAYS": "40", "KEEP_GONE_DAYS": "7", "KEEP_MAILS_DAYS": "8"}
    assert keep_of(settings.load(app_settings("UseDevelopmentStorage=true", **given))) == days(31, 40, 7, 8)
    for name in given:
        with pytest.raises(settings.SettingError, match=name):
            settings.load(app_settings("UseDevelopmentStorage=true", **{name: "1"}))
