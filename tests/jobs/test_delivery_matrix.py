"""Each answer of a real mail server, at each stage, for as long as it takes: exactly which mails arrive, and when.

A cluster passes, fails, and passes again; the team of three is notified by SMTP, in half of the cells by a folder too.
The server is ill from the failure on. What arrives follows from these rules:

1.  A reply ends a mail for one recipient alone, and only a reply to RCPT does: 5xx with the enhanced code 5.1.x or
    5.2.x, or 550, 551, 553 without one. Whoever is refused so gets no FAIL, and so no RECOVERED.
2.  Anything else is tried again by each delivery (they are ten minutes apart), until the server takes it: for those
    alone who did not get it, under the same Message-ID. 421 ends the session: nobody got it, whoever was asked for.
3.  Where the answer to a message was lost, it comes again to all, under the same Message-ID, and says that it may be a
    repeat. No other mail says so.
4.  Whoever had FAIL gets RECOVERED, after it. Whoever was still without FAIL when the cluster passed again gets WAS BAD
    instead of both.
5.  The folder takes everything at once: one FAIL and one RECOVERED, whatever becomes of them by SMTP.
"""

from __future__ import annotations

import dataclasses
import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal, cast
from unittest import mock

import pytest

from checks.collect.arm.inventories import InventoryCache
from checks.history.decide import Policy, decide
from checks.history.model import RunRef
from checks.history.table.store import Store
from checks.jobs.context import JobContext
from checks.jobs.deliver import Delivered, deliver_all
from checks.jobs.delivery import turn
from checks.jobs.queues import Queues
from checks.settings import load
from localhost.mailbox import Mailbox
from tests.support.crash_scenarios import REPEAT
from tests.support.crashing import MemoryQueues, MortalQueues, Reaper
from tests.support.memory_tables import MemoryTables
from tests.support.reports import CLUSTER, report
from tests.support.storage import Clock, app_settings

TEAM = ("a@contoso.example", "b@contoso.example", "c@contoso.example")
ONE, OTHERS = TEAM[1], (TEAM[0], TEAM[2])  # who is refused alone, and the rest
AT_ONCE = dict.fromkeys(("access", "path", "pull", "images"), 1)
KIND = re.compile(r"^\[Pullwatch\] ([A-Z ]+): ")

STAGES = ("connect", "MAIL", "RCPT of one", "RCPT of all", "DATA")
REPLIES = (
    "421 closing",
    "450 busy",
    "452 too many",
    "500 what?",
    "550 no",
    "550 5.1.1 no such mailbox",
    "550 5.7.1 not allowed",
    "552 too much",
    "553 not so",
    "554 no",
)
FINAL = {"550 no", "550 5.1.1 no such mailbox", "553 not so"}  # where RCPT is answered so
CUT = "cut"  # no reply: before the greeting, or when the message was kept

# Deliveries from the failure to the recovery and after it; how many of all of them meet an ill server.
SPANS = {"once": (2, 2, 1), "three deliveries": (4, 2, 3), "until after the recovery": (2, 3, 3)}


@dataclass(frozen=True)
class Cell:
    """What the server answers, where, for how long, and by what the team is notified."""

    stage: str
    reply: str
    span: str
    transports: tuple[str, ...]

    @property
    def ill(self) -> int:
        """The deliveries that meet an ill server."""
        return SPANS[self.span][2]

    @property
    def recovered(self) -> int:
        """The first delivery after the cluster passed again."""
        return SPANS[self.span][0] + 1

    @property
    def deliveries(self) -> int:
        """All of them. The last one has nothing left to do."""
        return sum(SPANS[self.span][:2])


@dataclass(frozen=True)
class Arrived:
    """A mail at a transport: by which delivery, of which kind, for whom, and which mail by its Message-ID."""

    delivery: int
    kind: str
    recipients: tuple[str, ...]
    mail: str
    repeat: bool = False


