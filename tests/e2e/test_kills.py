"""The host's process is killed (SIGKILL) in the middle of delivering: nothing is lost, and a repeat says what it is.

A lease keeps the next host waiting for 105 seconds. Most tests age it instead of waiting; one waits.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from checks.history.model import MailStatus
from checks.history.table.lease import LEASE, SKEW
from checks.jobs.deliver import BUSY
from localhost.functions_host import RunningHost, functions_host
from localhost.mailbox import Mailbox, StallStage
from simulator import running
from tests.e2e.test_app import IMAGE, App
from tests.support.cli import ROOT
from tests.support.storage import app_settings
from tests.support.stored_mail import age_lease, has_unsent, lease_seconds, mails
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

TWO_MINUTES = (LEASE + SKEW + BUSY).total_seconds()
SLOWNESS = 20.0  # of a machine that does other things as well
REPEAT = "This mail may be a repeat"
STAGES: dict[StallStage, int] = {"connect": 0, "mail": 0, "rcpt": 0, "data": 0, "reply": 1}  # mails accepted by then


@dataclass
class Hosted:
    """One cluster that lost its role on its registry; a host is started on it as often as a test likes."""

    tenant: Tenant
    storage: str
    smtp: Mailbox
    environment: dict[str, str]
    role: str

    @contextmanager
    def host(self) -> Iterator[RunningHost]:
        """A host whose messages in work stay hidden for as long as in Azure: what comes, comes by the sweep."""
        with functions_host(ROOT, self.environment, visibility_timeout=0.3) as host:
            yield host

    def first_run(self, host: RunningHost) -> None:
        """The baseline, with its mail; then the role goes."""
        App(host, self.tenant, self.storage, self.role).run()
        self.smtp.clear()
        self.tenant.unassign(self.role)

    def killed_at(self, host: RunningHost, stage: StallStage, ask: str) -> None:
        """Kills the host while its mail is at that stage; ``ask``: what makes it deliver."""
        stall = self.smtp.stall(stage)
        if ask == "run":
            assert host.request("POST", "/api/checks", b"{}").status == 202
        else:
            assert host.fire(ask).ok
        stall.wait_reached()
        os.kill(host.pid, signal.SIGKILL)

    def sweep(self, host: RunningHost, mails: int) -> None:
        """Sweeps until there are so many mails in all.

        What the sweep prunes it prunes with the right to deliver: who wants to deliver just then asks again BUSY later,
        and the host does not count such a message as one to wait for.
        """
        assert host.fire("sweep").ok
        self.smtp.wait_for(mails, timeout=BUSY.total_seconds() + SLOWNESS)
        host.wait_idle()

    def told(self) -> list[EmailMessage]:
        """The mails, each about what happened."""
        messages = self.smtp.messages
        assert all(str(message["Subject"]).startswith("[Pullwatch] FAIL: aks-1") for message in messages)
        return messages


@pytest.fixture
def hosted(tmp_path: Path, storage: str, smtp: Mailbox) -> Iterator[Hosted]:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    role = tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pulled(IMAGE)
    with running(tenant.root) as simulator:
        yield Hosted(tenant, storage, smtp, simulator.environment | app_settings(storage, smtp), role)


def is_marked(message: EmailMessage) -> bool:
    """Whether a mail says that it may be a repeat."""
    body = message.get_body(("plain",))
    assert body is not None
    return REPEAT in body.get_content()


def assert_all_done(hosted: Hosted, host: RunningHost) -> None:
    """Nothing is left to be sent, and no message was given up."""
    left = [(mail.status, mail.attempts) for mail in mails(hosted.storage)]
    assert not has_unsent(hosted.storage), f"{left}\n{host.log[-4000:]}"
    assert {mail.status for mail in mails(hosted.storage)} == {MailStatus.SENT}
    assert all(call.ok for call in host.invocations)
    details = host.get("/api/health/details").json()
    assert isinstance(details, dict)
    assert details["poison"] == {"recorded": 0, "latest": None}


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=() if stage == "reply" else pytest.mark.matrix) for stage in STAGES]
)
def test_what_a_killed_host_was_sending_comes_with_the_next_sweep(hosted: Hosted, stage: StallStage) -> None:
    with hosted.host() as first:
        hosted.first_run(first)
        hosted.killed_at(first, stage, "run")
    assert len(hosted.told()) == STAGES[stage]
    (mail,) = [mail for mail in mails(hosted.storage) if mail.status.is_open]
    assert mail.status is MailStatus.SENDING
    assert 0 < lease_seconds(hosted.storage) <= (LEASE + SKEW).total_seconds()
    assert TWO_MINUTES == 120
    age_lease(hosted.storage, LEASE + SKEW)
    with hosted.host() as second:
        hosted.sweep(second, STAGES[stage] + 1)
        messages = hosted.told()
        assert_all_done(hosted, second)
    assert [is_marked(message) for message in messages] == [False] * STAGES[stage] + [True]
    assert {message["Message-ID"] for message in messages} == {mail.message_id}


@pytest.mark.matrix
def test_hosts_that_are_killed_again_and_again_repeat_once_for_each_kill(hosted: Hosted) -> None:
    with hosted.host() as host:
        hosted.first_run(host)
        hosted.killed_at(host, "reply", "run")
    for stage in ("data", "reply", "mail", "reply"):
        age_lease(hosted.storage, LEASE + SKEW)
        with hosted.host() as host:
            hosted.killed_at(host, stage, "sweep")
    age_lease(hosted.storage, LEASE + SKEW)
    with hosted.host() as host:
        hosted.sweep(host, 4)
        assert_all_done(hosted, host)
    messages = hosted.told()
    assert [is_marked(message) for message in messages] == [False, True, True, True]
    assert len({message["Message-ID"] for message in messages}) == 1


@pytest.mark.matrix
@pytest.mark.timeout(300)
def test_the_next_host_delivers_within_two_minutes_of_the_kill(hosted: Hosted) -> None:
    """Nothing is aged here: the sweep comes while the lease is held, and delivery is asked for until that is over."""
    with hosted.host() as first:
        hosted.first_run(first)
        hosted.killed_at(first, "reply", "run")
    killed = time.monotonic()
    with hosted.host() as second:
        assert second.fire("sweep").ok
        hosted.smtp.wait_for(2, timeout=TWO_MINUTES + SLOWNESS - (time.monotonic() - killed))
        assert time.monotonic() - killed > LEASE.total_seconds(), "or there was nothing to wait for"
        second.wait_idle()
        assert_all_done(hosted, second)
    assert [is_marked(message) for message in hosted.told()] == [False, True]


@pytest.mark.matrix
def test_who_was_notified_by_a_killed_host_is_told_of_the_recovery(hosted: Hosted) -> None:
    with hosted.host() as first:
        hosted.first_run(first)
        hosted.killed_at(first, "reply", "run")
    age_lease(hosted.storage, LEASE + SKEW)
    hosted.tenant.assign(object_id("aks-1"), ACR_PULL, hosted.tenant.group())
    with hosted.host() as second:
        app = App(second, hosted.tenant, hosted.storage, hosted.role)
        app.run()
        app.run()
        assert_all_done(hosted, second)
    words = [str(message["Subject"]).split(":")[0] for message in hosted.smtp.messages]
    assert words == ["[Pullwatch] FAIL", "[Pullwatch] FAIL", "[Pullwatch] RECOVERED"]
