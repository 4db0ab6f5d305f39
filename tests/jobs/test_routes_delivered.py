"""Who gets which mails, from the change to the mailbox: routes, thresholds, tags, silences, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

import msgspec

from checks.changes import Notice, NoticeKind, NoticeLine
from checks.findings import ClusterReport
from checks.history.decide import decide
from checks.history.model import RunRef
from checks.jobs import deliver
from checks.notify.notice_lines import with_lines
from checks.notify.transports.base import Outgoing, Receipt
from checks.settings import load
from checks.silences import Matchers, Silence, SilenceKind
from tests.jobs.test_delivery_deaths import AT_ONCE, LOST_AND_TAKEN, NO, Server, World, kinds
from tests.support.crash_scenarios import cluster_id
from tests.support.reports import REGISTRY, report
from tests.support.storage import app_settings
from tests.support.tenant_builder import SUBSCRIPTION

TEAM = "team@contoso.example"
SHOP = "shop@contoso.example"
OWNER = "owner@contoso.example"
STRANGER = "stranger@fabrikam.example"


def settings_of(**more: str) -> Any:
    """The settings of an app that mails the team."""
    return load(
        app_settings("UseDevelopmentStorage=true", **{"MAIL_TO": TEAM, "MAIL_FROM": "pullwatch@contoso.example"} | more)
    )


@dataclass
class Mailboxes(Server):
    """A server that keeps what each recipient got, and refuses some of them for good."""

    refuses: set[str] = field(default_factory=set)
    subjects: dict[str, list[str]] = field(default_factory=dict)

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Takes it for those that it knows."""
        known = tuple(who for who in recipients if who not in self.refuses)
        receipt = await super().send(outgoing, sender, known)
        for who in known:
            if who not in receipt.later:
                subject = str(outgoing.message["Subject"]).removeprefix("[Pullwatch] ")
                self.subjects.setdefault(who, []).append(subject)
        return msgspec.structs.replace(
            receipt, refused={who: "550 5.1.1 no such user" for who in recipients if who in self.refuses}
        )


class Tenant(World):
    """Clusters with tags, their mailboxes, and what is done to them."""

    @property
    def smtp(self) -> Mailboxes:
        """The mail server."""
        server = self.servers[0]
        assert isinstance(server, Mailboxes)
        return server

    @property
    def got(self) -> dict[str, tuple[str, ...]]:
        """What the mails of each recipient said, by the kinds of their lines; of a run's notice, its first word."""
        return {
            who: tuple(
                kind or subject.partition(":")[0]
                for kind, subject in zip(kinds(mails), self.smtp.subjects[who], strict=True)
            )
            for who, mails in self.smtp.got.items()
            if mails
        }

    async def see(self, seen: ClusterReport) -> None:
        """A run that sees a cluster so."""
        self.runs += 1
        stored = await self.store.load_state(seen.id)
        run = RunRef(f"run-{self.runs}", self.runs)
        policy = msgspec.structs.replace(self.context().policy(), fail_after=AT_ONCE)
        decision = decide(stored.state if stored else None, seen, run, policy, self.clock())
        await self.store.commit(decision, seen, stored.etag if stored else None)

    async def tell(self, word: str, *names: str, notify: tuple[str, ...] = (), pull: str = "") -> None:
        """Clusters are seen so, and what there is to say is delivered."""
        for name in names:
            seen = report(word, pull=pull, cluster=cluster_id(name))
            await self.see(msgspec.structs.replace(seen, notify=notify))
        await self.deliver()

    async def silence(self, name: str = "one", hours: float = 4, ack: bool = False, **matchers: str) -> None:
        """A silence that begins now."""
        await self.store.add_silence(
            Silence(
                id=name,
                kind=SilenceKind.ACK if ack else SilenceKind.SILENCE,
                matchers=Matchers(**(matchers or {"registry": REGISTRY})),
                author="kim@contoso.example",
                reason="maintenance",
                created=self.clock(),
                expires=self.clock() + timedelta(hours=hours),
            )
        )

    async def over(self) -> None:
        """The sweep ends silences, and what there is to say is delivered."""
        await self.end_silences()
        await self.deliver()

    async def remind(self, *names: str) -> None:
        """A reminder that these clusters fail."""
        lines = [
            NoticeLine(
                cluster=cluster_id(name),
                registry=REGISTRY,
                facets=("access", "pull"),
                cause="role-missing",
                since=self.clock() - timedelta(days=1),
                codes=("PW102",),
            )
            for name in names
        ]
        self.runs += 1
        notice = Notice(
            kind=NoticeKind.REMINDER,
            run=f"run-{self.runs}",
            sequence=self.runs,
            at=self.clock(),
            title="they still fail",
            lines_only=True,
        )
        await self.store.add_notice(with_lines(notice, lines))
        await self.deliver()