# ---- the rules ---------------------------------------------------------------------------------------------------


def expected(cell: Cell) -> dict[str, list[Arrived]]:
    """What arrives at each transport, in its order."""
    folder = [Arrived(1, "FAIL", TEAM, "fail"), Arrived(cell.recovered, "RECOVERED", TEAM, "end")]
    by_name = {"smtp": expected_by_smtp(cell), "folder": folder}
    return {name: by_name[name] for name in cell.transports}


def expected_by_smtp(cell: Cell) -> list[Arrived]:
    """What arrives by SMTP, in its order."""
    well = cell.ill + 1
    if (cell.stage, cell.reply) == ("DATA", CUT):
        fails = [Arrived(number, "FAIL", TEAM, "fail", repeat=number > 1) for number in range(1, well + 1)]
        return [*fails, Arrived(max(well, cell.recovered), "RECOVERED", TEAM, "end")]
    taken, later = fates(cell)
    told = taken + (later if well < cell.recovered else ())
    mails = [Arrived(1, "FAIL", taken, "fail"), Arrived(cell.recovered, "RECOVERED", in_order(told), "end")]
    if later and well < cell.recovered:
        mails.append(Arrived(well, "FAIL", later, "fail"))
    else:
        mails.append(Arrived(well, "WAS BAD", later, "both"))
    return sorted((mail for mail in mails if mail.recipients), key=lambda mail: mail.delivery)


def fates(cell: Cell) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of an ill server: who gets a mail all the same, and who is tried again. The others are refused for good."""
    if not cell.stage.startswith("RCPT") or cell.reply.startswith("421"):
        return (), TEAM
    asked = (ONE,) if cell.stage == "RCPT of one" else TEAM
    return in_order(set(TEAM) - set(asked)), () if cell.reply in FINAL else asked


def in_order(some: Any) -> tuple[str, ...]:
    """Recipients as the route names them."""
    return tuple(who for who in TEAM if who in some)


# ---- the story ---------------------------------------------------------------------------------------------------


@dataclass
class World:
    """What is stored, the mail server, a folder, and what arrived."""

    cell: Cell
    box: Mailbox
    folder: Path
    tables: MemoryTables = field(default_factory=MemoryTables)
    clock: Clock = field(default_factory=Clock)
    number: int = 0
    arrived: dict[str, list[Arrived]] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The store over the tables."""
        return Store(cast("Any", self.tables))

    async def look(self, run: int, word: str) -> None:
        """A run that sees the cluster so; a look counts at once."""
        stored = await self.store.load_state(CLUSTER)
        seen, policy = report(word), Policy(fail_after=AT_ONCE)
        decision = decide(stored.state if stored else None, seen, RunRef(f"run-{run}", run), policy, self.clock())
        await self.store.commit(decision, seen, stored.etag if stored else None)

    async def deliver(self) -> Delivered:
        """One delivery, over the server as it is by now; keeps what arrived."""
        self.number += 1
        if self.number <= self.cell.ill:
            self._fall_ill()
        done = await deliver_all(self._context())
        for name in self.cell.transports:
            self.arrived.setdefault(name, []).extend(self._by_smtp() if name == "smtp" else self._in_folder())
        self.box.clear()
        self.clock.forward(minutes=10)
        return done

    def _fall_ill(self) -> None:
        stage, _, _ = self.cell.stage.lower().partition(" ")
        if self.cell.reply == CUT:
            self.box.drop(cast('Literal["connect", "data"]', stage), times=None)
            return
        code, _, text = self.cell.reply.partition(" ")
        recipient = ONE if self.cell.stage == "RCPT of one" else None
        self.box.refuse(cast('Literal["connect", "mail", "rcpt", "data"]', stage), int(code), text, recipient, None)

    def _context(self) -> JobContext:
        settings = load(
            app_settings(
                "UseDevelopmentStorage=true",
                MAIL_TRANSPORTS=",".join(self.cell.transports),
                MAIL_TO=",".join(TEAM),
                MAIL_FROM="pullwatch@contoso.example",
                MAIL_FOLDER=str(self._folder),
                SMTP_HOST=self.box.host,
                SMTP_PORT=str(self.box.port),
                SMTP_TLS="none",
            )
        )
        queues = Queues(cast("Any", MortalQueues(MemoryQueues(self.clock), Reaper())))
        return JobContext(settings, cast("Any", None), self.store, queues, InventoryCache(), self.clock)

    @property
    def _folder(self) -> Path:
        """One of its own for each delivery: the same Message-ID is the same file."""
        return self.folder / str(self.number)

    def _by_smtp(self) -> Iterator[Arrived]:
        for each in self.box.deliveries:
            assert each.message["To"] == ", ".join(TEAM), "everybody sees who else is notified"
            yield self._of(each.message, each.recipients)

    def _in_folder(self) -> Iterator[Arrived]:
        for file in sorted(self._folder.glob("**/*")):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            yield self._of(cast("EmailMessage", message), tuple(str(message["To"]).split(", ")))

    def _of(self, message: EmailMessage, recipients: tuple[str, ...]) -> Arrived:
        kind, body = KIND.match(str(message["Subject"])), message.get_body(("plain",))
        assert kind is not None
        assert body is not None
        return Arrived(self.number, kind[1], recipients, str(message["Message-ID"]), REPEAT in body.get_content())


