"""What AKS puts behind its API server: Entra tokens are read by one webhook, Azure RBAC is asked by another.

Access is granted by ClusterRoles here (roles.py), so the second webhook only refuses, in Azure's words. A token's
signature is not checked: the simulated Entra signs with a key that never leaves it.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from simulator.entra.tokens import AKS_SERVER

NO_ACCESS = "User does not have access to the resource in Azure. Update role assignment to allow access."
# Less than the API server waits for an answer.
HOLD_SECONDS = 25.0
_AUDIENCES = (AKS_SERVER, f"api://{AKS_SERVER}")


def user_of(token: str) -> str | None:
    """The object id of the user of an Entra token for AKS's server application; None where the token is none."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        good = claims["aud"] in _AUDIENCES and float(claims["exp"]) > time.time()
        return str(claims["oid"]) if good else None
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None


def answer(review: dict[str, Any]) -> dict[str, Any]:
    """The status of a TokenReview or a SubjectAccessReview."""
    if review.get("kind") != "TokenReview":
        return {"allowed": False, "reason": NO_ACCESS}
    user = user_of(str(review["spec"]["token"]))
    if user is None:
        return {"authenticated": False}
    return {"authenticated": True, "user": {"username": user, "groups": [], "extra": {"oid": [user]}}}


class Webhooks(ThreadingHTTPServer):
    """Both webhooks at one address, ``url``. While ``released`` is not set, reviews of access to nodes wait for it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.released = threading.Event()
        self.released.set()


def _is_about_nodes(review: dict[str, Any]) -> bool:
    return bool(review["spec"].get("resourceAttributes", {}).get("resource") == "nodes")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Webhooks

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if _is_about_nodes(review):
            self.server.released.wait(HOLD_SECONDS)
        known = {"apiVersion": review["apiVersion"], "kind": review["kind"]}
        body = json.dumps({**known, "status": answer(review)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: what was asked stands in the audit log."""


@contextmanager
def webhooks() -> Iterator[Webhooks]:
    """Both webhooks, until the block ends."""
    server = Webhooks()
    thread = threading.Thread(target=server.serve_forever, name="webhooks", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
