"""A front before a real API server that rejects some requests, as API Priority and Fairness does.

The server's own rejection cannot be had at will: a priority level without seats still lets one request through.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.real_kubernetes.certificates import kubeconfig
from tests.support.real_kubernetes.server import KubeApiServer

HEADERS = ("Authorization", "Content-Type", "Accept", "User-Agent")
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin", "args": ["get-token"]}


class Front:
    """Stands before a server. ``rejects`` is the method that it answers with 429; ``rejected`` counts them."""

    def __init__(self, server: KubeApiServer) -> None:
        self.server = server
        self.rejects = ""
        self.rejected = 0
        self.url = ""

    def entra_kubeconfig(self) -> dict[str, Any]:
        """What AKS would hand out, with the front's address."""
        return kubeconfig(self.url, self.server.authority.pem, {"exec": PLUGIN})


@contextmanager
def front(server: KubeApiServer) -> Iterator[Front]:
    """A front on loopback until the block ends."""
    front = Front(server)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _handler(front))
    identity = server.authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    front.url = f"https://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        listening.shutdown()
        thread.join(30)
        listening.server_close()


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    trust = ssl.create_default_context(cafile=str(front.server.authority.file))
    host = front.server.url.removeprefix("https://")

    class Handler(BaseHTTPRequestHandler):
        """One connection of a client."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on()

        do_POST = do_DELETE = do_GET

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == front.rejects:
                front.rejected += 1
                self._answer(429, "text/plain; charset=utf-8", b"Too many requests, please try again later.\n", "1")
                return
            connection = http.client.HTTPSConnection(host, context=trust, timeout=30)
            try:
                given = {name: value for name in HEADERS if (value := self.headers.get(name))}
                connection.request(self.command, self.path, body or None, given)
                response = connection.getresponse()
                self._answer(response.status, response.headers.get("Content-Type", ""), response.read())
            finally:
                connection.close()

        def _answer(self, status: int, kind: str, body: bytes, retry_after: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: the output is the tests'."""

    return Handler
