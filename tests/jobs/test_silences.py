"""The end of silences over real storage: what still fails is said once, whatever dies in between, and nothing else."""

from datetime import datetime, timedelta

import msgspec
import pytest
from azure.core.exceptions import ServiceRequestError

from checks.changes import Notice, NoticeKind
from checks.findings import ClusterReport
from checks.history.decide import Policy, decide
from checks.history.model import Channel, RowRef, RunRef
from checks.history.table import keys
from checks.history.table.silences import Ending, HeldSubject
from checks.history.table.store import Store
from checks.jobs.close import sweep_runs
from checks.jobs.context import JobContext
from checks.jobs.deliver import deliver_all
from checks.jobs.silences import end_silences
from checks.silences import Matchers, Silence, SilenceKind
from localhost.mailbox import Mailbox
from tests.support.broken_rows import damage_text
from tests.support.reports import CLUSTER, REGISTRY, report
from tests.support.storage import Clock, app_settings, job_context

OTHER = f"{CLUSTER}2"
HOURS = timedelta(hours=1)
FAILING = Policy(fail_after=dict.fromkeys(("access", "path", "pull", "images"), 1))


async def looked(job: JobContext, number: int, seen: ClusterReport) -> None:
    """A look at a cluster, committed as run ``number``."""
    stored = await job.store.load_state(seen.id)
    decision = decide(stored.state if stored else None, seen, RunRef(f"run-{number}", number), FAILING, job.clock())
    await job.store.commit(decision, seen, stored.etag if stored else None)


def held(cluster: str = CLUSTER, facet: str = "access", since: datetime | None = None, **more: str) -> HeldSubject:
    return HeldSubject(
        cluster=cluster, registry=REGISTRY, facet=facet, since=since or Clock().now, cause="role-missing", **more
    )  # type: ignore[arg-type]


async def silenced(
    job: JobContext, name: str = "one", hours: int = 4, kind: SilenceKind = SilenceKind.SILENCE, **matchers: str
) -> Silence:
    """A silence that holds from now on."""
    silence = Silence(
        id=name,
        kind=kind,
        matchers=Matchers(**(matchers or {"registry": REGISTRY})),
        author="kim@contoso.example",
        reason="maintenance",
        created=job.clock(),
        expires=job.clock() + hours * HOURS,
    )
    await job.store.add_silence(silence)
    return silence


async def notices(job: JobContext) -> list[Notice]:
    """The notices that wait to be sent."""
    pending = await job.store.list_pending()
    assert not pending.unreadable
    return [msgspec.json.decode(item.notice, type=Notice) for item in pending.items if item.notice]


def forward(job: JobContext, **by: float) -> None:
    job.clock.forward(**by)  # type: ignore[attr-defined]


