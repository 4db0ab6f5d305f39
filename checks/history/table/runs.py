"""Runs in the store: their order, their shards, how they end.

A run lives in a monthly table, in a partition of its own. What has to be found without knowing the month is in the main
table, partition ``run``: the sequence, the open runs (entered before the run itself is written, so that none is lost),
the latest that was closed, and the latest of those over the whole scope.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec

from checks.history.errors import Conflict, HistoryError, LimitError, SchemaError
from checks.history.model import (
    Doubt,
    FailedCluster,
    Marker,
    MarkerStatus,
    RowRef,
    Run,
    RunStatus,
    Shard,
    StoredRun,
    Ticket,
    Totals,
    Unreadable,
    new_run_id,
)
from checks.history.table import keys, rows
from checks.history.table.tables import BATCH, Operation, Tables, etag_of

LOG = logging.getLogger(__name__)
TRIES = 50  # of a compare-and-set that others try at the same time
REMEMBERED = 50  # requests whose ticket is given again
# Places left free where the sequence was lost: of tickets that were given, and whose runs are not planned yet. Lists of
# runs go over such a gap (MAX_GAPS in latest_runs).
MARGIN = 50
REMINDED = "reminded"
LATEST = "latest"
LATEST_WHOLE = "latest-whole"  # over all that the app watches: a run of a part says nothing of the rest
OURS = "{}-1"  # this version's own entry of a latest run, where a newer version wrote the other
LATEST_ROWS = tuple(name for entry in (LATEST, LATEST_WHOLE) for name in (entry, OURS.format(entry)))
LONGEST_RUN = timedelta(minutes=240)  # PULLWATCH_RUN_MINUTES takes no more
LAST_WAIT = timedelta(hours=1)  # what belongs into the summary of a run waits so long for a close that is overdue
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH = re.compile(rf"{keys.RUNS}(\d{{6}})")
_PLACE = re.compile(r"\d{6}-(\d{1,19})")
POISON_TEXT = 4096  # bytes kept of a message nobody could handle


def is_over(deadline: datetime, now: datetime) -> bool:
    """Whether a run's deadline has passed, or is none: further ahead than any run is given."""
    return deadline <= now or deadline - now > LONGEST_RUN + 2 * LAST_WAIT


class LatestRunError(SchemaError):
    """The latest run cannot be read: its entry, or the run itself. ``ref`` is the row; the message names its table."""

    def __init__(self, table: str, ref: RowRef, why: SchemaError) -> None:
        super().__init__(f"table {table}, partition {ref.partition!r}, row {ref.row!r} cannot be read: {why}")
        self.ref = ref


class _Counter(msgspec.Struct, frozen=True):
    """The sequence, and which of the latest requests got which ticket."""

    sequence: int = 0
    tickets: dict[str, Ticket] = {}


