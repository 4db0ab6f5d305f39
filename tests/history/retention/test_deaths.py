"""The process dies at each operation of pruning in turn: history comes to state, and the next turn ends the work."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any
from unittest import mock

import pytest

from checks.history.decide.retention import Keep
from checks.history.table.store import Store
from checks.jobs.retention import mails
from checks.jobs.retention.prune import prune
from tests.support.crash_scenarios import cluster_id
from tests.support.crash_world import World
from tests.support.crash_world import what_never_changes_is_made_once as what_never_changes_is_made_once
from tests.support.crashing import MortalTables, Reaper
from tests.support.long_lives import days, disagreements
from tests.support.storage import Death

KEEP: Keep = days(31, 31, 7, 7)
ALL = {"aks-0": "pass", "aks-1": "pass", "aks-2": "pass"}


@cache
def old() -> World:
    """A tenant with old runs, changes and mails, a cluster that is gone, and one that fails now and was notified of."""

    async def lived() -> World:
        world = World()
        looks: list[dict[str, str]] = [ALL]
        for number in range(3):
            looks += [{**ALL, "aks-1": "fail", "aks-2": "no path"}] * 2 + [{**ALL, "aks-2": "pass"}]
            looks += [{**ALL, "aks-0": "fail" if number == 2 else "pass"}]
        looks += [{name: word for name, word in ALL.items() if name != "aks-1"}] * 3
        for look in looks:
            await world.run(look, Reaper())
            world.clock.forward(days=4)
        world.clock.forward(days=20)
        await world.run({"aks-0": "fail", "aks-2": "pass"}, Reaper())
        return world

    return asyncio.run(lived())


@pytest.fixture(autouse=True)
def it_has_been_lived() -> None:
    """Before any test's own event loop."""
    old()


async def pruned(world: World, reaper: Reaper) -> None:
    tables: Any = MortalTables(world.tables, reaper)
    with suppress(Death):
        await prune(Store(tables), KEEP, world.clock)


def stored(world: World) -> dict[str, list[tuple[str, str]]]:
    """The keys of all rows, by table."""
    return {name: sorted(rows) for name, rows in world.tables.tables.items()}


async def died(*at: int) -> tuple[World, list[str]]:
    """A turn with deaths at these points, and the one after it."""
    world, reaper = old().copy(), Reaper(*at)
    await pruned(world, reaper)
    assert reaper.deaths == list(at)
    # A cluster that left may still be shown, as one that is gone.
    assert await disagreements(world.store) in ([], [f"{cluster_id('aks-1').lower()} is shown and not there"])
    world.clock.forward(minutes=5)
    await pruned(world, Reaper())
    assert await disagreements(world.store) == []
    return world, reaper.names


def test_a_death_at_any_point_leaves_what_the_next_turn_ends() -> None:
    whole, names = asyncio.run(died())
    assert len(names) > 60
    goal = stored(whole)
    left = {row.partition("|")[0] for rows in goal.values() for _, row in rows}
    assert "checkpoint" in left
    assert cluster_id("aks-1").lower() not in str(whole.tables.tables["pullwatch"]).lower()
    for at in range(len(names)):
        world, _ = asyncio.run(died(at))
        assert stored(world) == goal, names[at]


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.matrix)])
def test_after_a_death_the_mails_of_later_runs_are_those_that_would_have_been_sent(step: int) -> None:
    async def later(world: World) -> list[tuple[str, str, str]]:
        sent = []
        for look in ({"aks-0": "pass", "aks-2": "fail"}, {**ALL, "aks-2": "fail"}, {**ALL, "aks-1": "fail"}) * 2:
            sent += await world.run(look, Reaper())
            world.clock.now += timedelta(days=1)
        return [(mail.message_id, mail.subject, mail.text) for mail in sent]

    async def compared(at: int) -> None:
        world, reaper = old().copy(), Reaper(at)
        await pruned(world, reaper)
        other = old().copy()
        assert await later(world) == await later(other)

    _, names = asyncio.run(died())
    for at in range(0, len(names), step):
        asyncio.run(compared(at))


def test_two_that_prune_at_once_come_to_the_same() -> None:
    async def both() -> World:
        world = old().copy()
        await asyncio.gather(pruned(world, Reaper()), pruned(world, Reaper()))
        assert await disagreements(world.store) == []
        world.clock.forward(minutes=5)
        await pruned(world, Reaper())
        return world

    with mock.patch.object(mails, "PAUSE", 0):
        found = stored(asyncio.run(both()))
    assert found == stored(asyncio.run(died())[0])