@asynccontextmanager
async def tenant(**more: str) -> AsyncIterator[Tenant]:
    """Two clusters that hold."""
    world = Tenant(settings=settings_of(**more))
    world.servers = (Mailboxes("smtp", world.reaper),)
    await world.store.ensure_tables()
    with mock.patch.object(deliver, "transports", lambda *_: world.servers):
        yield world
        await world.settle()
        assert not await world.store.has_unsent()


# ---- routes ------------------------------------------------------------------------------------------------------


async def test_default_subscription_and_tag_get_each_their_mail_once() -> None:
    async with tenant(ROUTES=f"{SUBSCRIPTION}={SHOP}") as world:
        for word in ("pass", "fail", "pass"):
            await world.tell(word, "aks-1", notify=(OWNER,))
    assert world.got == dict.fromkeys((TEAM, SHOP, OWNER), ("FAIL", "RECOVERED"))


async def test_an_address_of_two_routes_gets_one_mail() -> None:
    async with tenant(ROUTES=f"{SUBSCRIPTION}={TEAM},{SHOP}") as world:
        for word in ("pass", "fail", "pass"):
            await world.tell(word, "aks-1", notify=(SHOP, TEAM.upper()))
    assert world.got == dict.fromkeys((TEAM, SHOP), ("FAIL", "RECOVERED"))


async def test_a_tag_names_nobody_outside_of_the_allowed_domains() -> None:
    async with tenant() as world:
        for word in ("pass", "fail", "pass"):
            await world.tell(word, "aks-1", notify=(STRANGER, OWNER))
    assert world.got == dict.fromkeys((TEAM, OWNER), ("FAIL", "RECOVERED"))


async def test_a_route_of_pulls_alone_does_not_hear_that_access_fails() -> None:
    async with tenant(MAIL_AT_LEAST="tags=down") as world:
        await world.tell("pass", "aks-1", notify=(OWNER,))
        for word in ("fail", "pass"):
            await world.tell(word, "aks-1", notify=(OWNER,), pull="pass")
        assert world.got == {TEAM: ("FAIL", "RECOVERED")}
        for word in ("pass", "fail", "pass"):
            await world.tell(word, "aks-2", notify=(OWNER,))
    assert world.got == {TEAM: ("FAIL", "RECOVERED") * 2, OWNER: ("FAIL", "RECOVERED")}


async def test_a_route_of_pulls_alone_hears_of_a_pull_that_fails_for_what_others_know_already() -> None:
    async with tenant(MAIL_AT_LEAST="tags=down") as world:
        await world.tell("pass", "aks-1", notify=(OWNER,))
        for pull in ("pass", "fail", "fail"):
            world.clock.forward(hours=2)
            await world.tell("fail", "aks-1", notify=(OWNER,), pull=pull)
        assert world.got == {TEAM: ("FAIL",), OWNER: ("FAIL",)}
        world.clock.forward(hours=2)
        await world.tell("pass", "aks-1", notify=(OWNER,))
    assert world.got == {TEAM: ("FAIL", "RECOVERED"), OWNER: ("FAIL", "RECOVERED")}