class Runs(Tables):
    """The rows of runs."""

    async def next_sequence(self, now: datetime, request: str = "") -> Ticket:
        """The next place in the order of runs, by compare-and-set. The same ``request`` gets the same ticket again.

        Where the row is lost it is made anew, above every run that there is: a place that was given before would be
        that of a run that is closed, and all that is known would be newer. SchemaError where that cannot be told.
        Conflict where 50 tries in a row were overtaken.
        """
        for _ in range(TRIES):
            row = await self._get(keys.RUN, "sequence")
            counter = await self._recovered() if row is None else _read_counter(row)
            if request and request in counter.tickets:
                return counter.tickets[request]
            sequence = counter.sequence + 1
            ticket = Ticket(sequence, new_run_id(sequence, now))
            tickets = counter.tickets | ({request: ticket} if request else {})
            newest = sorted(tickets.items(), key=lambda item: item[1].sequence)[-REMEMBERED:]
            entity = rows.base(keys.RUN, "sequence") | rows.chunked(
                "counter", rows.text_of(_Counter(sequence, dict(newest)))
            )
            try:
                if row is not None:
                    await self._replace(rows.checked(entity), etag_of(row))
                    return ticket
                if await self._create(rows.checked(entity)):
                    return ticket
            except Conflict:
                continue
        raise Conflict("the run sequence could not be taken")

    async def _recovered(self) -> _Counter:
        """Where the sequence goes on without its row: at nothing where no run was ever planned."""
        highest = await self._highest_sequence()
        if not highest:
            return _Counter()
        LOG.error("the run sequence was lost: it goes on after %d, %d above the latest run", highest + MARGIN, MARGIN)
        return _Counter(highest + MARGIN)

    async def _highest_sequence(self) -> int:
        """The place of the newest run that there is a trace of; 0 without any. SchemaError where it cannot be read.

        A run is among the open ones until it is pointed to as the latest. So the monthly tables are looked through
        only where that is lost, too.
        """
        found = [0, *(_sequence_in(run_id) for run_id in await self.open_runs())]
        row = await self._pointer(LATEST)
        if row is not None:
            try:
                return max(*found, _points_at_run(row))
            except SchemaError as error:
                raise SchemaError(f"the run sequence is lost, and where it stood cannot be read: {error}") from error
        for month in await self.months():
            planned = self._table(keys.RUNS + month).query_entities(
                "RowKey eq @row", parameters={"row": "run"}, select=["PartitionKey"]
            )
            found += [_sequence_in(str(row["PartitionKey"])) async for row in planned]
        return max(found)

    async def is_promised(self, run_id: str) -> bool:
        """Whether a run was asked for lately and has a ticket, planned or not. One that was dropped is none."""
        row = await self._get(keys.RUN, "sequence")
        if row is None or all(ticket.run_id != run_id for ticket in _read_counter(row).tickets.values()):
            return False
        month, months = run_id.partition("-")[0], await self.months()
        return month in months or not any(other > month for other in months)

    async def months(self) -> tuple[str, ...]:
        """The months ("YYYYMM") that have a table of runs, the oldest first."""
        found = [_MONTH.fullmatch(table.name) async for table in self._service.list_tables()]
        return tuple(sorted(match[1] for match in found if match))

    async def create_run(self, run: Run, shards: Sequence[Shard]) -> bool:
        """Write a run with its shards; false where it is there already (a repeated plan adds nothing).

        The order makes a plan that died in between harmless: the entry among the open runs, the shards, the lists of a
        large run, the run.
        """
        table = keys.run_table(run.id)
        await self._service.create_table_if_not_exists(table)
        entity = rows.base(keys.RUN, f"open|{run.id}") | {"deadline": run.deadline}
        if await self._get(run.id, "run", table) is not None:
            return False
        await self._put(rows.checked(entity))
        operations: list[Operation] = [("upsert", rows.shard_row(run.id, shard)) for shard in shards]
        for start in range(0, len(operations), BATCH):
            await self._transact(operations[start : start + BATCH], table)
        for part in rows.run_parts(run):
            await self._put(part, table)
        return await self._create(rows.run_row(run), table)

    async def load_run(self, run_id: str) -> StoredRun | None:
        """A run with its ETag."""
        table = keys.run_table(run_id)
        row = await self._get(run_id, "run", table)
        if row is None:
            return None
        prefix = rows.parts_of(row)
        parts = [part async for part in self._range(run_id, prefix, table)] if prefix else []
        return StoredRun(rows.read_run(row, parts), etag_of(row))

    async def load_shard(self, run_id: str, shard_id: str) -> Shard | None:
        """A shard as planned."""
        row = await self._get(run_id, keys.check(f"shard|{shard_id}"), keys.run_table(run_id))
        return None if row is None else rows.read_shard(row)

    async def list_shards(self, run_id: str) -> tuple[Shard, ...]:
        """The shards of a run, less those that cannot be read."""
        shards: list[Shard] = []
        async for row in self._range(run_id, "shard", keys.run_table(run_id)):
            with suppress(SchemaError):  # its scan says so, and ends it as failed
                shards.append(rows.read_shard(row))
        return tuple(shards)

    async def mark_shard(
        self,
        run_id: str,
        shard_id: str,
        status: MarkerStatus,
        totals: Totals,
        now: datetime,
        reason: str = "",
        failed: tuple[FailedCluster, ...] = (),
    ) -> None:
        """Say that a shard ended. The first word stands, except that "done" replaces "failed"."""
        table = keys.run_table(run_id)
        marker = Marker(shard=shard_id, status=status, totals=totals, reason=reason[:1000], failed=failed, at=now)
        if await self._create(rows.marker_row(run_id, marker), table) or status is not MarkerStatus.DONE:
            return
        there = await self._get(run_id, f"marker|{shard_id}", table)
        if there is None or (_marker(there).status is MarkerStatus.FAILED and not rows.is_newer(there)):
            await self._put(rows.marker_row(run_id, marker), table)

    async def load_marker(self, run_id: str, shard_id: str) -> Marker | None:
        """How a shard ended; None where it did not yet. One that cannot be read ended, and counts as failed."""
        row = await self._get(run_id, keys.check(f"marker|{shard_id}"), keys.run_table(run_id))
        return None if row is None else _marker(row)

    async def list_markers(self, run_id: str) -> tuple[Marker, ...]:
        """The shards of a run that ended. One whose marker cannot be read ended as well, and counts as failed."""
        entities = self._range(run_id, "marker", keys.run_table(run_id))
        return tuple([_marker(row) async for row in entities])

    async def try_close(self, run: Run, etag: str) -> bool:
        """Write the closed run; false where somebody else closed it. It happens once: the ETag decides."""
        closed = msgspec.structs.replace(run, status=RunStatus.CLOSED)
        try:
            await self._replace(rows.run_row(closed), etag, keys.run_table(run.id))
        except Conflict:
            return False
        return True

    async def finish_run(self, run: Run) -> None:
        """After closing: point to it as the latest (never backwards) and take it from the open ones. Repeatable."""
        for entry in (LATEST,) if run.scope.asked else (LATEST, LATEST_WHOLE):
            await self._point(entry, run)
        await self.drop_open(run.id)

    async def _point(self, entry: str, run: Run) -> None:
        for _ in range(TRIES):
            name, row = await self._latest_row(entry)
            if row is not None and _points_at(row) >= run.sequence:
                break
            entity = rows.base(keys.RUN, name) | {"sequence": rows.number(run.sequence), "run": run.id}
            try:
                if row is None and await self._create(entity):
                    break
                if row is not None:
                    await self._replace(entity, etag_of(row))
                    break
            except Conflict:
                continue

    async def drop_open(self, run_id: str) -> None:
        """Take a run from the open ones (also one that was never written)."""
        await self._delete(keys.RUN, keys.check(f"open|{run_id}"))

    async def open_runs(self, past: datetime | None = None) -> tuple[str, ...]:
        """The ids of runs that are not closed; with ``past`` those whose deadline is before it.

        A deadline further ahead than any run is given is that of a clock that had jumped: it is over.
        """
        names: list[str] = []
        async for row in self._range(keys.RUN, "open"):
            deadline = _deadline(row)
            if past is None or deadline is None or is_over(deadline, past):
                names.append(str(row["RowKey"]).partition("|")[2])
        return tuple(names)

    async def awaited_runs(self, now: datetime) -> frozenset[str]:
        """The runs whose summary is still to come: they are open, and not long overdue."""
        return frozenset(await self.open_runs()) - frozenset(await self.open_runs(past=now - LAST_WAIT))

    async def latest_run(self) -> Run | None:
        """The run with the highest sequence among the closed ones. LatestRunError where that cannot be read."""
        row = await self._pointer(LATEST)
        return None if row is None else await self._pointed_at(row)

    async def latest_whole_run(self) -> Run | None:
        """The run with the highest sequence among the closed ones over all that the app watches.

        None also where none was closed since this is kept and the latest is one of a part. LatestRunError where it
        cannot be read.
        """
        row = await self._pointer(LATEST_WHOLE)
        if row is not None:
            return await self._pointed_at(row)
        latest = await self.latest_run()
        return None if latest is None or latest.scope.asked else latest

    async def _pointer(self, entry: str) -> rows.Row | None:
        name, row = await self._latest_row(entry)
        return await self._get(keys.RUN, entry) if row is None and name != entry else row

    async def _pointed_at(self, row: rows.Row) -> Run | None:
        try:
            _points_at_run(row)
        except SchemaError as error:
            raise LatestRunError(keys.TABLE, RowRef(keys.RUN, str(row["RowKey"])), error) from error
        run_id = rows.string(row, "run")
        try:
            stored = await self.load_run(run_id)
        except SchemaError as error:
            raise LatestRunError(keys.run_table(run_id), RowRef(run_id, "run"), error) from error
        return None if stored is None else stored.run

    async def load_doubt(self, asked: tuple[str, ...]) -> Doubt:
        """What was in doubt about a scope after its latest run."""
        row = await self._get(keys.RUN, keys.doubt(asked))
        return Doubt() if row is None else rows.read(Doubt, rows.joined(rows.versioned(row), "doubt"), row["RowKey"])

    async def save_doubt(self, asked: tuple[str, ...], doubt: Doubt) -> None:
        """Keep what is in doubt about a scope."""
        entity = rows.base(keys.RUN, keys.doubt(asked)) | rows.chunked("doubt", rows.text_of(doubt))
        await self._put(rows.checked(entity))

    async def claim_reminder(self, run: Run, now: datetime, every: timedelta) -> bool:
        """Whether this run is to remind of what fails: the last reminder is so long ago, and nobody else was faster.

        A time ahead of now, of a clock that had jumped, is void.
        """
        row = await self._get(keys.RUN, REMINDED)
        entity = rows.base(keys.RUN, REMINDED) | {"at": now, "run": run.id}
        if row is None:
            return await self._create(rows.checked(entity))
        if rows.is_newer(row):
            return False
        if row.get("run") == run.id:
            return True
        at = rows.moment(rows.versioned(row), "at")
        if at is not None and timedelta() <= now - at < every:
            return False
        with suppress(Conflict):
            await self._replace(rows.checked(entity), etag_of(row))
            return True
        return False

    async def _latest_row(self, entry: str) -> tuple[str, rows.Row | None]:
        """The row of an entry of a latest run and its name: a second one where a newer version wrote the first."""
        row = await self._get(keys.RUN, entry)
        if row is not None and rows.is_newer(row):
            ours = OURS.format(entry)
            return ours, await self._get(keys.RUN, ours)
        return entry, row

    async def unreadable_runs(self, past: datetime) -> tuple[Unreadable, ...]:
        """Of the rows that runs are found by, and of open runs overdue by ``past``, those that cannot be read."""
        found: list[Unreadable] = []
        pointers = ((LATEST, _points_at_run), (LATEST_WHOLE, _points_at_run))
        for name, read in (("sequence", _read_counter), *pointers):
            row = await self._get(keys.RUN, name)
            if row is not None:
                found += _unreadable(RowRef(keys.RUN, name), row, read)
        async for row in self._range(keys.RUN, "open"):
            found += _unreadable(RowRef(keys.RUN, str(row["RowKey"])), row, _read_deadline)
        for run_id in await self.open_runs(past):
            try:
                await self.load_run(run_id)
            except HistoryError as error:
                found.append(Unreadable(RowRef(run_id, "run"), str(error)))
        return tuple(found)

    async def record_poison(self, queue: str, text: str, reason: str, now: datetime) -> None:
        """Keep a message nobody could handle, bounded to 4 KiB, with why."""
        digest = keys.cluster_key(f"{queue}\n{text}")
        kept = text.encode("utf-8", "replace")[:POISON_TEXT].decode("utf-8", "ignore")
        entity = rows.base(keys.POISON, f"poison|{now:%Y%m%dT%H%M%S%f}|{digest}")
        entity |= {"queue": queue[:63], "text": kept, "reason": reason[:1000], "at": now, "size": len(text)}
        await self._put(rows.checked(entity))

    async def list_poison(self, limit: int = 100) -> tuple[tuple[datetime, str, str], ...]:
        """When, on which queue and why messages were given up; at most ``limit``, the oldest first."""
        messages: list[tuple[datetime, str, str]] = []
        async for row in self._range(keys.POISON, "poison"):
            with suppress(SchemaError):  # what can be read of the others is worth more than none
                at = rows.moment(rows.versioned(row), "at")
                if at is not None:
                    messages.append((at, rows.string(row, "queue"), rows.string(row, "reason")))
            if len(messages) >= limit:
                break
        return tuple(messages)


