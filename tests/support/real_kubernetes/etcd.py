"""The API server's store, spoken to over its JSON gateway."""

from __future__ import annotations

import base64
import json
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError

from tests.support.real_kubernetes import programs

# As many as etcd takes in one transaction.
MAX_OPERATIONS = 128


class Etcd:
    """A running etcd."""

    def __init__(self, url: str) -> None:
        self.url = url

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self._ask("/v3/maintenance/status", {}))
        except URLError:
            return False

    def all_keys(self) -> set[str]:
        """Every key: /registry/pods/<namespace>/<name>."""
        found = self._ask("/v3/kv/range", {"key": _b64("/"), "range_end": _b64("0"), "keys_only": True})
        return {base64.b64decode(item["key"]).decode() for item in found.get("kvs", ())}

    def delete(self, keys: Iterable[str]) -> None:
        """Takes keys away."""
        for some in _batched(sorted(keys)):
            self._ask("/v3/kv/txn", {"success": [{"request_delete_range": {"key": _b64(key)}} for key in some]})

    def compact(self) -> None:
        """Forgets every state but the present one: lists that were begun before can only go on inconsistently."""
        revision = self._ask("/v3/maintenance/status", {})["header"]["revision"]
        self._ask("/v3/kv/compaction", {"revision": revision})

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", data=json.dumps(body).encode(), method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as response:
            return json.loads(response.read())


@contextmanager
def etcd() -> Iterator[Etcd]:
    """etcd on a free port of loopback, its data gone at the end."""
    url = f"http://127.0.0.1:{programs.free_port()}"
    with tempfile.TemporaryDirectory(prefix="etcd-") as folder:
        arguments = ["--data-dir", folder, "--unsafe-no-fsync", "--log-level", "warn"]
        arguments += ["--listen-client-urls", url, "--advertise-client-urls", url]
        arguments += ["--listen-peer-urls", "http://127.0.0.1:0"]
        store = Etcd(url)
        with programs.running("etcd", arguments, store.is_ready):
            yield store


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _batched(keys: list[str]) -> Iterator[list[str]]:
    return (keys[start : start + MAX_OPERATIONS] for start in range(0, len(keys), MAX_OPERATIONS))
