"""Two workers in every order that chance finds: nothing is lost, nothing is sent twice, history and state agree.

The queues are in memory, as the tables are unless a test has them in Azurite, and the looks at clusters are prepared;
everything else is the product's. Messages come in any order, and some of them twice.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from unittest import mock

import msgspec
import pytest
from azure.data.tables import TableItem
from azure.data.tables.aio import TableClient, TableServiceClient

from checks.changes import Status
from checks.collect.arm.inventories import InventoryCache
from checks.findings import ClusterReport
from checks.history.decide import ALERTED, fold, statuses
from checks.history.model import ClusterState, MailStatus
from checks.history.table.store import Store
from checks.jobs import deliver, scan_cluster
from checks.jobs.close import sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.messages import CLOSE, DELIVER, PLAN, SCAN, DeliverMessage, PlanMessage, ScanMessage, read
from checks.jobs.queues import Queues
from tests.support.crash_scenarios import ALL_PASS, BAD, NAMES, ONE_FAILS, ONE_HAS_NO_PATH, Look, cluster_id, is_quiet
from tests.support.crash_world import SETTINGS, World, looks
from tests.support.crash_world import what_never_changes_is_made_once as what_never_changes_is_made_once
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
from tests.support.overviews import overview_is_what_is_held
from tests.support.reports import seen_of
from tests.support.sampling import sampled
from tests.support.storage import unasked_azure

WORKERS = ("one", "other")
TWICE = 0.1  # of the messages
SWEPT = 0.1  # of the times when a worker looks for a message
# In a mail: what it says of a cluster, and of which facets, in the line of a summary or in the item of a change.
SAID = re.compile(
    r"^([A-Z ]+?)  (aks-\d) <- \S+(?:  \(([a-z, ]+):|.*?Why you get this: \S+ \(([a-z, ]+)\))", re.MULTILINE | re.DOTALL
)
_run: ContextVar[str] = ContextVar("run")
PAUSES = (0, 0, 1, 5, 10)  # seconds that the clock moves on when a message is taken; all of them stay below a lease


@dataclass(frozen=True)
class Scenario:
    """Runs that went well, what is in the queues then, and what the looks show: of BAD one of ``words``, by chance.

    ``each``: each run sees its own, in the order in which they begin to look.
    """

    before: tuple[Look, ...]
    messages: tuple[tuple[str, msgspec.Struct], ...]
    words: tuple[str, ...] = ("fail",)
    planned: int = 0  # runs that are planned and not scanned when it begins
    each: bool = False


def asked(*requests: str, by: str = "timer") -> tuple[tuple[str, msgspec.Struct], ...]:
    return tuple((PLAN, PlanMessage(request=request, requested_by=by)) for request in requests)


A_TIMER_AND_A_PERSON = (*asked("a"), *asked("b", by="someone@contoso.example"))
NOW_AND_THEN = ((DELIVER, DeliverMessage(why="a test")),) * 2
SCENARIOS = {
    "two runs on empty storage": Scenario((), asked("a", "b")),
    "two runs that see different things": Scenario((ALL_PASS,), asked("a", "b"), ("fail", "pass")),
    "three runs over a failure that comes and goes": Scenario((ALL_PASS,), asked("a", "b", "c"), ("fail", "pass")),
    "a run that recovers beside one that does not": Scenario((ALL_PASS, ONE_FAILS), asked("a", "b"), ("pass", "fail")),
    "one run planned twice": Scenario((ALL_PASS,), asked("a", "a")),
    "an old run's shards beside a new run": Scenario((ALL_PASS,), asked("new"), planned=1),
    "a timer's run that sees Pass beside one asked for that sees Fail": Scenario(
        (ALL_PASS,), A_TIMER_AND_A_PERSON, ("pass", "fail"), each=True
    ),
    "a path that fails in two runs at once": Scenario((ALL_PASS,), A_TIMER_AND_A_PERSON, ("no path",)),
    "a path that failed once, and fails or holds": Scenario(
        (ALL_PASS, ONE_HAS_NO_PATH), A_TIMER_AND_A_PERSON, ("no path", "pass")
    ),
    "two that close and two that deliver": Scenario((ALL_PASS,), (*asked("a"), *NOW_AND_THEN), ("fail",)),
}


@dataclass
class Interleaved:
    """What one interleaving came to."""

    name: str
    world: World
    turns: Turns
    sent: list[Accepted] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)  # by run, the word of BAD that it saw last


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
        yield JobContext(SETTINGS, unasked_azure(SETTINGS), store, messages, cache_of_worker, world.clock)

    return opened


def interleaved(name: str, seed: int, storage: str = "") -> Interleaved:
    """One interleaving, drained. Fails where anything is lost, sent twice or left. ``storage``: of an emulator."""
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
    done = Interleaved(name, world, turns)
    transport = RecordingTransport(turns, done.sent)  # type: ignore[arg-type]
    busy: set[str] = set()

    async def look(azure: object, listing: object, target: Any, *rest: object, **more: object) -> ClusterReport:
        if target.name != BAD:
            return seen_of("pass", cluster=target.id)
        run = _run.get()
        own = scenario.words[len(done.seen.keys() - {run}) % len(scenario.words)]
        done.seen[run] = done.seen.get(run, own) if scenario.each else turns.chance.choice(scenario.words)
        return seen_of(done.seen[run], cluster=target.id)

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
            if message.queue == SCAN:
                _run.set(read(ScanMessage, message.text).run)
            await _handle(context, message)
        if message in queues.messages:
            queues.messages.remove(message)

    async def drained() -> None:
        async with served(world, storage):
            await worked()
            await judge(world, done, before={BAD: "FAIL"} if ONE_FAILS in scenario.before else {})

    async def worked() -> None:
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

    try:
        asyncio.run(drained())
    except AssertionError as error:
        error.add_note(f"{name}, seed {seed}: {[mail.subject for mail in done.sent]}")
        raise
    return done


class OwnTables:
    """The tables of one interleaving in a service that others use as well: their names end with its own."""

    def __init__(self, service: TableServiceClient, ending: str) -> None:
        self._service = service
        self._ending = ending

    def get_table_client(self, table_name: str) -> TableClient:
        """A client of one table, be it there or not."""
        return self._service.get_table_client(table_name + self._ending)

    async def create_table_if_not_exists(self, table_name: str) -> TableClient:
        """Makes the table where it is missing."""
        return await self._service.create_table_if_not_exists(table_name + self._ending)

    async def list_tables(self) -> AsyncIterator[TableItem]:
        """The tables of this interleaving."""
        async for table in self._service.list_tables():
            if table.name.endswith(self._ending):
                yield TableItem(table.name.removesuffix(self._ending))


@asynccontextmanager
async def served(world: World, storage: str) -> AsyncIterator[None]:
    """The world with its tables in an emulator, or in memory where none is named."""
    if not storage:
        yield
        return
    async with TableServiceClient.from_connection_string(storage) as service:
        tables = OwnTables(service, uuid.uuid4().hex)
        for name, rows in world.tables.tables.items():
            table = await tables.create_table_if_not_exists(name)
            for entity, _ in rows.values():
                await table.create_entity(entity)
        world.tables = tables  # type: ignore[assignment]
        yield


async def _nothing() -> None:
    return None


async def judge(world: World, done: Interleaved, before: dict[str, str]) -> None:
    """Nothing is lost, sent twice or left; what was said last of a facet is what is held of it."""
    store = world.store
    assert await is_quiet(store)
    assert await store.list_poison() == ()
    ids = [mail.message_id for mail in done.sent]
    assert len(ids) == len(set(ids)), "nobody died, so nothing is sent twice"
    assert sum("baseline:" in mail.subject for mail in done.sent) <= 1
    assert {mail.status for mail in await store.list_mails()} <= {MailStatus.SENT, MailStatus.MERGED, MailStatus.EMPTY}
    said = {(cluster, facet): kind for cluster, kind in before.items() for facet in ("access", "pull")}
    for mail in done.sent:
        for kind, cluster, *facets in SAID.findall(mail.text):
            said |= {(cluster, facet): kind for facet in "".join(facets).split(", ")}
    latest = await store.latest_run()
    assert latest is not None
    for name in NAMES:
        stored = await store.load_state(cluster_id(name))
        assert stored is not None
        assert stored.state.sequence == latest.sequence, "the look of the newest run was counted"
        assert fold(await store.list_changes(cluster_id(name))) == statuses(stored.state)
        judge_facets(name, stored.state, said)
    await overview_is_what_is_held(store, cluster_id(BAD).split("/")[2])
    if SCENARIOS[done.name].each:
        stored = await store.load_state(cluster_id(BAD))
        assert stored is not None
        access = next(subject.status for subject in stored.state.subjects if subject.facet == "access")
        assert (access is Status.FAILING) == (done.seen[latest.id] == "fail"), "what the newest run saw is held"


def judge_facets(name: str, state: ClusterState, said: Mapping[tuple[str, str], str]) -> None:
    """Of each facet people know what is held."""
    held = {subject.facet: subject for subject in state.subjects if subject.facet in ALERTED}
    assert held.keys() == set(ALERTED)
    for facet, subject in held.items():
        last = said.get((name, facet))
        failing = subject.status is Status.FAILING
        assert subject.notified == failing
        assert not failing or last in ("FAIL", "CAUSE CHANGED"), f"{facet} of {name} fails, and was said to: {said}"
        assert failing or last in (None, "RECOVERED", "WAS BAD"), f"{facet} of {name} passes, and was said to: {said}"


SEEDS = 3_000  # of each scenario: ten of them make 30,000 interleavings
PARTS = 6
SERVED = 1  # of each scenario, over Azurite
SERVED_LONG = 40


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
    explored(name, range(SEEDS, SEEDS + 6))


@pytest.mark.parametrize("seeds", [SERVED, pytest.param(SERVED_LONG, marks=pytest.mark.matrix)])
@pytest.mark.parametrize("name", sampled(SCENARIOS, 3))
def test_over_real_storage_as_well(name: str, seeds: int, storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = explored(name, range(seeds), storage)
    if seeds > SERVED:
        with capsys.disabled():
            print(f"\nover Azurite, {said}")


def test_over_real_storage_the_order_is_that_of_the_same_seed_in_memory(storage: str) -> None:
    name = "two runs that see different things"
    assert interleaved(name, 1, storage).turns.schedule == interleaved(name, 1).turns.schedule


def explored(name: str, seeds: Iterable[int], storage: str = "") -> str:
    """What so many interleavings came to, in words."""
    schedules: set[str] = set()
    count, turns = 0, 0
    for seed in seeds:
        done = interleaved(name, seed, storage)
        schedules.add(done.turns.schedule)
        count, turns = count + 1, turns + done.turns.given
    assert len(schedules) > 0.9 * count, "chance finds ever new orders"
    return f"{name}: {count} interleavings, {len(schedules)} different, {turns} operations, 0 lost"
