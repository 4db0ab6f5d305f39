"""Lists as tables: what kubectl asks for to print columns (meta.k8s.io/v1 Table)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from simulator.kubernetes.objects import KubeObject

_POD_COLUMNS = ("Name", "Ready", "Status", "Restarts", "Age")


def is_wanted(accept: str) -> bool:
    return "as=Table" in accept and "g=meta.k8s.io" in accept


def table(resource: str, items: list[KubeObject], metadata: dict[str, Any]) -> dict[str, Any]:
    pods = resource == "pods"
    names = _POD_COLUMNS if pods else ("Name", "Age")
    columns = [{"name": n, "type": "string", "format": "name" if n == "Name" else "", "priority": 0} for n in names]
    rows = []
    for item in items:
        body = item.body()
        object_metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
        cells = _pod_cells(item, body) if pods else [item.name, _age(body)]
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object_metadata}
        rows.append({"cells": cells, "object": partial})
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    }


def _pod_cells(item: KubeObject, body: dict[str, Any]) -> list[Any]:
    status = _dict(body.get("status"))
    statuses = [_dict(entry) for entry in _list(status.get("containerStatuses"))]
    ready = sum(1 for entry in statuses if entry.get("ready") is True)
    total = len(_list(_dict(body.get("spec")).get("containers")))
    shown = str(status.get("reason") or status.get("phase") or "Unknown")
    for entry in statuses:
        state = _dict(entry.get("state"))
        for name in ("waiting", "terminated"):
            shown = str(_dict(state.get(name)).get("reason") or shown)
    restarts = sum(int(entry.get("restartCount") or 0) for entry in statuses)
    return [item.name, f"{ready}/{total}", shown, str(restarts), _age(body)]


def _age(body: dict[str, Any]) -> str:
    try:
        made = datetime.fromisoformat(str(_dict(body.get("metadata")).get("creationTimestamp")))
    except ValueError:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - made).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
