"""The HTTP side: the app's routes, and the admin endpoints that Core Tools has plus a few of our own.

    GET  /admin/host/status               {"state": "Running", "runner": …, "pid": …}
    GET  /admin/functions                 the functions with their bindings
    POST /admin/functions/NAME            fire a timer or queue function: 202 at once, {"input": "text"} optional
    POST /admin/functions/NAME?wait=true  the same, but answer 200 with the Invocation's result when it has ended
    GET  /admin/local/busy                what still runs or waits, [] when idle
    GET  /admin/local/invocations         the calls that ended

Function keys are neither needed nor checked: this host listens on 127.0.0.1 only.
"""

import json
import os
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from localhost.functions_host.host import Host
from localhost.functions_host.model import JSON, Function, HttpInput, HttpReply

LARGEST_BODY = 100 * 1024 * 1024


def json_reply(value: object, status: int = 200) -> HttpReply:
    return HttpReply(status, (("content-type", "application/json"),), json.dumps(value).encode())


class Server(ThreadingHTTPServer):
    """Serves one host on 127.0.0.1; `port` 0 lets the system choose."""

    daemon_threads = True
    # A thread that hangs in a function must not keep the process from ending.
    block_on_close = False
    # Many may ask at once; five are what the library lets wait, and the others are reset.
    request_queue_size = 128

    def __init__(self, host: Host, port: int) -> None:
        self.host = host
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT"""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_any(self) -> None:
        """Answer one request of any method."""
        reply = self._answer()
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        if reply.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method there is or will be (``do_QUERY``) is one that may have no function."""
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: each call has its own log line."""

    def _answer(self) -> HttpReply:
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdigit() or int(length) > LARGEST_BODY:
            self.close_connection = True
            return HttpReply(HTTPStatus.LENGTH_REQUIRED)
        body = self.rfile.read(int(length))
        address = urlsplit(self.path)
        if address.path.startswith("/admin/"):
            return self._admin(address.path.removeprefix("/admin/").strip("/"), address.query, body)
        pair = self.server.host.find_route(self.command, address.path)
        if pair is None:
            return HttpReply(HTTPStatus.NOT_FOUND)
        function, route_params = pair
        request = HttpInput(
            method=self.command,
            url=f"http://{self.headers.get('host') or self.server.url.removeprefix('http://')}{self.path}",
            headers=_joined(self.headers.items()),
            query=_joined(parse_qsl(address.query, keep_blank_values=True)),
            route_params=route_params,
            body=body,
        )
        outcome = self.server.host.http(function, request)
        return outcome.reply if outcome.reply is not None else HttpReply(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _admin(self, path: str, query: str, body: bytes) -> HttpReply:
        host = self.server.host
        if self.command == "GET":
            answers = {
                "host/status": lambda: {"state": "Running", "runner": host.app.runner, "pid": os.getpid()},
                "functions": lambda: [_describe(each, self.server) for each in host.app.functions],
                "local/busy": host.busy,
                "local/invocations": host.invocations,
            }
            return json_reply(answers[path]()) if path in answers else HttpReply(HTTPStatus.NOT_FOUND)
        if self.command == "POST" and path.startswith("functions/"):
            function = host.function(path.removeprefix("functions/"))
            if function is None:
                return json_reply({"error": f"no function {path.removeprefix('functions/')}"}, HTTPStatus.NOT_FOUND)
            return self._fire(function, wait=dict(parse_qsl(query)).get("wait") == "true", body=body)
        return HttpReply(HTTPStatus.NOT_FOUND)

    def _fire(self, function: Function, wait: bool, body: bytes) -> HttpReply:
        """Start a function that has no address of its own."""
        host = self.server.host
        if function.trigger_type == "httpTrigger":
            return json_reply({"error": "an HTTP function is called by its route"}, HTTPStatus.BAD_REQUEST)
        try:
            given = json.loads(body or b"{}")
        except ValueError:
            return json_reply({"error": 'the body must be JSON: {"input": "text"}'}, HTTPStatus.BAD_REQUEST)
        text = str(given.get("input") or "") if isinstance(given, dict) else ""
        if not wait:
            threading.Thread(target=host.fire, args=(function, text), daemon=True).start()
            return HttpReply(HTTPStatus.ACCEPTED)
        outcome = host.fire(function, text)
        return json_reply({"ok": outcome.error is None, "error": outcome.error, "traceback": outcome.traceback})


def _joined(pairs: object) -> dict[str, str]:
    """Pairs as a dict; what repeats is joined by commas, as the host does."""
    out: dict[str, str] = {}
    for name, value in list(pairs):  # type: ignore[call-overload]
        out[name] = f"{out[name]},{value}" if name in out else value
    return out


def _describe(function: Function, server: Server) -> JSON:
    """A function in the listing; `invoke_url_template` for HTTP functions only."""
    route = next((each for each in server.host.routes if each.function is function), None)
    url = f"{server.url}{route.template}" if route else None
    return {"name": function.name, "config": {"bindings": list(function.bindings)}, "invoke_url_template": url}