async def test_a_refused_recipient_is_named_in_the_next_mail_of_the_others() -> None:
    async with tenant(MAIL_TO=f"{TEAM},{SHOP}") as world:
        world.smtp.refuses.add(SHOP)
        await world.tell("pass", "aks-1", "aks-2")
        await world.tell("fail", "aks-1")
        await world.tell("pass", "aks-1")
    first, second = world.smtp.got[TEAM]
    assert SHOP not in first.mail.text
    assert SHOP in second.mail.text
    assert world.got == {TEAM: ("FAIL", "RECOVERED")}


async def test_whom_a_tag_named_in_vain_is_not_named_to_another_company() -> None:
    async with tenant(
        NOTIFY_DOMAINS="contoso.example,fabrikam.example", ROUTES=f"{SUBSCRIPTION}={STRANGER},{SHOP}"
    ) as world:
        world.smtp.refuses |= {OWNER, SHOP}
        await world.tell("pass", "aks-1", "aks-2", "aks-3")
        await world.tell("fail", "aks-1", notify=(OWNER, "dev@fabrikam.example"))
        await world.tell("fail", "aks-2", "aks-3", notify=("dev@fabrikam.example",))
        last = {who: mails[-1].mail.text for who, mails in world.smtp.got.items()}
    assert set(last) == {TEAM, STRANGER, "dev@fabrikam.example"}
    assert all(name in last[TEAM] for name in (OWNER, SHOP))
    assert (SHOP in last[STRANGER], OWNER in last[STRANGER]) == (True, False), "its own colleague alone"
    assert not any(name in last["dev@fabrikam.example"] for name in (OWNER, SHOP))


async def test_that_those_refuse_who_get_everything_is_said_to_the_others() -> None:
    async with tenant(ROUTES=f"{SUBSCRIPTION}={SHOP}") as world:
        world.smtp.refuses.add(TEAM)
        await world.tell("pass", "aks-1", "aks-2")
        await world.tell("fail", "aks-1")
        await world.tell("fail", "aks-2")
    assert TEAM in world.smtp.got[SHOP][-1].mail.text


async def test_what_has_no_mailboxes_gets_what_goes_to_everybody_once() -> None:
    async with tenant(ROUTES=f"{SUBSCRIPTION}={SHOP}") as world:
        hook = Server("webhook", world.reaper, addressed=False)
        world.servers = (*world.servers, hook)
        for word in ("pass", "fail", "pass"):
            await world.tell(word, "aks-1", notify=(OWNER,))
    assert world.got == dict.fromkeys((TEAM, SHOP, OWNER), ("FAIL", "RECOVERED"))
    assert {who: kinds(mails) for who, mails in hook.got.items()} == {TEAM: ("FAIL", "RECOVERED")}


async def test_whoever_a_tag_named_when_it_failed_hears_of_the_recovery_and_of_nothing_else() -> None:
    async with tenant(NOTIFY_DOMAINS="contoso.example") as world:
        await world.tell("pass", "aks-1", notify=(OWNER,))
        await world.tell("fail", "aks-1", notify=(OWNER,))
        await world.tell("pass", "aks-1", notify=(SHOP,))
        await world.tell("fail", "aks-1")
    assert world.got == {TEAM: ("FAIL", "RECOVERED", "FAIL"), OWNER: ("FAIL", "RECOVERED")}


async def test_whoever_is_about_to_hear_of_a_failure_hears_that_it_is_over_though_the_tag_is_gone() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1", notify=(OWNER,))
        world.smtp.answers += [NO, NO]
        await world.tell("fail", "aks-1", notify=(OWNER,))
        assert world.got == {}
        await world.tell("pass", "aks-1")
        await world.settle()
    assert world.got == {TEAM: ("WAS BAD",), OWNER: ("WAS BAD",)}


