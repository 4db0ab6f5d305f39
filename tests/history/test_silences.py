"""Silences in real storage: each change against its ETag, what they hold once for a subject, and what is broken."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import msgspec
import pytest

from checks.history.errors import Conflict, LimitError, SchemaError
from checks.history.model import RowRef, RunRef
from checks.history.table import silences as module
from checks.history.table.silences import Ending, HeldSubject
from checks.history.table.store import Store, open_store
from checks.silences import MAX_AUTHOR, MAX_REASON, Matchers, Silence, SilenceKind
from tests.support.broken_rows import damage, damage_text
from tests.support.reports import CLUSTER, REGISTRY

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def silence(name: str = "one", **more: Any) -> Silence:
    fields = {"kind": SilenceKind.SILENCE, "matchers": Matchers(registry=REGISTRY), "author": "kim", "reason": "why",
              "created": NOW, "expires": NOW + 4 * HOUR} | more  # fmt: skip
    return Silence(id=name, **fields)


def held(number: int = 1, facet: str = "pull", **more: Any) -> HeldSubject:
    fields = {"cause": "role-missing", "route": "tag:team@contoso.example"} | more
    return HeldSubject(cluster=f"{CLUSTER}{number}", registry=REGISTRY, facet=facet, since=NOW, **fields)


async def test_silences_are_listed_as_they_were_added_the_oldest_first(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        whole = Matchers(subscription="s", cluster=CLUSTER, registry=REGISTRY, code="PW101", cause="x")
        new, old = silence("a", matchers=whole), silence("z", created=NOW - HOUR, kind=SilenceKind.ACK)
        for one in (new, old, new):
            await store.add_silence(one)
        listing = await store.list_silences()
        assert listing.silences == (old, new)
        assert listing.unreadable == ()
        stored = await store.load_silence("a")
        assert stored is not None
        assert stored.silence == new
        assert await store.load_silence("b") is None
        with pytest.raises(Conflict):
            await store.add_silence(msgspec.structs.replace(new, reason="another"))
        await store.forget_silences(["a", "b"])
        assert (await store.list_silences()).silences == (old,)


async def test_texts_are_bounded_and_hold_no_secrets(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        secret = "AccountKey=" + "Q" * 86 + "=="
        reason = f"<b>{secret}</b>\r\nBcc: x " + "long words " * 500
        await store.add_silence(silence(author="k\x1b[31m" * 100, reason=reason))
        (kept,) = (await store.list_silences()).silences
        assert (len(kept.author), len(kept.reason)) == (MAX_AUTHOR, MAX_REASON)
        assert kept.reason.endswith("…")
        assert "QQQQ" not in kept.reason
        assert kept.author.isprintable()
        assert kept.reason.isprintable()


@pytest.mark.parametrize("name", ["", "A", "a|b", "a/b", "a" * 41, "a b", "held|x"])
async def test_an_id_that_is_none_is_refused(storage: str, name: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        with pytest.raises(LimitError):
            await store.add_silence(silence(name))
        with pytest.raises(LimitError):
            await store.end_silence(name, NOW)


async def test_too_many_and_one_of_everything_are_refused(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        with pytest.raises(LimitError, match="names what it is of"):
            await store.add_silence(silence(matchers=Matchers()))
        with mock.patch.object(module, "MAX_SILENCES", 2):
            await store.add_silence(silence("over", expires=NOW - HOUR))
            await store.add_silence(silence("a"))
            await store.add_silence(silence("b"))
            await store.add_silence(silence("b"))
            with pytest.raises(LimitError, match="2 silences hold already"):
                await store.add_silence(silence("c"))


async def test_a_silence_is_ended_once_whoever_is_faster(storage: str) -> None:
    async with (
        open_store(connection_string=storage) as one,
        open_store(connection_string=storage) as other,
    ):
        await one.ensure_tables()
        await one.add_silence(silence())
        times = [NOW + HOUR, NOW + 2 * HOUR]
        ended = await asyncio.gather(one.end_silence("one", times[0]), other.end_silence("one", times[1]))
        (kept,) = (await one.list_silences()).silences
        assert kept.ended in times
        assert kept in ended
        later = await one.end_silence("one", NOW + 3 * HOUR)
        assert later == kept
        assert await one.end_silence("none", NOW) is None


class Racing(Store):
    """A store in which somebody else is faster at each write, or our own answer is lost."""

    rivals: tuple[Silence, ...] = ()
    lost: bool = False

    async def _replace(self, entity: Any, etag: str, table: str = "pullwatch", merge: bool = False) -> str:
        if self.lost:
            await super()._replace(entity, etag, table, merge)
            raise Conflict("the answer was lost, and the repeat met our own write")
        if self.rivals:
            first, *rest = self.rivals
            self.rivals = tuple(rest)
            await super()._put(module.silence_row(first))
        return await super()._replace(entity, etag, table, merge)


@pytest.mark.parametrize(("rivals", "expected"), [
    ([silence(reason="other words")], "other words"),
    ([silence(reason="other"), silence(reason="again")], "again"),
    ([silence(ended=NOW + timedelta(minutes=1))], "why"),
    ([silence(ended=NOW + timedelta(minutes=61))], "why"),
])  # fmt: skip
async def test_what_somebody_else_wrote_in_between_is_kept(storage: str, rivals: list[Silence], expected: str) -> None:
    with mock.patch("checks.history.table.store.Store", Racing):
        async with open_store(connection_string=storage) as store:
            assert isinstance(store, Racing)
            await store.ensure_tables()
            await store.add_silence(silence())
            store.rivals = tuple(rivals)
            over = await store.end_silence("one", NOW + HOUR)
            assert over is not None
            assert (over.reason, over.ended) == (expected, rivals[-1].ended or NOW + HOUR)
            stored = await store.load_silence("one")
            assert stored is not None
            assert stored.silence == over


async def test_an_answer_that_was_lost_is_found_to_be_done(storage: str) -> None:
    with mock.patch("checks.history.table.store.Store", Racing):
        async with open_store(connection_string=storage) as store:
            assert isinstance(store, Racing)
            await store.ensure_tables()
            await store.add_silence(silence())
            store.lost = True
            over = await store.end_silence("one", NOW + HOUR)
            assert over == silence(ended=NOW + HOUR)


async def test_without_an_end_to_it_a_race_is_given_up(storage: str) -> None:
    with mock.patch("checks.history.table.store.Store", Racing):
        async with open_store(connection_string=storage) as store:
            assert isinstance(store, Racing)
            await store.ensure_tables()
            await store.add_silence(silence())
            store.rivals = tuple(silence(reason=str(number)) for number in range(99))
            with pytest.raises(Conflict):
                await store.end_silence("one", NOW + HOUR)


# ---- what is held ------------------------------------------------------------------------------------------------


async def test_what_is_held_is_held_once_for_a_subject(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        again = msgspec.structs.replace(held(1), cluster=f"{CLUSTER}1".upper(), cause="another")
        await store.hold("one", [held(1), held(1, "access"), held(1)])
        await store.hold("one", [again, held(2)])
        await store.hold("two", [held(3)])
        await store.hold("one", [])
        listing = await store.held("one")
        assert sorted(listing.items, key=lambda one: (one.cluster.lower(), one.facet)) == [
            held(1, "access"), again, held(2)
        ]  # fmt: skip
        assert await store.holding() == ("one", "two")
        assert (await store.held("on")).items == ()
        await store.drop_held("one", [held(1).key, held(9).key])
        assert {one.key for one in (await store.held("one")).items} == {held(1, "access").key, held(2).key}
        await store.drop_held("one", [one.key for one in (await store.held("one")).items])
        assert await store.holding() == ("two",)


async def test_hundreds_are_held_and_dropped(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        many = [held(number) for number in range(250)]
        await store.hold("one", many)
        await store.hold("one", many[:150])
        assert len((await store.held("one")).items) == 250
        await store.drop_held("one", [one.key for one in many[:249]])
        assert (await store.held("one")).items == (many[249],)


async def test_a_held_text_is_bounded(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        await store.hold("one", [held(cause="c" * 100_000)])
        assert (await store.held("one")).items[0].cause == "c" * module.MAX_CAUSE


async def test_what_an_end_is_about_is_fixed_by_whoever_begins_it(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        first = Ending(run=RunRef("r-1", 1), at=NOW, keys=("a", "b"))
        later = Ending(run=RunRef("r-2", 2), at=NOW + HOUR, keys=("a", "b", "c"))
        assert await store.begin_ending("one", first) == first
        assert await store.begin_ending("one", later) == first
        assert await store.begin_ending("two", later) == later
        assert first.about == msgspec.structs.replace(first, run=later.run).about != later.about
        await store.finish_ending("one")
        await store.finish_ending("one")
        assert await store.begin_ending("one", later) == later
        many = msgspec.structs.replace(first, keys=tuple(f"{number:016}" for number in range(12_000)))
        assert await store.begin_ending("three", many) == msgspec.structs.replace(many, keys=many.keys[:10_000])


# ---- what cannot be read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["version 999", "garbage"])
async def test_a_row_that_cannot_be_read_stops_no_other(storage: str, how: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        for name in ("one", "two"):
            await store.add_silence(silence(name))
        await store.hold("one", [held(1), held(2)])
        await store.begin_ending("one", Ending(run=RunRef("r", 1), at=NOW, keys=()))
        broken = ["silence|one", f"held|one|{held(1).key}", "ending|one"]
        for row in broken:
            if how == "garbage":
                damage_text(storage, row.partition("|")[0], "silence", row)
            else:
                damage(storage, "version 999", "silence", row)
        listing = await store.list_silences()
        assert [one.id for one in listing.silences] == ["two"]
        assert [one.ref.row for one in listing.unreadable] == ["silence|one"]
        rest = await store.held("one")
        assert (rest.items, [one.ref.row for one in rest.unreadable]) == ((held(2),), [broken[1]])
        assert {one.ref for one in await store.unreadable_silences()} == {RowRef("silence", row) for row in broken}
        with pytest.raises(SchemaError):
            await store.load_silence("one")
        with pytest.raises(SchemaError):
            await store.end_silence("one", NOW)
        with pytest.raises(SchemaError):
            await store.begin_ending("one", Ending(run=RunRef("r", 1), at=NOW, keys=()))
