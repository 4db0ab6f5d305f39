"""What one cluster holds: the objects of TENANT/kubernetes/<name>/*.json and those made over the wire.

An object is kept as the bytes it has in its file, so a big list is encoded once and never again. Files hold one object,
a List (any `kind` ending in List with `items`) or an array of objects. What clients make or delete lives in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from simulator.jsonfiles import JsonFolder, Report

IRREGULAR = {"endpoints": "endpoints"}
FIRST_VERSION = 1000


def plural(kind: str) -> str:
    """The resource name of a kind: Pod -> pods, NetworkPolicy -> networkpolicies, Ingress -> ingresses."""
    name = kind.lower()
    if name in IRREGULAR:
        return IRREGULAR[name]
    if name.endswith("s"):
        return name + "es"
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + "s"


@dataclass(frozen=True, slots=True)
class KubeObject:
    """`group_version` is "v1" or "apps/v1"; `raw` is the object's JSON."""

    group_version: str
    resource: str
    namespace: str
    name: str
    labels: dict[str, Any]
    raw: bytes

    @property
    def key(self) -> tuple[str, str]:
        return (self.namespace, self.name)

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = msgspec.json.decode(self.raw)
        return body


Bucket = dict[tuple[str, str], KubeObject]


def kube_object(body: dict[str, Any], default_kind: str = "", default_version: str = "v1") -> KubeObject | None:
    """None for what has no kind or name."""
    metadata = body.get("metadata")
    table = metadata if isinstance(metadata, dict) else {}
    kind, name = str(body.get("kind") or default_kind), table.get("name")
    if not kind or not isinstance(name, str):
        return None
    labels = table.get("labels")
    return KubeObject(
        group_version=str(body.get("apiVersion") or default_version),
        resource=plural(kind),
        namespace=str(table.get("namespace") or ""),
        name=name,
        labels=labels if isinstance(labels, dict) else {},
        raw=msgspec.json.encode(body),
    )


class ClusterObjects:
    """Objects by (group version, resource). Reads the folder again when it changed; thread-safe."""

    def __init__(self, folder: Path, report: Report) -> None:
        self._files = JsonFolder(folder, report)
        self._report = report
        self._generation = -1
        self._loaded: dict[tuple[str, str], Bucket] = {}
        self._made: dict[tuple[str, str], Bucket] = {}
        self._gone: set[tuple[str, str, str, str]] = set()
        self._sorted: dict[tuple[str, str], list[KubeObject]] = {}
        self._lock = threading.RLock()
        self._version = FIRST_VERSION

    @property
    def version(self) -> int:
        """The resourceVersion of lists: grows with every change."""
        return self._version

    def listed(self, group_version: str, resource: str, namespace: str | None = None) -> list[KubeObject]:
        """Sorted by namespace and name, as etcd has them."""
        with self._lock:
            self._refresh()
            what = (group_version, resource)
            if what not in self._sorted:
                listed = {**self._loaded.get(what, {}), **self._made.get(what, {})}
                kept = [o for key, o in listed.items() if (*what, *key) not in self._gone]
                self._sorted[what] = sorted(kept, key=lambda item: item.key)
            items = self._sorted[what]
        return items if namespace is None else [item for item in items if item.namespace == namespace]

    def get(self, group_version: str, resource: str, namespace: str, name: str) -> KubeObject | None:
        with self._lock:
            self._refresh()
            what, key = (group_version, resource), (namespace, name)
            if (*what, *key) in self._gone:
                return None
            return self._made.get(what, {}).get(key) or self._loaded.get(what, {}).get(key)

    def put(self, item: KubeObject) -> None:
        with self._lock:
            what = (item.group_version, item.resource)
            self._made.setdefault(what, {})[item.key] = item
            self._gone.discard((*what, *item.key))
            self._changed(what)

    def delete(self, item: KubeObject) -> None:
        with self._lock:
            what = (item.group_version, item.resource)
            self._made.get(what, {}).pop(item.key, None)
            self._gone.add((*what, *item.key))
            self._changed(what)

    def next_version(self) -> int:
        with self._lock:
            self._version += 1
            return self._version

    def namespaces(self) -> list[str]:
        """Those with an object of their own, those objects stand in, and the two every cluster has."""
        with self._lock:
            self._refresh()
            namespaces = {"default", "kube-system"}
            namespaces |= {key[1] for key in self._loaded.get(("v1", "namespaces"), {})}
            namespaces |= {key[1] for key in self._made.get(("v1", "namespaces"), {})}
            namespaces |= {key[0] for bucket in self._loaded.values() for key in bucket if key[0]}
        return sorted(namespaces)

    def kinds(self) -> set[tuple[str, str]]:
        with self._lock:
            self._refresh()
            return {*self._loaded, *self._made}

    def _changed(self, what: tuple[str, str]) -> None:
        self._version += 1
        self._sorted.pop(what, None)

    def _refresh(self) -> None:
        generation = self._files.refresh()
        if generation == self._generation:
            return
        self._generation = generation
        self._loaded = {}
        self._sorted = {}
        for path, body in self._files.bodies_with_files():
            for item, kind, version in _items(body):
                made = kube_object(item, kind, version) if isinstance(item, dict) else None
                if made is None:
                    self._report(f"{path}: an object without kind or name cannot be found by anybody: left out")
                    continue
                self._loaded.setdefault((made.group_version, made.resource), {})[made.key] = made
        self._version += 1


def _items(body: dict[str, Any]) -> Iterator[tuple[Any, str, str]]:
    """(object, kind and apiVersion it has when it does not say so itself)."""
    kind, items = str(body.get("kind", "")), body.get("items")
    if not kind.endswith("List") or not isinstance(items, list):
        yield body, "", "v1"
        return
    for item in items:
        yield item, kind.removesuffix("List"), str(body.get("apiVersion", "v1"))
