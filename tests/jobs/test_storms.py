"""Storms: what everything at once comes to, in mails and in time. Nothing is lost, everybody's mailbox stays usable."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

import msgspec
import pytest

from checks.changes import Notice, NoticeKind
from checks.collect.arm.inventories import InventoryCache
from checks.findings import ClusterReport, Facet, Fail, Pass, RegistryRow
from checks.history.decide import Policy, decide
from checks.history.model import RunRef
from checks.history.table.store import Store, open_store
from checks.jobs import deliver
from checks.jobs.context import JobContext
from checks.jobs.deliver import Delivered, deliver_all
from checks.jobs.notices import line_of
from checks.jobs.queues import Queues
from checks.jobs.silences import end_silences, failing
from checks.notify.incidents import Mail
from checks.notify.message import MAX_MESSAGE
from checks.notify.notice_lines import folded, still_failing, with_lines
from checks.notify.transports.base import NotDelivered, Outgoing, Receipt
from checks.settings import load
from checks.silences import Matchers, Silence, SilenceKind
from tests.support.crashing import MemoryQueues, MortalQueues, Reaper
from tests.support.memory_tables import MemoryTables
from tests.support.storage import Clock, app_settings

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
AT_ONCE = Policy(fail_after=dict.fromkeys(("access", "path", "pull", "images"), 1))
MANY = 2000
MINUTE = 60.0  # no storm may take the better part of an invocation
PASSING = Facet(Pass(), "", ("PW102",), "It passes.", ())
CAUSES = ("role-missing", "firewall-closed", "dns-no-answer", "certificate-expired", "registry-gone")


@dataclass(frozen=True)
class Taken:
    """A mail that was accepted: by whom, what it says as data, and as it is sent."""

    recipients: tuple[str, ...]
    mail: Mail
    subject: str
    text: str
    size: int

    @property
    def names(self) -> set[str]:
        """The clusters that it is about."""
        return {item.name for item in self.mail.items}

    @property
    def kinds(self) -> set[str]:
        """What it says of them."""
        return set(self.mail.counts)


@dataclass
class Taking:
    """A transport that takes every mail."""

    taken: list[Taken] = field(default_factory=list)
    name: str = "smtp"
    addressed: bool = True

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Takes it."""
        body = outgoing.message.get_body(("plain",))
        assert body is not None
        size = len(outgoing.message.as_bytes())
        text = str(body.get_content())
        self.taken.append(Taken(recipients, outgoing.mail, str(outgoing.message["Subject"]), text, size))
        return Receipt()


