"""The local Functions host with a small app of its own and a real Azurite, asked from outside."""

import base64
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from localhost.azurite import Storage
from localhost.functions_host import RunningHost, functions_host
from localhost.functions_host.model import Function, HostError, read_host_json, seconds
from localhost.functions_host.routes import Route, find, route_of

SAMPLE = Path(__file__).parent / "sample_app"


@dataclass(frozen=True)
class Sample:
    """One run of the sample app with a queue name and a notes file of its own."""

    storage: Storage
    queue: str
    notes_file: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AzureWebJobsStorage": self.storage.connection_string,
            "SAMPLE_QUEUE": self.queue,
            "SAMPLE_NOTES": str(self.notes_file),
        }

    @property
    def notes(self) -> list[str]:
        return self.notes_file.read_text().splitlines() if self.notes_file.exists() else []

    def client(self, suffix: str = "") -> QueueClient:
        return QueueClient.from_connection_string(self.storage.connection_string, self.queue + suffix)

    def send(self, *texts: str) -> None:
        """Put messages as a client would that encodes as the host expects."""
        self.send_raw(*(base64.b64encode(text.encode()).decode() for text in texts))

    def send_raw(self, *contents: str) -> None:
        with self.client() as queue:
            for content in contents:
                try:
                    queue.send_message(content)
                except ResourceNotFoundError:
                    queue.create_queue()
                    queue.send_message(content)


@pytest.fixture
def sample(azurite: Storage, tmp_path: Path) -> Sample:
    return Sample(azurite, f"sample-{uuid.uuid4().hex[:8]}", tmp_path / "notes")


@pytest.fixture
def host(sample: Sample) -> Iterator[RunningHost]:
    with functions_host(SAMPLE, sample.environment, visibility_timeout=1.0) as running:
        yield running


def test_a_fired_timer_sends_its_output_and_the_queue_functions_follow(host: RunningHost, sample: Sample) -> None:
    assert host.fire("every_hour").ok
    host.wait_idle()
    message = '{"from": "timer", "past_due": false}'
    assert sample.notes == [f"work 1 {message}", f"done did {message}"]
    assert [(each.function, each.ok) for each in host.invocations] == [
        ("every_hour", True),
        ("work", True),
        ("done", True),
    ]


def test_a_timer_never_fires_by_itself(host: RunningHost) -> None:
    time.sleep(0.5)
    assert host.invocations == []


def test_what_an_http_function_gets_and_answers_goes_through_whole(host: RunningHost) -> None:
    answer = host.request("POST", "/api/items/7?q=a%20b", "tür".encode(), {"X-Sample": "s"})
    assert (answer.status, answer.headers["x-back"]) == (201, "yes")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == {
        "id": "7",
        "method": "POST",
        "url": f"{host.url}/api/items/7?q=a%20b",
        "q": "a b",
        "header": "s",
        "body": "tür",
        "function": "item",
    }


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/items/x"), ("DELETE", "/api/items/7"), ("GET", "/items/7"), ("GET", "/")]
)
def test_what_no_route_fits_is_not_found(host: RunningHost, method: str, path: str) -> None:
    assert host.request(method, path).status == 404


def test_an_http_function_that_raises_answers_500_and_one_line_in_the_log(host: RunningHost) -> None:
    answer = host.get("/api/crash")
    assert (answer.status, answer.body) == (500, b"")
    ends = time.monotonic() + 10
    while "crash: failed" not in host.log and time.monotonic() < ends:
        time.sleep(0.05)  # what the process prints is read by a thread
    assert [line for line in host.log.splitlines() if "crashed on purpose" in line] == [
        next(line for line in host.log.splitlines() if "crash: failed" in line)
    ]
    failed = host.invocations[-1]
    assert (failed.function, failed.ok, failed.error) == ("crash", False, "ValueError('crashed on purpose')")
    assert "function_app.py" in failed.traceback


