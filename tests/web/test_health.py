"""What /api/health says to anybody, and what its details say to holders of a key, over real storage."""

import socket
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import msgspec
import pytest

from checks.changes import Notice, NoticeKind
from checks.history.model import Run, RunScope, Shard, new_run_id
from checks.jobs.close import close_run, record_poison
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.watch import watch
from checks.web.respond import TRY_AGAIN
from localhost.azurite import ACCOUNT, Storage
from localhost.mailbox import Mailbox
from tests.support.http import ask
from tests.support.storage import Clock, app_settings, job_context

SUBSCRIPTION = "00000000-0000-0000-0000-000000000003"
OK, STALE = (200, {"status": "ok"}), (200, {"status": "stale"})
UNAVAILABLE = (
    503,
    {
        "type": "urn:pullwatch:problem:storage-unavailable",
        "title": "Storage does not answer",
        "status": 503,
        "detail": TRY_AGAIN,
    },
)


def planned(number: int, now: datetime) -> Run:
    """A run that is planned now, without shards."""
    return Run(
        id=new_run_id(number, now),
        sequence=number,
        requested_by="timer",
        scope=RunScope(()),
        created=now,
        deadline=now + timedelta(minutes=25),
    )


class App:
    """The app's health over some storage, at a time that the test sets."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.clock = Clock()
        self.seconds: float | None = None

    def open(self) -> AbstractAsyncContextManager[JobContext]:
        return job_context(self.environment, self.clock)

    async def health(self) -> tuple[int, dict[str, object]]:
        return await ask(self.open, "health", seconds=self.seconds)

    async def details(self) -> tuple[int, dict[str, object]]:
        return await ask(self.open, "health_details", seconds=self.seconds)

    async def run(self, number: int) -> str:
        """A run that is closed now."""
        run = planned(number, self.clock())
        async with self.open() as job:
            await job.store.create_run(run, [])
            assert (await close_run(job, run.id)).reason == "closed"
        return run.id


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def test_health_is_ok_from_the_first_run_until_the_next_one_is_missed(storage: str) -> None:
    app = App(app_settings(storage, SCHEDULE="0 0 6 * * *"))
    assert await app.health() == STALE, "no run was ever closed"
    await app.run(1)
    assert await app.health() == OK
    app.clock.forward(hours=48)
    assert await app.health() == OK
    app.clock.forward(minutes=1)
    assert await app.health() == STALE
    await app.run(2)
    assert await app.health() == OK


async def test_mail_that_is_stuck_makes_it_stale(storage: str, smtp: Mailbox) -> None:
    app = App(app_settings(storage, smtp, SCHEDULE="0 0 6 * * *"))
    await app.run(1)
    smtp.refuse("data", 451, "try again later", times=1)
    async with app.open() as job:
        at = app.clock()
        await job.store.add_notice(Notice(kind=NoticeKind.BASELINE, run="r", sequence=1, at=at, title="t"))
        await deliver_all(job)
        app.clock.forward(minutes=61)
        await watch(job)
    assert await app.health() == STALE
    async with app.open() as job:
        await deliver_all(job)
        await watch(job)
    assert await app.health() == OK


async def test_the_details_are_the_signals_as_they_are_now(storage: str, smtp: Mailbox) -> None:
    app = App(app_settings(storage, smtp))
    run = await app.run(1)
    smtp.refuse("data", 451, "try again later")
    async with app.open() as job:
        at = app.clock()
        await job.store.add_notice(Notice(kind=NoticeKind.BASELINE, run="r", sequence=1, at=at, title="t"))
        await deliver_all(job)
        await record_poison(job, "pullwatch-plan", b'{"secret": "4111"}')
    app.clock.forward(minutes=70)
    status, body = await app.details()
    assert status == 200
    assert body == {
        "status": "stale",
        "now": "2026-11-24T09:10:00Z",
        "interval_minutes": 30,
        "overdue_after_minutes": 60,
        "latest_run": {
            "run": run,
            "closed": "2026-11-24T08:00:00Z",
            "age_minutes": 70,
            "recent": False,
            "degraded": False,
            "missing_shards": 0,
        },
        "mail": {
            "waiting": 1,
            "set_aside": 0,
            "oldest_minutes": 70,
            "oldest_pointer_minutes": None,
            "oldest_mail_minutes": 70,
            "refused": {},
            "stuck": True,
        },
        "poison": {
            "recorded": 1,
            "latest": {
                "at": "2026-11-24T08:00:00Z",
                "queue": "pullwatch-plan",
                "reason": "given up after the last try",
            },
        },
    }


async def test_before_the_first_run_the_details_have_nothing_to_show(storage: str) -> None:
    _, body = await App(app_settings(storage)).details()
    assert (body["status"], body["latest_run"]) == ("stale", None)
    assert body["mail"] == {
        "waiting": 0,
        "set_aside": 0,
        "oldest_minutes": None,
        "oldest_pointer_minutes": None,
        "oldest_mail_minutes": None,
        "refused": {},
        "stuck": False,
    }
    assert body["poison"] == {"recorded": 0, "latest": None}


async def test_storage_that_does_not_answer_is_unavailable_and_nothing_is_told_of_it(
    closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"http://127.0.0.1:{closed_port}/{ACCOUNT}"
    app = App(app_settings(Storage(address, address, address, pid=0).connection_string))
    app.seconds = 1
    assert await app.health() == UNAVAILABLE
    assert await app.details() == UNAVAILABLE
    assert "storage does not answer" in caplog.text


async def test_a_latest_run_of_a_later_version_is_none_of_late_until_the_next_run(
    storage: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(app_settings(storage))
    await app.run(1)
    async with app.open() as job:
        row = await job.store._get("run", "latest-whole")
        assert row is not None
        await job.store._put({**row, "v": 999})
    assert await app.health() == STALE
    assert "schema version 999" in caplog.text
    await app.run(2)
    assert await app.health() == OK
    async with app.open() as job:
        assert await job.store._get("run", "latest-whole") == {**row, "v": 999}, "it is left for the later version"


async def test_a_run_of_which_no_shard_ended_is_none_of_late(storage: str, smtp: Mailbox) -> None:
    app = App(app_settings(storage, smtp))
    await app.run(1)
    assert await app.health() == OK
    async with app.open() as job:
        hung = msgspec.structs.replace(planned(2, app.clock()), expected=("a", "b"))
        assert await job.store.create_run(hung, [Shard("a", SUBSCRIPTION), Shard("b", SUBSCRIPTION)])
        app.clock.forward(minutes=26)
        assert (await close_run(job, hung.id)).missing == ("a", "b")
    assert await app.health() == STALE
    await app.run(3)
    assert await app.health() == OK
