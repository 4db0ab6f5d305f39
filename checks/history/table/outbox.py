"""The outbox in the store: intents to tell, mails that were begun, the lease of whoever delivers.

A mail is written before its pointers are removed, and is found again by a ``begun`` row until it is finished: a death
at any point leaves the pointers or the mail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from checks.changes import Notice, NoticeKind
from checks.history.errors import Conflict, LeaseHeld, LeaseLost, SchemaError
from checks.history.model import MailRow, MailStatus, Pending, PendingList, RowRef, StoredMail, Unreadable
from checks.history.table import keys, rows
from checks.history.table.clusters import Clusters
from checks.history.table.runs import Runs
from checks.history.table.tables import Operation, etag_of, unmodified
from checks.watchdog import Unsent

LEASE = timedelta(minutes=5)
LOOKED_AT = 200  # intents whose changes one sweep reads
SKEW = timedelta(minutes=1)  # how far the clocks of two holders may be apart


class Lease:
    """The right to deliver. ``renew`` before each send: it fails where the right was lost."""

    def __init__(self, outbox: Outbox, holder: str, etag: str) -> None:
        self._outbox = outbox
        self._holder = holder
        self.etag = etag

    async def renew(self, now: datetime) -> None:
        """Hold on for another five minutes. LeaseLost where somebody else took it."""
        try:
            self.etag = await self._outbox.write_lease(self._holder, now + LEASE, self.etag)
        except Conflict as error:
            raise LeaseLost("the lease was taken by somebody else") from error


class Outbox(Clusters, Runs):
    """The rows of what people are to be notified of and of what they were."""

    async def list_pending(self, limit: int = 2000) -> PendingList:
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

    async def begin_mail(self, mail: MailRow) -> bool:
        """Write a mail that is to be sent; false where this very mail was begun (or sent) before."""
        begun = rows.base(keys.MAIL, f"begun|{mail.id}")
        try:
            await self._transact([("create", rows.mail_row(mail)), ("create", rows.checked(begun))])
        except Conflict:
            return False
        return True

    async def open_mails(self) -> tuple[str, ...]:
        """The ids of mails that were begun and not finished, the oldest first."""
        return tuple([str(row["RowKey"]).partition("|")[2] async for row in self._range(keys.MAIL, "begun")])

    async def load_mail(self, mail_id: str) -> StoredMail | None:
        """A mail with its ETag."""
        row = await self._get(keys.MAIL, keys.check(f"digest|{mail_id}"))
        return None if row is None else StoredMail(rows.read_mail(row), etag_of(row))

    async def list_mails(self) -> tuple[MailRow, ...]:
        """All mails that are kept, the oldest first."""
        return tuple([rows.read_mail(row) async for row in self._range(keys.MAIL, "digest")])

    async def save_mail(self, mail: MailRow, etag: str) -> StoredMail:
        """Write a mail's marks back; a finished one leaves the begun ones in the same transaction."""
        operations: list[Operation] = [unmodified(rows.mail_row(mail), etag)]
        if mail.status in {MailStatus.SENT, MailStatus.FAILED}:
            operations.append(("delete", {"PartitionKey": keys.MAIL, "RowKey": f"begun|{mail.id}"}))
        try:
            return StoredMail(mail, (await self._transact(operations))[0])
        except Conflict:
            there = await self.load_mail(mail.id)
            if there is None or there.mail != mail:
                raise
            return there  # our own write, whose answer was lost

    async def look_at_unsent(self, now: datetime) -> Unsent:
        """What is still to be sent, begun or not, and since when the oldest waits. It reads every subscription."""
        pending = await self.list_pending()
        since = [item.at for item in await self.deliverable(pending.items, now)]
        unreadable = len(pending.unreadable)
        for mail_id in await self.open_mails():
            try:
                stored = await self.load_mail(mail_id)
            except SchemaError:
                unreadable += 1
                continue
            since += [stored.mail.created] if stored is not None else []
        return Unsent(seen=now, oldest=min(since, default=None), waiting=len(since), unreadable=unreadable)

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

    @asynccontextmanager
    async def deliver_lease(self, holder: str, now: Callable[[], datetime]) -> AsyncIterator[Lease]:
        """The right to deliver, for one holder at a time. LeaseHeld where somebody else has it."""
        lease = Lease(self, holder, await self._take_lease(holder, now()))
        try:
            yield lease
        finally:
            await self._release(holder, lease, now())

    async def unreadable_mail(self) -> tuple[Unreadable, ...]:
        """Of what is still to be sent, what cannot be read: intents, the changes they point to, mails that were begun.

        Of the intents it is the oldest that are looked at, for a sweep has others to look at as well.
        """
        pending = await self.list_pending(limit=LOOKED_AT)
        found = list(pending.unreadable)
        for item in pending.items:
            try:
                if item.change is not None:
                    await self.load_change(item.change)
                elif item.notice:
                    rows.read(Notice, item.notice, item.ref.row)
            except SchemaError as error:
                found.append(Unreadable(item.change or item.ref, str(error)))
        for mail_id in await self.open_mails():
            try:
                await self.load_mail(mail_id)
            except SchemaError as error:
                found.append(Unreadable(RowRef(keys.MAIL, f"digest|{mail_id}"), str(error)))
        return tuple(found)

    async def unreadable_lease(self) -> tuple[Unreadable, ...]:
        """The lease, where it cannot be read."""
        row = await self._get(keys.MAIL, "lease")
        try:
            if row is not None:
                rows.moment(rows.versioned(row), "expires")
        except SchemaError as error:
            return (Unreadable(RowRef(keys.MAIL, "lease"), str(error)),)
        return ()

    async def write_lease(self, holder: str, expires: datetime, etag: str) -> str:
        """Write the lease row against its ETag; the new ETag, or Conflict."""
        try:
            return await self._replace(_lease_row(holder, expires), etag)
        except Conflict:
            row = await self._get(keys.MAIL, "lease")
            if row is None or row.get("holder") != holder or rows.moment(row, "expires") != expires:
                raise
            return etag_of(row)  # our own write, whose answer was lost

    async def _take_lease(self, holder: str, now: datetime) -> str:
        row = await self._get(keys.MAIL, "lease")
        if row is None:
            await self._create(_lease_row("", now - LEASE))
            row = await self._get(keys.MAIL, "lease")
        if row is None:
            raise LeaseHeld("the lease row cannot be read")
        try:
            expires = rows.moment(rows.versioned(row), "expires")
        except SchemaError as error:
            raise LeaseHeld(f"the lease cannot be read, and is set aside when it is old: {error}") from error
        if row.get("holder") and expires is not None and _holds(expires, now):
            raise LeaseHeld(f"{row.get('holder')} delivers until {expires:%H:%M:%S} UTC")
        try:
            return await self.write_lease(holder, now + LEASE, etag_of(row))
        except Conflict as error:
            raise LeaseHeld("somebody else was faster") from error

    async def _release(self, holder: str, lease: Lease, now: datetime) -> None:
        try:
            await self.write_lease("", now, lease.etag)
        except Conflict:  # it was taken from us: nothing is ours to release
            return


def _holds(expires: datetime, now: datetime) -> bool:
    """Whether a lease may still be held. One that ends later than any is given is that of a clock that had jumped."""
    return now < expires + SKEW and expires - now <= LEASE + SKEW


def _lease_row(holder: str, expires: datetime) -> rows.Entity:
    return rows.checked(rows.base(keys.MAIL, "lease") | {"holder": holder, "expires": expires})
