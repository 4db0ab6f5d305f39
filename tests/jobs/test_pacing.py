"""The limit of mails an hour: what takes room, what waits for it, and that nothing waits for ever."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from unittest import mock

import msgspec

from checks.changes import Notice, NoticeKind
from checks.history.errors import SchemaError
from checks.history.model import Batch
from checks.history.table.store import Store
from checks.notify.transports.base import Outgoing, Receipt
from tests.jobs.test_delivery_deaths import LOST, NO
from tests.jobs.test_routes_delivered import SHOP, TEAM, Mailboxes, Tenant, tenant
from tests.support.crash_scenarios import cluster_id
from tests.support.reports import report


@dataclass
class Greylists(Mailboxes):
    """A server that has some recipients tried later, for as long as they are in ``later``."""

    later: set[str] = field(default_factory=set)

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Takes it for the others."""
        known = tuple(who for who in recipients if who not in self.later)
        receipt = await super().send(outgoing, sender, known) if known else Receipt()
        return msgspec.structs.replace(receipt, later={who: "450" for who in recipients if who in self.later})


async def fail(world: Tenant, *numbers: int, word: str = "fail") -> None:
    """Each cluster fails at a registry of its own, so that each is a mail."""
    for number in numbers:
        seen = report(word, cluster=cluster_id(f"aks-{number}"))
        rows = tuple(msgspec.structs.replace(row, registry=f"acr{number}.azurecr.io") for row in seen.registries)
        await world.see(msgspec.structs.replace(seen, registries=rows))


async def notice(world: Tenant, number: int) -> None:
    """A run's own notice, of which none says what another does."""
    world.runs += 1
    await world.store.add_notice(
        Notice(
            kind=NoticeKind.SILENCE_ENDED,
            run=f"run-{world.runs}",
            sequence=world.runs,
            at=world.clock(),
            title=f"notice {number}",
            about=f"silence-{number}",
        )
    )


def clusters(world: Tenant, who: str, since: int = 0) -> Counter[str]:
    """In how many mails a recipient read of each cluster."""
    return Counter(name for got in world.smtp.got.get(who, [])[since:] for name, _, _ in got.said)


def held_back(text: str) -> int:
    """How many mails a mail says that it stands for, beside itself."""
    found = re.search(r"([0-9]+) mails? (was|were) held back by the limit", text)
    return int(found[1]) if found else 0


def count(world: Tenant, who: str) -> int:
    """How many mails a recipient got."""
    return len(world.smtp.got.get(who, []))


async def test_mails_that_go_to_the_rest_of_their_recipients_take_room_and_become_one() -> None:
    async with tenant(MAIL_TO=f"{TEAM},{SHOP}", MAILS_PER_HOUR="5") as world:
        server = Greylists("smtp", world.reaper, later={SHOP})
        world.servers = (server,)
        await fail(world, *range(40), word="pass")
        for hour in range(8):
            await fail(world, *range(5 * hour, 5 * hour + 5))
            await world.deliver()
            world.clock.forward(minutes=61)
        assert (count(world, TEAM), count(world, SHOP)) == (40, 0)
        server.later.clear()
        await world.deliver()
        assert count(world, SHOP) == 5
        assert clusters(world, SHOP) == dict.fromkeys((f"aks-{number}" for number in range(40)), 1)
        assert sum(held_back(got.mail.text) for got in world.smtp.got[SHOP]) == 35
        assert (count(world, TEAM), await world.store.has_unsent()) == (40, False)
        await fail(world, *range(40), word="pass")  # within the hour, so it waits for room, and all hear of all
        await world.deliver()
        assert (count(world, TEAM), count(world, SHOP)) == (40, 5)
        world.clock.forward(minutes=61)
        await world.deliver()
        for who in (TEAM, SHOP):
            assert set(clusters(world, who).values()) == {2}


async def test_what_changed_does_not_wait_for_a_backlog_of_some_recipients() -> None:
    async with tenant(MAIL_TO=f"{TEAM},{SHOP}", MAILS_PER_HOUR="2") as world:
        server = Greylists("smtp", world.reaper, later={SHOP})
        world.servers = (server,)
        await fail(world, *range(11), word="pass")
        for number in range(10):
            await fail(world, number)
            await world.deliver()
            world.clock.forward(minutes=61)
        server.later.clear()
        await fail(world, 10)
        await world.deliver()
        assert clusters(world, TEAM)["aks-10"] == 1
        assert (count(world, SHOP), len(clusters(world, SHOP))) == (2, 11)


