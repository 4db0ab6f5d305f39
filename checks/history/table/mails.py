"""Mails in the store: batches of what people are to be notified of, mails by channel, who was notified, what refused.

A batch is written before its pointers are removed, and a ``spread`` row finds it again until every channel has its
mail; a ``begun`` row finds a mail again until it is finished. Whoever writes here holds the lease.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from checks.history.errors import SchemaError
from checks.history.model import Batch, Channel, MailRow, Refusal, RowRef, Unreadable
from checks.history.table import keys, rows
from checks.history.table.lease import FENCED, Lease, Leases
from checks.history.table.tables import BATCH, Operation
from checks.rules.mail_addresses import folded

# (cluster, registry, facet): the cluster's ARM id in lower case. Of what is known of no registry, that is "".
Subject = tuple[str, str, str]

HOUR = timedelta(hours=1)
MAX_WHO = 2000  # recipients of a route: as many as fit a property


class Mails(Leases):
    """The rows of mails."""

    async def begin_batch(self, batch: Batch, lease: Lease, now: datetime) -> None:
        """Write a batch that is to become mails. Repeating it writes the same rows."""
        *beside, own = rows.batch_rows(batch)
        for row in beside:
            await self._put(row)
        await self.fenced(lease, now, [("upsert", own), ("upsert", _mark("spread", batch.id))])

    async def spread_again(self, batch_ids: Sequence[str], lease: Lease, now: datetime) -> None:
        """Have batches become mails of the channels that have none of them."""
        marks: list[Operation] = [("upsert", _mark("spread", name)) for name in batch_ids]
        for start in range(0, len(marks), FENCED):
            await self.fenced(lease, now, marks[start : start + FENCED])

    async def unspread(self) -> tuple[str, ...]:
        """The ids of batches that are not mails of every channel yet, the oldest first."""
        return await self._marked("spread")

    async def end_spread(self, batch_id: str, lease: Lease, now: datetime) -> None:
        """Every channel has its mail of the batch."""
        await self.fenced(lease, now, [("delete", _mark("spread", batch_id))])

    async def load_batch(self, batch_id: str) -> Batch | None:
        """A batch; None where there is none."""
        row = await self._get(keys.MAIL, keys.check(f"batch|{batch_id}"))
        if row is None:
            return None
        return rows.read_batch(row, [part async for part in self._range(keys.MAIL, f"batch|{batch_id}")])

    async def write_mails(
        self,
        mails: Sequence[MailRow],
        lease: Lease,
        now: datetime,
        begun: Collection[str] = (),
        more: Iterable[rows.Entity] = (),
    ) -> None:
        """Write mails, with ``more`` rows, in one transaction. A finished one that was ``begun`` is so no longer."""
        operations: list[Operation] = [("upsert", row) for row in more]
        for mail in mails:
            operations.append(("upsert", rows.mail_row(mail)))
            if mail.status.is_open:
                operations.append(("upsert", _mark("begun", mail.id)))
            elif mail.id in begun:
                operations.append(("delete", _mark("begun", mail.id)))
        await self.fenced(lease, now, operations)

    async def open_mails(self) -> tuple[str, ...]:
        """The ids of mails that were begun and not finished, the oldest first."""
        return await self._marked("begun")

    async def load_mail(self, mail_id: str) -> MailRow | None:
        """A mail; None where there is none."""
        row = await self._get(keys.MAIL, keys.check(f"digest|{mail_id}"))
        return None if row is None else rows.read_mail(row)

    async def list_mails(self) -> tuple[MailRow, ...]:
        """All mails that are kept, the oldest first."""
        return tuple([rows.read_mail(row) async for row in self._range(keys.MAIL, "digest")])

    async def notified(self, channel: Channel) -> dict[Subject, frozenset[str]]:
        """Of which failures the channel was notified, and who was: recipients as ``who`` names them."""
        columns = ["cluster", "registry", "facet", "who"]
        found = [row async for row in self._range(_partition(channel), "notified", select=columns)]
        return {
            (str(row["cluster"]), str(row["registry"]), str(row["facet"])): frozenset(str(row["who"]).split())
            for row in found
        }

    async def set_notified(self, channel: Channel, notified: Mapping[Subject, Collection[str]]) -> None:
        """Keep who was notified of these failures; nobody: it is over for all. Repeating it changes nothing."""
        partition = _partition(channel)
        entities = {_key(subject): _notified_row(partition, subject, who) for subject, who in notified.items() if who}
        rest = sorted(entities.items())
        for start in range(0, len(rest), BATCH):
            await self._transact([("upsert", entity) for _, entity in rest[start : start + BATCH]])
        over = {_key(subject) for subject, who in notified.items() if not who}
        await self._drop([RowRef(partition, key) for key in sorted(over - entities.keys())])

    async def sent_lately(self, channel: Channel, now: datetime) -> tuple[datetime, ...]:
        """When mails of a channel were accepted within the last hour. A time ahead is of a clock that jumped: void."""
        row = await self._get(keys.MAIL, _rate_key(channel))
        try:
            times = rows.read(tuple[datetime, ...], rows.joined(rows.versioned(row), "times"), "rate") if row else ()
        except SchemaError:  # it only slows mail down; the next one that goes out writes it anew
            return ()
        return tuple(at for at in times if timedelta() <= now - at < HOUR)

    def rate_row(self, channel: Channel, times: Sequence[datetime]) -> rows.Entity:
        """The row that says when mails of a channel were accepted."""
        entity = rows.base(keys.MAIL, _rate_key(channel)) | {"route": channel.route, "transport": channel.transport}
        return rows.checked(entity | rows.chunked("times", rows.text_of(times)))

    async def channels(self) -> tuple[Channel, ...]:
        """The channels by which a mail was ever accepted."""
        found = self._range(keys.MAIL, "rate", select=["route", "transport"])
        return tuple([Channel(str(row["route"]), str(row["transport"])) async for row in found])

    def refusal_row(self, refusal: Refusal) -> rows.Entity:
        """The row of a recipient who refuses mail for good."""
        name = f"{refusal.transport}|{refusal.recipient}".encode("utf-8", "surrogatepass")
        entity = rows.base(keys.MAIL, f"refused|{hashlib.sha256(name).hexdigest()[:40]}") | {"at": refusal.at}
        return rows.checked(entity | rows.chunked("refusal", rows.text_of(refusal)))

    async def list_refusals(self, since: datetime) -> tuple[Refusal, ...]:
        """Recipients who refused a mail for good, at ``since`` or later. One that cannot be read is not listed."""
        found = []
        async for row in self._range(keys.MAIL, "refused"):
            try:
                found.append(rows.read(Refusal, rows.joined(rows.versioned(row), "refusal"), row.get("RowKey")))
            except SchemaError:  # the next refusal replaces it
                continue
        return tuple(refusal for refusal in found if refusal.at >= since)

    async def unreadable_mails(self) -> tuple[Unreadable, ...]:
        """Batches that are to become mails, and mails that were begun, which cannot be read."""
        found = []
        for prefix, names, load in (
            ("batch", await self.unspread(), self.load_batch),
            ("digest", await self.open_mails(), self.load_mail),
        ):
            for name in names:
                try:
                    await load(name)
                except SchemaError as error:
                    found.append(Unreadable(RowRef(keys.MAIL, f"{prefix}|{name}"), str(error)))
        return tuple(found)

    async def _marked(self, kind: str) -> tuple[str, ...]:
        return tuple([str(row["RowKey"]).partition("|")[2] async for row in self._range(keys.MAIL, kind)])


def _mark(kind: str, name: str) -> rows.Entity:
    return rows.checked(rows.base(keys.MAIL, f"{kind}|{name}"))


def _named(channel: Channel) -> str:
    return hashlib.sha256(rows.text_of(msgspec.structs.astuple(channel)).encode()).hexdigest()[:20]


def _partition(channel: Channel) -> str:
    return f"notified-{_named(channel)}"


def _rate_key(channel: Channel) -> str:
    return f"rate|{_named(channel)}"


def _key(subject: Subject) -> str:
    return f"notified|{hashlib.sha256(rows.text_of(subject).encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def _notified_row(partition: str, subject: Subject, notified: Collection[str]) -> rows.Entity:
    cluster, registry, facet = subject
    entity = rows.base(partition, _key(subject)) | {"cluster": cluster, "registry": registry, "facet": facet}
    return rows.checked(entity | {"who": " ".join(sorted(notified)[:MAX_WHO])})


def who(recipients: Iterable[str]) -> frozenset[str]:
    """Recipients as it is kept who was notified: they only have to be told apart, in whatever case they are written."""
    names = (folded(one).encode("utf-8", "surrogatepass") for one in recipients)
    return frozenset(hashlib.sha256(name).hexdigest()[:12] for name in names)
