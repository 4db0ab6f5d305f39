"""Servers that refuse, hesitate and vanish, processes that die: what each recipient got last is what is held.

A seed makes a story: looks at clusters, deliveries, what each server answers, deaths, pauses. In the end servers take
everything; then nothing may be lost, out of order, or said to somebody who cannot know what it is about.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import msgspec
import pytest

from checks.changes import Status
from checks.collect.arm.inventories import InventoryCache
from checks.history.decide import Policy, decide
from checks.history.model import MailStatus, RunRef
from checks.history.table.store import Store
from checks.jobs import deliver
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.queues import Queues
from checks.notify.items import ItemKind
from checks.notify.transports.base import NotDelivered, Outgoing, Receipt
from checks.settings import load
from tests.support.crashing import MemoryQueues, MortalQueues, MortalTables, Reaper
from tests.support.memory_tables import MemoryTables
from tests.support.reports import report
from tests.support.storage import Clock, Death, app_settings

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
NAMES = ("aks-1", "aks-2", "aks-3")
TEAM = ("a@contoso.example", "b@contoso.example", "c@contoso.example")
SETTINGS = load(
    app_settings("UseDevelopmentStorage=true")
    | {"PULLWATCH_MAIL_TO": ",".join(TEAM), "PULLWATCH_MAIL_FROM": "pullwatch@contoso.example"}
)
# The last two are for mutants that the others do not notice: who is told of a recovery, a mail for a part of the
# recipients, a mail that waits for one that was replaced.
SAMPLE = (*range(10), 13, 14)
OPEN_KINDS = {ItemKind.FAIL, ItemKind.CHANGED, ItemKind.MORE, ItemKind.FLAPPING}


def cluster_id(name: str) -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
    )


@dataclass(frozen=True)
class Got:
    """One mail that one recipient got: what it said of which cluster."""

    mail: str
    said: tuple[tuple[str, ItemKind, bool], ...]


@dataclass
class Server:
    """A mail server that answers as ``chance`` has it, until it is ``well``."""

    name: str
    chance: random.Random
    reaper: Reaper
    addressed: bool = True
    well: bool = False
    gone: set[str] = field(default_factory=set)
    got: dict[str, list[Got]] = field(default_factory=dict)
    uncertain: int = 0

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        return await self.reaper.step(f"send by {self.name}", lambda: self._answer(outgoing, recipients))

    async def _answer(self, outgoing: Outgoing, recipients: tuple[str, ...]) -> Receipt:
        answer = "well" if self.well else self.chance.choice(["well", "well", "no", "lost", "lost and taken", "some"])
        if answer == "no":
            raise NotDelivered(f"{self.name}: 554 no")
        if answer == "lost":
            raise NotDelivered(f"{self.name}: broken", uncertain=True)
        refused = {who: "550" for who in recipients if who in self.gone}
        later = {}
        if answer == "some":
            later = {who: "451" for who in recipients if who not in refused and self.chance.random() < 0.4}
        taken = [who for who in recipients if who not in refused and who not in later]
        items = [item for section in outgoing.mail.sections for item in section.items]
        got = Got(outgoing.mail.id, tuple((item.name, item.kind, item.failing) for item in items))
        for who in taken:
            self.got.setdefault(who, []).append(got)
        if answer == "lost and taken":
            self.uncertain += 1
            raise NotDelivered(f"{self.name}: broken", uncertain=True)
        return Receipt(refused=refused, later=later)


@dataclass
class Story:
    """One story: what outlives processes, and what was told in it."""

    seed: str
    most: int = 20
    tables: MemoryTables = field(default_factory=MemoryTables)
    clock: Clock = field(default_factory=Clock)
    looks: int = 0
    reaper: Reaper = field(default_factory=Reaper)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.servers = [Server(name, self.chance, self.reaper) for name in ("smtp", "graph")]
        if self.chance.random() < 0.3:
            self.servers[0].gone.add(TEAM[2])
        self.most = self.chance.choice([1, 2, 20, 20])

    @property
    def store(self) -> Store:
        return Store(self.tables)  # type: ignore[arg-type]

    async def look(self, name: str, word: str) -> None:
        """A look that counts at once, so that every word moves something."""
        self.looks += 1
        stored = await self.store.load_state(cluster_id(name))
        seen = report(word, cluster=cluster_id(name))
        policy = Policy(fail_after=dict.fromkeys(("access", "path", "pull", "images"), 1))
        decision = decide(
            stored.state if stored else None, seen, RunRef(f"run-{self.looks}", self.looks), policy, self.clock()
        )
        await self.store.commit(decision, seen, stored.etag if stored else None)

    async def deliver(self, *deaths: int) -> None:
        """A process that delivers, and dies at these points of its life."""
        reaper = Reaper(*deaths)
        for server in self.servers:
            server.reaper = reaper
        tables: Any = MortalTables(self.tables, reaper)
        queues: Any = MortalQueues(MemoryQueues(self.clock), reaper)
        settings = msgspec.structs.replace(SETTINGS, mails_per_hour=self.most)
        context = JobContext(settings, None, Store(tables), Queues(queues), InventoryCache(), self.clock)  # type: ignore[arg-type]
        with mock.patch.object(deliver, "transports", lambda *_: tuple(self.servers)):
            try:
                await deliver_all(context)
            except Death:
                self.reaper.deaths.append(len(reaper.names))

    async def play(self) -> None:
        await self.store.ensure_tables()
        for name in NAMES:
            await self.look(name, "pass")
        for _ in range(self.chance.randrange(4, 14)):
            # Flips within a day are damped, which is tested elsewhere.
            self.clock.forward(hours=self.chance.choice([9, 9, 12, 30]))
            for name in NAMES:
                if self.chance.random() < 0.6:
                    await self.look(name, self.chance.choice(["fail", "pass"]))
            for _ in range(self.chance.randrange(0, 3)):
                deaths = [self.chance.randrange(1, 120)] if self.chance.random() < 0.3 else []
                await self.deliver(*deaths)
                self.clock.forward(minutes=self.chance.choice([1, 2, 5, 70]))
        for server in self.servers:
            server.well = True
        for _ in range(8):
            await self.deliver()
            self.clock.forward(minutes=61)

    async def judge(self) -> None:
        store = self.store
        assert not await store.has_unsent()
        states = {name: await store.load_state(cluster_id(name)) for name in NAMES}
        held = {
            name: next(s for s in stored.state.subjects if s.facet == "access").status is Status.FAILING
            for name, stored in states.items()
            if stored is not None
        }
        for server in self.servers:
            for who in (who for who in TEAM if who not in server.gone):
                self._judge_recipient(server.got.get(who, []), held)
            allowed = server.uncertain + len(self.reaper.deaths)
            for who, mails in server.got.items():
                repeats = sum(count - 1 for count in Counter(mail.mail for mail in mails).values())
                assert repeats <= allowed, f"{who} got {repeats} mails again"
        gone = self.servers[0].gone
        for mail in await store.list_mails():
            refused = mail.status is MailStatus.REFUSED and set(mail.recipients) <= gone
            assert refused or mail.status in (MailStatus.SENT, MailStatus.MERGED, MailStatus.EMPTY)

    def _judge_recipient(self, mails: list[Got], held: dict[str, bool]) -> None:
        """Who reads from the first mail to the last knows what is held, and is never told the end of the unknown."""
        known: dict[str, bool] = dict.fromkeys(NAMES, False)
        seen: set[str] = set()
        for mail in mails:
            for name, kind, failing in mail.said:
                if mail.mail not in seen:
                    assert kind is not ItemKind.RECOVERED or known[name], f"{name} recovered, which was not failing"
                known[name] = failing
            seen.add(mail.mail)
        assert known == held, f"{known} was said, {held} is held: {mails}"


def told(seeds: Iterable[int]) -> Counter[str]:
    """A story for each seed; how much happened in them."""
    happened: Counter[str] = Counter()
    for seed in seeds:
        story = Story(f"story {seed}")

        async def whole(story: Story = story) -> None:
            await story.play()
            await story.judge()

        try:
            asyncio.run(whole())
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
        happened["deaths"] += len(story.reaper.deaths)
        happened["uncertain"] += sum(server.uncertain for server in story.servers)
        happened["mails"] += sum(len(got) for server in story.servers for got in server.got.values())
    return happened


def test_a_sample_of_stories() -> None:
    happened = told(SAMPLE)
    assert happened["deaths"] > 3
    assert happened["uncertain"] > 10


@pytest.mark.matrix
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(6))
def test_stories(part: int) -> None:
    happened = told(range(1000 + part, 7000, 6))
    print(f"part {part}: {dict(happened)}")