def test_a_failed_message_comes_again_after_the_wait_with_a_higher_count(host: RunningHost, sample: Sample) -> None:
    started = time.monotonic()
    sample.send("fails once")
    host.wait_idle()
    assert time.monotonic() - started >= 1.0
    assert sample.notes == ["work 1 fails once", "work 2 fails once", "done did fails once"]


def test_a_message_that_always_fails_ends_in_the_poison_queue_after_the_last_try(
    host: RunningHost, sample: Sample
) -> None:
    sample.send("always fails")
    host.wait_idle()
    assert sample.notes == [*(f"work {count} always fails" for count in (1, 2, 3)), "poison always fails"]
    with sample.client() as queue:
        assert queue.get_queue_properties().approximate_message_count == 0


def test_a_message_that_is_not_base64_goes_to_the_poison_queue_as_it_is(host: RunningHost, sample: Sample) -> None:
    sample.send_raw("{plain json}")
    sample.send("fine")
    host.wait_idle()
    assert "work 1 fine" in sample.notes
    # Its poison function cannot read it either, so it stays there, hidden, as long as the lease.
    with sample.client() as queue, sample.client("-poison") as poison:
        assert queue.get_queue_properties().approximate_message_count == 0
        assert poison.get_queue_properties().approximate_message_count == 1


def test_the_lease_of_a_message_in_work_is_renewed(sample: Sample) -> None:
    with functions_host(SAMPLE, sample.environment, lease=2.0) as host:
        sample.send("sleep 5")
        host.wait_idle()
    assert sample.notes == ["work 1 sleep 5", "done did sleep 5"]


def test_the_message_of_a_host_that_died_comes_again_after_the_lease(sample: Sample) -> None:
    sample.send("sleep 3")
    with functions_host(SAMPLE, sample.environment, lease=2.0) as host:
        while not sample.notes:
            time.sleep(0.05)
        os.kill(host.pid, signal.SIGKILL)
    with functions_host(SAMPLE, sample.environment, lease=2.0) as host:
        while len(sample.notes) < 2:
            time.sleep(0.05)
        host.wait_idle()
    assert sample.notes == ["work 1 sleep 3", "work 2 sleep 3", "done did sleep 3"]


def test_an_ending_host_lets_its_functions_end_and_exits_with_0(sample: Sample) -> None:
    sample.send("sleep 1")
    with functions_host(SAMPLE, sample.environment) as host:
        while not sample.notes:
            time.sleep(0.05)
    assert host.returncode == 0
    with sample.client() as queue:
        assert queue.get_queue_properties().approximate_message_count == 0


def test_waiting_for_idle_says_what_is_left(host: RunningHost, sample: Sample) -> None:
    sample.send("sleep 2")
    with pytest.raises(TimeoutError, match=r"work runs|in flight|visible"):
        host.wait_idle(timeout=0.3)
    host.wait_idle()


def test_no_more_messages_are_in_work_than_host_json_allows(host: RunningHost, sample: Sample) -> None:
    sample.send(*["sleep 0.6"] * 5)
    most = 0
    while len(sample.notes) < 5:
        busy = host.get("/admin/local/busy").json()
        assert isinstance(busy, list)
        most = max(most, *(int(each.split()[0]) for each in busy if "in flight" in each), 0)
    host.wait_idle()
    assert most == 2


def test_the_admin_endpoints_answer_as_core_tools_do(host: RunningHost, sample: Sample) -> None:
    status = host.get("/admin/host/status").json()
    assert isinstance(status, dict)
    assert status["state"] == "Running"
    listed = host.get("/admin/functions").json()
    assert isinstance(listed, list)
    by_name = {each["name"]: each for each in listed}
    assert set(by_name) == {"every_hour", "work", "done", "work_poison", "item", "crash", "start"}
    assert by_name["item"]["invoke_url_template"] == f"{host.url}/api/items/{{id:int}}"
    fired = host.request("POST", "/admin/functions/work", json.dumps({"input": "by hand"}).encode())
    assert fired.status == 202
    while "done did by hand" not in sample.notes:
        time.sleep(0.05)
    assert host.request("POST", "/admin/functions/nothing", b"{}").status == 404
    assert host.request("POST", "/admin/functions/item", b"{}").status == 400
    assert host.request("POST", "/admin/functions/work", b"not json").status == 400


