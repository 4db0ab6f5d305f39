"""Delivering dies at every point, and has a rival: what each recipient got last of each cluster is what is held.

Each story has its mail servers answer in one order. A process that dies is followed by another, which delivers once the
lease of the dead one has run out. ``test_delivery_orders.py`` has stories by chance; these are each about one thing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from unittest import mock

import msgspec
import pytest

from checks.changes import Notice, NoticeKind, Status
from checks.collect.arm.inventories import InventoryCache
from checks.history.decide import Policy, decide
from checks.history.model import RunRef
from checks.history.table.store import Store
from checks.jobs import deliver
from checks.jobs.context import JobContext
from checks.jobs.deliver import Delivered, deliver_all
from checks.jobs.delivery import turn
from checks.jobs.queues import Queues
from checks.jobs.silences import end_silences
from checks.notify.items import ItemKind
from checks.notify.transports.base import NotDelivered, Outgoing, Receipt
from checks.settings import load
from checks.silences import Matchers, Silence, SilenceKind
from tests.support.crash_scenarios import REPEAT, cluster_id
from tests.support.crashing import Accepted, MemoryQueues, MortalQueues, MortalTables, Reaper, accepted
from tests.support.interleaving import Turns
from tests.support.memory_tables import MemoryTables
from tests.support.reports import REGISTRY, report
from tests.support.storage import Clock, Death, app_settings
from tests.support.tenant_builder import SUBSCRIPTION

TEAM = ("a@contoso.example", "b@contoso.example", "c@contoso.example")
OPS = "ops@contoso.example"
SETTINGS = load(
    app_settings("UseDevelopmentStorage=true", MAIL_TO=",".join(TEAM), MAIL_FROM="pullwatch@contoso.example")
)
ROUTED = msgspec.structs.replace(SETTINGS, routes={SUBSCRIPTION: (OPS,)})
AT_ONCE = dict.fromkeys(("access", "path", "pull", "images"), 1)

NO, LOST, LOST_AND_TAKEN = "no", "lost", "lost and taken"


@pytest.fixture(autouse=True, scope="module")
def templates_are_read_once() -> Iterator[None]:
    """Reading them takes longer than all the rest of a story."""
    with mock.patch.object(turn, "templates_of_mails", cache(turn.templates_of_mails)):
        yield


@dataclass(frozen=True)
class Got:
    """A mail that a recipient got: what it said of which cluster, and whether the server's answer came back."""

    mail: Accepted
    said: tuple[tuple[str, ItemKind, bool], ...]
    answered: bool


@dataclass
class Server:
    """A mail server that gives these answers, and then takes everything. Names: who is to be tried later."""

    name: str
    reaper: Any
    answers: list[str | frozenset[str]] = field(default_factory=list)
    addressed: bool = True
    got: dict[str, list[Got]] = field(default_factory=dict)

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """One operation: a death before it loses the mail, one after it the answer."""
        return await self.reaper.step(f"send by {self.name}", lambda: self._answer(outgoing, recipients))

    async def _answer(self, outgoing: Outgoing, recipients: tuple[str, ...]) -> Receipt:
        answer = self.answers.pop(0) if self.answers else frozenset()
        if answer == NO:
            raise NotDelivered(f"{self.name}: 554 no")
        if answer == LOST:
            raise NotDelivered(f"{self.name}: broken", uncertain=True)
        lost = answer == LOST_AND_TAKEN
        later = {who: "451" for who in recipients if not isinstance(answer, str) and who in answer}
        said = tuple(
            (item.name, item.kind, item.failing) for section in outgoing.mail.sections for item in section.items
        )
        got = Got(accepted(outgoing.message, len(self.reaper.deaths)), said, answered=not lost)
        for who in recipients:
            if who not in later:
                self.got.setdefault(who, []).append(got)
        if lost:
            raise NotDelivered(f"{self.name}: broken", uncertain=True)
        return Receipt(later=later)