def _marker(row: rows.Row) -> Marker:
    """The marker in a row; of one that cannot be read its name alone, as failed."""
    try:
        return rows.read_marker(row)
    except SchemaError as error:
        name = str(row["RowKey"]).partition("|")[2]
        return Marker(shard=name, status=MarkerStatus.FAILED, reason=str(error)[:1000], at=LONG_AGO)


def _deadline(row: rows.Row) -> datetime | None:
    """When an open run is overdue; None, which is now, where the row does not say so in a way that can be read."""
    try:
        return _read_deadline(row)
    except SchemaError:
        return None


def _read_deadline(row: rows.Row) -> datetime | None:
    return rows.moment(rows.versioned(row), "deadline")


def _sequence_in(run_id: str) -> int:
    """The place of a run in the order; 0 where an id is none of ours."""
    match = _PLACE.fullmatch(run_id)
    return int(match[1]) if match else 0


def _points_at(row: rows.Row) -> int:
    """The sequence that an entry of the latest run names; below every run's where it cannot be read."""
    try:
        return _points_at_run(row)
    except SchemaError:
        return -1


def _points_at_run(row: rows.Row) -> int:
    """The sequence that an entry of the latest run names, beside the run."""
    try:
        keys.run_table(rows.string(rows.versioned(row), "run"))
    except LimitError as error:
        raise SchemaError(f"row {row.get('RowKey')!r}: {error}") from error
    return rows.integer(row, "sequence")


def _unreadable(ref: RowRef, row: rows.Row, read: Callable[[rows.Row], object]) -> list[Unreadable]:
    try:
        read(row)
    except SchemaError as error:
        return [Unreadable(ref, str(error))]
    return []


def read_sequence(row: rows.Row) -> int:
    """The place of the last run that was asked for. SchemaError where it cannot be read."""
    return _read_counter(row).sequence


def _read_counter(row: rows.Row) -> _Counter:
    try:
        return _counter(row)
    except SchemaError as error:
        raise SchemaError(f"the run sequence cannot be read, so that no run can be planned: {error}") from error


def _counter(row: rows.Row) -> _Counter:
    return rows.read(_Counter, rows.joined(rows.versioned(row), "counter"), row.get("RowKey"))