@dataclass
class Storm:
    """A store in a storm, and the mails that come of it."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    transport: Taking = field(default_factory=Taking)
    settings: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    async def run(self, reports: Iterable[ClusterReport], notify: dict[str, str] | None = None) -> None:
        """One look at each cluster, as one run."""
        self.runs += 1
        run = RunRef(f"run-{self.runs}", self.runs)
        for seen in reports:
            stored = await self.store.load_state(seen.id)
            decision = decide(stored.state if stored else None, seen, run, AT_ONCE, self.clock())
            if notify and decision.change is not None:
                named = msgspec.structs.replace(decision.change, notify=(notify[seen.id],))
                decision = msgspec.structs.replace(decision, change=named)
            await self.store.commit(decision, seen, stored.etag if stored else None)

    async def deliver(self) -> Delivered:
        """One turn of delivering, which may not take long."""
        made = load(
            app_settings("UseDevelopmentStorage=true")
            | {
                "PULLWATCH_MAIL_TO": "team@contoso.example",
                "PULLWATCH_MAIL_FROM": "pullwatch@contoso.example",
                **self.settings,
            }
        )
        queues: Any = MortalQueues(MemoryQueues(self.clock), Reaper())
        context = JobContext(made, None, self.store, Queues(queues), InventoryCache(), self.clock)  # type: ignore[arg-type]
        began = time.monotonic()
        with mock.patch.object(deliver, "transports", lambda *_: (self.transport,)):
            done = await deliver_all(context)
        took = time.monotonic() - began
        print(f"delivered in {took:.1f} s: {done}")
        assert took < MINUTE
        return done

    def take(self) -> list[Taken]:
        """The mails that came since they were last asked for."""
        taken, self.transport.taken = self.transport.taken, []
        for one in taken:
            assert one.size < MAX_MESSAGE
        return taken


@asynccontextmanager
async def storm_of(where: str, request: pytest.FixtureRequest) -> AsyncIterator[Storm]:
    """A storm in memory, or over Azurite."""
    if where == "memory":
        tables: Any = MemoryTables()
        store = Store(tables)
        await store.ensure_tables()
        yield Storm(store)
    else:
        async with open_store(connection_string=request.getfixturevalue("storage")) as store:
            await store.ensure_tables()
            yield Storm(store)


def cluster_id(number: int) -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService"
        f"/managedClusters/aks-{number:04d}"
    )


def seen(number: int, registry: str = "acrone.azurecr.io", cause: str = "") -> ClusterReport:
    """A look at a cluster: with a cause, it cannot pull from the registry."""
    said = Facet(Fail(), cause, ("PW102",), f"It fails: {cause}.", ("az acr show",)) if cause else PASSING
    row = RegistryRow(registry=registry, access=said, path=PASSING, pull=said, sources=("images of 1 pod",))
    return ClusterReport(id=cluster_id(number), registries=(row,))


WHERE = pytest.mark.parametrize("where", ["memory", pytest.param("azurite", marks=pytest.mark.matrix)])


@WHERE
@pytest.mark.timeout(900)
async def test_two_thousand_clusters_of_one_cause_are_one_mail(where: str, request: pytest.FixtureRequest) -> None:
    async with storm_of(where, request) as storm:
        await storm.run(seen(number) for number in range(MANY))
        await storm.run(seen(number, cause="role-missing") for number in range(MANY))
        assert await storm.deliver() == Delivered(sent=1)
        (mail,) = storm.take()
        assert mail.names == {f"aks-{number:04d}" for number in range(MANY)}
        assert mail.kinds == {"FAIL"}
        assert mail.mail.clusters == MANY
        assert named_or_counted(mail) == MANY
        storm.clock.forward(hours=9)
        await storm.run(seen(number) for number in range(MANY))
        assert await storm.deliver() == Delivered(sent=1)
        (over,) = storm.take()
        assert over.kinds == {"RECOVERED"}
        assert over.names == mail.names
        assert named_or_counted(over) == MANY
        assert await storm.deliver() == Delivered()
        assert not await storm.store.has_unsent()


def named_or_counted(mail: Taken) -> int:
    """For how many clusters the text has a line, or is counted in one. What its overview says comes again below."""
    text = mail.text.partition("more below.")[2] or mail.text
    lines = len(re.findall(r"^[A-Z ]+  aks-[0-9]{4} <- ", text, re.MULTILINE))
    counts = r"… and ([0-9]+) more cluster|^  [A-Z ]+  [^:\n]+: [^,\n]+, ([0-9]+) cluster|, ([0-9]+) in all counted"
    return lines + sum(int("".join(found)) for found in re.findall(counts, text, re.MULTILINE))


@WHERE
@pytest.mark.timeout(900)
async def test_five_hundred_registries_are_no_more_mails_than_an_hour_has_room_for(
    where: str, request: pytest.FixtureRequest
) -> None:
    async with storm_of(where, request) as storm:
        storm.settings = {"PULLWATCH_MAILS_PER_HOUR": "20"}
        await storm.run(seen(number, registry_of(number)) for number in range(500))
        await storm.run(seen(number, registry_of(number), CAUSES[number % 5]) for number in range(500))
        assert await storm.deliver() == Delivered(sent=20)
        mails = storm.take()
        assert [len(mail.names) for mail in mails] == [1] * 19 + [481]
        told = [(item.name, item.registry) for mail in mails for item in mail.mail.items]
        assert sorted(told) == [(f"aks-{number:04d}", registry_of(number)) for number in range(500)]
        assert sum(map(named_or_counted, mails)) == 500
        assert "480 mails were held back" in mails[-1].text
        assert not await storm.store.has_unsent()
        # Within the hour everything waits, and then it is one mail that says how many it stands for.
        await storm.run(seen(number, registry_of(number)) for number in range(0, 500, 5))
        storm.clock.forward(minutes=30)
        assert await storm.deliver() == Delivered(later=100)
        storm.clock.forward(minutes=31)
        assert await storm.deliver() == Delivered(sent=20)
        mails = storm.take()
        assert [len(mail.names) for mail in mails] == [1] * 19 + [81]
        assert {name for mail in mails for name in mail.names} == {f"aks-{number:04d}" for number in range(0, 500, 5)}
        assert "80 mails were held back" in mails[-1].text
        assert not await storm.store.has_unsent()


def registry_of(number: int) -> str:
    """The registry of a cluster, of its own."""
    return f"acr{number:04d}.azurecr.io"


@WHERE
@pytest.mark.timeout(900)
async def test_two_thousand_changes_that_cannot_be_read_hold_up_no_new_one(
    where: str, request: pytest.FixtureRequest
) -> None:
    async with storm_of(where, request) as storm:
        await storm.run(seen(number) for number in range(MANY + 1))
        await storm.run(seen(number, cause="role-missing") for number in range(MANY))
        for pending in (await storm.store.list_pending()).items:
            assert pending.change is not None
            row = await storm.store._get(pending.change.partition, pending.change.row)
            assert row is not None
            await storm.store._put({**row, "v": 999})
        await storm.run([seen(MANY, cause="role-missing")])
        assert await storm.deliver() == Delivered(sent=1)
        (mail,) = storm.take()
        assert mail.names == {f"aks-{MANY:04d}"}
        assert (await storm.store.look_at_unsent(storm.clock())).unreadable == MANY


@WHERE
@pytest.mark.matrix
@pytest.mark.timeout(900)
async def test_three_hundred_clusters_with_an_address_each(where: str, request: pytest.FixtureRequest) -> None:
    async with storm_of(where, request) as storm:
        notify = {cluster_id(number): f"owner-{number}@contoso.example" for number in range(300)}
        await storm.run((seen(number) for number in range(300)), notify)
        await storm.run((seen(number, cause="role-missing") for number in range(300)), notify)
        assert await storm.deliver() == Delivered(sent=301)
        mails = storm.take()
        assert {mail.recipients: mail.names for mail in mails} == {
            ("team@contoso.example",): {f"aks-{number:04d}" for number in range(300)},
            **{(address,): {name.rpartition("/")[2]} for name, address in notify.items()},
        }
        storm.clock.forward(hours=9)
        await storm.run((seen(number) for number in range(300)), notify)
        assert await storm.deliver() == Delivered(sent=301)
        assert {mail.recipients: mail.names for mail in storm.take()} == {mail.recipients: mail.names for mail in mails}
        assert not await storm.store.has_unsent()


# ---- what is said of many ----------------------------------------------------------------------------------------


def _silence(storm: Storm, hours: int) -> Silence:
    now = storm.clock()
    matchers = Matchers(cause=CAUSES[0])
    return Silence(
        id="one",
        kind=SilenceKind.SILENCE,
        matchers=matchers,
        author="kim@contoso.example",
        reason="maintenance",
        created=now,
        expires=now + timedelta(hours=hours),
    )


async def _ended(storm: Storm) -> None:
    """The sweep ends silences."""
    made = load(app_settings("UseDevelopmentStorage=true"))
    queues: Any = MortalQueues(MemoryQueues(storm.clock), Reaper())
    await end_silences(JobContext(made, None, storm.store, Queues(queues), InventoryCache(), storm.clock))  # type: ignore[arg-type]


async def _reminded(storm: Storm, count: int) -> None:
    """A reminder of so many clusters, as a run writes it."""
    storm.runs += 1
    states = [await storm.store.load_state(cluster_id(number)) for number in range(count)]
    lines = folded(line_of(one.state.cluster, subject) for one in states if one for subject in failing(one.state))
    notice = Notice(
        kind=NoticeKind.REMINDER,
        run=f"run-{storm.runs}",
        sequence=storm.runs,
        at=storm.clock(),
        title=still_failing(count),
        lines_only=True,
    )
    await storm.store.add_notice(with_lines(notice, lines))


@asynccontextmanager
async def _failing(count: int, silenced: bool = False) -> AsyncIterator[Storm]:
    """So many clusters that fail for one cause, under a silence of four hours or told."""
    storm = Storm(Store(MemoryTables()))  # type: ignore[arg-type]
    await storm.store.ensure_tables()
    await storm.run(seen(number) for number in range(count))
    if silenced:
        await storm.store.add_silence(_silence(storm, 4))
    await storm.run(seen(number, cause=CAUSES[0]) for number in range(count))
    await storm.deliver()
    assert len(storm.take()) == (0 if silenced else 1)
    yield storm


async def test_the_end_of_a_silence_of_thousands_is_one_mail_and_so_are_all_their_recoveries() -> None:
    async with _failing(MANY, silenced=True) as storm:
        storm.clock.forward(hours=5)
        await _ended(storm)
        await storm.deliver()
        (ended,) = storm.take()
        assert ended.subject == f"[Pullwatch] SILENCE ENDED: {MANY} clusters still fail after a silence ended"
        assert len(ended.names) == MANY
        storm.clock.forward(hours=1)
        await storm.run(seen(number) for number in range(MANY))
        await storm.deliver()
        (recovered,) = storm.take()
        assert recovered.kinds == {"RECOVERED"}
        assert len(recovered.names) == MANY


async def test_of_sixty_that_are_silenced_nobody_is_reminded() -> None:
    async with _failing(60) as storm:
        storm.clock.forward(hours=20)
        await storm.store.add_silence(_silence(storm, 48))
        await _reminded(storm, 60)
        await storm.deliver()
        assert storm.take() == []


@pytest.mark.parametrize("left", [0, 7])
@pytest.mark.parametrize("kind", ["reminder", "end of a silence"])
async def test_what_recovers_while_a_mail_of_sixty_waits_is_not_said_to_fail(kind: str, left: int) -> None:
    async with _failing(60, silenced=kind != "reminder") as storm:
        storm.clock.forward(hours=5)
        await (_reminded(storm, 60) if kind == "reminder" else _ended(storm))
        with mock.patch.object(storm.transport, "send", side_effect=NotDelivered("451 not now")):
            await storm.deliver()
        await storm.run(seen(number) for number in range(left, 60))
        storm.clock.forward(hours=2)
        await storm.deliver()
        mails = storm.take()
    told = [mail for mail in mails if "still fail" in mail.subject]
    assert len(told) == (1 if left else 0)
    for mail in told:
        assert f"{left} clusters still fail" in mail.subject
        assert len(mail.names) == left
        assert "more" not in mail.text.replace("more clusters", "")