@dataclass
class World:
    """What outlives processes, and the process that is alive."""

    reaper: Any = field(default_factory=Reaper)
    settings: Any = SETTINGS
    tables: MemoryTables = field(default_factory=MemoryTables)
    clock: Clock = field(default_factory=Clock)
    servers: tuple[Server, ...] = ()
    runs: int = 0
    watched: set[str] = field(default_factory=set)

    @property
    def store(self) -> Store:
        """What is stored, for whoever does not die."""
        return Store(self.tables)  # type: ignore[arg-type]

    def context(self) -> JobContext:
        """What the process works with."""
        store = Store(MortalTables(self.tables, self.reaper))  # type: ignore[arg-type]
        queues = Queues(MortalQueues(MemoryQueues(self.clock), self.reaper))  # type: ignore[arg-type]
        return JobContext(self.settings, None, store, queues, InventoryCache(), self.clock)  # type: ignore[arg-type]

    async def look(self, *words: tuple[str, str], cause: str = "role-missing", baseline: bool = False) -> None:
        """A run that sees these clusters so; a look counts at once. Nobody dies in it: that is tested elsewhere."""
        self.runs += 1
        for name, word in words:
            self.watched.add(name)
            stored = await self.store.load_state(cluster_id(name))
            seen = report(word, cluster=cluster_id(name), cause=cause)
            policy = Policy(fail_after=AT_ONCE, baseline=baseline)
            decision = decide(
                stored.state if stored else None, seen, RunRef(f"run-{self.runs}", self.runs), policy, self.clock()
            )
            await self.store.commit(decision, seen, stored.etag if stored else None)

    async def deliver(self) -> None:
        """Delivers, however often the process dies."""
        await self._lived(deliver_all)

    async def end_silences(self) -> None:
        """Ends silences, however often the process dies."""
        await self._lived(end_silences)

    async def _lived(self, job: Callable[[JobContext], Awaitable[object]]) -> None:
        while True:
            try:
                done = await job(self.context())
            except Death:
                assert self.reaper.dead
            if not self.reaper.dead:
                assert not (isinstance(done, Delivered) and done.busy), "a dead process still has the lease"
                return
            self.reaper.dead = False
            self.clock.forward(minutes=2)

    async def settle(self) -> None:
        """Servers take everything by now, and every wait is over."""
        for server in self.servers:
            server.answers.clear()
        for _ in range(5):
            self.clock.forward(minutes=61)
            await self.deliver()


@dataclass(frozen=True)
class Story:
    """What happens, and who is told what in which order where nobody dies."""

    tell: Callable[[World], Awaitable[None]]
    mails: Mapping[str, tuple[str, ...]]
    servers: tuple[str, ...] = ("smtp",)
    settings: Any = SETTINGS


async def two_causes_by_two_transports(world: World) -> None:
    await world.look(("aks-1", "pass"), ("aks-2", "pass"))
    await world.look(("aks-1", "fail"))
    await world.look(("aks-2", "fail"), cause="token-expired")
    await world.deliver()


async def a_failure_waits_and_its_recovery_comes(world: World) -> None:
    world.servers[0].answers += [NO, NO]
    await world.look(("aks-1", "pass"))
    await world.look(("aks-1", "fail"))
    await world.deliver()
    world.clock.forward(minutes=2)
    await world.deliver()
    world.clock.forward(minutes=1)
    await world.look(("aks-1", "pass"))
    await world.deliver()


async def one_of_three_waits_and_the_cluster_recovers(world: World) -> None:
    world.servers[0].answers += [frozenset({TEAM[2]}), frozenset({TEAM[2]})]
    await world.look(("aks-1", "pass"))
    await world.look(("aks-1", "fail"))
    await world.deliver()
    world.clock.forward(seconds=30)
    await world.look(("aks-1", "pass"))
    await world.deliver()


async def an_uncertain_try_and_then_the_recovery(world: World) -> None:
    world.servers[0].answers += [LOST_AND_TAKEN, LOST]
    await world.look(("aks-1", "pass"))
    await world.look(("aks-1", "fail"))
    await world.deliver()
    world.clock.forward(seconds=30)
    await world.look(("aks-1", "pass"))
    await world.deliver()
    world.clock.forward(minutes=2)
    await world.deliver()


async def ten_mails_and_room_for_one(world: World) -> None:
    names = [f"aks-{number}" for number in range(10)]
    await world.look(*((name, "pass") for name in names))
    for number, name in enumerate(names):
        await world.look((name, "fail"), cause=f"cause-{number}")
    await world.deliver()