async def test_whoever_moves_from_a_tag_to_everything_hears_of_the_recovery_once() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1", notify=(SHOP,))
        await world.tell("fail", "aks-1", notify=(SHOP,))
        world.settings = settings_of(MAIL_TO=f"{TEAM},{SHOP}")
        await world.tell("pass", "aks-1", notify=(SHOP,))
    assert world.got == {TEAM: ("FAIL", "RECOVERED"), SHOP: ("FAIL", "RECOVERED")}


async def test_whoever_is_out_of_the_settings_gets_nothing_more() -> None:
    async with tenant(ROUTES=f"{SUBSCRIPTION}={SHOP}") as world:
        await world.tell("pass", "aks-1")
        await world.tell("fail", "aks-1")
        world.settings = settings_of()
        await world.tell("pass", "aks-1")
    assert world.got == {TEAM: ("FAIL", "RECOVERED"), SHOP: ("FAIL",)}


async def test_a_threshold_that_is_raised_keeps_no_recovery_back() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.see(report("fail", pull="pass", cluster=cluster_id("aks-1")))
        await world.deliver()
        world.settings = settings_of(MAIL_AT_LEAST="down")
        await world.tell("pass", "aks-1")
    assert world.got == {TEAM: ("FAIL", "RECOVERED")}


# ---- silences ----------------------------------------------------------------------------------------------------


async def test_a_silence_of_one_of_two_clusters_leaves_that_one_out_and_holds_it() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1", "aks-2")
        await world.silence(cluster="aks-2")
        await world.tell("fail", "aks-1", "aks-2")
        (mail,) = world.smtp.got[TEAM]
        assert {name for name, _, _ in mail.said} == {"aks-1"}
        assert "aks-2" not in mail.mail.text
        held = (await world.store.held("one")).items
        assert {(one.cluster, one.facet) for one in held} == {(cluster_id("aks-2"), f) for f in ("access", "pull")}


async def test_when_a_silence_ends_what_still_fails_is_said_once_and_then_its_recovery() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.silence()
        await world.tell("fail", "aks-1")
        assert world.got == {}
        world.clock.forward(hours=5)
        for _ in range(3):
            await world.over()
        assert world.smtp.subjects == {TEAM: ["SILENCE ENDED: 1 cluster still fails after a silence ended"]}
        await world.tell("pass", "aks-1")
    assert [subject.partition(":")[0] for subject in world.smtp.subjects[TEAM]] == ["SILENCE ENDED", "RECOVERED"]


async def test_of_what_recovered_during_a_silence_nobody_hears() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.silence()
        await world.tell("fail", "aks-1")
        await world.tell("pass", "aks-1")
        world.clock.forward(hours=5)
        await world.over()
    assert world.got == {}


async def test_an_acknowledgement_ends_with_the_failure_and_the_next_one_is_mailed() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.silence(ack=True, hours=48, cluster="aks-1", registry=REGISTRY, cause="role-missing")
        await world.tell("fail", "aks-1")
        await world.over()
        world.clock.forward(hours=1)
        await world.tell("pass", "aks-1")
        await world.over()
        assert world.got == {}
        world.clock.forward(hours=1)
        await world.tell("fail", "aks-1")
    assert world.got == {TEAM: ("FAIL",)}


async def test_whoever_was_notified_before_the_silence_hears_of_the_recovery() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.tell("fail", "aks-1")
        await world.silence()
        await world.tell("pass", "aks-1")
    assert world.got == {TEAM: ("FAIL", "RECOVERED")}


async def test_nobody_is_reminded_of_what_is_silenced() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1", "aks-2")
        await world.tell("fail", "aks-1", "aks-2")
        await world.silence()
        await world.remind("aks-1", "aks-2")
        assert world.got == {TEAM: ("FAIL FAIL",)}
        await world.store.end_silence("one", world.clock())
        await world.remind("aks-1", "aks-2")
    assert [subject.partition(":")[0] for subject in world.smtp.subjects[TEAM]] == ["FAIL", "STILL FAILING"]


