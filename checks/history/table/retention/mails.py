"""Mails that were sent long ago, in the store: what still refers to them, and how they go.

All of it holds the right to deliver, so that nobody begins or sends a mail meanwhile: what no mail refers to now, none
will refer to. What is deleted goes into one transaction with the lease, like all that a deliverer writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

import msgspec

from checks.history.decide.retention import ClusterName, Needed
from checks.history.errors import HistoryError, SchemaError
from checks.history.model import Batch, Channel, MailRow, RowRef
from checks.history.table import keys, rows
from checks.history.table.lease import FENCED, Lease
from checks.history.table.outbox import Outbox
from checks.history.table.silences import Ending, read_row
from checks.history.table.tables import Operation


class KeptBatch(msgspec.Struct, frozen=True):
    """A batch that is kept, and its rows. ``since``: when the oldest in it was written, None where nobody knows."""

    id: str
    since: datetime | None
    rows: tuple[str, ...]

    @property
    def has_own_row(self) -> bool:
        """Whether more than rows beside it are there."""
        return f"batch|{self.id}" in self.rows


class KeptMail(msgspec.Struct, frozen=True):
    """A mail that is kept, with the key of its row."""

    row: str
    mail: MailRow


class OldMails(Outbox):
    """The rows of mails that may be old."""

    async def needed_by_mail(self) -> Needed:
        """What is to be notified, and what keeps a mail from being sent anew. Whoever deletes by it holds the lease.

        Where a mail or a batch cannot be read, nobody knows what it refers to: then the answer is not ``certain``.
        """
        names, all_mails = await self._unfinished()
        batches, all_batches = await self._read_batches(names)
        opened, all_endings = await self._open_sequences()
        oldest: dict[ClusterName, int] = {}
        told = [ref for batch in batches for ref in batch.changes]
        for ref in [*told, *[ref async for ref in self._to_be_notified()]]:
            named = _change_named(ref)
            if named is not None:
                cluster, sequence = named
                oldest[cluster] = min(sequence, oldest.get(cluster, sequence))
        return Needed(
            changes=oldest,
            batches=names,
            first_open=min(opened, default=None),
            certain=all_mails and all_batches and all_endings,
        )

    async def finished_before(self, before: datetime) -> AsyncIterator[KeptMail]:
        """The mails that are finished and were begun before; one that cannot be read is left out."""
        columns = ["RowKey", "v", "status", "created"]
        names = [
            str(row["RowKey"])
            async for row in self._range(keys.MAIL, "digest", select=columns)
            if _is_before(row, "created", before)
        ]
        for name in names:
            row = await self._get(keys.MAIL, name)
            try:
                mail = None if row is None else rows.read_mail(row)
            except SchemaError:
                continue
            if mail is not None and not mail.status.is_open:
                yield KeptMail(name, mail)

    async def kept_batches(self) -> tuple[KeptBatch, ...]:
        """All batches, and rows beside them whose own row is not there: a death left these."""
        since: dict[str, datetime | None] = {}
        found: dict[str, list[str]] = {}
        async for row in self._range(keys.MAIL, "batch", select=["RowKey", "v", "since"]):
            key = str(row["RowKey"])
            name = key.split("|")[1]
            found.setdefault(name, []).append(key)
            if key == f"batch|{name}":
                since[name] = _time(row, "since")
        return tuple(KeptBatch(name, since.get(name), tuple(own)) for name, own in found.items())

    async def idle_rates(self, before: datetime) -> tuple[str, ...]:
        """The rows of channels that sent nothing since, and of which nobody is known to have been notified."""
        idle = []
        async for row in self._range(keys.MAIL, "rate"):
            try:
                times = rows.read(tuple[datetime, ...], rows.joined(rows.versioned(row), "times"), row["RowKey"])
                channel = Channel(rows.string(row, "route"), rows.string(row, "transport"))
            except SchemaError:
                continue
            if all(at < before for at in times) and not await self.notified(channel):
                idle.append(str(row["RowKey"]))
        return tuple(idle)

    async def drop_of_mail(self, names: Sequence[str], lease: Lease, now: datetime) -> None:
        """Delete rows of the mails' partition that are there. LeaseLost where somebody else delivers by now."""
        for start in range(0, len(names), FENCED):
            gone = names[start : start + FENCED]
            operations: list[Operation] = [("delete", {"PartitionKey": keys.MAIL, "RowKey": name}) for name in gone]
            await self.fenced(lease, now, operations)

    async def forget_notified(self, cluster: str, channels: Iterable[Channel]) -> int:
        """Forget who was notified of a cluster's failures, by whichever channel; how many failures."""
        count = 0
        for channel in channels:
            known = [subject for subject in await self.notified(channel) if subject[0] == cluster.lower()]
            await self.set_notified(channel, dict.fromkeys(known, ()))
            count += len(known)
        return count

    async def _unfinished(self) -> tuple[frozenset[str], bool]:
        """The batches of which a mail is to be sent; whether all mails that are to be sent could be read."""
        names = set(await self.unspread())
        certain = True
        for name in await self.open_mails():
            try:
                mail = await self.load_mail(name)
            except SchemaError:
                certain = False
                continue
            names |= set(mail.batches) if mail is not None else set()
        return frozenset(names), certain

    async def _read_batches(self, names: Iterable[str]) -> tuple[list[Batch], bool]:
        """Those of the batches that are there and can be read; whether all that are there can."""
        read: list[Batch] = []
        certain = True
        for name in sorted(names):
            try:
                batch = await self.load_batch(name)
            except SchemaError:
                certain = False
                continue
            read += [batch] if batch is not None else []
        return read, certain

    async def _to_be_notified(self) -> AsyncIterator[RowRef]:
        """The keys of all pointers. They are moved to and fro by sweeps: so one kind of them is looked at twice."""
        for partition in await self.known_subscriptions():
            for kind in ("postponed", "pending", "postponed"):
                async for row in self._range(partition, kind, select=["PartitionKey", "RowKey"]):
                    yield RowRef(row["PartitionKey"], row["RowKey"])

    async def _open_sequences(self) -> tuple[list[int], bool]:
        """The places of runs that are not closed and of silences' ends that are being said; whether all could be read.

        A run that was promised and is not planned is newer than all that is old.
        """
        found = [int(name.rpartition("-")[2]) for name in await self.open_runs() if name.rpartition("-")[2].isdecimal()]
        certain = True
        async for row in self._range(keys.SILENCE, "ending"):
            try:
                found.append(read_row(Ending, row).run.sequence)
            except HistoryError:
                certain = False
        return found, certain


def _change_named(ref: RowRef) -> tuple[ClusterName, int] | None:
    """The cluster and the sequence of a change or of a pointer to one, by its key; None for a run's own notice."""
    kind, _, rest = ref.row.partition("|")
    if kind == "change":
        name, sequence = rest.rpartition("|")[0], keys.sequence_of(ref.row)
        return None if sequence is None else ((ref.partition, name), sequence)
    digits, _, name = rest.partition("|")
    return ((ref.partition, name), int(digits)) if digits.isdecimal() else None


def _is_before(row: rows.Row, column: str, before: datetime) -> bool:
    at = _time(row, column)
    return at is not None and at <= before


def _time(row: rows.Row, column: str) -> datetime | None:
    try:
        return rows.moment(rows.versioned(row), column)
    except SchemaError:
        return None