def test_firing_a_function_that_fails_or_is_not_there(host: RunningHost) -> None:
    failed = host.fire("work", "always fails")
    assert (failed.ok, failed.error) == (False, "RuntimeError('this message always fails')")
    with pytest.raises(KeyError):
        host.fire("nothing")


def test_settings_of_the_shell_do_not_reach_the_app(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", sample.storage.connection_string)
    environment = {name: value for name, value in sample.environment.items() if name != "AzureWebJobsStorage"}
    with (
        pytest.raises(RuntimeError, match="the app setting AzureWebJobsStorage is not set"),
        functions_host(SAMPLE, environment),
    ):
        pass


def test_a_missing_setting_in_a_queue_name_is_named(sample: Sample) -> None:
    environment = {name: value for name, value in sample.environment.items() if name != "SAMPLE_QUEUE"}
    with pytest.raises(RuntimeError, match="needs the app setting SAMPLE_QUEUE"), functions_host(SAMPLE, environment):
        pass


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
        ("x = 1\n", "function app"),
        (None, "has no function_app"),
    ],
)
def test_an_app_that_does_not_load_ends_the_host_with_the_reason(
    sample: Sample, tmp_path: Path, code: str | None, message: str
) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    if code is not None:
        (tmp_path / "function_app.py").write_text(code)
    with pytest.raises(RuntimeError, match=message), functions_host(tmp_path, sample.environment):
        pass


def test_a_folder_that_is_no_app_ends_the_host_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not a Functions app"), functions_host(tmp_path):
        pass


def test_host_json_gives_the_hosts_defaults_for_what_it_leaves_out() -> None:
    settings = read_host_json('{"version": "2.0"}')
    rules = settings.queues
    assert settings.route_prefix == "api"
    assert (rules.batch_size, rules.new_batch_threshold, rules.max_dequeue_count) == (16, 8, 5)
    assert (rules.visibility_timeout, rules.base64) == (0.0, True)


def test_a_time_span_is_read_in_seconds_and_anything_else_refused() -> None:
    assert seconds("01:02:03") == 3723.0
    with pytest.raises(HostError, match="hh:mm:ss"):
        seconds("2 minutes")


def route(template: str, *methods: str) -> Route:
    binding: dict[str, object] = {"type": "httpTrigger", "name": "req", "route": template, "methods": list(methods)}
    return route_of(Function(template, (binding,)), "api")


@pytest.mark.parametrize(
    ("path", "wins", "parameters"),
    [
        ("/api/runs/latest", "runs/latest", {}),
        ("/API/Runs/abc", "runs/{id}", {"id": "abc"}),
        ("/api/runs/a%2Fb", "runs/{id}", {"id": "a/b"}),
        ("/api/runs/5/", "runs/{id}", {"id": "5"}),
        ("/api/page", "page/{n:int?}", {}),
        ("/api/page/2", "page/{n:int?}", {"n": "2"}),
        ("/api/files/a/b.txt", "files/{*path}", {"path": "a/b.txt"}),
        ("/api/export/x.json", "export/{name}.json", {"name": "x"}),
    ],
)
def test_literal_routes_win_over_parameters_and_those_over_catch_alls(
    path: str, wins: str, parameters: dict[str, str]
) -> None:
    templates = ("files/{*path}", "runs/{id}", "runs/latest", "page/{n:int?}", "export/{name}.json")
    pair = find([route(each) for each in templates], "GET", path)
    assert pair is not None
    assert (pair[0].name, pair[1]) == (wins, parameters)


def test_two_functions_share_a_path_by_their_methods() -> None:
    routes = [route("checks", "get"), route("checks", "POST")]
    assert find(routes, "PUT", "/api/checks") is None
    pair = find(routes, "POST", "/api/checks")
    assert pair is not None
    assert pair[0].trigger["methods"] == ["POST"]