async def test_a_silence_whose_end_waits_says_nothing_of_what_recovered_meanwhile() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1", "aks-2")
        await world.silence()
        await world.tell("fail", "aks-1", "aks-2")
        world.clock.forward(hours=5)
        world.smtp.answers += [NO]
        await world.over()
        await world.tell("pass", "aks-1")
        world.clock.forward(minutes=10)
        await world.deliver()
        (mail,) = world.smtp.got[TEAM]
        assert {name for name, _, _ in mail.said} == {"aks-2"}
        assert "Meanwhile 1 has recovered, and is left out." in mail.mail.text
        await world.tell("pass", "aks-2")
    assert [subject.partition(":")[0] for subject in world.smtp.subjects[TEAM]] == ["SILENCE ENDED", "RECOVERED"]


async def test_a_reminder_that_waits_is_not_sent_once_all_recovered() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.tell("fail", "aks-1")
        world.smtp.answers += [NO]
        await world.remind("aks-1")
        await world.tell("pass", "aks-1")
        world.clock.forward(minutes=10)
        await world.deliver()
    assert world.got == {TEAM: ("FAIL", "RECOVERED")}


async def test_a_recovery_waits_for_the_end_of_a_silence_that_may_have_gone_out() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.silence()
        await world.tell("fail", "aks-1")
        world.clock.forward(hours=5)
        world.smtp.answers += [LOST_AND_TAKEN]
        await world.over()
        await world.tell("pass", "aks-1")
    heard = [subject.partition(":")[0] for subject in world.smtp.subjects[TEAM]]
    assert heard == ["SILENCE ENDED", "RECOVERED"], "the first of the two came without an answer"


async def test_what_may_have_gone_out_before_a_silence_began_is_repeated_and_its_recovery_told() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        world.smtp.answers += [LOST_AND_TAKEN]
        await world.tell("fail", "aks-1")
        await world.silence()
        world.clock.forward(minutes=10)
        await world.deliver()
        await world.tell("pass", "aks-1")
    assert kinds(world.smtp.got[TEAM]) == ("FAIL", "FAIL", "RECOVERED")


async def test_whoever_is_written_in_another_case_hears_of_the_recovery() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.tell("fail", "aks-1")
        world.settings = settings_of(MAIL_TO=TEAM.capitalize())
        await world.tell("pass", "aks-1")
    assert world.got == {TEAM: ("FAIL",), TEAM.capitalize(): ("RECOVERED",)}


async def test_the_end_of_a_silence_reaches_every_route_that_it_was_kept_from() -> None:
    async with tenant(ROUTES=f"{SUBSCRIPTION}={SHOP}") as world:
        await world.tell("pass", "aks-1", notify=(OWNER,))
        await world.silence()
        await world.tell("fail", "aks-1", notify=(OWNER,))
        assert world.got == {}
        world.clock.forward(hours=5)
        await world.over()
        await world.tell("pass", "aks-1", notify=(OWNER,))
    heard = {who: [one.partition(":")[0] for one in subjects] for who, subjects in world.smtp.subjects.items()}
    assert heard == {who: ["SILENCE ENDED", "RECOVERED"] for who in (TEAM, SHOP, OWNER)}


async def test_a_failure_that_another_check_decides_by_now_is_said_when_the_silence_of_the_first_ends() -> None:
    async with tenant() as world:
        await world.tell("pass", "aks-1")
        await world.silence(code="PW102")
        await world.tell("fail", "aks-1")
        seen = report("fail", cluster=cluster_id("aks-1"))
        (row,) = seen.registries
        access, pull = (msgspec.structs.replace(facet, decided_by=("PW301",)) for facet in (row.access, row.pull))
        await world.see(
            msgspec.structs.replace(seen, registries=(msgspec.structs.replace(row, access=access, pull=pull),))
        )
        await world.deliver()
        assert world.got == {}, "no flip: nobody is notified of what decides"
        world.clock.forward(hours=5)
        await world.over()
        await world.tell("pass", "aks-1")
    heard = [subject.partition(":")[0] for subject in world.smtp.subjects[TEAM]]
    assert heard == ["SILENCE ENDED", "RECOVERED"]
