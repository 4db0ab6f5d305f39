"""`with functions_host(folder) as host:` the host as a process of its own, controlled over its admin endpoints.

A process of its own because what an app depends on is global to one: the environment, the worker library's registry,
the CA bundle that TLS libraries read at import.
"""

import contextlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localhost.functions_host.host import STORAGE_SETTING, Invocation
from localhost.process import Process

START_SECONDS = 60.0
STOP_SECONDS = 20.0
READY = "ready "
_ROOT = Path(__file__).resolve().parent.parent.parent
# Settings of an app: whoever starts a host names them, none are picked up from the shell by accident.
_NOT_INHERITED = (STORAGE_SETTING, "PULLWATCH_", "IDENTITY_", "AZURE_", "SSL_CERT_")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        """The body as JSON. Raises ValueError."""
        value: object = json.loads(self.body)
        return value


class RunningHost:
    """A host process, at `url`: http://127.0.0.1:PORT."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self.url = ""
        self._process = Process(command, self._is_ready, _ROOT, environment)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; 0 after a graceful end."""
        return self._process.returncode

    @property
    def log(self) -> str:
        """What the process printed so far, both streams."""
        return self._process.output

    @property
    def invocations(self) -> list[Invocation]:
        """The calls that ended so far, oldest first."""
        invocations = self.get("/admin/local/invocations").json()
        assert isinstance(invocations, list)
        return [Invocation(**each) for each in invocations]

    def get(self, path: str) -> Answer:
        """GET below `url`; an error status is an answer, not an exception."""
        return self.request("GET", path)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Any request below `url`. Raises OSError where the host does not answer."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=dict(headers or {}))
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as answer:
                return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    def fire(self, name: str, text: str = "") -> Invocation:
        """Run a timer or queue function now and wait for its end. A function that failed gives `ok` False.

        `text` is the message of a queue function. Raises KeyError where the app has no such function.
        """
        started = time.monotonic()
        body = json.dumps({"input": text}).encode()
        answer = self.request("POST", f"/admin/functions/{name}?wait=true", body, {"content-type": "application/json"})
        if answer.status != 200:
            raise KeyError(f"{name}: {answer.body.decode()}")
        result = answer.json()
        assert isinstance(result, dict)
        return Invocation(name, result["ok"], result["error"], result["traceback"], time.monotonic() - started)

    def wait_idle(self, timeout: float = 60.0) -> None:
        """Until nothing runs, no queue of the app has a visible message and no failed one waits for its retry.

        Messages that the app itself delayed are not waited for. Raises TimeoutError that names what is left.
        """
        ends = time.monotonic() + timeout
        while True:
            busy = self.get("/admin/local/busy").json()
            if not busy:
                return
            if time.monotonic() >= ends:
                raise TimeoutError(f"not idle after {timeout:g} s: {busy}\n{self.log[-4000:]}")
            time.sleep(0.05)

    def wait_ready(self) -> None:
        """Until the host serves. Raises RuntimeError with its output where it ended or took too long."""
        self._process.wait_ready(START_SECONDS)

    def stop(self) -> None:
        """End the process, gently first."""
        self._process.stop(STOP_SECONDS)

    def _is_ready(self, line: str) -> bool:
        if line.startswith(READY):
            self.url = line.removeprefix(READY).strip()
        return bool(self.url)


@contextlib.contextmanager
def functions_host(
    app_dir: Path | str,
    environment: Mapping[str, str] | None = None,
    visibility_timeout: float | None = None,
    lease: float | None = None,
    port: int = 0,
    python: Sequence[str] = (sys.executable,),
) -> Iterator[RunningHost]:
    """Run the app in `app_dir` for as long as the block runs.

    `environment` are its app settings, AzureWebJobsStorage (a connection string) or
    AzureWebJobsStorage__queueServiceUri among them, on top of this process's environment without its own
    AzureWebJobsStorage*, PULLWATCH_*, IDENTITY_*, AZURE_* and SSL_CERT_*. Both times are in seconds and replace those
    of host.json (the wait before a retry) and of the real host (the lease of a message in work, 600). `python` is the
    command of the interpreter, which may be another environment's. Raises RuntimeError with the host's output where
    the app does not load.
    """
    command = [*python, "-m", "localhost.functions_host", str(Path(app_dir).resolve()), "--port", str(port)]
    if visibility_timeout is not None:
        command += ["--visibility-timeout", str(visibility_timeout)]
    if lease is not None:
        command += ["--lease", str(lease)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    host = RunningHost(command, inherited | {"PYTHONUNBUFFERED": "1"} | dict(environment or {}))
    try:
        host.wait_ready()
        yield host
    finally:
        host.stop()
