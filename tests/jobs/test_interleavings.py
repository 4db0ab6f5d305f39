"""Two workers in every order that chance finds: nothing is lost, nothing is sent twice, history and state agree.

The tables and queues are in memory and the looks at clusters prepared; everything else is the product's. Messages come
in any order, and some of them twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from unittest import mock

import msgspec
import pytest

from checks.changes import Status
from checks.collect.arm.inventory import InventoryCache
from checks.findings import ClusterReport
from checks.history.decide import fold, statuses
from checks.history.model import MailStatus
from checks.history.table.store import Store
from checks.jobs import deliver, scan_cluster
from checks.jobs.close import sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.queues import (
    CLOSE,
    DELIVER,
    PLAN,
    SCAN,
    DeliverMessage,
    PlanMessage,
    Queues,
)
from tests.jobs.test_crashes import SETTINGS, World, looks
from tests.jobs.test_crashes import what_never_changes_is_made_once as what_never_changes_is_made_once
from tests.support.crash_scenarios import ALL_PASS, BAD, NAMED, NAMES, ONE_FAILS, Look, cluster_id, is_quiet
from tests.support.crashing import (
    Accepted,
    Host,
    MemoryQueues,
    MortalQueues,
    MortalTables,
    QueueMessage,
    Reaper,
    RecordingTransport,
    _handle,
)
from tests.support.interleaving import Turns
from tests.support.reports import report

WORKERS = ("one", "other")
TWICE = 0.1  # of the messages
SWEPT = 0.1  # of the times when a worker looks for a message
PAUSES = (0, 0, 1, 5, 10)  # seconds that the clock moves on when a message is taken; all of them stay below a lease


@dataclass(frozen=True)
class Scenario:
    """Runs that went well, what is in the queues then, and what the looks show: of BAD one of ``words``, by chance."""

    before: tuple[Look, ...]
    messages: tuple[tuple[str, msgspec.Struct], ...]
    words: tuple[str, ...] = ("fail",)
    planned: int = 0  # runs that are planned and not scanned when it begins


def asked(*requests: str) -> tuple[tuple[str, msgspec.Struct], ...]:
    return tuple((PLAN, PlanMessage(request=request, requested_by="timer")) for request in requests)


NOW_AND_THEN = ((DELIVER, DeliverMessage(why="a test")),) * 2
SCENARIOS = {
    "two runs on empty storage": Scenario((), asked("a", "b")),
    "two runs that see different things": Scenario((ALL_PASS,), asked("a", "b"), ("fail", "pass")),
    "three runs over a failure that comes and goes": Scenario((ALL_PASS,), asked("a", "b", "c"), ("fail", "pass")),
    "a run that recovers beside one that does not": Scenario((ALL_PASS, ONE_FAILS), asked("a", "b"), ("pass", "fail")),
    "one run planned twice": Scenario((ALL_PASS,), asked("a", "a")),
    "an old run's shards beside a new run": Scenario((ALL_PASS,), asked("new"), planned=1),
    "two that close and two that deliver": Scenario((ALL_PASS,), (*asked("a"), *NOW_AND_THEN), ("fail",)),
}


@dataclass
class Interleaved:
    """What one interleaving came to."""

    world: World
    turns: Turns
    sent: list[Accepted] = field(default_factory=list)


@cache
def started(name: str) -> tuple[World, tuple[str, ...]]:
    """The world in which the workers begin, and the messages of runs that are planned already."""

    async def runs() -> tuple[World, tuple[str, ...]]:
        world, scenario = World(), SCENARIOS[name]
        for look in scenario.before:
            await world.run(look, Reaper())
        queues = MemoryQueues(world.clock)
        for number in range(scenario.planned):
            world.runs += 1
            world.clock.forward(minutes=30)
            turns = Reaper()
            with looks(ONE_FAILS, turns):
                async with _opened(world, queues, turns)() as context:
                    await _handle(context, _message(PLAN, PlanMessage(request=f"old {number}", requested_by="timer")))
        return world, tuple(message.text for message in queues.messages)

    return asyncio.run(runs())


def _message(queue: str, body: msgspec.Struct) -> QueueMessage:
    return QueueMessage(queue, msgspec.json.encode(body).decode(), World().clock())


def _opened(world: World, queues: MemoryQueues, turns: Any) -> Callable[[], Any]:
    cache_of_worker = InventoryCache()

    @asynccontextmanager
    async def opened() -> AsyncIterator[JobContext]:
        store = Store(MortalTables(world.tables, turns))  # type: ignore[arg-type]
        await store.ensure_tables()
        messages = Queues(MortalQueues(queues, turns))  # type: ignore[arg-type]
        yield JobContext(SETTINGS, None, store, messages, cache_of_worker, world.clock)  # type: ignore[arg-type]

    return opened


def interleaved(name: str, seed: int) -> Interleaved:
    """One interleaving, drained. Fails where anything is lost, sent twice or left."""
    scenario = SCENARIOS[name]
    before, texts = started(name)
    world, turns = before.copy(), Turns(f"{name} {seed}")
    world.clock.forward(minutes=30)
    queues = MemoryQueues(world.clock)
    queues.names |= {PLAN, SCAN, CLOSE, DELIVER}
    messages = [_message(queue, body) for queue, body in scenario.messages]
    messages += [QueueMessage(SCAN, text, world.clock()) for text in texts]
    for message in messages:
        message.visible = world.clock()
    queues.messages += messages
    done = Interleaved(world, turns)
    transport = RecordingTransport(turns, done.sent)  # type: ignore[arg-type]
    busy: set[str] = set()

    async def look(azure: object, listing: object, target: Any, *rest: object, **more: object) -> ClusterReport:
        word = turns.chance.choice(scenario.words) if target.name == BAD else "pass"
        return report(word, cluster=target.id)

    async def worker(who: str) -> None:
        opened = _opened(world, queues, turns)
        while True:
            there = [message for message in queues.messages if message.visible <= world.clock()]
            if not there and not busy:
                return
            if not there:
                await turns.step("wait", _nothing)
                continue
            busy.add(who)
            await _take(turns.chance.choice(there), opened)
            busy.discard(who)

    async def _take(message: QueueMessage, opened: Callable[[], Any]) -> None:
        twice = turns.chance.random() < TWICE
        message.visible = world.clock() + timedelta(seconds=0 if twice else 600)
        world.clock.now += timedelta(seconds=turns.chance.choice(PAUSES))
        async with opened() as context:
            if turns.chance.random() < SWEPT:
                await sweep_runs(context)
            await _handle(context, message)
        if message in queues.messages:
            queues.messages.remove(message)

    async def drained() -> None:
        with (
            looks(ALL_PASS, turns),  # type: ignore[arg-type]
            mock.patch.object(scan_cluster, "scan_cluster", turns.mortal("scan a cluster", look)),
            mock.patch.object(deliver, "transports", lambda *_: (transport,)),
        ):
            await turns.run({who: lambda who=who: worker(who) for who in WORKERS})  # type: ignore[misc]
        with looks(ALL_PASS, Reaper()), mock.patch.object(deliver, "transports", lambda *_: (transport,)):
            rest = Reaper()
            transport.reaper = rest
            host = Host(queues, world.clock, rest, _opened(world, queues, rest), lambda: None)
            await host.settle(lambda: is_quiet(world.store))
        await judge(world, done.sent, before={BAD: "FAIL"} if ONE_FAILS in scenario.before else {})

    try:
        asyncio.run(drained())
    except AssertionError as error:
        error.add_note(f"{name}, seed {seed}: {[mail.subject for mail in done.sent]}")
        raise
    return done


async def _nothing() -> None:
    return None


async def judge(world: World, sent: list[Accepted], before: dict[str, str]) -> None:
    """Nothing is lost, sent twice or left; what was said last of a cluster is what is held of it."""
    store = world.store
    assert await is_quiet(store)
    assert await store.list_poison() == ()
    ids = [mail.message_id for mail in sent]
    assert len(ids) == len(set(ids)), "nobody died, so nothing is sent twice"
    assert sum("baseline:" in mail.subject for mail in sent) <= 1
    assert {mail.status for mail in await store.list_mails()} <= {MailStatus.SENT, MailStatus.MERGED, MailStatus.EMPTY}
    said = dict(before)
    for mail in sent:
        for kind, cluster, _ in NAMED.findall(mail.text):
            said[cluster] = kind
    latest = await store.latest_run()
    assert latest is not None
    newest = latest.sequence
    for name in NAMES:
        stored = await store.load_state(cluster_id(name))
        assert stored is not None
        assert stored.state.sequence == newest, "the look of the newest run was counted"
        assert fold(await store.list_changes(cluster_id(name))) == statuses(stored.state)
        access = next(subject for subject in stored.state.subjects if subject.facet == "access")
        failing = access.status is Status.FAILING
        assert access.notified == failing
        assert not failing or said.get(name) in ("FAIL", "CAUSE CHANGED"), f"{name} fails, and was said to: {said}"
        assert failing or said.get(name) in (None, "RECOVERED", "WAS BAD"), f"{name} passes, and was said to: {said}"


SEEDS = 3_000  # of each scenario: seven of them make 21,000 interleavings
PARTS = 6


@pytest.mark.matrix
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_order_that_chance_finds_loses_nothing(name: str, part: int, capsys: pytest.CaptureFixture[str]) -> None:
    said = explored(name, range(part, SEEDS, PARTS))
    with capsys.disabled():
        print(f"\n{said}")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_sample_of_orders_loses_nothing(name: str) -> None:
    explored(name, range(SEEDS, SEEDS + 25))


def explored(name: str, seeds: Iterable[int]) -> str:
    """What so many interleavings came to, in words."""
    schedules: set[str] = set()
    count, turns = 0, 0
    for seed in seeds:
        done = interleaved(name, seed)
        schedules.add(done.turns.schedule)
        count, turns = count + 1, turns + done.turns.given
    assert len(schedules) > 0.9 * count, "chance finds ever new orders"
    return f"{name}: {count} interleavings, {len(schedules)} different, {turns} operations, 0 lost"
