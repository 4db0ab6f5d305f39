"""Silences in the store, and what they kept from being sent: a partition of their own.

``silence|`` rows are silences, ``held|`` rows what one of them kept back, an ``ending|`` row fixes what the mail about
the end of one is about, until that mail's pointer is written: a death in between repeats the same mail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from checks.history.errors import Conflict, LimitError, SchemaError
from checks.history.model import RowRef, RunRef, Unreadable
from checks.history.table import keys, rows
from checks.history.table.tables import BATCH, Operation, Tables, etag_of
from checks.silences import MAX_AUTHOR, MAX_MATCHER, MAX_REASON, Silence, harmless

MAX_SILENCES = 500  # that are not over: each mail is compared with all of them
MAX_ENDING = 10_000  # held subjects that one mail is about; what is beyond is in the next one
TRIES = 5
MAX_CAUSE = 100


class StoredSilence(msgspec.Struct, frozen=True):
    """A silence as it was read, with its ETag."""

    silence: Silence
    etag: str


class SilenceList(msgspec.Struct, frozen=True):
    """The silences that were found, the oldest first, and the rows of those that cannot be read: they silence nothing.

    All are there, whether they hold or are over.
    """

    items: tuple[StoredSilence, ...]
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def silences(self) -> tuple[Silence, ...]:
        """The silences alone."""
        return tuple(item.silence for item in self.items)


class HeldSubject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a silence kept from being sent: a facet of a registry of a cluster (ARM id).

    ``registry`` is "" where it was that nothing is known of the cluster any more; ``cause`` is then what is missing.
    ``since``: when it began; ``route``: whom it was kept from.
    """

    cluster: str
    registry: str
    facet: str
    since: datetime
    cause: str = ""
    route: str = ""

    @property
    def key(self) -> str:
        """What identifies it among those that one silence holds."""
        named = f"{self.cluster.rstrip('/').lower()}\n{self.registry}\n{self.facet}\n{self.route}"
        return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class HeldList(msgspec.Struct, frozen=True):
    """What a silence holds, and the rows of it that cannot be read."""

    items: tuple[HeldSubject, ...]
    unreadable: tuple[Unreadable, ...] = ()


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a silence that is being said: of which held subjects (their keys), by which run, and since when."""

    run: RunRef
    at: datetime
    keys: tuple[str, ...]

    @property
    def about(self) -> str:
        """What tells the mail of it from others: the same for the same held subjects."""
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()[:16]


class Silences(Tables):
    """The rows of silences."""

    async def list_silences(self) -> SilenceList:
        """All silences that are kept. A row that cannot be read stops no other."""
        found: list[StoredSilence] = []
        unreadable: list[Unreadable] = []
        async for row in self._range(keys.SILENCE, "silence"):
            try:
                found.append(StoredSilence(read_row(Silence, row), etag_of(row)))
            except SchemaError as error:
                unreadable.append(Unreadable(_ref(row), str(error)))
        found.sort(key=lambda item: (item.silence.created, item.silence.id))
        return SilenceList(tuple(found), tuple(unreadable))

    async def load_silence(self, silence_id: str) -> StoredSilence | None:
        """A silence with its ETag. SchemaError where its row cannot be read."""
        row = await self._get(keys.SILENCE, keys.silence(silence_id))
        return None if row is None else StoredSilence(read_row(Silence, row), etag_of(row))

    async def add_silence(self, silence: Silence) -> None:
        """Keep a new silence, its texts bounded and without secrets.

        LimitError where it is of everything, or where too many hold. A repeat is no error; Conflict where another one
        has its id.
        """
        if not silence.matchers:
            raise LimitError("a silence names what it is of")
        silence = _bounded(silence)
        others = [one for one in (await self.list_silences()).silences if one.id != silence.id]
        if sum(not one.is_over(silence.created) for one in others) >= MAX_SILENCES:
            raise LimitError(f"{MAX_SILENCES} silences hold already: end some of them")
        if await self._create(silence_row(silence)):
            return
        there = await self.load_silence(silence.id)
        if there is None or there.silence != silence:
            raise Conflict(f"there is another silence {silence.id}")

    async def end_silence(self, silence_id: str, now: datetime) -> Silence | None:
        """End a silence; as it is then. None where there is none. One that is over already stays as it is."""
        for _ in range(TRIES):
            stored = await self.load_silence(silence_id)
            if stored is None:
                return None
            # Whoever was faster may have ended it a moment later than our now.
            if stored.silence.ended is not None or stored.silence.is_over(now):
                return stored.silence
            # One that was made by a clock that is ahead ends before it began.
            over = msgspec.structs.replace(stored.silence, ended=now)
            try:
                await self._replace(silence_row(over), stored.etag)
            except Conflict:
                continue  # somebody else ended it, or our own answer was lost: look again
            return over
        raise Conflict(f"the silence {silence_id} is being changed by others")

    async def forget_silences(self, silence_ids: Iterable[str]) -> None:
        """Drop silences. One that is gone is no error."""
        await self._drop([RowRef(keys.SILENCE, keys.silence(name)) for name in silence_ids])

    async def hold(self, silence_id: str, subjects: Iterable[HeldSubject]) -> None:
        """Keep what a silence kept from being sent, so that its end can say it. Repeatable: one row for a subject."""
        by_key = {subject.key: held_row(silence_id, subject) for subject in subjects}
        written = [row for _, row in sorted(by_key.items())]
        for start in range(0, len(written), BATCH):
            operations: list[Operation] = [("upsert", row) for row in written[start : start + BATCH]]
            await self._transact(operations)

    async def held(self, silence_id: str) -> HeldList:
        """What a silence holds, in the order of the keys."""
        found: list[HeldSubject] = []
        unreadable: list[Unreadable] = []
        async for row in self._range(keys.SILENCE, f"held|{keys.silence_id(silence_id)}"):
            try:
                found.append(read_row(HeldSubject, row))
            except SchemaError as error:
                unreadable.append(Unreadable(_ref(row), str(error)))
        return HeldList(tuple(found), tuple(unreadable))

    async def holding(self) -> tuple[str, ...]:
        """The ids of the silences that hold anything, be they there or not."""
        names = self._range(keys.SILENCE, "held", select=["RowKey"])
        return tuple(sorted({str(row["RowKey"]).split("|")[1] async for row in names}))

    async def drop_held(self, silence_id: str, subject_keys: Iterable[str]) -> None:
        """Drop what a silence held, by the keys of the subjects. What is gone is no error."""
        await self._drop([RowRef(keys.SILENCE, keys.held(silence_id, key)) for key in subject_keys])

    async def begin_ending(self, silence_id: str, ending: Ending) -> Ending:
        """Fix what the mail about a silence's end is about; what was fixed before, where that was begun already."""
        ending = msgspec.structs.replace(ending, keys=ending.keys[:MAX_ENDING])
        entity = ending_row(silence_id, ending)
        if await self._create(entity):
            return ending
        row = await self._get(keys.SILENCE, str(entity["RowKey"]))
        return ending if row is None else read_row(Ending, row)

    async def finish_ending(self, silence_id: str) -> None:
        """The mail's pointer is written and what it is about is dropped."""
        await self._drop([RowRef(keys.SILENCE, keys.ending(silence_id))])

    async def unreadable_silences(self) -> tuple[Unreadable, ...]:
        """The rows of silences, of what they hold and of their ends that cannot be read."""
        found: list[Unreadable] = []
        for kind, name in _KINDS.items():
            async for row in self._range(keys.SILENCE, name):
                try:
                    read_row(kind, row)
                except SchemaError as error:
                    found.append(Unreadable(_ref(row), str(error)))
        return tuple(found)


