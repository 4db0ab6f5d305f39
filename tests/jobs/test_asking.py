"""Who asks for the same run as somebody else gets that run, on whichever host, and never one that nobody plans."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy

from checks.history.errors import Conflict
from checks.history.model import MarkerStatus, Run, RunScope, Shard, Totals
from checks.history.table import keys
from checks.jobs import asking
from checks.jobs.asking import AskedFor, ask_for_run
from checks.jobs.close import close_run
from checks.jobs.context import JobContext
from checks.jobs.messages import PLAN, PlanMessage
from localhost.mailbox import Mailbox
from tests.support.storage import Clock, Death, app_settings, job_context

ONE, OTHER = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2))


def plans(storage: str) -> list[PlanMessage]:
    """The plan messages that wait."""
    with QueueServiceClient.from_connection_string(storage) as service:
        if PLAN not in [each.name for each in service.list_queues()]:
            return []
        queue = service.get_queue_client(PLAN, message_decode_policy=TextBase64DecodePolicy())
        return [msgspec.json.decode(each.content, type=PlanMessage) for each in queue.peek_messages(32)]


async def planned(job: JobContext, run_id: str) -> Run:
    """The run as a plan writes it, with one shard."""
    now = job.clock()
    run = Run(
        id=run_id,
        sequence=int(run_id[-6:]),
        requested_by="http",
        scope=RunScope((ONE,)),
        created=now,
        deadline=now.replace(hour=now.hour + 1),
        expected=("a",),
    )
    assert await job.store.create_run(run, [Shard("a", ONE)])
    return run


async def test_twenty_at_once_on_as_many_hosts_are_one_run(storage: str) -> None:
    clock = Clock()
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(job_context(app_settings(storage), clock)) for _ in range(20)]
        got = await asyncio.gather(*(ask_for_run(host, (), "http") for host in hosts))
    assert len({each.run_id for each in got}) == 1
    assert sorted(each.joined for each in got) == [False] + [True] * 19
    assert len(plans(storage)) == 1


async def test_only_the_same_scope_is_joined(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        whole = await ask_for_run(job, (), "http")
        both = await ask_for_run(job, (ONE, OTHER), "http")
        one = await ask_for_run(job, (ONE,), "http")
        assert len({whole.run_id, both.run_id, one.run_id}) == 3
        assert await ask_for_run(job, (OTHER, ONE.upper(), ONE), "http") == AskedFor(both.run_id, joined=True)
    assert [message.ids for message in plans(storage)] == [(), (ONE, OTHER), (ONE,)]


async def test_a_run_that_waits_is_joined_for_ten_minutes(storage: str) -> None:
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        first = await ask_for_run(job, (), "http")
        clock.forward(minutes=9)
        assert (await ask_for_run(job, (), "http")).run_id == first.run_id
        clock.forward(minutes=2)
        assert (await ask_for_run(job, (), "http")).run_id != first.run_id


async def test_a_run_that_has_begun_is_joined_for_thirty_seconds_and_a_closed_one_never(
    storage: str, smtp: Mailbox
) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        first = await ask_for_run(job, (), "http")
        await planned(job, first.run_id)
        clock.forward(seconds=20)
        assert await ask_for_run(job, (), "http") == AskedFor(first.run_id, joined=True)
        clock.forward(seconds=20)
        second = await ask_for_run(job, (), "http")
        assert second.run_id != first.run_id, "what was changed in between may not be in the first"
        run = await planned(job, second.run_id)
        await job.store.mark_shard(run.id, "a", MarkerStatus.DONE, Totals(), clock())
        assert (await close_run(job, run.id)).reason == "closed"
        third = await ask_for_run(job, (), "http")
        assert (third.joined, third.run_id == second.run_id) == (False, False)


@pytest.mark.parametrize("dies_at", ["send", "mark"])
async def test_a_run_whose_message_was_never_sent_is_sent_by_who_joins(
    storage: str, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    clock = Clock()

    async def dies(*_: object) -> None:
        raise Death

    async with job_context(app_settings(storage), clock) as job:
        if dies_at == "send":
            monkeypatch.setattr(job.queues, "send", dies)
        else:
            keep, calls = job.store.keep_asked, []

            async def second_dies(*given: object) -> None:
                calls.append(given)
                await (dies() if len(calls) == 2 else keep(*given))  # type: ignore[arg-type]

            monkeypatch.setattr(job.store, "keep_asked", second_dies)
        with pytest.raises(Death):
            await ask_for_run(job, (), "http")
    monkeypatch.setattr(asking, "PAUSE", 0.01)
    async with job_context(app_settings(storage), clock) as job:
        got = await ask_for_run(job, (), "http")
        assert got.joined
        again = await ask_for_run(job, (), "http")
    assert again == got
    messages = plans(storage)
    assert len(messages) == (1 if dies_at == "send" else 2)
    assert len({message.request for message in messages}) == 1, "the same request is the same run"


@pytest.mark.parametrize("version", [1, 999])
async def test_a_row_that_cannot_be_read_keeps_nobody_from_a_run(storage: str, version: int) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        first = await ask_for_run(job, (), "http")
        with TableServiceClient.from_connection_string(storage) as service:
            table = service.get_table_client(keys.TABLE)
            (row,) = list(table.query_entities("PartitionKey eq 'asked'"))
            table.upsert_entity({**row, "v": version, "asked_0": "junk"})
        second = await ask_for_run(job, (), "http")
        third = await ask_for_run(job, (), "http")
        assert second.run_id != first.run_id
        assert (third.run_id == second.run_id) is (version == 1), "a later version's row is left as it is"


async def test_the_checks_of_an_hour_are_counted_across_hosts(storage: str) -> None:
    clock = Clock()
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(job_context(app_settings(storage), clock)) for _ in range(8)]
        waits = await asyncio.gather(*(host.store.count_check(clock(), 5) for host in hosts))
        assert sum(wait is None for wait in waits) == 5
        assert {wait.total_seconds() for wait in waits if wait is not None} == {3600}
        clock.forward(minutes=59)
        (wait,) = {await host.store.count_check(clock(), 5) for host in hosts}
        assert wait is not None
        assert wait.total_seconds() == 60
        clock.forward(minutes=1)
        assert await hosts[0].store.count_check(clock(), 5) is None


async def test_without_end_overtaken_it_is_given_up(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def overtaken(*_: object) -> None:
        raise Conflict("somebody was faster")

    async with job_context(app_settings(storage), Clock()) as job:
        monkeypatch.setattr(job.store, "keep_asked", overtaken)
        with pytest.raises(Conflict):
            await ask_for_run(job, (), "http")
    assert plans(storage) == []
