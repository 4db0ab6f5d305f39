"""Delivering over real storage and a real mail server: nothing is lost, whatever dies where."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal
from unittest import mock

import pytest

from checks.changes import Change
from checks.history.decide import Policy, decide
from checks.history.model import Channel, MailStatus, RowRef, RunRef
from checks.jobs.close import sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.deliver import Delivered, deliver_all
from checks.jobs.watch import watch
from localhost.mailbox import Mailbox
from tests.support.reports import CLUSTER, report
from tests.support.storage import Clock, app_settings, job_context


async def commit(job: JobContext, words: Iterable[str], *, cluster: str = CLUSTER, first: int = 1) -> None:
    """Commits a look per word, as scanning does."""
    for number, word in enumerate(words, first):
        stored = await job.store.load_state(cluster)
        seen = report(word, cluster=cluster)
        decision = decide(
            stored.state if stored else None, seen, RunRef(f"run-{number}", number), Policy(), job.clock()
        )
        await job.store.commit(decision, seen, stored.etag if stored else None)


async def left(job: JobContext) -> int:
    """How much is still to be told."""
    store = job.store
    return len((await store.list_pending()).items) + len(await store.unspread()) + len(await store.open_mails())


def eml_files(folder: Path) -> list[Path]:
    """The mails that the folder transport wrote."""
    return sorted(folder.glob("*.eml"))


async def test_a_regression_and_then_its_recovery_are_one_mail_each(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await commit(job, ["pass", "fail"])
        assert await deliver_all(job) == Delivered(sent=1)
        await commit(job, ["pass"], first=3)
        assert await deliver_all(job) == Delivered(sent=1)
        assert await deliver_all(job) == Delivered()
        assert await left(job) == 0
    subjects = [str(message["Subject"]) for message in smtp.messages]
    assert [subject.split(":")[0] for subject in subjects] == ["[Pullwatch] FAIL", "[Pullwatch] RECOVERED"]
    assert smtp.messages[0]["In-Reply-To"] == smtp.messages[1]["In-Reply-To"]


async def test_a_server_that_is_away_delays_mail_and_loses_none(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp, SMTP_HOST="127.0.0.1"), clock) as job:
        await commit(job, ["pass", "fail"])
        smtp.refuse("data", 451, "try again later")
        assert await deliver_all(job) == Delivered(later=1)
        assert await left(job) == 1
        assert await deliver_all(job) == Delivered(later=1), "it waits for its next try"
        clock.forward(minutes=2)
        assert await deliver_all(job) == Delivered(sent=1)
    assert len(smtp.messages) == 1


async def test_a_mail_that_its_recipient_refuses_for_good_is_recorded(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp) | {"PULLWATCH_MAIL_TO": "gone@a.example"}, clock) as job:
        await commit(job, ["pass", "fail"])
        smtp.refuse("rcpt", 550, "no such mailbox")
        assert await deliver_all(job) == Delivered(failed=1)
        (mail,) = await job.store.list_mails()
        assert mail.status is MailStatus.REFUSED
        assert "550" in mail.refused["gone@a.example"]
        (refusal,) = await job.store.list_refusals(clock())
        assert (refusal.recipient, refusal.transport) == ("gone@a.example", "smtp")
        unsent = (await watch(job)).unsent
        assert unsent is not None
        assert list(unsent.refused) == ["gone@a.example"]
        clock.forward(days=2)
        assert (await job.store.look_at_unsent(clock())).refused == {}
        assert await left(job) == 0


@pytest.mark.parametrize("stage", ["connect", "mail", "data"])
async def test_a_server_that_refuses_the_mail_delays_it_whatever_it_says(
    storage: str, smtp: Mailbox, stage: Literal["connect", "mail", "data"]
) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        await commit(job, ["pass", "fail"])
        smtp.refuse(stage, 554, "not here", times=3)
        for hours in (1, 1, 1):
            assert await deliver_all(job) == Delivered(later=1)
            (mail,) = await job.store.list_mails()
            assert "554 not here" in mail.reason
            clock.forward(hours=hours)
        assert await deliver_all(job) == Delivered(sent=1)
        assert await left(job) == 0
    assert len(smtp.messages) == 1


async def test_a_lost_answer_is_sent_again_under_the_same_id_and_says_so(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        await commit(job, ["pass", "fail"])
        smtp.drop()
        assert await deliver_all(job) == Delivered(later=1)
        clock.forward(minutes=2)
        assert await deliver_all(job) == Delivered(sent=1)
    first, second = smtp.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert "may be a repeat" in second.as_string()


async def test_a_folder_that_took_a_mail_does_not_get_it_again_while_the_server_is_away(
    storage: str, smtp: Mailbox, tmp_path: Path
) -> None:
    clock = Clock()
    both = app_settings(storage, smtp) | {
        "PULLWATCH_MAIL_TRANSPORTS": "folder,smtp",
        "PULLWATCH_MAIL_FOLDER": str(tmp_path),
    }
    async with job_context(both, clock) as job:
        await commit(job, ["pass", "fail"])
        smtp.refuse("data", 451, "try again later")
        await deliver_all(job)
        (file,) = eml_files(tmp_path)
        written = file.stat().st_mtime_ns
        clock.forward(minutes=2)
        assert await deliver_all(job) == Delivered(sent=1)
        assert file.stat().st_mtime_ns == written
    assert len(smtp.messages) == 1


async def test_two_that_deliver_at_once_send_one_mail(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with (
        job_context(app_settings(storage, smtp), clock) as one,
        job_context(app_settings(storage, smtp), clock) as other,
    ):
        await commit(one, ["pass", "fail"])
        results = await asyncio.gather(deliver_all(one), deliver_all(other))
        assert sum(result.sent for result in results) == 1
        assert await left(one) == 0
    assert len(smtp.messages) == 1


async def test_whoever_lost_the_right_to_deliver_sends_nothing_more(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job, AsyncExitStack() as other:
        await commit(job, ["pass", "fail"])
        load = job.store.load_change

        async def slow(ref: RowRef) -> Change | None:
            clock.forward(minutes=10)
            await other.enter_async_context(job.store.deliver_lease("somebody else", clock))
            return await load(ref)

        with mock.patch.object(job.store, "load_change", slow):
            assert await deliver_all(job) == Delivered(busy=True)
        assert smtp.messages == []
        assert await left(job) == 1, "it is left for whoever has the right now"


async def test_one_mail_that_cannot_be_read_keeps_no_other_from_being_sent(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await commit(job, ["pass", "fail"])
        smtp.refuse("data", 451, "try again later")
        await deliver_all(job)
        (name,) = await job.store.open_mails()
        row = await job.store._get("digest", f"digest|{name}")
        assert row is not None
        await job.store._put({**row, "v": 999})
        await commit(job, ["pass", "fail"], cluster=f"{CLUSTER}2")
        assert await deliver_all(job) == Delivered(sent=1, later=1)
        assert len(await job.store.open_mails()) == 1, "what cannot be read is kept"


async def test_a_change_that_cannot_be_read_keeps_no_other_from_being_told(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await commit(job, ["pass", "fail"])
        (pending,) = (await job.store.list_pending()).items
        assert pending.change is not None
        row = await job.store._get(pending.change.partition, pending.change.row)
        assert row is not None
        await job.store._put({**row, "v": 999})
        await commit(job, ["pass", "fail"], cluster=f"{CLUSTER}2")
        assert await deliver_all(job) == Delivered(sent=1)
        for version in (999, 1):
            await job.store._put({**row, "v": version})
            await sweep_runs(job)
            waiting = (await job.store.list_pending()).items
            assert (pending in waiting) is (version == 1)
        assert await deliver_all(job) == Delivered(sent=2), "a program that can read it sends it"


async def test_each_recipient_has_its_own_fate(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    three = app_settings(storage, smtp) | {"PULLWATCH_MAIL_TO": "good@a.example,gone@a.example,full@a.example"}
    smtp.refuse("rcpt", 550, "no such mailbox", recipient="gone@a.example")
    smtp.refuse("rcpt", 452, "mailbox full", recipient="full@a.example")
    async with job_context(three, clock) as job:
        await commit(job, ["pass", "fail"])
        assert await deliver_all(job) == Delivered(later=1)
        clock.forward(minutes=2)
        assert await deliver_all(job) == Delivered(sent=1)
        (mail,) = await job.store.list_mails()
        assert list(mail.refused) == ["gone@a.example"]
    assert [delivery.recipients for delivery in smtp.deliveries] == [("good@a.example",), ("full@a.example",)]


async def test_a_mail_that_every_recipient_refused_in_turn_is_no_sent_mail(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    two = app_settings(storage, smtp) | {"PULLWATCH_MAIL_TO": "gone@a.example,full@a.example"}
    smtp.refuse("rcpt", 550, "no such mailbox", recipient="gone@a.example")
    smtp.refuse("rcpt", 452, "mailbox full", recipient="full@a.example")
    async with job_context(two, clock) as job:
        await commit(job, ["pass", "fail"])
        await deliver_all(job)
        clock.forward(minutes=2)
        smtp.refuse("rcpt", 550, "gone as well", recipient="full@a.example")
        assert await deliver_all(job) == Delivered(failed=1)
    assert smtp.deliveries == []


async def test_a_mail_says_how_many_of_its_changes_cannot_be_read_any_more(storage: str, smtp: Mailbox) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, smtp), clock) as job:
        for name in (CLUSTER, f"{CLUSTER}2"):
            await commit(job, ["pass", "fail"], cluster=name)
        refs = [item.change for item in (await job.store.list_pending()).items]
        smtp.refuse("data", 451, "try again later")
        await deliver_all(job)
        assert refs[1] is not None
        row = await job.store._get(refs[1].partition, refs[1].row)
        assert row is not None
        await job.store._put({**row, "v": 999})
        clock.forward(minutes=2)
        assert await deliver_all(job) == Delivered(sent=1)
    body = smtp.messages[-1].get_body(("plain",))
    assert body is not None
    assert "1 more change cannot be read by this version of Pullwatch" in str(body.get_content())


async def test_what_waits_for_a_transport_that_is_not_set_any_more_goes_by_the_one_that_is(
    storage: str, smtp: Mailbox, tmp_path: Path
) -> None:
    clock = Clock()
    smtp.refuse("data", 451, "try again later", times=9)
    async with job_context(app_settings(storage, smtp), clock) as job:
        await commit(job, ["pass", "fail"])
        assert await deliver_all(job) == Delivered(later=1)
    folder = app_settings(storage, MAIL_TRANSPORTS="folder", MAIL_FOLDER=str(tmp_path))
    async with job_context(folder, clock) as job:
        assert await deliver_all(job) == Delivered(sent=1)
        assert len(eml_files(tmp_path)) == 1
        assert await left(job) == 0
        assert await deliver_all(job) == Delivered()


async def test_a_recovery_reaches_those_who_were_notified_by_the_transport_before(
    storage: str, smtp: Mailbox, tmp_path: Path
) -> None:
    team = {"PULLWATCH_MAIL_TO": "team@contoso.example"}
    async with job_context(app_settings(storage, smtp) | team, Clock()) as job:
        await commit(job, ["pass", "fail"])
        assert await deliver_all(job) == Delivered(sent=1)
    folder = app_settings(storage, MAIL_TRANSPORTS="folder", MAIL_FOLDER=str(tmp_path)) | team
    async with job_context(folder, Clock()) as job:
        await commit(job, ["pass"], first=3)
        assert await deliver_all(job) == Delivered(sent=1)
        for transport in ("smtp", "folder"):
            assert await job.store.notified(Channel("", transport)) == {}
    (file,) = eml_files(tmp_path)
    assert "RECOVERED" in file.read_text()
