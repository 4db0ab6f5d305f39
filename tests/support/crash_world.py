"""A tenant in memory that runs look at, from the timer's request until all is quiet; tables outlive the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest import mock

import pytest

from checks import ncrontab, settings
from checks.collect.arm import inventory
from checks.collect.arm.inventories import InventoryCache
from checks.collect.arm.inventory import Inventory
from checks.facts import Authorization, Cluster, Seen, Subscription, SubscriptionFacts
from checks.findings import ClusterReport, Evidence
from checks.history.table.store import Store
from checks.jobs import deliver, scan_cluster
from checks.jobs.context import JobContext
from checks.jobs.delivery import turn
from checks.jobs.messages import PLAN, PlanMessage
from checks.jobs.queues import Queues
from checks.notify.message import templates_of_mails
from tests.support.crash_scenarios import Look, cluster_id, is_quiet
from tests.support.crashing import Accepted, Host, MemoryQueues, MortalQueues, MortalTables, Reaper, RecordingTransport
from tests.support.memory_tables import MemoryTables
from tests.support.reports import seen_of
from tests.support.storage import Clock, app_settings, unasked_azure
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
        mock.patch.object(turn, "templates_of_mails", cache(templates_of_mails)),
        mock.patch.object(ncrontab, "longest_gap", cache(ncrontab.longest_gap)),
    ):
        yield


def _seen(value: Any) -> Seen[Any]:
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
        clusters=_seen(tuple(Cluster(id=cluster_id(name), name=name) for name in look)),
        registries=_seen(()),
        authorization=Authorization(assignments=_seen(()), definitions=_seen({}), denies=_seen(())),
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
