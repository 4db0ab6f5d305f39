"""The latest runs: found by their keys, newest first, over months, gaps and rows that cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from checks.history.errors import SchemaError
from checks.history.model import Run, RunScope, new_run_id
from checks.history.table import keys, latest_runs
from checks.history.table.store import Store, open_store
from tests.support.broken_rows import EACH_WAY, damage

NOW = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)


def run_of(number: int, at: datetime) -> Run:
    return Run(id=new_run_id(number, at), sequence=number, requested_by="timer", scope=RunScope(), created=at,
               deadline=at + timedelta(minutes=25))  # fmt: skip


async def plan(store: Store, *days: int | None) -> list[str]:
    """A run for each day before or after NOW; None: a ticket that nothing was planned for. Their ids, newest first."""
    ids = []
    for day in days:
        at = NOW + timedelta(days=day or 0)
        ticket = await store.next_sequence(at)
        if day is not None:
            assert await store.create_run(run_of(ticket.sequence, at), [])
            ids.append(ticket.run_id)
    return ids[::-1]


async def test_runs_are_listed_newest_first_over_months_and_gaps(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        assert await store.list_runs(5) == latest_runs.RunList(())
        ids = await plan(store, -40, None, -35, -2, -1, None, None, 0, 1)
        listed = await store.list_runs(20)
        assert [run.id for run in listed.items] == ids
        assert {run_id[:6] for run_id in ids} == {"202609", "202610", "202611"}
        assert not listed.more
        some = await store.list_runs(2)
        assert ([run.id for run in some.items], some.more) == (ids[:2], True)


async def test_a_run_that_was_planned_by_a_clock_far_ahead_or_behind_hides_none(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        ids = await plan(store, -1, 4000, -3000, 0, 4000)
        assert [run.id for run in (await store.list_runs(20)).items] == ids


async def test_no_table_is_scanned_for_them(storage: str) -> None:
    """Rows are read by their keys: one for each run, and one more where the month changes."""
    asked: list[str] = []

    class Counting(Store):
        async def _get(self, partition: str, row: str, table: str = keys.TABLE) -> dict[str, object] | None:
            asked.append(table)
            return await super()._get(partition, row, table)

    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        await plan(store, -40, -35, -3, -2, -1, 0, 1, 2)
        counting = Counting(store._service)
        listed = await counting.list_runs(6)
    assert len(listed.items) == 6
    assert asked == [keys.TABLE, *["pullwatchruns202611"] * 4, *["pullwatchruns202610"] * 3]


@pytest.mark.parametrize("how", EACH_WAY)
async def test_a_run_that_cannot_be_read_hides_no_other(storage: str, how: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        ids = await plan(store, -1, 0, 1)
        damage(storage, how, ids[1], "run", keys.run_table(ids[1]))
        listed = await store.list_runs(20)
        assert [run.id for run in listed.items] == [ids[0], ids[2]]
        assert [broken.ref.partition for broken in listed.unreadable] == [ids[1]]


async def test_a_sequence_that_cannot_be_read_is_said(storage: str) -> None:
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        await plan(store, 0)
        damage(storage, "garbage JSON", keys.RUN, "sequence")
        with pytest.raises(SchemaError, match="the run sequence cannot be read"):
            await store.list_runs(20)


async def test_gaps_are_looked_through_up_to_a_bound(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest_runs, "MAX_GAPS", 3)
    async with open_store(connection_string=storage) as store:
        await store.ensure_tables()
        await plan(store, 0, None, None, None, 1)
        listed = await store.list_runs(20)
        assert ([run.sequence for run in listed.items], listed.more) == ([5], True)