def named(mails: list[Arrived], names: list[str]) -> list[Arrived]:
    """The mails with names instead of their Message-IDs: these, in the order in which they arrived first."""
    ids = dict.fromkeys(mail.mail for mail in mails)
    by_id = dict(zip(ids, [*dict.fromkeys(names), *map(str, range(len(ids)))], strict=False))
    return [dataclasses.replace(mail, mail=by_id[mail.mail]) for mail in mails]


ALWAYS = {
    ("RCPT of one", "550 5.1.1 no such mailbox", "once", ("smtp",)),
    ("RCPT of one", "452 too many", "until after the recovery", ("folder", "smtp")),
    ("RCPT of all", "553 not so", "three deliveries", ("folder", "smtp")),
    ("DATA", CUT, "until after the recovery", ("folder", "smtp")),
}


def cells() -> Iterator[Any]:
    """Every cell. ``make test`` takes one in fifteen, and some that are named."""
    answers = [*product(STAGES, REPLIES), ("connect", CUT), ("DATA", CUT)]
    for number, (answer, span, how) in enumerate(product(answers, SPANS, (("smtp",), ("folder", "smtp")))):
        name = f"{answer[0]}, {answer[1]}, {span}, {'+'.join(how)}"
        sample = number % 15 == 0 or (*answer, span, how) in ALWAYS
        yield pytest.param(Cell(*answer, span, how), id=name, marks=() if sample else pytest.mark.matrix)


@pytest.fixture(autouse=True, scope="module")
def templates_are_read_once() -> Iterator[None]:
    """Reading them takes longer than all the rest of a cell."""
    with mock.patch.object(turn, "templates_of_mails", cache(turn.templates_of_mails)):
        yield


@pytest.mark.parametrize("cell", list(cells()))
async def test_what_arrives(smtp: Mailbox, tmp_path: Path, cell: Cell) -> None:
    world = World(cell, smtp, tmp_path)
    await world.store.ensure_tables()
    await world.look(1, "pass")
    await world.look(2, "fail")
    for number in range(1, cell.deliveries + 1):
        if number == cell.recovered:
            await world.look(3, "pass")
        done = await world.deliver()
    assert done == Delivered(), "the last one had something left to do"
    assert not await world.store.has_unsent()
    for name, mails in expected(cell).items():
        assert named(world.arrived[name], [mail.mail for mail in mails]) == mails, name