async def test_what_still_fails_when_a_silence_is_over_is_said_in_one_mail(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await looked(job, 1, report("fail"))
        await job.store.remove_pending([item.ref for item in (await job.store.list_pending()).items])
        await silenced(job)
        await job.store.hold("one", [held(), held(facet="pull")])
        forward(job, hours=3.9)
        assert (await end_silences(job)).notices == 0, "it still holds"
        forward(job, hours=0.2)
        assert (await end_silences(job)).notices == 1
        (notice,) = await notices(job)
        assert notice.kind is NoticeKind.SILENCE_ENDED
        assert [(line.cluster, line.registry, line.facets, line.cause) for line in notice.lines] == [
            (CLUSTER, REGISTRY, ("access", "pull"), "role-missing")
        ]
        assert notice.title == "1 cluster still fails after a silence ended"
        said = "from 2026-11-24 08:00 UTC to 2026-11-24 12:00 UTC, for this reason: maintenance"
        assert notice.facts[0] == f"kim@contoso.example silenced registry {REGISTRY} {said}"
        await deliver_all(job)
        assert (await end_silences(job)).notices == 0
        await deliver_all(job)
    (message,) = smtp.messages
    assert str(message["Subject"]) == "[Pullwatch] SILENCE ENDED: 1 cluster still fails after a silence ended"
    body = message.get_body(("plain",))
    assert body is not None
    assert "az role assignment create" in str(body.get_content())


async def test_hostile_words_reach_the_mail_as_text(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        await looked(job, 1, report("fail"))
        await job.store.remove_pending([item.ref for item in (await job.store.list_pending()).items])
        secret = "AccountKey=" + "Q" * 86 + "=="
        made = Silence(
            id="one",
            kind=SilenceKind.ACK,
            matchers=Matchers(registry=REGISTRY),
            author="<img src=x>\r\nBcc: x@evil.example",
            reason=f"<script>alert(1)</script>\u202e\x1b[2J {{{{7*7}}}} {secret}",
            created=job.clock(),
            expires=job.clock() + HOURS,
        )
        await job.store.add_silence(made)
        await job.store.hold("one", [held()])
        forward(job, hours=2)
        await end_silences(job)
        await deliver_all(job)
    (message,) = smtp.messages
    assert message["Bcc"] is None
    assert str(message["Subject"]).endswith("after an acknowledgement ended")
    html, text = (str(message.get_body((kind,)).get_content()) for kind in ("html", "plain"))  # type: ignore[union-attr]
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "<img" not in html
    for body in (html, text):
        assert "QQQQ" not in body
        assert "\x1b" not in body
        assert "\u202e" not in body
        assert "{{7*7}}" in body


@pytest.mark.parametrize("seen", [report("pass"), report("fail", cause="another-cause")], ids=["recovered", "other"])
async def test_what_does_not_fail_any_more_or_for_another_cause_is_not_said(storage: str, seen: ClusterReport) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("fail"))
        await silenced(job, cause="role-missing")
        await job.store.hold("one", [held()])
        forward(job, hours=1)
        await looked(job, 2, seen)
        # Of another cause people are notified when it is seen.
        await job.store.set_notified(Channel("", "smtp"), {(CLUSTER.lower(), REGISTRY, "access"): {"somebody"}})
        forward(job, hours=4)
        assert (await end_silences(job)).notices == 0
        assert await notices(job) == []
        assert await job.store.holding() == ()


async def test_a_silence_that_somebody_ended_is_over_at_once(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("fail"))
        await silenced(job)
        await job.store.hold("one", [held()])
        forward(job, minutes=1)
        await job.store.end_silence("one", job.clock())
        assert (await end_silences(job)).notices == 1


async def test_two_silences_that_end_in_one_sweep_are_two_mails(storage: str, smtp: Mailbox) -> None:
    async with job_context(app_settings(storage, smtp), Clock()) as job:
        for cluster in (CLUSTER, OTHER):
            await looked(job, 1, report("fail", cluster=cluster))
        await job.store.remove_pending([item.ref for item in (await job.store.list_pending()).items])
        await silenced(job, "one", cluster=CLUSTER)
        await silenced(job, "two", cluster=OTHER)
        await job.store.hold("one", [held()])
        await job.store.hold("two", [held(OTHER)])
        forward(job, hours=5)
        assert (await end_silences(job)).notices == 2
        assert {notice.lines[0].cluster for notice in await notices(job)} == {CLUSTER, OTHER}
        await deliver_all(job)
    assert len(smtp.messages) == 2


async def test_what_another_silence_is_of_as_well_goes_over_to_it(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("fail"))
        await silenced(job, "one", hours=1)
        await silenced(job, "two", hours=8, cluster="AKS-1")
        await job.store.hold("one", [held()])
        forward(job, hours=2)
        assert (await end_silences(job)).notices == 0
        assert (await job.store.held("two")).items == (held(),)
        assert await job.store.holding() == ("two",)
        forward(job, hours=7)
        assert (await end_silences(job)).notices == 1


@pytest.mark.parametrize("gone", ["taken away", "unreadable"])
async def test_what_a_silence_held_that_is_lost_is_said_all_the_same(storage: str, gone: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("fail"))
        await silenced(job)
        await job.store.hold("one", [held()])
        if gone == "unreadable":
            damage_text(storage, "silence", "silence", "silence|one")
        else:
            await job.store.forget_silences(["one"])
        assert (await end_silences(job)).notices == 1
        (notice,) = await notices(job)
        assert notice.facts[0] == "The silence itself cannot be read any more."


async def test_that_nothing_is_known_of_a_cluster_is_said_when_it_was_silenced(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("pass"))
        await blinded(job)
        await silenced(job, cluster=CLUSTER)
        await job.store.hold("one", [msgspec.structs.replace(held(), registry="", cause="not-allowed")])
        forward(job, hours=5)
        assert (await end_silences(job)).notices == 1
        (notice,) = await notices(job)
        assert notice.title == "1 cluster is still unknown after a silence ended"
        assert "Nothing is known of aks-1 since 2026-11-24 08:00 UTC." in notice.facts


async def blinded(job: JobContext) -> None:
    """Has the cluster's subjects say that people were notified that nothing is known."""
    stored = await job.store.load_state(CLUSTER)
    assert stored is not None
    subjects = tuple(msgspec.structs.replace(one, blind=True) for one in stored.state.subjects)
    state = msgspec.structs.replace(stored.state, subjects=subjects, sequence=2, run="run-2")
    decision = decide(stored.state, report("pass"), RunRef("run-2", 2), FAILING, job.clock())
    await job.store.commit(msgspec.structs.replace(decision, state=state, change=None), None, stored.etag)


async def test_a_state_that_cannot_be_read_counts_as_failing(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("fail"))
        await silenced(job)
        await silenced(job, "ack", 100, SilenceKind.ACK, cluster=CLUSTER, cause="role-missing")
        await silenced(job, "all", 100, SilenceKind.ACK, cause="role-missing", registry=REGISTRY)
        await job.store.hold("one", [held()])
        damage_text(storage, "subjects", CLUSTER.split("/")[2], keys.state(CLUSTER))
        forward(job, hours=5)
        ended = await end_silences(job)
        assert ended.recovered == 0
        covered = await job.store.held("all")
        assert (ended.notices, len(covered.items)) == (0, 1), "an acknowledgement holds what may fail"


# ---- acknowledgements --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matchers", [
    {"cluster": CLUSTER, "registry": REGISTRY, "cause": "role-missing"},
    {"cluster": "aks-1", "registry": REGISTRY},
    {"registry": REGISTRY, "cause": "role-missing"},
    {"subscription": CLUSTER.split("/")[2], "code": "PW102"},
])  # fmt: skip
async def test_an_acknowledgement_ends_with_what_was_acknowledged(storage: str, matchers: dict[str, str]) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("fail"))
        await silenced(job, "ack", 100, SilenceKind.ACK, **matchers)
        for number, (word, ended) in enumerate([("fail", 0), ("unknown", 0), ("pass", 1), ("pass", 0)], 2):
            forward(job, hours=1)
            await looked(job, number, report(word))
            assert (await end_silences(job)).recovered == ended, word
        stored = await job.store.load_silence("ack")
        assert stored is not None
        assert stored.silence.ended == Clock().now + 3 * HOURS