# How the rows of each begin, which is also what their text is called.
_KINDS: dict[type[Any], str] = {Silence: "silence", HeldSubject: "held", Ending: "ending"}


def read_row(kind: type[rows.T], row: rows.Row) -> rows.T:
    """What a row of the kind holds."""
    return rows.read(kind, rows.joined(rows.versioned(row), _KINDS[kind]), row.get("RowKey"))


def _ref(row: rows.Row) -> RowRef:
    return RowRef(keys.SILENCE, str(row["RowKey"]))


def silence_row(silence: Silence) -> rows.Entity:
    """The row of a silence."""
    entity = rows.base(keys.SILENCE, keys.silence(silence.id))
    return rows.checked(entity | rows.chunked("silence", rows.text_of(silence)))


def held_row(silence_id: str, subject: HeldSubject) -> rows.Entity:
    """The row of what a silence holds."""
    subject = msgspec.structs.replace(subject, cause=subject.cause[:MAX_CAUSE])
    entity = rows.base(keys.SILENCE, keys.held(silence_id, subject.key))
    return rows.checked(entity | rows.chunked("held", rows.text_of(subject)))


def ending_row(silence_id: str, ending: Ending) -> rows.Entity:
    """The row of a silence's end."""
    entity = rows.base(keys.SILENCE, keys.ending(silence_id))
    return rows.checked(entity | rows.chunked("ending", rows.text_of(ending)))


def _bounded(silence: Silence) -> Silence:
    given = {name: harmless(value, MAX_MATCHER) for name, value in silence.matchers.given().items()}
    return msgspec.structs.replace(
        silence,
        matchers=msgspec.structs.replace(silence.matchers, **given),
        author=harmless(silence.author, MAX_AUTHOR),
        reason=harmless(silence.reason, MAX_REASON),
    )
