"""The process dies at every point of a whole run in turn, and at two and three points at random: nothing is lost.

The tables and queues are in memory and the looks at clusters prepared; everything else is the product's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache

import pytest

from checks.collect.arm.inventories import InventoryCache
from checks.history.model import Unreadable
from checks.history.table.keys import state_ref
from checks.jobs.messages import CLOSE, DELIVER
from checks.jobs.unreadable import report_unreadable
from tests.support.crash_scenarios import NAMES, SCENARIOS, cluster_id, judge_mails, judged_run
from tests.support.crash_world import World
from tests.support.crash_world import what_never_changes_is_made_once as what_never_changes_is_made_once
from tests.support.crashing import (
    MemoryQueues,
    Reaper,
)
from tests.support.storage import Death


@cache
def started(name: str) -> World:
    """The world in which the run under test begins."""

    async def runs() -> World:
        world = World()
        for look in SCENARIOS[name].before:
            await world.run(look, Reaper())
        return world

    return asyncio.run(runs())


def explored(name: str, *at: int, tries: Mapping[str, int] | None = None) -> Reaper:
    """One run with deaths at these points. Fails where anything is lost, sent twice or left."""
    world = started(name).copy()
    reaper = Reaper(*at)

    async def judged() -> None:
        sent = await world.run(SCENARIOS[name].last, reaper, tries)
        run = await judged_run(SCENARIOS[name], world.store, sent, tries or ())
        judge_mails(SCENARIOS[name], run, sent)

    try:
        asyncio.run(judged())
    except AssertionError as error:
        error.add_note(f"{name}, deaths at {', '.join(f'{at} ({reaper.names[at]})' for at in reaper.deaths)}")
        raise
    return reaper


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.matrix)])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_death_at_any_point_of_a_run_loses_nothing_and_sends_nothing_else_twice(name: str, step: int) -> None:
    points = len(explored(name).names)
    assert points > 200
    for at in range(0, points, step):
        assert explored(name, at).deaths == [at]


@pytest.mark.parametrize("step", [14, pytest.param(1, marks=pytest.mark.matrix)])
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_sweep_makes_good_what_a_message_that_was_given_up_would_have_done(name: str, step: int) -> None:
    names = explored(name).names
    for at in range(names.index(f"before send {CLOSE}"), len(names), step):
        assert explored(name, at, tries={CLOSE: 1, DELIVER: 1}).deaths == [at]


# Of each scenario and number of deaths. A later death may come too late: at least so many of a hundred come in time.
SEEDS = 1_000
IN_TIME = 60


@pytest.mark.matrix
@pytest.mark.timeout(900)
@pytest.mark.parametrize("deaths", [2, 3])
@pytest.mark.parametrize("name", SCENARIOS)
def test_deaths_at_random_points_lose_nothing_and_send_nothing_else_twice(name: str, deaths: int) -> None:
    assert some_deaths(name, deaths, range(SEEDS)) > SEEDS * IN_TIME // 100


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_sample_of_two_and_three_deaths(name: str) -> None:
    for deaths in (2, 3):
        assert some_deaths(name, deaths, range(SEEDS, SEEDS + 20)) > 5


def some_deaths(name: str, deaths: int, seeds: Iterable[int]) -> int:
    """A run for each seed, with deaths at random; of how many all deaths came in time."""
    points = len(explored(name).names)
    in_time = 0
    for seed in seeds:
        chance = random.Random(f"{name} {deaths} {seed}")
        at = [chance.randrange(points)]
        while len(at) < deaths:
            at.append(at[-1] + chance.randrange(1, points // 2))
        in_time += len(explored(name, *at).deaths) == deaths
    return in_time


def test_a_death_while_rows_that_cannot_be_read_are_recorded_loses_no_notice_and_adds_none() -> None:
    names = asyncio.run(recorded())
    assert len(names) > 10
    for at in range(len(names)):
        asyncio.run(recorded(at))


async def recorded(*at: int) -> list[str]:
    """Three rows are found, with deaths at these points, and found again."""
    found = [Unreadable(state_ref(cluster_id(name)), "version 999") for name in NAMES]
    world, reaper = World(), Reaper(*at)
    await world.store.ensure_tables()
    with suppress(Death):
        await report_unreadable(
            world.context(reaper, MemoryQueues(world.clock), InventoryCache()), found, lambda ref: False
        )
    assert reaper.deaths == list(at)
    await report_unreadable(
        world.context(Reaper(), MemoryQueues(world.clock), InventoryCache()), found, lambda ref: False
    )
    assert len((await world.store.list_pending()).items) == 1
    assert len(await world.store.list_unreadable()) == 3
    return reaper.names
