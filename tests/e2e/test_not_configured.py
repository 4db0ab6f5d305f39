"""An app with a setting that cannot be used: it loads, tells those who may know, does nothing and loses nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from checks import watchdog
from localhost.functions_host import RunningHost, functions_host
from localhost.mailbox import Mailbox
from tests.support.cli import ROOT
from tests.support.storage import app_settings

HIDDEN = 2.0  # seconds that a message of a poison queue stays hidden after a failure; ten minutes in Azure
UNUSABLE = [
    ({"PULLWATCH_SCHEDULE": "*/30 * * * *"}, "PULLWATCH_SCHEDULE takes an NCRONTAB expression of six fields"),
    ({"PULLWATCH_MAIL_FROM": "pullwatch"}, "PULLWATCH_MAIL_FROM takes one address"),
    ({"PULLWATCH_MAIL_TRANSPORTS": "folder", "WEBSITE_SITE_NAME": "func-a"}, "names only folder"),
]
NOT_CONFIGURED = {
    "type": "urn:pullwatch:problem:not-configured",
    "title": "A setting of the app cannot be used",
    "status": 503,
}


@contextmanager
def app(environment: dict[str, str]) -> Iterator[RunningHost]:
    with functions_host(ROOT, environment, visibility_timeout=0.1, lease=HIDDEN) as host:
        yield host


def poisoned(storage: str, queue: str) -> int:
    """How many messages a poison queue holds, hidden ones too."""
    with QueueServiceClient.from_connection_string(storage) as service:
        if f"{queue}-poison" not in [each.name for each in service.list_queues()]:
            return 0
        return service.get_queue_client(f"{queue}-poison").get_queue_properties().approximate_message_count or 0


def send(storage: str, queue: str, text: str) -> None:
    with QueueServiceClient.from_connection_string(storage) as service:
        client = service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        client.create_queue()
        client.send_message(text)


def until(is_so: Callable[[], bool]) -> None:
    """Waits for something."""
    ends = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.1)


@pytest.mark.parametrize(("unusable", "sentence"), UNUSABLE, ids=["schedule", "address", "folder in Azure"])
def test_it_answers_and_logs_what_is_wrong_and_does_nothing(
    storage: str, smtp: Mailbox, unusable: dict[str, str], sentence: str
) -> None:
    with app(app_settings(storage, smtp) | unusable) as host:
        assert host.log.count(watchdog.NOT_CONFIGURED) == 1, "said at the start"
        anonymous = host.get("/api/health")
        assert (anonymous.status, anonymous.json()) == (503, NOT_CONFIGURED)
        for answer in (
            host.get("/api/health/details"),
            host.get("/api/runs/202611-000000000001"),
            host.request("POST", "/api/checks", b"{}"),
        ):
            assert answer.status == 503
            body = answer.json()
            assert isinstance(body, dict)
            assert body["type"] == NOT_CONFIGURED["type"]
            assert sentence in body["detail"]
        assert host.fire("schedule").ok and host.fire("sweep").ok
        host.wait_idle()
        said = [line for line in host.log.splitlines() if f"ERROR {watchdog.LOGGER}: {watchdog.NOT_CONFIGURED}" in line]
    assert len(said) == 7 and all(sentence in line for line in said), "the start, four requests, two timers"
    with TableServiceClient.from_connection_string(storage) as tables:
        assert list(tables.list_tables()) == []
    with QueueServiceClient.from_connection_string(storage) as queues:
        assert list(queues.list_queues()) == []


def test_a_message_that_fails_to_the_end_is_logged_whole(storage: str, smtp: Mailbox) -> None:
    message = '{"v": 1, "run": "202611-000000000001", "shard": "s-0"}'
    send(storage, "pullwatch-scan", message)
    environment = app_settings(storage, smtp)
    with app(environment | UNUSABLE[0][0]) as host:
        until(lambda: any(call.function == "scan_poison" for call in host.invocations))
        host.wait_idle()
        calls = [call for call in host.invocations if call.function in ("scan", "scan_poison")]
        (line,) = [line for line in host.log.splitlines() if watchdog.POISON_RECORDED in line]
    assert [call.function for call in calls] == ["scan"] * 5 + ["scan_poison"]
    assert all(not call.ok and "PULLWATCH_SCHEDULE takes" in (call.error or "") for call in calls[:5])
    assert line.endswith(f"queue=pullwatch-scan reason=the app is not configured; the message was {message}")
    assert poisoned(storage, "pullwatch-scan") == 0


def test_a_message_meets_a_setting_that_was_mended_in_time(storage: str, smtp: Mailbox) -> None:
    environment = app_settings(storage, smtp)
    with functions_host(ROOT, environment | UNUSABLE[0][0], visibility_timeout=2) as host:
        send(storage, "pullwatch-deliver", '{"v": 1, "why": "test"}')
        until(lambda: any(call.function == "deliver" for call in host.invocations))
    with app(environment) as host:
        until(lambda: any(call.function == "deliver" and call.ok for call in host.invocations))
