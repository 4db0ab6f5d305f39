"""Doubt in the checker itself: told once, over after three calm runs, per scope and in the order of runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from azure.data.tables import TableServiceClient, UpdateMode
from hypothesis import given
from hypothesis import strategies as st

from checks.changes import NoticeKind
from checks.history.model import Doubt, Run, RunScope, Totals, new_run_id
from checks.history.table import keys
from checks.jobs import degraded
from checks.jobs.context import JobContext
from tests.support.storage import Clock, app_settings, job_context

ALL: tuple[str, ...] = ()


def run(number: int, lost: int, asked: tuple[str, ...] = ALL) -> Run:
    """A closed run over a hundred clusters, of which so many could not be read."""
    now = Clock()()
    totals = Totals(clusters=100, blind=lost, unknown=lost, passing=100 - lost)
    return Run(
        id=new_run_id(number, now),
        sequence=number,
        requested_by="timer",
        scope=RunScope(asked=asked),
        created=now,
        deadline=now + timedelta(minutes=25),
        totals=totals,
        degraded=lost > 20,
        closed=now,
    )


def told(shares: Iterable[int]) -> list[bool]:
    """What was told, run by run: True where doubt began, False where it was over."""
    doubt, said = Doubt(), []
    for number, lost in enumerate(shares, 1):
        after = degraded.follow(doubt, run(number, lost))
        if after.degraded != doubt.degraded:
            said.append(after.degraded)
        doubt = after
    return said


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0, 50, 50, 0, 0, 0], [True, False]),
        ([0, 50] * 24, [True]),
        ([19, 21] * 24, [True]),
        ([50, 0, 0, 15, 0, 0], [True]),
        ([50, 15, 15, 15, 15], [True]),
        ([50, 0, 0, 0, 50, 0, 0, 0], [True, False, True, False]),
        ([20] * 48, []),
    ],
    ids=["once", "alternating", "around the threshold", "calm begins anew", "between", "twice", "at the threshold"],
)
def test_doubt_is_told_once_and_over_after_three_calm_runs(shares: list[int], expected: list[bool]) -> None:
    assert told(shares) == expected


@given(st.lists(st.integers(0, 100), max_size=48))
def test_no_day_of_half_hourly_runs_mails_more_than_one_in_four(shares: list[int]) -> None:
    said = told(shares)
    assert said == [index % 2 == 0 for index in range(len(said))], "they alternate"
    assert len(said) <= 1 + len(shares) // 4 * 2


async def kinds(job: JobContext) -> list[NoticeKind]:
    pending = (await job.store.list_pending()).items
    return [kind for kind in NoticeKind for item in pending if f'"{kind.value}"' in item.notice]


async def test_runs_over_another_scope_and_late_ones_are_not_compared(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await degraded.notify_of_changes(job, run(1, 50))
        assert await kinds(job) == [NoticeKind.DEGRADED]
        for number in (2, 3, 4, 5):
            await degraded.notify_of_changes(job, run(number, 0, ("one",)))
        assert await kinds(job) == [NoticeKind.DEGRADED], "a run over one subscription is no all-clear for all"
        for number in (7, 8):
            await degraded.notify_of_changes(job, run(number, 0))
        await degraded.notify_of_changes(job, run(6, 90))
        assert await kinds(job) == [NoticeKind.DEGRADED]
        await degraded.notify_of_changes(job, run(9, 0))
        await degraded.notify_of_changes(job, run(9, 0))
        assert sorted(await kinds(job)) == [NoticeKind.DEGRADED, NoticeKind.DEGRADED_OVER]


async def test_what_a_newer_version_keeps_of_doubt_is_neither_guessed_nor_overwritten(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await degraded.notify_of_changes(job, run(1, 50))
        with TableServiceClient.from_connection_string(storage) as service:
            table = service.get_table_client(keys.TABLE)
            table.update_entity({"PartitionKey": keys.RUN, "RowKey": keys.doubt(ALL), "v": 999}, mode=UpdateMode.MERGE)
            await degraded.notify_of_changes(job, run(2, 0))
            assert table.get_entity(keys.RUN, keys.doubt(ALL))["v"] == 999
        assert await kinds(job) == [NoticeKind.DEGRADED]