async def a_summary_and_what_recovered_before_it_went_out(world: World) -> None:
    await world.look(("aks-1", "fail"), ("aks-2", "fail"), baseline=True)
    notice = Notice(kind=NoticeKind.BASELINE, run="run-1", sequence=1, at=world.clock(), title="2 clusters watched")
    await world.store.add_notice(notice)
    world.clock.forward(minutes=5)
    await world.look(("aks-2", "pass"))
    await world.deliver()


async def a_silence_holds_and_ends(world: World) -> None:
    silence = Silence(
        id="one",
        kind=SilenceKind.SILENCE,
        matchers=Matchers(registry=REGISTRY),
        author="kim@contoso.example",
        reason="maintenance",
        created=world.clock(),
        expires=world.clock() + timedelta(hours=4),
    )
    await world.store.add_silence(silence)
    await world.look(("aks-1", "pass"), ("aks-2", "pass"))
    await world.look(("aks-1", "fail"), ("aks-2", "fail"))
    await world.deliver()
    assert not any(server.got for server in world.servers), "it is silenced"
    world.clock.forward(hours=2)
    await world.look(("aks-2", "pass"))
    await world.deliver()
    assert not any(server.got for server in world.servers), "nobody knows that it failed"
    world.clock.forward(hours=3)
    await world.end_silences()
    await world.deliver()
    await world.look(("aks-1", "pass"))
    await world.deliver()


async def two_routes(world: World) -> None:
    world.servers[0].answers += [frozenset(), NO]
    await world.look(("aks-1", "pass"))
    await world.look(("aks-1", "fail"))
    await world.deliver()
    world.clock.forward(seconds=30)
    await world.look(("aks-1", "pass"))
    await world.deliver()


STORIES = {
    "two causes, two transports": Story(
        two_causes_by_two_transports, {TEAM[0]: ("FAIL", "FAIL")}, servers=("smtp", "graph")
    ),
    "the recovery comes while the failure waits": Story(
        a_failure_waits_and_its_recovery_comes, {TEAM[0]: ("WAS BAD",)}
    ),
    "one of three waits": Story(
        one_of_three_waits_and_the_cluster_recovers, {TEAM[0]: ("FAIL", "RECOVERED"), TEAM[2]: ("WAS BAD",)}
    ),
    "an uncertain try": Story(an_uncertain_try_and_then_the_recovery, {TEAM[0]: ("FAIL", "FAIL", "RECOVERED")}),
    "ten mails, room for one": Story(
        ten_mails_and_room_for_one,
        {TEAM[0]: (" ".join(["FAIL"] * 10),)},
        settings=msgspec.structs.replace(SETTINGS, mails_per_hour=1),
    ),
    "a first summary": Story(a_summary_and_what_recovered_before_it_went_out, {TEAM[0]: ("FAIL WAS BAD",)}),
    "a silence": Story(a_silence_holds_and_ends, {TEAM[0]: ("FAIL", "RECOVERED")}),
    "two routes": Story(two_routes, {TEAM[0]: ("FAIL", "RECOVERED"), OPS: ("WAS BAD",)}, settings=ROUTED),
}


def told(name: str, *at: int) -> World:
    """One story with deaths at these points. Fails where anything is lost, said twice without need, or left."""
    story, reaper = STORIES[name], Reaper(*at)
    world = World(reaper, story.settings)
    world.servers = tuple(Server(server, reaper) for server in story.servers)

    async def whole() -> None:
        await world.store.ensure_tables()
        with mock.patch.object(deliver, "transports", lambda *_: world.servers):
            await story.tell(world)
            await world.settle()
        await judge(world, [*TEAM, *([OPS] if story.settings is ROUTED else [])])

    try:
        asyncio.run(whole())
    except AssertionError as error:
        error.add_note(f"{name}, deaths at {', '.join(f'{at} ({reaper.names[at]})' for at in reaper.deaths)}")
        raise
    return world


