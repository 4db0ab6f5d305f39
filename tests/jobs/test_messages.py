"""Queues give a message late, twice, before an earlier one, or not at all: messages x arrivals x states of their run.

Two clusters, each a shard of its own. The first run saw both pull; from the second run on, which the message is of,
neither may. What has to be held, counted and notified in the end follows from the looks that were taken alone, in their
order: ``expected`` says it from a list of looks, and knows nothing of messages.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks.history.errors import SchemaError
from checks.history.model import MailStatus, MarkerStatus, RowRef, RunStatus, new_run_id
from checks.history.table import keys
from checks.history.table.store import Store
from checks.jobs.close import record_poison, sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.messages import CloseMessage, DeliverMessage, Message, MessageError, PlanMessage, ScanMessage
from checks.jobs.plan import _shards
from localhost.mailbox import Mailbox
from simulator import Simulator, running
from tests.support.broken_rows import damage, rows_of, stored_row
from tests.support.queued_jobs import drain, handle, queue_of, take
from tests.support.sampling import sampled
from tests.support.storage import Clock, Death, app_settings, job_context
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, object_id

RUN = new_run_id(2, Clock().now)
TABLE = keys.run_table(RUN)
NAMES = ("aks-1", "aks-2")
CLUSTERS = "/subscriptions/{}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{}"
SHARDS = tuple(
    shard.id for shard in _shards({SUBSCRIPTION: [CLUSTERS.format(SUBSCRIPTION, name) for name in NAMES]}, 1)
)


class Estate:
    """The clusters, and whether they may pull."""

    def __init__(self, tenant: Tenant) -> None:
        self.clusters = [tenant.cluster(name) for name in NAMES]
        registry = tenant.registry("acrone")
        for name in ("aks-1", "aks-2"):
            tenant.reachable(name)
            tenant.pod("acrone.azurecr.io/team/web:1", cluster=name, name="web-1")
        self._grants = [(object_id(name), ACR_PULL, registry) for name in NAMES]
        self._tenant = tenant
        self._granted: list[str] = []
        self.simulator: Simulator

    @property
    def word(self) -> str:
        """What a look at a cluster finds."""
        return "passing" if self._granted else "failing"

    def allow(self, pull: bool) -> None:
        """Gives the clusters the role that pulls, or takes it from them."""
        if pull and not self._granted:
            self._granted = [self._tenant.assign(*grant) for grant in self._grants]
        while self._granted and not pull:
            self._tenant.unassign(self._granted.pop())


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    tenant = Tenant(Path(tmp_path_factory.mktemp("messages")) / "tenant")
    made = Estate(tenant)
    with running(tenant.root) as made.simulator:
        yield made


class Look(msgspec.Struct, frozen=True):
    """A look that a run took at a cluster, and what it found."""

    cluster: str
    sequence: int
    word: str


class Expected(msgspec.Struct, frozen=True):
    """What has to be after some looks: what is held of each cluster, which looks were late, which are notified."""

    held: dict[str, Look]
    late: set[tuple[str, int]]
    notified: set[tuple[str, int]]


def expected(looks: list[Look]) -> Expected:
    """A look of an older run than the last that counted is late; one of the same run is a repeat; others count."""
    made = Expected({}, set(), set())
    for look in looks:
        before = made.held.get(look.cluster)
        if before is not None and look.sequence < before.sequence:
            made.late.add((look.cluster, look.sequence))
        if before is None or look.sequence > before.sequence:
            made.held[look.cluster] = look
            if before is not None and look.word != before.word:
                made.notified.add((look.cluster, look.sequence))
    return made


@dataclass
class World:
    """The app between two messages: what was looked at so far, and what may not change any more."""

    job: JobContext
    settings: dict[str, str]
    storage: str
    estate: Estate
    looks: list[Look] = field(default_factory=list)
    closes: Counter[str] = field(default_factory=Counter)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)

    def forward(self, minutes: int) -> None:
        """Time passes."""
        self.job.clock.forward(minutes=minutes)  # type: ignore[attr-defined]

    async def handled(self, *messages: Message) -> list[str]:
        """Handles messages at once, each in a process of its own; a word for each."""
        jobs = [self.job, *[self.another() for _ in messages[1:]]]
        done = await asyncio.gather(*(self._handled(job, each) for job, each in zip(jobs, messages, strict=True)))
        await self._nothing_went_backwards()
        return list(done)

    def another(self) -> JobContext:
        """Another process of the app: nothing is shared but what is stored."""
        job = self.job
        store = Store(job.store._service)
        return JobContext(job.settings, job.azure, store, job.queues, type(job.inventories)(), job.clock)

    async def _handled(self, job: JobContext, message: Message) -> str:
        word = self.estate.word
        try:
            done = await handle(job, message)
        except (MessageError, SchemaError) as error:  # as often as it is tried: the host gives it up
            await record_poison(job, queue_of(message), msgspec.json.encode(message))
            return type(error).__name__
        if isinstance(message, ScanMessage) and done == "scanned":
            cluster = self.estate.clusters[SHARDS.index(message.shard)]
            self.looks.append(Look(cluster, int(message.run.partition("-")[2]), word))
        if isinstance(message, CloseMessage):
            self.closes[message.run] += done == "closed"
        return done

    async def _nothing_went_backwards(self) -> None:
        """No state and no latest run is older than before; the row of a closed run is as it was."""
        latest = await self.job.store.latest_run()
        now = {"latest": latest.sequence if latest is not None else 0}
        for cluster in self.estate.clusters:
            stored = await self.job.store.load_state(cluster)
            now[cluster] = stored.state.sequence if stored is not None else 0
        assert all(now[name] >= sequence for name, sequence in self.newest.items())
        self.newest = now
        for run, count in self.closes.items():
            if count:
                row = stored_row(self.storage, run, "run", TABLE)
                assert self.rows.setdefault(run, row) == row, "a closed run is never written again"

    async def drained(self) -> None:
        """Handles what is in the queues, until nothing is left."""
        await drain(self.storage, self.handled)

    async def settled(self) -> None:
        """Everything that was sent has arrived, and the sweep came past the deadline."""
        await self.drained()
        for _ in range(2):
            self.forward(60)
            await sweep_runs(self.job)
            await self.drained()


@asynccontextmanager
async def world(estate: Estate, storage: str, smtp: Mailbox) -> Any:
    """The app after its first run, which saw both clusters pull; from now on neither may."""
    estate.allow(pull=True)
    settings = estate.simulator.environment | app_settings(storage, smtp, SHARD_SIZE="1")
    async with job_context(settings, Clock()) as job:
        made = World(job, settings, storage, estate)
        await made.handled(PlanMessage(request="first", requested_by="timer"))
        await made.drained()
        made.forward(60)
        estate.allow(pull=False)
        yield made


class DiesBeforeItsRun(Store):
    """The store of a process that dies when all of a plan is written but the run."""

    async def _create(self, entity: Any, table: str = keys.TABLE) -> bool:
        if entity["RowKey"] == "run":
            raise Death
        return await super()._create(entity, table)


async def begin(world: World) -> None:
    """A plan that dies: the run has its number and its entry among the open ones, and was never written."""
    async with job_context(world.settings, world.job.clock, DiesBeforeItsRun) as job:
        with pytest.raises(Death):
            await handle(job, MESSAGES["plan"])


async def newer_run(world: World) -> None:
    """Another run sees both clusters pull, and is closed."""
    world.estate.allow(pull=True)
    await world.handled(PlanMessage(request="third", requested_by="timer"))
    newer = new_run_id(3, Clock().now)
    for shard in SHARDS:
        await world.handled(ScanMessage(run=newer, shard=shard))
    assert await world.handled(CloseMessage(run=newer)) == ["closed"]
    world.estate.allow(pull=False)


async def unreadable(world: World) -> None:
    """The row of the run cannot be read any more."""
    damage(world.storage, "garbage JSON", RUN, "run", TABLE)


async def deadline(world: World) -> None:
    """The deadline of the run is over."""
    world.forward(60)


MESSAGES: dict[str, Message] = {
    "plan": PlanMessage(request="second", requested_by="timer"),
    "other scan": ScanMessage(run=RUN, shard=SHARDS[0]),
    "scan": ScanMessage(run=RUN, shard=SHARDS[1]),
    "close": CloseMessage(run=RUN),
    "deliver": DeliverMessage(why="a test"),
}
Step = str | Callable[[World], Awaitable[None]]
STATES: dict[str, tuple[Step, ...]] = {
    "never planned": (begin,),
    "planned": ("plan",),
    "some shards marked": ("plan", "other scan"),
    "all marked and not closed": ("plan", "other scan", "scan"),
    "closed by deadline": ("plan", "other scan", deadline, "close"),
    "closed": ("plan", "other scan", "scan", "close"),
    "its row unreadable": ("plan", "other scan", unreadable),
    "overtaken": ("plan", "other scan", newer_run),
}
ARRIVALS = ("late", "twice", "at once", "reordered", "poison")

# What the first handling of a message does, where that is not what it does in most states (the entry "").
RESULTS = {
    "plan": {"": "repeated", "never planned": "planned", "its row unreadable": "SchemaError"},
    "scan": {
        **{"": "scanned", "its row unreadable": "SchemaError"},
        **dict.fromkeys(("all marked and not closed", "closed"), "repeated"),
    },
    "close": {
        **{"": "waiting", "never planned": "never planned", "its row unreadable": "unreadable"},
        **{"all marked and not closed": "closed", "closed by deadline": "repeated", "closed": "repeated"},
    },
    "deliver": {"": "delivered"},
}
ONCE = ("planned", "scanned", "closed")  # what happens once; after it the same message is a repeat


def sent_in(state: str) -> list[str]:
    """The messages that there can be, in the order they are sent: those of shards only after the run was written."""
    return [name for name in MESSAGES if state != "never planned" or "scan" not in name]


def makes_sense(message: str, arrival: str, state: str) -> bool:
    """Whether there can be such a cell: the message was sent, and, to be reordered, another one before it."""
    return message in sent_in(state) and (arrival != "reordered" or message != "plan")


def cells() -> Iterator[Any]:
    """Every cell. `make test` takes one in seven, with every message, arrival and state, and scans after a close."""
    for message, arrival, state in product(RESULTS, ARRIVALS, STATES):
        if makes_sense(message, arrival, state):
            turn = list(RESULTS).index(message) + ARRIVALS.index(arrival) + list(STATES).index(state)
            after_a_close = (message, arrival) == ("scan", "late") and state in ("closed by deadline", "overtaken")
            sample = turn % 7 == 0 or after_a_close
            name = f"{message}, {arrival}, {state}"
            yield pytest.param(message, arrival, state, id=name, marks=() if sample else pytest.mark.matrix)


async def put_into(world: World, state: str) -> None:
    """Leads the run into a state; messages that were sent on the way are lost."""
    for step in STATES[state]:
        if callable(step):
            await step(world)
        else:
            await world.handled(MESSAGES[step])
    take(world.storage)


async def arrive(world: World, message: str, arrival: str, state: str) -> list[str]:
    """The message comes in its way; the words for what its handling did."""
    body = MESSAGES[message]
    world.forward(60 if arrival == "late" else 1)
    if arrival == "poison":
        await record_poison(world.job, queue_of(body), msgspec.json.encode(body))
        return []
    if arrival == "at once":
        return await world.handled(body, body)
    done = await world.handled(body)
    if arrival == "twice":
        done += await world.handled(body)
    if arrival == "reordered":
        sent = sent_in(state)
        for name in reversed(sent[: sent.index(message)]):
            await world.handled(MESSAGES[name])
    return done


def results(message: str, arrival: str, state: str) -> list[str]:
    """What the handling of a message that comes alone or twice does."""
    first = RESULTS[message].get(state, RESULTS[message][""])
    if arrival == "late" and first == "waiting":
        first = "closed"
    again = "repeated" if first in ONCE else first
    return [first, again] if arrival == "twice" else [first]


@pytest.mark.parametrize(("message", "arrival", "state"), sampled(cells(), 3))
async def test_messages(estate: Estate, storage: str, smtp: Mailbox, message: str, arrival: str, state: str) -> None:
    async with world(estate, storage, smtp) as made:
        await put_into(made, state)
        done = await arrive(made, message, arrival, state)
        if arrival in ("late", "twice", "reordered"):
            assert done == results(message, arrival, state)
        await made.settled()
        await clusters_are_as_looked_at(made)
        await runs_are_closed_once(made, state)
        await everything_is_notified_once(made, smtp)


async def clusters_are_as_looked_at(world: World) -> None:
    """What is held is what the newest look found; an older one left its record, and nothing else."""
    wanted = expected(world.looks)
    for cluster, look in wanted.held.items():
        stored = await world.job.store.load_state(cluster)
        assert stored is not None
        access = next(subject for subject in stored.state.subjects if subject.facet == "access")
        assert (stored.state.sequence, access.status) == (look.sequence, look.word)
        assert access.notified is (look.word == "failing")
    late = {keys.late(*look) for look in wanted.late}
    assert {row["RowKey"] for row in rows_of(world.storage, SUBSCRIPTION, "late|")} == late
    counted = [marker.totals.late for run in world.closes for marker in await world.job.store.list_markers(run)]
    assert sum(counted) == len(late)


async def runs_are_closed_once(world: World, state: str) -> None:
    """Each run that was planned was closed once, and names what was missing then; none is left open."""
    broken = state == "its row unreadable"
    assert await world.job.store.open_runs() == ((RUN,) if broken else ())
    planned = [run for run in {RUN, *world.closes} if run != RUN or not broken]
    for run in planned:
        stored = await world.job.store.load_run(run)
        assert world.closes[run] == int(stored is not None)
        if stored is not None:
            assert stored.run.status is RunStatus.CLOSED
            done = [m for m in await world.job.store.list_markers(run) if m.status is MarkerStatus.DONE]
            assert stored.run.totals.clusters + stored.run.missing_count <= len(SHARDS)
            assert stored.run.totals.clusters <= sum(marker.totals.clusters for marker in done)
    latest = await world.job.store.latest_run()
    assert latest is not None
    assert latest.id == max(run for run in world.closes if world.closes[run])


async def everything_is_notified_once(world: World, smtp: Mailbox) -> None:
    """Each change is in one mail, each mail was sent once, and nothing waits."""
    assert (await world.job.store.list_pending()).items == ()
    assert await world.job.store.open_mails() == ()
    assert await world.job.store.unspread() == ()
    mails = [mail for mail in await world.job.store.list_mails() if mail.status is MailStatus.SENT]
    batches = [await world.job.store.load_batch(name) for mail in mails for name in mail.batches]
    members = Counter(pointer for batch in batches if batch is not None for pointer in batch.pointers)
    assert set(members.values()) <= {1}
    notified = {RowRef(SUBSCRIPTION, keys.pending(*look)) for look in expected(world.looks).notified}
    assert {member for member in members if member.partition == SUBSCRIPTION} == notified
    assert sorted(str(message["Message-ID"]) for message in smtp.messages) == sorted(mail.message_id for mail in mails)


class DiesBeforeItsMarker(Store):
    """The store of a process that dies when what it saw is kept, and its shard is not marked."""

    async def mark_shard(self, *args: Any, **options: Any) -> None:
        raise Death


async def test_a_shard_that_is_scanned_again_after_a_death_is_not_late(
    estate: Estate, storage: str, smtp: Mailbox
) -> None:
    async with world(estate, storage, smtp) as made:
        await put_into(made, "planned")
        async with job_context(made.settings, made.job.clock, DiesBeforeItsMarker) as job:
            with pytest.raises(Death):
                await handle(job, MESSAGES["scan"])
        assert await made.handled(MESSAGES["scan"]) == ["scanned"]
        (marker,) = await made.job.store.list_markers(RUN)
        assert (marker.totals.clusters, marker.totals.late) == (1, 0)
