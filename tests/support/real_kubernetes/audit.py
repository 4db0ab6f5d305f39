"""What was asked of an API server: its audit log, read as (user, verb, resource, namespace)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # The first stage is written before the request is looked at, so it is there when the answer is.
    "omitStages": ["ResponseStarted", "ResponseComplete"],
    "rules": [{"level": "Metadata"}],
}


ITSELF = "system:apiserver"


class Asked(NamedTuple):
    """One request. ``namespace`` is "" for the whole cluster; ``resource`` has its subresource: "pods/log"."""

    user: str
    verb: str
    resource: str
    namespace: str


class AuditLog:
    """The log of one server, read from where it last stood."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def clear(self) -> None:
        """What was asked so far is not shown again."""
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def entries(self) -> list[dict[str, Any]]:
        """The raw entries since the log was cleared."""
        with self._path.open("rb") as log:
            log.seek(self._offset)
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def asked(self, user: str | None = None) -> list[Asked]:
        """The requests since the log was cleared, of one user or of all, in their order.

        What the server asks itself now and then (of its aggregated APIs, say) is not among those of all.
        """
        asked = [_asked(entry) for entry in self.entries() if entry["stage"] == "RequestReceived"]
        return [one for one in asked if one.user == user or (user is None and one.user != ITSELF)]


def _asked(entry: dict[str, Any]) -> Asked:
    what = entry.get("objectRef", {})
    resource = "/".join(what[name] for name in ("resource", "subresource") if what.get(name))
    return Asked(
        entry["user"].get("username", ""), entry["verb"], resource or entry["requestURI"], what.get("namespace", "")
    )
