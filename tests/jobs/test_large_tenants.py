"""Rows of a run have a size that does not follow the tenant's: thousands of subscriptions and shards are kept whole."""

from __future__ import annotations

import msgspec
import pytest

from checks.findings import SubscriptionResult, Unknown
from checks.history.errors import SchemaError
from checks.history.model import MAX_MISSING, MarkerStatus, Run, RunScope, Shard, Totals, new_run_id
from checks.history.table import keys, rows
from checks.jobs.close import close_run
from checks.web.http import Asked
from checks.web.resources.runs import get_run
from tests.support.broken_rows import BREAKS, damage, rows_of
from tests.support.storage import Clock, app_settings, job_context

SHARDS = 300


def guid(number: int) -> str:
    return f"11111111-1111-4111-8111-{number:012d}"


def refused(number: int, words: str) -> SubscriptionResult:
    """A subscription that refuses its list, with the commands that grant it."""
    return SubscriptionResult(
        id=guid(number),
        verdict=Unknown("Reader"),
        cause="not-allowed",
        summary=f"The clusters could not be listed: {words}",
        fix=(f"az role assignment create --role Reader --scope /subscriptions/{guid(number)} {words}",),
    )


def run_of(subscriptions: int, shards: int, words: str = "x" * 700) -> Run:
    """A run of so many subscriptions, all of them refused."""
    now = Clock().now
    return Run(
        id=new_run_id(1, now),
        sequence=1,
        requested_by="timer",
        scope=RunScope(tuple(guid(number) for number in range(subscriptions))),
        created=now,
        deadline=now,
        expected=tuple(f"{guid(number)}-0" for number in range(shards)),
        subscriptions=tuple(refused(number, words) for number in range(subscriptions)),
        baseline_subscriptions=tuple(guid(number) for number in range(subscriptions)),
    )


@pytest.mark.parametrize("words", ["x" * 700, "ß" * 700, "😀" * 700, "\x01" * 700])
@pytest.mark.parametrize("subscriptions", [0, 1, 575, 5000])
def test_no_row_of_a_run_grows_with_its_tenant(subscriptions: int, words: str) -> None:
    run = run_of(subscriptions, subscriptions, words)
    ended = msgspec.structs.replace(run, missing=run.expected[:MAX_MISSING], missing_shards=len(run.expected))
    parts = rows.run_parts(run)
    for row in (rows.run_row(run), rows.run_row(ended), *parts):
        assert rows.size(row) < rows.MAX_ENTITY
        assert rows.wire(row) < rows.MAX_WIRE
    assert bool(parts) is (subscriptions >= 575)
    assert rows.read_run(rows.run_row(ended), parts) == ended, "what is kept beside it is the same when it is closed"


def test_a_run_of_the_usual_size_is_written_as_the_release_before_did() -> None:
    assert "parts" not in rows.run_row(run_of(100, 1000, "x" * 50))


async def test_a_run_of_575_refused_subscriptions_is_planned_read_and_closed(storage: str) -> None:
    run = run_of(575, SHARDS)
    async with job_context(app_settings(storage), Clock()) as job:
        shards = [Shard(name, guid(0)) for name in run.expected]
        assert await job.store.create_run(run, shards)
        assert not await job.store.create_run(run, shards), "a repeated plan adds nothing"
        stored = await job.store.load_run(run.id)
        assert stored is not None
        assert stored.run == run
        await job.store.mark_shard(run.id, run.expected[0], MarkerStatus.DONE, Totals(), job.clock())
        closed = await close_run(job, run.id)
        assert (closed.reason, len(closed.missing)) == ("closed", SHARDS - 1)
        after = await job.store.load_run(run.id)
        latest = await job.store.latest_run()
        assert after is not None
        assert latest == after.run
        assert (after.run.subscriptions, after.run.scope) == (run.subscriptions, run.scope)
        assert (len(after.run.missing), after.run.missing_count) == (MAX_MISSING, SHARDS - 1)
        answer = (await get_run(job, Asked("GET", {"id": run.id}))).body
        assert (len(answer.subscriptions), answer.shards, answer.shards_ended) == (575, SHARDS, 1)


async def test_of_two_plans_of_one_run_the_first_counts_whole(storage: str) -> None:
    one, other = run_of(575, 3), run_of(900, 3)
    async with job_context(app_settings(storage), Clock()) as job:
        assert await job.store.create_run(one, [])
        await job.store._put(rows.run_parts(other)[0], keys.run_table(one.id))
        stored = await job.store.load_run(one.id)
        assert stored is not None
        assert stored.run == one


@pytest.mark.parametrize("how", [*BREAKS, "gone"])
async def test_lists_that_cannot_be_read_make_the_run_unreadable_and_no_smaller(storage: str, how: str) -> None:
    run = run_of(575, 3)
    table = keys.run_table(run.id)
    async with job_context(app_settings(storage), Clock()) as job:
        await job.store.create_run(run, [])
        parts = rows_of(storage, run.id, "part|", table)
        for part in parts:
            if how == "gone":
                await job.store._delete(run.id, part["RowKey"], table)
            elif part is parts[-1]:
                damage(storage, how, run.id, part["RowKey"], table)
        with pytest.raises(SchemaError):
            await job.store.load_run(run.id)
        assert (await close_run(job, run.id)).reason == "unreadable"