async def test_an_acknowledgement_of_all_clusters_holds_while_one_of_them_fails(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        for cluster in (CLUSTER, OTHER):
            await looked(job, 1, report("fail", cluster=cluster))
        await silenced(job, "ack", 100, SilenceKind.ACK, registry=REGISTRY, cause="role-missing")
        forward(job, hours=1)
        await looked(job, 2, report("pass"))
        assert (await end_silences(job)).recovered == 0
        await looked(job, 2, report("pass", cluster=OTHER))
        assert (await end_silences(job)).recovered == 1


async def test_a_failure_that_began_after_the_acknowledgement_ends_it(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("fail"))
        await silenced(job, "ack", 100, SilenceKind.ACK, cluster=CLUSTER, registry=REGISTRY, cause="role-missing")
        for number, word in enumerate(["pass", "fail"], 2):
            forward(job, hours=1)
            await looked(job, number, report(word))
        assert (await end_silences(job)).recovered == 1


async def test_a_matcher_that_no_key_can_be_made_of_ends_nothing_and_stops_nothing(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await looked(job, 1, report("fail"))
        await silenced(job, "odd", 100, SilenceKind.ACK, cluster="/subscriptions/a?b#c/x")
        await silenced(job, "one", 1)
        await job.store.hold("one", [held()])
        forward(job, hours=2)
        ended = await end_silences(job)
        assert (ended.recovered, ended.notices) == (0, 1)


# ---- death, and what is old ---------------------------------------------------------------------------------------


class Dying(Store):
    """A store that loses its connection at a call, before or after it had its effect."""

    dies: tuple[str, bool] = ("", False)

    async def begin_ending(self, silence_id: str, ending: Ending) -> Ending:
        """Fixes what the mail is about."""
        return await self._around("begin_ending", super().begin_ending, silence_id, ending)

    async def add_notice(self, notice: Notice) -> None:
        """Writes the pointer."""
        await self._around("add_notice", super().add_notice, notice)

    async def drop_held(self, silence_id: str, subject_keys: object) -> None:
        """Drops what was held."""
        await self._around("drop_held", super().drop_held, silence_id, subject_keys)

    async def finish_ending(self, silence_id: str) -> None:
        """Drops what was fixed."""
        await self._around("finish_ending", super().finish_ending, silence_id)

    async def _around(self, name, call, *arguments):  # type: ignore[no-untyped-def]
        dies, done = type(self).dies
        if dies == name and not done:
            type(self).dies = ("", False)
            raise ServiceRequestError("gone")
        answer = await call(*arguments)
        if dies == name:
            type(self).dies = ("", False)
            raise ServiceRequestError("gone")
        return answer


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["begin_ending", "add_notice", "drop_held", "finish_ending"])
async def test_death_at_any_point_loses_nothing_and_says_nothing_twice(
    storage: str, smtp: Mailbox, call: str, done: bool
) -> None:
    async with job_context(app_settings(storage, smtp), Clock(), Dying) as job:
        for cluster in (CLUSTER, OTHER):
            await looked(job, 1, report("fail", cluster=cluster))
        await job.store.remove_pending([item.ref for item in (await job.store.list_pending()).items])
        await silenced(job)
        await job.store.hold("one", [held()])
        forward(job, hours=5)
        Dying.dies = (call, done)
        with pytest.raises(ServiceRequestError):
            await end_silences(job)
        await deliver_all(job)
        # Whoever was delivering when the silence ended holds one more.
        await job.store.hold("one", [held(OTHER)])
        for _ in range(3):
            await end_silences(job)
            await deliver_all(job)
        assert await job.store.holding() == ()
    named = [str(body.get_content()) for m in smtp.messages if (body := m.get_body(("plain",))) is not None]
    assert sum("aks-1 <-" in text for text in named) == 1
    assert sum("aks-12 <-" in text for text in named) == 1


async def test_silences_are_forgotten_thirty_days_after_they_are_over(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await silenced(job, "old", 1)
        await silenced(job, "new", 2)
        forward(job, days=30, hours=1.5)
        await end_silences(job)
        assert [one.id for one in (await job.store.list_silences()).silences] == ["new"]


async def test_a_silence_that_cannot_be_read_is_said_once(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as job:
        await silenced(job)
        damage_text(storage, "silence", "silence", "silence|one")
        for _ in range(3):
            await sweep_runs(job)
            await end_silences(job)
        (notice,) = await notices(job)
        assert notice.facts[0].startswith("A silence, which silences nothing until it can be read (one): ")
        (record,) = await job.store.list_unreadable()
        assert record.ref == RowRef("silence", "silence|one")
