"""Storage that goes away and comes back while the app works: what was sent and what was not ends up right.

Azurite keeps its data in a folder; it is stopped, and started again on the same ports. It saves only every five
seconds, unlike the storage it stands for, so nothing may be written in the seconds before it is stopped: by then the
app waits for its mail server.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from checks.history.model import MailStatus
from checks.history.table.lease import LEASE, SKEW
from localhost.azurite import azurite
from localhost.functions_host import RunningHost, functions_host
from localhost.mailbox import Mailbox
from simulator import running
from tests.e2e.test_app import IMAGE, App, subjects
from tests.e2e.test_kills import is_marked
from tests.support.cli import ROOT
from tests.support.storage import app_settings
from tests.support.stored_mail import age_lease, has_unsent, mails
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

SAVED_SECONDS = 6.0


class Fickle:
    """Storage that a test stops and starts: the same data at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ports = (0, 0, 0)
        self._running = ExitStack()
        self.connection_string = ""

    def start(self) -> None:
        storage = self._running.enter_context(azurite(self._folder, self.ports))
        blob, queue, table = (
            urlsplit(url).port or 0 for url in (storage.blob_url, storage.queue_url, storage.table_url)
        )
        self.ports = (blob, queue, table)
        self.connection_string = storage.connection_string

    def go_away(self) -> None:
        """Ends the process that ``start`` began, once it has saved what it holds."""
        time.sleep(SAVED_SECONDS)
        self.end()

    def end(self) -> None:
        """Ends the process."""
        self._running.close()


def _port(url: str) -> int:
    return urlsplit(url).port or 0


@pytest.fixture
def fickle(tmp_path: Path) -> Iterator[Fickle]:
    storage = Fickle(tmp_path / "storage")
    storage.start()
    yield storage
    storage.end()


@contextmanager
def app_on(fickle: Fickle, folder: Path, smtp: Mailbox) -> Iterator[App]:
    """One cluster that lost its role after the first run, in the app."""
    tenant = Tenant(folder / "tenant")
    tenant.cluster()
    role = tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pulled(IMAGE)
    with running(tenant.root) as simulator:
        settings = simulator.environment | app_settings(fickle.connection_string, smtp)
        with functions_host(ROOT, settings, visibility_timeout=0.3) as host:
            app = App(host, tenant, fickle.connection_string, role)
            app.run()
            smtp.clear()
            tenant.unassign(role)
            yield app


def until(what: str, is_so: Callable[[], bool], host: RunningHost, seconds: float = 120.0) -> None:
    """Waits for something. Fails with the host's log where it does not come."""
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, f"not within {seconds:g} s: {what}; the host's log:\n{host.log[-4000:]}"
        time.sleep(0.1)


def failed(host: RunningHost, function: str) -> bool:
    """Whether a call of that function failed."""
    return any(call.function == function and not call.ok for call in host.invocations)


def assert_all_is_sent(app: App, smtp: Mailbox) -> list[EmailMessage]:
    """One mail, be it repeated; nothing is left to be sent, nothing was given up."""
    messages = smtp.messages
    assert {subject.split(":")[0] for subject in subjects(smtp)} == {"[Pullwatch] FAIL"}
    assert len({message["Message-ID"] for message in messages}) == 1
    assert not has_unsent(app.storage)
    assert {mail.status for mail in mails(app.storage)} == {MailStatus.SENT}
    details = app.host.get("/api/health/details").json()
    assert isinstance(details, dict)
    assert details["poison"] == {"recorded": 0, "latest": None}
    assert not [call for call in app.host.invocations if call.function.endswith("_poison")]
    return messages


@pytest.mark.matrix
@pytest.mark.parametrize("accepted", [True, False])
def test_a_mail_whose_end_could_not_be_kept_is_sent_again(
    fickle: Fickle, tmp_path: Path, smtp: Mailbox, accepted: bool
) -> None:
    with app_on(fickle, tmp_path, smtp) as app:
        if not accepted:
            smtp.refuse("data", 451, "try again later")
        stall = smtp.stall("reply" if accepted else "data")
        assert app.host.request("POST", "/api/checks", b"{}").status == 202
        stall.wait_reached()
        fickle.go_away()
        stall.release()
        until("deliver fails", lambda: failed(app.host, "deliver"), app.host)
        assert not app.host.fire("sweep").ok
        assert app.host.get("/api/health").status == 503
        assert len(smtp.messages) == int(accepted)
        fickle.start()
        (mail,) = [mail for mail in mails(app.storage) if mail.status.is_open]
        assert mail.status is MailStatus.SENDING, "it may have gone out"
        age_lease(app.storage, LEASE + SKEW)
        assert app.host.fire("sweep").ok
        app.host.wait_idle()
        messages = assert_all_is_sent(app, smtp)
    assert [is_marked(message) for message in messages] == [False] * accepted + [True]
