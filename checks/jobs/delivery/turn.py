"""One holder's turn at delivering: what it works with, and what it has read already."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from checks.changes import Change
from checks.history.model import Batch, Channel, MailRow, RowRef
from checks.history.table.lease import Lease
from checks.history.table.rows import Entity
from checks.jobs.context import JobContext
from checks.jobs.delivery.knowledge import Knowledge
from checks.notify.routes import Route, notice_route, routes_of
from checks.notify.transports.base import Transport
from checks.silences import Silence

LOG = logging.getLogger(__name__)


class Turn:
    """What one holder of the lease works with. Nobody else writes mails meanwhile, so what was read stays true."""

    def __init__(self, context: JobContext, transports: Sequence[Transport], lease: Lease) -> None:
        self.context = context
        self.transports = {transport.name: transport for transport in transports}
        self.lease = lease
        self.mails: dict[str, MailRow] = {}  # the open ones
        self.knowledge = Knowledge(context)
        self._batches: dict[str, Batch] = {}
        self._silences: tuple[Silence, ...] | None = None

    async def batch(self, batch_id: str) -> Batch | None:
        """A batch; None where there is none. SchemaError where it cannot be read."""
        if batch_id not in self._batches:
            batch = await self.context.store.load_batch(batch_id)
            if batch is None:
                return None
            self._batches[batch_id] = batch
        return self._batches[batch_id]

    async def silences(self) -> tuple[Silence, ...]:
        """The silences as this turn began to ask for them. One that cannot be read silences nothing."""
        if self._silences is None:
            self._silences = (await self.context.store.list_silences()).silences
        return self._silences

    async def save(self, mails: Iterable[MailRow], more: Iterable[Entity] = ()) -> None:
        """Write mails; those that are finished are no longer among the open ones."""
        mails = tuple(mails)
        await self.context.store.write_mails(mails, self.lease, self.context.clock(), frozenset(self.mails), more)
        for mail in mails:
            if mail.status.is_open:
                self.mails[mail.id] = mail
            else:
                self.mails.pop(mail.id, None)

    async def changes_of(self, refs: Iterable[RowRef]) -> list[Change]:
        """The changes that are there, in their order. SchemaError where one cannot be read."""
        found = [await self.context.store.load_change(ref) for ref in dict.fromkeys(refs)]
        return sorted((change for change in found if change is not None), key=lambda change: change.sequence)

    def routes(self, changes: Iterable[Change], *, notice: bool) -> dict[str, Route]:
        """The routes, by name, that any of the changes concerns; a run's notice goes to the default route."""
        settings = self.context.settings
        routes = {route.name: route for change in changes for route in routes_of(change, settings)}
        default = notice_route(settings)
        return {default.name: default, **routes} if notice else routes

    def channels(self, routes: Iterable[str]) -> list[Channel]:
        """The channels of these routes. What goes to no mailboxes goes to one place, which takes the default route."""
        return [
            Channel(route, name)
            for route in routes
            for name, transport in self.transports.items()
            if transport.addressed or not route
        ]
