"""The process dies at every point of a whole run in turn, and at two and three points at random: nothing is lost.

The tables and queues are in memory and the looks at clusters prepared; everything else is the product's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest import mock

import pytest

from checks import ncrontab, settings
from checks.collect.arm import inventory
from checks.collect.arm.inventory import Inventory, InventoryCache
from checks.facts import Authorization, Cluster, Seen, Subscription, SubscriptionFacts
from checks.findings import ClusterReport, Evidence
from checks.history.model import Unreadable
from checks.history.table.keys import state_ref
from checks.history.table.store import Store
from checks.jobs import deliver, scan_cluster
from checks.jobs.context import JobContext
from checks.jobs.delivery import turn
from checks.jobs.queues import CLOSE, DELIVER, PLAN, PlanMessage, Queues
from checks.jobs.unreadable import report_unreadable
from tests.support.crash_scenarios import NAMES, SCENARIOS, Look, cluster_id, is_quiet, judge_mails, judged_run
from tests.support.crashing import (
    Accepted,
    Host,
    MemoryQueues,
    MortalQueues,
    MortalTables,
    Reaper,
    RecordingTransport,
)
from tests.support.memory_tables import MemoryTables
from tests.support.reports import seen_of
from tests.support.storage import Clock, Death, app_settings, unasked_azure
from tests.support.tenant_builder import SUBSCRIPTION

SETTINGS = settings.load(
    app_settings(
        "UseDevelopmentStorage=true",
        SHARD_SIZE="2",
        MAIL_TRANSPORTS="folder",
        MAIL_FOLDER="not used",
        MAIL_FROM="pullwatch@contoso.example",
        MAIL_TO="team@contoso.example",
    )
)


@pytest.fixture(autouse=True, scope="module")
def what_never_changes_is_made_once() -> Iterator[None]:
    """Reading the templates and the schedule takes longer than all the rest of a run."""
    with (
        mock.patch.object(turn, "templates_of_mails", cache(turn.templates_of_mails)),
        mock.patch.object(ncrontab, "longest_gap", cache(ncrontab.longest_gap)),
    ):
        yield


def seen(value: Any) -> Seen[Any]:
    return Seen(value, Evidence("arm", "read"))


@dataclass
class World:
    """Tables, queues and a clock that outlive the process, and what Azure shows."""

    tables: MemoryTables = field(default_factory=MemoryTables)
    clock: Clock = field(default_factory=Clock)
    runs: int = 0

    def copy(self) -> World:
        other = World(self.tables.copy(), Clock(), self.runs)
        other.clock.now = self.clock.now
        return other

    @property
    def store(self) -> Store:
        """What is stored, for whoever does not die."""
        return Store(self.tables)  # type: ignore[arg-type]

    def context(self, reaper: Reaper, queues: MemoryQueues, cache: InventoryCache) -> JobContext:
        """What a job of the process works with."""
        store = Store(MortalTables(self.tables, reaper))  # type: ignore[arg-type]
        messages = Queues(MortalQueues(queues, reaper))  # type: ignore[arg-type]
        return JobContext(SETTINGS, unasked_azure(SETTINGS), store, messages, cache, self.clock)

    async def run(self, look: Look, reaper: Reaper, tries: Mapping[str, int] | None = None) -> list[Accepted]:
        """A run from the request of the timer until all is quiet; the mails that were accepted."""
        self.runs += 1
        self.clock.forward(hours=1)
        queues = MemoryQueues(self.clock)
        await Queues(MortalQueues(queues, Reaper())).send(  # type: ignore[arg-type]
            PLAN, [PlanMessage(request=f"request {self.runs}", requested_by="timer")]
        )
        transport = RecordingTransport(reaper)
        caches = [InventoryCache()]

        @asynccontextmanager
        async def opened() -> AsyncIterator[JobContext]:
            context = self.context(reaper, queues, caches[-1])
            await context.store.ensure_tables()
            yield context

        host = Host(queues, self.clock, reaper, opened, lambda: caches.append(InventoryCache()), tries)
        with looks(look, reaper), mock.patch.object(deliver, "transports", lambda *_: (transport,)):
            await host.settle(lambda: is_quiet(self.store))
        return transport.accepted


@contextmanager
def looks(look: Look, reaper: Reaper) -> Iterator[None]:
    """What Azure shows, prepared; each look at it is an operation."""
    subscription = Subscription(SUBSCRIPTION, "one", None, "Enabled")
    facts = SubscriptionFacts(
        subscription=subscription,
        clusters=seen(tuple(Cluster(id=cluster_id(name), name=name) for name in look)),
        registries=seen(()),
        authorization=Authorization(assignments=seen(()), definitions=seen({}), denies=seen(())),
    )

    async def visible(azure: object) -> tuple[Subscription, ...]:
        return (subscription,)

    async def read(azure: object, subscriptions: object) -> Inventory:
        return Inventory([facts], "azurecr.io")

    async def scan(azure: object, listing: object, target: Cluster, *rest: object, **more: object) -> ClusterReport:
        return seen_of(look[target.name], cluster=target.id)

    with (
        mock.patch.object(scan_cluster, "visible", reaper.mortal("list subscriptions", visible)),
        mock.patch.object(inventory, "read", reaper.mortal("read inventory", read)),
        mock.patch.object(scan_cluster, "scan_cluster", reaper.mortal("scan a cluster", scan)),
    ):
        yield


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
