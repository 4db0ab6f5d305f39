"""The outbox in the store: pointers to what people are to be notified of, each written with what it points to.

A pointer stays until a batch holds it (``checks.history.table.mails``). One that cannot be handled is postponed: it is
kept under another key, where it is in nobody's way, and looked at again by every sweep.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime

from checks.changes import Notice, NoticeKind
from checks.history.errors import Conflict, SchemaError
from checks.history.model import Pending, PendingList, RowRef, Unreadable
from checks.history.table import keys, rows
from checks.history.table.clusters import Clusters
from checks.history.table.mails import Mails
from checks.history.table.runs import Runs
from checks.history.table.tables import deletion, etag_of
from checks.watchdog import REFUSED_FOR, Unsent

LOOKED_AT = 200  # postponed pointers that one sweep looks at again


class Outbox(Clusters, Runs, Mails):
    """The rows of what people are to be notified of and of what they were."""

    async def list_pending(self, limit: int | None = None) -> PendingList:
        """Intents to tell, the oldest first, from all subscriptions. A row that cannot be read stops no other."""
        pendings: list[Pending] = []
        unreadable: list[Unreadable] = []
        for partition in (keys.MAIL, *await self.known_subscriptions()):
            async for row in self._range(partition, "pending"):
                try:
                    pendings.append(rows.read_pending(row))
                except SchemaError as error:
                    unreadable.append(Unreadable(RowRef(partition, str(row["RowKey"])), str(error)))
        # A run's own notice comes before what it is about: the first summary takes the first failures with it.
        pendings.sort(key=lambda pending: (pending.sequence, not pending.notice, pending.ref))
        return PendingList(tuple(pendings[:limit]), tuple(unreadable))

    async def deliverable(self, items: Sequence[Pending], now: datetime) -> tuple[Pending, ...]:
        """Those that do not wait for the summary of a run that is still to be closed."""
        if not any(item.summary_of for item in items):
            return tuple(items)
        awaited = await self.awaited_runs(now)
        return tuple(item for item in items if item.summary_of not in awaited)

    async def add_notice(self, notice: Notice) -> None:
        """An intent to tell a run's own notice. Repeating it writes the same row.

        A summary waits, like what belongs into it, until its run is closed.
        """
        pending = Pending(
            ref=RowRef(keys.MAIL, keys.notice(notice.kind, notice.sequence, notice.about)),
            sequence=notice.sequence,
            at=notice.at,
            notice=rows.text_of(notice),
            summary_of=notice.run if notice.kind is NoticeKind.BASELINE else "",
        )
        await self._create(rows.pending_row(pending))

    async def remove_pending(self, refs: Sequence[RowRef]) -> None:
        """Take pointers away that a written mail holds."""
        await self._drop(refs)

    async def postpone(self, ref: RowRef) -> None:
        """Set a pointer aside that cannot be handled: it is kept, and keeps no other from being handled."""
        await self._move(ref, f"postponed|{ref.row.partition('|')[2]}")

    async def take_up_postponed(self) -> tuple[Unreadable, ...]:
        """Make pointers of the postponed ones that can be handled by now; the others, with why they cannot."""
        found: list[Unreadable] = []
        async for row in self._postponed():
            ref = RowRef(str(row["PartitionKey"]), str(row["RowKey"]))
            what = ref
            try:
                item = rows.read_pending(row)
                what = item.change or ref
                await self._try_to_read(item)
            except SchemaError as error:
                found.append(Unreadable(what, str(error)))
            else:
                await self._move(ref, f"pending|{ref.row.partition('|')[2]}")
            if len(found) >= LOOKED_AT:
                break
        return tuple(found)

    async def _try_to_read(self, item: Pending) -> None:
        if item.change is not None:
            await self.load_change(item.change)
        elif item.notice:
            rows.read(Notice, item.notice, item.ref.row)

    async def _postponed(self) -> AsyncIterator[rows.Row]:
        for partition in (keys.MAIL, *await self.known_subscriptions()):
            async for row in self._range(partition, "postponed"):
                yield row

    async def _move(self, ref: RowRef, key: str) -> None:
        row = await self._get(ref.partition, ref.row)
        if row is not None:
            with suppress(Conflict):  # somebody else moved it, or took it
                await self._transact([("upsert", {**row, "RowKey": key}), deletion(ref, etag_of(row))])

    async def look_at_unsent(self, now: datetime) -> Unsent:
        """What is still to be sent, begun or not, and since when the oldest waits. It reads every subscription."""
        pending = await self.list_pending()
        pointers = [item.at for item in await self.deliverable(pending.items, now)]
        unreadable = len(pending.unreadable) + len([row async for row in self._postponed()])
        mails: list[datetime] = []
        for names, load in ((await self.unspread(), self.load_batch), (await self.open_mails(), self.load_mail)):
            for name in names:
                try:
                    found = await load(name)
                except SchemaError:
                    unreadable += 1
                    continue
                mails += [found.since] if found is not None else []
        return Unsent(
            seen=now,
            oldest_pointer=min(pointers, default=None),
            oldest_mail=min(mails, default=None),
            waiting=len(pointers) + len(mails),
            unreadable=unreadable,
            refused={one.recipient: one.reason for one in await self.list_refusals(now - REFUSED_FOR)},
        )

    async def save_unsent(self, unsent: Unsent) -> None:
        """Keep what was seen of unsent mail, for those who have to know at the cost of one read."""
        await self._put(rows.unsent_row(unsent))

    async def load_unsent(self) -> Unsent | None:
        """What was last seen of unsent mail; None where nobody has looked yet, or what was seen cannot be read.

        The next sweep looks again and replaces it.
        """
        row = await self._get(keys.MAIL, keys.UNSENT)
        try:
            return None if row is None else rows.read_unsent(row)
        except SchemaError:
            return None

    async def unreadable_mail(self) -> tuple[Unreadable, ...]:
        """Of what is still to be sent, what cannot be read. What was postponed and can be read by now is taken up."""
        for problem in (await self.list_pending()).unreadable:
            await self.postpone(problem.ref)
        return (*await self.take_up_postponed(), *await self.unreadable_mails())

    async def has_unsent(self) -> bool:
        """Whether anything is to be sent, begun or not."""
        return bool((await self.list_pending(limit=1)).items or await self.unspread() or await self.open_mails())