async def test_notices_wait_for_room_and_leave_the_last_to_what_changes() -> None:
    async with tenant(MAILS_PER_HOUR="20") as world:
        await fail(world, 1, 2, word="pass")
        for number in range(60):
            await notice(world, number)
        await world.deliver()
        assert count(world, TEAM) == 19
        world.clock.forward(minutes=5)
        await fail(world, 1)
        await world.deliver()
        assert world.smtp.subjects[TEAM][-1].startswith("FAIL: aks-1 ")
        await fail(world, 2)
        await world.deliver()
        assert count(world, TEAM) == 20
        world.clock.forward(minutes=61)
        await world.deliver()
        assert count(world, TEAM) == 40
        assert any(subject.startswith("FAIL: aks-2 ") for subject in world.smtp.subjects[TEAM][20:])
        world.clock.forward(minutes=61)
        await world.deliver()
        world.clock.forward(minutes=61)
        await world.deliver()
        told = [subject for subject in world.smtp.subjects[TEAM] if subject.startswith("SILENCE ENDED")]
        assert sorted(told) == sorted(f"SILENCE ENDED: notice {number}" for number in range(60))
        assert not await world.store.has_unsent()


async def test_a_notice_has_its_turn_even_where_one_mail_goes_in_an_hour_and_something_always_changes() -> None:
    async with tenant(MAILS_PER_HOUR="1") as world:
        await fail(world, *range(5), word="pass")
        await notice(world, 1)
        for number in range(5):
            await fail(world, number)
            await world.deliver()
            world.clock.forward(minutes=61)
        assert [subject.partition(":")[0] for subject in world.smtp.subjects[TEAM]].count("SILENCE ENDED") == 1
        assert count(world, TEAM) == 5
        await world.deliver()
        assert len(clusters(world, TEAM)) == 5


async def test_a_notice_alone_needs_no_more_room_than_there_is() -> None:
    async with tenant(MAILS_PER_HOUR="1") as world:
        await notice(world, 1)
        await world.deliver()
        assert world.smtp.subjects[TEAM] == ["SILENCE ENDED: notice 1"]


async def test_what_may_have_gone_out_takes_room_when_it_is_accepted() -> None:
    async with tenant(MAILS_PER_HOUR="3") as world:
        await fail(world, *range(6), word="pass")
        world.smtp.answers += [LOST] * 3
        await fail(world, 0, 1, 2)
        await world.deliver()
        world.smtp.answers += [NO] * 3
        await fail(world, 3, 4, 5)
        await world.deliver()
        assert count(world, TEAM) == 0
        world.clock.forward(minutes=10)
        await world.deliver()
        assert count(world, TEAM) == 3
        assert {"aks-3", "aks-4", "aks-5"} <= set(clusters(world, TEAM)), "they are one mail"
        world.clock.forward(minutes=61)
        await world.deliver()
        assert clusters(world, TEAM) == dict.fromkeys((f"aks-{number}" for number in range(6)), 1)


async def test_a_mail_that_cannot_be_read_keeps_none_of_the_others() -> None:
    async with tenant() as world:
        await fail(world, *range(4), word="pass")
        world.smtp.answers += [NO] * 4
        await fail(world, 0, 1, 2, 3)
        await world.deliver()
        world.settings = msgspec.structs.replace(world.settings, mails_per_hour=2)
        waiting, *_ = await world.store.list_mails()
        load_batch = Store.load_batch

        async def newer(store: Store, name: str) -> Batch | None:
            if name in waiting.batches:
                raise SchemaError("version 999")
            return await load_batch(store, name)

        world.clock.forward(minutes=10)
        with mock.patch.object(Store, "load_batch", newer):
            await world.deliver()
            assert sorted(clusters(world, TEAM)) == ["aks-1", "aks-2", "aks-3"]
            world.clock.forward(minutes=61)
            await fail(world, 5, 1, word="pass")
            await fail(world, 5)
            await world.deliver()
            assert clusters(world, TEAM)["aks-5"] == 1, "what is new is spread beside it"
        world.clock.forward(minutes=61)
        await world.deliver()
        assert "aks-0" in clusters(world, TEAM)
