"""One holder's turn at delivering: what it works with, and what it has read already."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from checks.arm_ids import subscription_of
from checks.changes import Change, Notice, Status, Transition
from checks.history.errors import SchemaError
from checks.history.model import Batch, Channel, MailRow, RowRef
from checks.history.table import keys
from checks.history.table.lease import Lease
from checks.history.table.mails import Subject
from checks.history.table.rows import Entity
from checks.jobs.context import JobContext
from checks.jobs.delivery.knowledge import Knowledge
from checks.jobs.delivery.reading import Changes, Found
from checks.notify.message import templates_of_mails
from checks.notify.routes import Route, route_named, routes_of
from checks.notify.transports.base import Transport
from checks.settings import TRANSPORTS
from checks.silences import Silence

LOG = logging.getLogger(__name__)

Cluster = tuple[str, str]  # its partition, and the start of the keys of its history rows


class Turn:
    """What one holder of the lease works with. Nobody else writes mails meanwhile, so what was read stays true."""

    def __init__(self, context: JobContext, transports: Sequence[Transport], lease: Lease) -> None:
        self.context = context
        self.transports = {transport.name: transport for transport in transports}
        self.lease = lease
        self.mails: dict[str, MailRow] = {}  # the open ones
        self.knowledge = Knowledge(context)
        self.templates = templates_of_mails()
        self._batches: dict[str, Batch] = {}
        self._clusters: dict[str, frozenset[Cluster]] = {}
        # Not the bound method: whoever replaces it in the store is asked.
        self._changes = Changes(lambda ref: context.store.load_change(ref))
        self._routes: dict[tuple[str, int], tuple[Route, ...]] = {}
        self._silences: tuple[Silence, ...] | None = None
        self._before: dict[str, dict[str, dict[Subject, frozenset[str]]]] = {}
        self._known: dict[Channel, frozenset[Subject]] | None = None

    async def batch(self, batch_id: str) -> Batch | None:
        """A batch; None where there is none. SchemaError where it cannot be read."""
        if batch_id not in self._batches:
            batch = await self.context.store.load_batch(batch_id)
            if batch is None:
                return None
            self._batches[batch_id] = batch
        return self._batches[batch_id]

    async def clusters_of(self, batch_id: str) -> frozenset[Cluster]:
        """The clusters that a batch is about; none where it is gone. SchemaError where it cannot be read."""
        if batch_id not in self._clusters:
            batch = await self.batch(batch_id)
            self._clusters[batch_id] = frozenset(map(_cluster, batch.changes if batch is not None else ()))
        return self._clusters[batch_id]

    async def listed_by(self, batch_id: str) -> frozenset[Cluster]:
        """The clusters that the lines of a batch's notice name. SchemaError where it cannot be read."""
        batch = await self.batch(batch_id)
        if batch is None or not batch.notice:
            return frozenset()
        lines = notice_in(batch).lines
        partitions = ((line.cluster, subscription_of(line.cluster)) for line in lines)
        return frozenset(_cluster(RowRef(part, keys.change(name, 0))) for name, part in partitions)

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

    async def read(self, refs: Iterable[RowRef]) -> dict[RowRef, Found]:
        """What is in these history rows: changes, or why they cannot be read. Rows that are gone are left out."""
        return await self._changes.read(refs)

    async def changes_of(self, refs: Iterable[RowRef]) -> list[Change]:
        """The changes that are there, in their order. SchemaError where one cannot be read."""
        changes: list[Change] = []
        for found in (await self.read(refs)).values():
            if isinstance(found, SchemaError):
                raise found
            changes.append(found)
        return sorted(changes, key=lambda change: change.sequence)

    async def notified(self, channel: Channel) -> dict[Subject, frozenset[str]]:
        """Who was notified of what by a channel, or by a transport that the settings named before."""
        notified = await self.context.store.notified(channel)
        for before in (await self._notified_before(channel.route)).values():
            notified |= {subject: some | notified.get(subject, frozenset()) for subject, some in before.items()}
        return notified

    async def set_notified(self, channel: Channel, notified: Mapping[Subject, Collection[str]]) -> None:
        """Keep who is notified of what from now on, and that of nothing of this by a transport named before."""
        await self.context.store.set_notified(channel, notified)
        for name, before in (await self._notified_before(channel.route)).items():
            taken = before.keys() & notified.keys()
            if taken:
                await self.context.store.set_notified(Channel(channel.route, name), dict.fromkeys(taken, ()))
                self._before[channel.route][name] = {key: before[key] for key in before.keys() - taken}

    async def _notified_before(self, route: str) -> dict[str, dict[Subject, frozenset[str]]]:
        """By transport, what those that are not set any more have notified a route of. Read once in a turn."""
        if route not in self._before:
            names = [name for name in TRANSPORTS if name not in self.transports]
            self._before[route] = {name: await self.context.store.notified(Channel(route, name)) for name in names}
        return self._before[route]

    def routes(self, changes: Iterable[Change], notices: Iterable[Notice] = ()) -> dict[str, Route]:
        """The routes, by name, that any of the changes concerns, and those that notices are for."""
        named = [route_named(notice.route, self.context.settings, apart=True) for notice in notices]
        routes = (*named, *(route for change in changes for route in self._routes_of(change)))
        return {route.name: route for route in routes if route is not None}

    async def former_routes(self, changes: Sequence[Change]) -> dict[str, Route]:
        """The other routes, by name, that know of a failure of these clusters, where the changes end one.

        A tag may name somebody else by now.
        """
        ends = (one.cluster.lower() for one in changes for moved in one.transitions if moved.alert and _is_end(moved))
        clusters = frozenset(ends)
        if not clusters:
            return {}
        current = self.routes(changes)
        knowing = {
            channel.route
            for channel, subjects in (await self._knowing()).items()
            if channel.route not in current and any(subject[0] in clusters for subject in subjects)
        }
        routes = (route_named(name, self.context.settings) for name in sorted(knowing))
        return {route.name: route for route in routes if route is not None}

    async def _knowing(self) -> dict[Channel, frozenset[Subject]]:
        """Of which failures each channel was notified when this turn first asked."""
        if self._known is None:
            store = self.context.store
            self._known = {channel: frozenset(await store.notified(channel)) for channel in await store.channels()}
        return self._known

    def _routes_of(self, change: Change) -> tuple[Route, ...]:
        """The routes of a change, which every mail that it concerns asks for."""
        key = (change.cluster, change.sequence)
        if key not in self._routes:
            self._routes[key] = routes_of(change, self.context.settings)
        return self._routes[key]

    def channels(self, routes: Iterable[str]) -> list[Channel]:
        """The channels of these routes. What goes to no mailboxes goes to one place, which takes the default route."""
        return [
            Channel(route, name)
            for route in routes
            for name, transport in self.transports.items()
            if transport.addressed or not route
        ]


def notice_in(batch: Batch) -> Notice:
    """The notice of a batch that has one."""
    return msgspec.json.decode(batch.notice, type=Notice)


def _is_end(moved: Transition) -> bool:
    """Whether what people were notified of may be over."""
    return moved.after is not Status.FAILING


def _cluster(change: RowRef) -> Cluster:
    """The cluster of a history row, as its key names it: "change|<cluster>|<sequence>" in its subscription."""
    return change.partition, change.row.rpartition("|")[0]
