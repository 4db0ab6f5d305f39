"""The contract between the real function_app.py and Microsoft's own worker library, with a real Azurite as storage.

Any error at import, or a signature that does not fit its bindings, makes *all* functions vanish in Azure, without a
word in the portal. Here the library that indexes and calls them in Azure does the same.
"""

import base64
import importlib.metadata
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient

from checks.watchdog import TRIGGERS
from checks.web.addresses import Level
from checks.web.routes import ROUTES
from localhost.azurite import Storage
from localhost.functions_host import RunningHost, functions_host
from tests.support.invocations import wait_for
from tests.support.storage import empty

ROOT = Path(__file__).resolve().parents[2]
JOBS = ("plan", "scan", "close", "deliver")
QUEUES = {job: f"pullwatch-{job}" for job in JOBS} | {f"{job}_poison": f"pullwatch-{job}-poison" for job in JOBS}

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="Microsoft's worker library azure-functions-runtime needs Python 3.13"
)


@pytest.fixture(scope="module")
def host(azurite: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """The real app, with no Azure to talk to: it is loaded, fired and asked, nothing is scanned."""
    empty(azurite.connection_string)
    environment = {
        "AzureWebJobsStorage": azurite.connection_string,
        "PULLWATCH_SCHEDULE": "0 */30 * * * *",
        "PULLWATCH_MAIL_TRANSPORTS": "folder",
        "PULLWATCH_MAIL_FOLDER": str(tmp_path_factory.mktemp("mail")),
    }
    with functions_host(ROOT, environment, visibility_timeout=600) as running:
        yield running


@pytest.fixture(scope="module")
def bindings(host: RunningHost) -> dict[str, list[dict[str, object]]]:
    """The raw bindings per function, as the library reports them to Azure."""
    listed = host.get("/admin/functions").json()
    assert isinstance(listed, list)
    return {each["name"]: each["config"]["bindings"] for each in listed}


def trigger(bindings: list[dict[str, object]]) -> dict[str, object]:
    return next(each for each in bindings if str(each["type"]).endswith("Trigger"))


def test_the_pinned_version_of_the_library_is_what_runs_the_app(host: RunningHost) -> None:
    status = host.get("/admin/host/status").json()
    assert isinstance(status, dict)
    assert status["runner"] == f"azure-functions-runtime {importlib.metadata.version('azure-functions-runtime')}"
    assert f"azure-functions-runtime=={status['runner'].split()[1]}" in (ROOT / "constraints.txt").read_text()


def test_both_timers_are_there_and_do_not_run_at_start(bindings: dict[str, list[dict[str, object]]]) -> None:
    timers = {name: trigger(each) for name, each in bindings.items() if trigger(each)["type"] == "timerTrigger"}
    assert set(timers) == {"schedule", "sweep"}
    assert not any(each.get("runOnStartup") for each in timers.values())


def test_every_job_and_every_poison_queue_has_its_function(bindings: dict[str, list[dict[str, object]]]) -> None:
    queues = {
        name: trigger(each)["queueName"] for name, each in bindings.items() if trigger(each)["type"] == "queueTrigger"
    }
    assert queues == QUEUES


def test_the_alert_rules_watch_every_function_that_answers_nobody(bindings: dict[str, list[dict[str, object]]]) -> None:
    assert {name for name, each in bindings.items() if trigger(each)["type"] != "httpTrigger"} == set(TRIGGERS)


def test_the_http_routes_are_those_of_the_description(
    host: RunningHost, bindings: dict[str, list[dict[str, object]]]
) -> None:
    pairs = set()
    for each in bindings.values():
        own = trigger(each)
        methods = own.get("methods")
        if own["type"] == "httpTrigger" and isinstance(methods, list):
            pairs |= {(method, own["route"]) for method in methods}
    document = host.get("/api/openapi.json").json()
    assert isinstance(document, dict)
    assert document == json.loads((ROOT / "docs" / "openapi.json").read_text())
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    described |= {("HEAD", path) for method, path in described if method == "GET"}  # so its description says
    pages = {(method, "/api/dashboard/{*page}") for method in ("GET", "HEAD", "POST")}  # for people: no API
    assert {(method, f"/api/{route}") for method, route in pairs} == described | pages
    assert len(described) >= 5


def test_only_the_health_in_a_word_is_for_anybody_and_the_dashboard_decides_itself(
    bindings: dict[str, list[dict[str, object]]],
) -> None:
    levels = {name: str(trigger(each).get("authLevel")).lower() for name, each in bindings.items()}
    assert {name for name, level in levels.items() if level == "anonymous"} == {"health", "dashboard"}
    others = {route.name for route in ROUTES if route.level is Level.FUNCTION}
    assert {name for name, level in levels.items() if level == "function"} == others
    assert others >= {"post_checks", "runs", "health_details", "openapi"}


def test_health_answers_and_gives_no_setting_away(host: RunningHost, azurite: Storage) -> None:
    answer = host.get("/api/health")
    assert answer.status == 200, (answer.body, host.log)
    assert answer.json() in ({"status": "ok"}, {"status": "stale"})
    details = host.get("/api/health/details")
    assert details.status == 200, (details.body, host.log)
    assert b"AccountKey" not in details.body
    assert azurite.queue_url.encode() not in details.body


def test_the_timer_puts_one_plan_message_that_the_plan_function_then_gets(host: RunningHost) -> None:
    before = len(host.invocations)
    assert host.fire("schedule").ok, host.log
    plans = wait_for(host, "plan", before)
    assert len(plans) == 1
    # It was called with what it takes; there is no Azure here, so what it says about that is another test's matter.
    assert "TypeError" not in (plans[0].error or "")


@pytest.mark.parametrize("name", QUEUES)
def test_a_message_reaches_each_queue_function_and_junk_does_not_end_the_host(
    host: RunningHost, azurite: Storage, name: str
) -> None:
    junk = json.dumps({"junk": uuid.uuid4().hex})
    with QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
        queue = queues.get_queue_client(QUEUES[name])
        if QUEUES[name] not in [each.name for each in queues.list_queues()]:
            queue.create_queue()
        before = len(host.invocations)
        queue.send_message(base64.b64encode(junk.encode()).decode())
    assert wait_for(host, name, before)
    assert host.returncode is None
