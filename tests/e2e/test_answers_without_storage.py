"""Storage that is away, in each way that it can be: every route says so in its time, and works when it is back."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from checks.web.respond import TRY_AGAIN
from checks.web.route import Route
from checks.web.routes import ROUTES
from localhost.functions_host import Answer, RunningHost, functions_host
from tests.e2e.test_storage_away import Fickle
from tests.support.cli import ROOT
from tests.support.failing_clusters import FIRST
from tests.support.sampling import sampled
from tests.support.storage import app_settings

# All are asked at once: none may wait for a thread of the worker that another one holds.
THREADS = {"PYTHON_THREADPOOL_THREAD_COUNT": "32"}
PATH = {
    "subscription": FIRST,
    "resource_group": "rg",
    "name": "one",
    "login_server": "acrone",
    "id": "202611-000000000001",
}
BODIES = {
    "post_checks": b"{}",
    "acknowledge": b'{"author": "jo", "reason": "known"}',
    "silence": b'{"author": "jo", "reason": "known", "minutes": 5, "matchers": {"cluster": "one"}}',
}
SLACK = 5.0  # seconds that the host itself and a busy machine take
UNAVAILABLE = {
    "type": "urn:pullwatch:problem:storage-unavailable",
    "detail": TRY_AGAIN,
    "title": "Storage does not answer",
    "status": 503,
}


class _Refusing(BaseHTTPRequestHandler):
    """Storage that answers each request with one status, as it does when it is too busy or takes no such key."""

    protocol_version = "HTTP/1.1"
    status = 503

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.send_response_only(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def refusing(ports: tuple[int, ...], status: int) -> Iterator[None]:
    """Servers that refuse, on these ports."""
    handler = type("Refusing", (_Refusing,), {"status": status})
    servers = [ThreadingHTTPServer(("127.0.0.1", port), handler) for port in ports]
    for server in servers:
        server.daemon_threads, server.block_on_close = True, False
        Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    yield
    for server in servers:
        server.shutdown()
        server.server_close()


@contextmanager
def silent(ports: tuple[int, ...]) -> Iterator[None]:
    """Ports that take every connection and never answer."""
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=512))
        yield


@contextmanager
def away(storage: Fickle, how: str) -> Iterator[None]:
    """Storage is away for as long as the block runs."""
    storage.end()
    with ExitStack() as stack:
        if how == "silent":
            stack.enter_context(silent(storage.ports))
        elif how != "gone":
            stack.enter_context(refusing(storage.ports, int(how)))
        yield
    storage.start()


def asked(host: RunningHost, route: Route) -> tuple[Answer, float]:
    """What a route answers, and after how many seconds."""
    began = time.monotonic()
    answer = host.request(route.method, f"/api/{route.route.format(**PATH)}", BODIES.get(route.name))
    return answer, time.monotonic() - began


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", sampled(["gone", "silent", "503", "403"], 4))
def test_every_route_says_that_storage_is_away_in_its_time_and_works_when_it_is_back(tmp_path: Path, how: str) -> None:
    storage = Fickle(tmp_path / "storage")
    storage.start()
    try:
        with functions_host(ROOT, app_settings(storage.connection_string) | THREADS, visibility_timeout=0.3) as host:
            with away(storage, how), ThreadPoolExecutor(len(ROUTES)) as pool:
                answers = list(pool.map(lambda route: asked(host, route), ROUTES))
            for route, (answer, seconds) in zip(ROUTES, answers, strict=True):
                assert (answer.status, answer.json()) == (503, UNAVAILABLE), (route.name, answer.body)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["retry-after"] == "30"
                assert seconds < route.seconds + SLACK, route.name
            statuses = {route.name: asked(host, route)[0].status for route in ROUTES}
    finally:
        storage.end()
    assert set(statuses.values()) <= {200, 201, 202, 404}, statuses
    assert (statuses["health"], statuses["silence"], statuses["post_checks"]) == (200, 201, 202)
