"""The whole app: Microsoft's worker library runs function_app.py on a simulated tenant, Azurite and a mail server."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from localhost.functions_host import RunningHost, functions_host
from localhost.mailbox import Mailbox
from simulator import running
from tests.support.cli import ROOT
from tests.support.storage import app_settings
from tests.support.tenant_builder import ACR_PULL, Tenant, guid, object_id

IMAGE = "acrone.azurecr.io/team/web:1"


@dataclass
class App:
    """The running app and what is around it."""

    host: RunningHost
    tenant: Tenant
    storage: str
    role: str

    def run(self) -> dict[str, Any]:
        """Asks for a run over HTTP, waits until it is closed and delivered, and returns it."""
        asked = self.host.request("POST", "/api/checks", b"{}")
        assert asked.status == 202
        return self.wait(asked.headers["location"])

    def wait(self, location: str) -> dict[str, Any]:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            run = self.host.get(location).json()
            assert isinstance(run, dict)
            if run["status"] == "closed":
                self.host.wait_idle()
                return run
            time.sleep(0.1)
        raise AssertionError(f"the run did not close; the host's log:\n{self.host.log}")

    def send(self, queue: str, text: str) -> None:
        """Puts a message into a queue, base64 as the host expects."""
        with QueueServiceClient.from_connection_string(self.storage) as service:
            client = service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
            client.send_message(text)


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "tenant")


@contextmanager
def app(tenant: Tenant, storage: str, smtp: Mailbox, **settings: str) -> Iterator[App]:
    """One cluster with AcrPull on its registry, in the app."""
    tenant.cluster()
    registry = tenant.registry()
    role = tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    tenant.pulled(IMAGE)
    with running(tenant.root) as simulator:
        environment = simulator.environment | app_settings(storage, smtp, **settings)
        with functions_host(ROOT, environment, visibility_timeout=0.3) as host:
            yield App(host, tenant, storage, role)


def subjects(smtp: Mailbox) -> list[str]:
    return [str(message["Subject"]) for message in smtp.messages]


def test_a_role_that_goes_is_told_once_and_so_is_its_return(tenant: Tenant, storage: str, smtp: Mailbox) -> None:
    with app(tenant, storage, smtp) as running_app:
        first = running_app.run()
        assert first["baseline"]
        assert first["totals"]["clusters"] == 1
        tenant.unassign(running_app.role)
        assert running_app.run()["totals"]["failing"] == 1
        running_app.run()
        tenant.assign(object_id("aks-1"), ACR_PULL, tenant.group())
        running_app.run()
        running_app.run()
    assert [subject.split(":")[0] for subject in subjects(smtp)] == [
        "[Pullwatch] baseline",
        "[Pullwatch] FAIL",
        "[Pullwatch] RECOVERED",
    ]


def test_a_role_that_goes_is_a_fail_although_the_pods_cannot_be_read(
    tenant: Tenant, storage: str, smtp: Mailbox
) -> None:
    with app(tenant, storage, smtp) as running_app:
        running_app.run()
        tenant.unassign(running_app.role)
        (tenant.root / "kubernetes" / "aks-1").rename(tenant.root / "kubernetes" / "away")
        assert running_app.run()["totals"]["failing"] == 1
    assert subjects(smtp)[1].startswith("[Pullwatch] FAIL: aks-1 cannot pull from acrone.azurecr.io (role-missing)")


@pytest.mark.matrix  # tests/jobs has it without a host
def test_a_cluster_that_opts_out_is_no_longer_looked_at_and_starts_anew_when_it_opts_in(
    tenant: Tenant, storage: str, smtp: Mailbox
) -> None:
    with app(tenant, storage, smtp) as running_app:
        running_app.run()
        tenant.unassign(running_app.role)
        running_app.run()
        tenant.cluster(tags={"Pullwatch": "Off"})
        left = running_app.run()["totals"]
        assert (left["clusters"], left["gone"]) == (0, 1)
        assert running_app.run()["totals"]["gone"] == 0
        tenant.cluster()
        assert running_app.run()["totals"]["failing"] == 1
    assert [subject.split(":")[0] for subject in subjects(smtp)] == [
        "[Pullwatch] baseline",
        "[Pullwatch] FAIL",
        "[Pullwatch] REMOVED",
        "[Pullwatch] FAIL",
    ]


@pytest.mark.matrix  # tests/jobs has it without a host
def test_a_subscription_that_vanishes_is_unknown_and_told_once_and_so_is_its_return(
    tenant: Tenant, storage: str, smtp: Mailbox
) -> None:
    """Azure lists none on which the identity has no role: its failing cluster must not vanish with it."""
    other = with_another_subscription(tenant)
    with app(tenant, storage, smtp) as running_app:
        assert running_app.run()["totals"]["failing"] == 1, "aks-2 has no role from the start"
        hide(tenant, other)
        for _ in range(2):
            run = running_app.run()
            assert run["totals"]["clusters"] == 2 and run["totals"]["unknown"] == 1 and run["totals"]["gone"] == 0
            (result,) = [each for each in run["subscriptions"] if each["id"] == other]
            assert (result["verdict"], result["cause"]) == ("unknown", "not-visible")
        hide(tenant)
        for _ in range(3):
            assert running_app.run()["totals"]["failing"] == 1
    assert sorted(subjects(smtp)) == sorted(
        [
            "[Pullwatch] baseline: 2 clusters watched, 1 failing",
            "[Pullwatch] UNKNOWN: 1 subscription cannot be seen any more",
            "[Pullwatch] DEGRADED: Pullwatch cannot read many clusters",
            "[Pullwatch] 1 subscription can be seen again",
            "[Pullwatch] Pullwatch can read enough clusters again",
        ]
    )
    (told,) = [message for message in smtp.messages if "UNKNOWN" in str(message["Subject"])]
    text = told.get_body(("plain",)).get_content()
    assert other in text and "az role assignment create" in text and "PULLWATCH_EXCLUDE_SUBSCRIPTIONS" in text


@pytest.mark.matrix
def test_where_all_subscriptions_vanish_there_is_no_complete_run_over_nothing(
    tenant: Tenant, storage: str, smtp: Mailbox
) -> None:
    with app(tenant, storage, smtp) as running_app:
        running_app.run()
        hide(tenant, tenant.subscription)
        run = running_app.run()
    assert (run["totals"]["clusters"], run["totals"]["unknown"], run["degraded"]) == (1, 1, True)
    assert "[Pullwatch] UNKNOWN: 1 subscription cannot be seen any more" in subjects(smtp)


@pytest.mark.matrix
def test_a_subscription_that_is_excluded_is_not_missed(tenant: Tenant, storage: str, smtp: Mailbox) -> None:
    other = with_another_subscription(tenant)
    with app(tenant, storage, smtp) as running_app:
        running_app.run()
    hide(tenant, other)
    with app(tenant, storage, smtp, EXCLUDE_SUBSCRIPTIONS=other) as running_app:
        assert running_app.run()["totals"]["clusters"] == 1
    assert [subject.split(":")[0] for subject in subjects(smtp)] == ["[Pullwatch] baseline"]


def hide(tenant: Tenant, *subscriptions: str) -> None:
    """Takes every role on these subscriptions from the app, and none on others."""
    actions = ["Microsoft.Resources/subscriptions/read", "*"]
    tenant.caller(denied=[{"scope": f"/subscriptions/{guid}", "actions": actions} for guid in subscriptions])


def with_another_subscription(tenant: Tenant) -> str:
    """The id of a second subscription, whose cluster has no role."""
    other = guid("other subscription")
    tenant.add_subscription(other)
    tenant.cluster("aks-2", sub=other, tags={"pullwatch-registries": "acrone.azurecr.io"})
    return other


@pytest.mark.matrix
def test_a_subscription_that_begins_to_refuse_makes_its_clusters_unknown_and_resolves_nothing(
    tenant: Tenant, storage: str, smtp: Mailbox
) -> None:
    other = guid("other subscription")
    tenant.add_subscription(other)
    tenant.cluster("aks-2", sub=other, tags={"pullwatch-registries": "acrone.azurecr.io"})
    with app(tenant, storage, smtp) as running_app:
        assert running_app.run()["totals"]["failing"] == 1, "aks-2 has no role from the start"
        tenant.caller(denied=[{"scope": f"/subscriptions/{other}", "actions": ["*"]}])
        run = running_app.run()
    refused = next(s for s in run["subscriptions"] if s["id"] == other)
    assert (refused["verdict"], refused["missing"]) == ("unknown", "Reader")
    assert (run["totals"]["clusters"], run["totals"]["unknown"], run["totals"]["failing"]) == (2, 1, 0)
    assert not any("RECOVERED" in subject for subject in subjects(smtp))


def test_a_message_that_means_nothing_is_recorded_and_stops_nothing(
    tenant: Tenant, storage: str, smtp: Mailbox
) -> None:
    with app(tenant, storage, smtp) as running_app:
        running_app.run()
        for queue in ("plan", "scan", "close", "deliver"):
            running_app.send(f"pullwatch-{queue}", '{"v": 1, "nonsense": true}')
        running_app.send("pullwatch-scan", json.dumps({"v": 1, "run": "202611-000000000099", "shard": "x"}))
        running_app.send("pullwatch-scan", json.dumps({"v": 99, "run": "202611-000000000001", "shard": "x"}))
        running_app.host.wait_idle(60)
        assert running_app.run()["status"] == "closed"
        failed = [call for call in running_app.host.invocations if not call.ok]
        poisoned = [call for call in running_app.host.invocations if call.function.endswith("_poison")]
    assert len(poisoned) == 6
    assert all(call.ok for call in poisoned)
    assert all("MessageError" in call.error for call in failed)


def test_http_says_what_is_wrong_and_answers_what_is_right(tenant: Tenant, storage: str, smtp: Mailbox) -> None:
    wrong = [
        (b"{", "the body is not what is expected"),
        (b'{"clusters": 5}', "unknown field"),
        (b'{"cluster": 5}', "Expected `str | null`"),
        (b'{"subscriptions": ["../../etc"]}', "is no subscription id"),
        (b'{"cluster": "aks-1", "registries": ["127.0.0.1:22"]}', "is no registry's name or login server"),
        (b'{"cluster": "aks-1", "registries": ["10.0.0.4"]}', "is no registry's name or login server"),
        (b"", "the body is empty"),
        (b"null", "Expected `object`, got `null`"),
    ]
    with app(tenant, storage, smtp) as running_app:
        host = running_app.host
        for body, shown in wrong:
            answer = host.request("POST", "/api/checks", body)
            assert answer.status == 400, body
            assert shown in str(answer.json())
            assert answer.headers["content-type"].startswith("application/problem+json")
        assert host.request("POST", "/api/checks", b"x" * 70_000).status == 413
        assert host.request("POST", "/api/checks?cluster=aks-1", b"{}").status == 400
        assert host.get("/api/health?code=a-key").status == 200, "the platform's own"
        result = host.request("POST", "/api/checks", b'{"cluster": "aks-1"}')
        assert result.status == 200
        report = result.json()
        assert isinstance(report, dict)
        assert report["clusters"][0]["registries"][0]["access"]["verdict"] == "pass"
        assert host.request("POST", "/api/checks", b'{"cluster": "no-such"}').status == 404
        assert host.get("/api/runs/202611-000000000099").status == 404
        assert host.get("/api/runs/nonsense").status == 404
        assert host.get("/api/health").json() == {"status": "stale"}, "no run was ever closed"
    assert subjects(smtp) == [], "looking on demand changes no history and sends no mail"


def test_the_timer_asks_for_a_run(tenant: Tenant, storage: str, smtp: Mailbox) -> None:
    with app(tenant, storage, smtp) as running_app:
        assert running_app.host.fire("schedule").ok
        running_app.host.wait_idle(60)
        assert running_app.host.get("/api/health").json() == {"status": "ok"}
        health = running_app.host.get("/api/health/details").json()
        assert isinstance(health, dict)
        run = running_app.host.get(f"/api/runs/{health['latest_run']['run']}").json()
        assert isinstance(run, dict)
        assert run["requested_by"] == "timer"
        assert running_app.host.fire("sweep").ok


def test_the_same_run_is_asked_for_once_and_checks_are_counted(tenant: Tenant, storage: str, smtp: Mailbox) -> None:
    with app(tenant, storage, smtp, ONDEMAND_PER_HOUR="1") as running_app:
        host = running_app.host
        with ThreadPoolExecutor(20) as pool:
            asked = list(pool.map(lambda _: host.request("POST", "/api/checks", b"{}"), range(20)))
        assert {answer.status for answer in asked} == {202}
        assert all(answer.headers["retry-after"] for answer in asked)
        (location,) = {answer.headers["location"] for answer in asked}
        assert running_app.wait(location)["sequence"] == 1
        assert sum(call.function == "plan" for call in host.invocations) == 1
        assert running_app.run()["sequence"] == 2, "one that is closed is not joined"
        assert host.request("POST", "/api/checks", b'{"cluster": "aks-1"}').status == 200
        refused = host.request("POST", "/api/checks", b'{"cluster": "aks-1"}')
    assert refused.status == 429
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    assert "PULLWATCH_ONDEMAND_PER_HOUR" in str(refused.json())