async def judge(world: World, recipients: Iterable[str]) -> None:
    """Nothing is left; whoever reads all of their mails knows what is held, and a mail comes again only as a repeat."""
    assert not await world.store.has_unsent()
    held = {}
    for name in sorted(world.watched):
        stored = await world.store.load_state(cluster_id(name))
        assert stored is not None
        held[name] = any(subject.status is Status.FAILING for subject in stored.state.subjects)
    for server in world.servers:
        for who in recipients:
            judge_recipient(server.got.get(who, []), held)


def judge_recipient(mails: list[Got], held: dict[str, bool]) -> None:
    """What one recipient got by one server."""
    known = dict.fromkeys(held, False)
    by_mail: dict[str, list[Got]] = {}
    for got in mails:
        again = by_mail.setdefault(got.mail.message_id, [])
        for name, kind, failing in got.said:
            assert again or kind is not ItemKind.RECOVERED or known[name], f"{name} recovered, which was not failing"
            known[name] = failing
        again.append(got)
    assert known == held, f"{known} was said, {held} is held"
    for same in by_mail.values():
        assert same[0].answered or len(same) > 1, "nobody knows whether it was accepted"
        for before, after in pairwise(same):
            assert after.mail.deaths > before.mail.deaths or not before.answered, "sent twice for nothing"
            assert REPEAT in after.mail.text


def kinds(mails: Iterable[Got]) -> tuple[str, ...]:
    """What each mail says, by its kinds."""
    return tuple(" ".join(str(kind.value) for _, kind, _ in got.said) for got in mails)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_that_nobody_dies_in_is_what_its_name_says(name: str) -> None:
    world = told(name)
    for server in world.servers:
        assert {who: kinds(server.got[who]) for who in STORIES[name].mails} == STORIES[name].mails


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.matrix)])
@pytest.mark.parametrize("name", STORIES)
def test_a_death_at_any_point_loses_nothing_and_sends_nothing_else_twice(name: str, step: int) -> None:
    points = told(name).reaper.names
    assert len(points) > 60
    # A sample has the first mail's handing over, before and after, whatever its step is.
    sending = [at for at, point in enumerate(points) if " send by " in point][:2]
    assert len(sending) == 2
    for at in sorted({*sending, *range(0, len(points), step)}):
        assert told(name, at).reaper.deaths == [at]
    print(f"{name}: {len(points)} points")


SEEDS = 1_000


@pytest.mark.matrix
@pytest.mark.timeout(900)
@pytest.mark.parametrize("deaths", [2, 3])
@pytest.mark.parametrize("name", STORIES)
def test_deaths_at_random_points_lose_nothing_and_send_nothing_else_twice(name: str, deaths: int) -> None:
    assert some_deaths(name, deaths, range(SEEDS)) > SEEDS // 2


@pytest.mark.parametrize("name", STORIES)
def test_a_sample_of_two_and_three_deaths(name: str) -> None:
    for deaths in (2, 3):
        assert some_deaths(name, deaths, range(SEEDS, SEEDS + 8)) > 2


def some_deaths(name: str, deaths: int, seeds: Iterable[int]) -> int:
    """A story for each seed, with deaths at random; in how many all deaths came in time."""
    points = len(told(name).reaper.names)
    in_time = 0
    for seed in seeds:
        chance = random.Random(f"{name} {deaths} {seed}")
        at = sorted(chance.sample(range(points), deaths))
        in_time += len(told(name, *at).reaper.deaths) == deaths
    return in_time


# ---- when a mail goes out -----------------------------------------------------------------------------------------


@asynccontextmanager
async def delivering(settings: Any = SETTINGS) -> AsyncIterator[tuple[World, list[Got], list[Any]]]:
    """A world with one server: what its first recipient got, and the answers that it will give."""
    world = World(settings=settings)
    server = Server("smtp", world.reaper)
    world.servers = (server,)
    await world.store.ensure_tables()
    await world.look(("aks-1", "pass"), ("aks-2", "pass"), ("aks-3", "pass"))
    with mock.patch.object(deliver, "transports", lambda *_: world.servers):
        yield world, server.got.setdefault(TEAM[0], []), server.answers


async def test_what_has_no_room_in_its_hour_waits_and_is_counted() -> None:
    async with delivering(msgspec.structs.replace(SETTINGS, mails_per_hour=1)) as (world, got, _):
        for number in (1, 2, 3):
            await world.look((f"aks-{number}", "fail"), cause=f"cause-{number}")
            await world.deliver()
            assert kinds(got) == ("FAIL",)
            world.clock.forward(minutes=10)
        world.clock.forward(minutes=31)
        await world.deliver()
        assert kinds(got) == ("FAIL", "FAIL FAIL")
        assert "1 mail was held back" in got[1].mail.text


async def test_a_next_try_that_lies_far_ahead_is_not_waited_for() -> None:
    async with delivering() as (world, got, answers):
        answers.append(NO)
        world.clock.forward(days=30)
        await world.look(("aks-1", "fail"))
        await world.deliver()
        assert not got
        world.clock.forward(days=-30)
        await world.deliver()
        assert kinds(got) == ("FAIL",)


# ---- two that deliver at once ------------------------------------------------------------------------------------


@dataclass
class SlowServer(Server):
    """A server at which the first mail takes longer than the lease lasts, so that somebody else delivers meanwhile."""

    clock: Clock = field(default_factory=Clock)
    slow: int = 1

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Two operations, between which the clock moves."""
        if self.slow:
            self.slow -= 1
            await self.reaper.step("slow", self._slow)
        return await super().send(outgoing, sender, recipients)

    async def _slow(self) -> None:
        self.clock.forward(minutes=3)


def rivals(seed: int, slow: int) -> tuple[World, list[Delivered]]:
    """Two that deliver two failures, one of which recovered, over and over; and what came of it."""
    world = World()
    did: list[Delivered] = []

    async def whole() -> None:
        await world.store.ensure_tables()
        await world.look(("aks-1", "pass"), ("aks-2", "pass"))
        await world.look(("aks-1", "fail"))
        await world.look(("aks-2", "fail"), cause="token-expired")
        turns = Turns(f"rivals {seed}")
        world.reaper = turns
        world.servers = (SlowServer("smtp", turns, clock=world.clock, slow=slow),)

        async def delivers() -> None:
            while not did or did[-1].busy:  # until somebody had the lease to the end
                did.append(await deliver_all(world.context()))

        with mock.patch.object(deliver, "transports", lambda *_: world.servers):
            await turns.run({"one": delivers, "other": delivers})
            await world.look(("aks-2", "pass"))
            world.reaper = world.servers[0].reaper = Reaper()
            await world.settle()
        assert not await world.store.has_unsent()

    asyncio.run(whole())
    return world, did


def judge_rivals(seeds: Iterable[int], slow: int) -> int:
    """Interleaves them by each seed; how many mails came twice."""
    repeats = 0
    for seed in seeds:
        world, _ = rivals(seed, slow)
        for who in TEAM:
            mails = world.servers[0].got[who]
            by_mail: dict[str, list[Got]] = {}
            for got in mails:
                by_mail.setdefault(got.mail.message_id, []).append(got)
            names = {(name, kind) for got in mails for name, kind, _ in got.said}
            expected = {("aks-1", ItemKind.FAIL), ("aks-2", ItemKind.FAIL), ("aks-2", ItemKind.RECOVERED)}
            assert names == expected, f"seed {seed}: lost, or something else was said"
            for same in by_mail.values():
                assert len(same) <= 1 + slow, f"seed {seed}: sent twice"
                assert sum(REPEAT not in got.mail.text for got in same) <= 1, f"seed {seed}: a repeat does not say so"
                repeats += len(same) - 1
    return repeats


def test_a_sample_of_two_that_deliver_at_once() -> None:
    assert judge_rivals(range(SEEDS, SEEDS + 15), slow=0) == 0
    assert judge_rivals(range(SEEDS, SEEDS + 15), slow=1) > 0


@pytest.mark.matrix
@pytest.mark.timeout(900)
@pytest.mark.parametrize("slow", [0, 1])
def test_two_that_deliver_at_once_lose_nothing_and_send_nothing_twice_for_nothing(slow: int) -> None:
    repeats = judge_rivals(range(SEEDS), slow)
    assert bool(repeats) is bool(slow)
    print(f"slow {slow}: {repeats} repeats")
