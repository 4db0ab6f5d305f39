"""The clusters of a served tenant, and how often each was looked at, as the tenant saw it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from simulator import RequestRecord

_CREDENTIAL = "/listclusterusercredential"
_PODS = "/api/v1/pods"


def looks(requests: Iterable[RequestRecord]) -> Counter[str]:
    """Looks by cluster (ARM id in lower case): how often its credential was asked for, or its pods were listed from
    the beginning, whichever was more often. A look does both once; one that was cut short may have done the first
    alone."""
    credentials, pods = Counter[str](), Counter[str]()
    for request in requests:
        path = request.path.lower()
        if request.service == "arm" and path.endswith(_CREDENTIAL):
            credentials[path.removesuffix(_CREDENTIAL)] += 1
        elif request.service == "kubernetes" and path.endswith(_PODS) and "continue=" not in request.query:
            pods[_cluster(path)] += 1
    return credentials | pods


def _cluster(path: str) -> str:
    """The id of the cluster that a path of its API server, /clusters/SUBSCRIPTION/GROUP/NAME/…, belongs to."""
    subscription, group, name = path.split("/")[2:5]
    clusters = f"/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.containerservice"
    return f"{clusters}/managedclusters/{name}"


def clusters_of(tenant: Path) -> frozenset[str]:
    """The clusters (ARM ids in lower case) that a tenant's folder holds."""
    ids: set[str] = set()
    for file in (tenant / "arm").rglob("*.json"):
        body = json.loads(file.read_bytes())
        ids |= {str(one["id"]).lower() for one in (body if isinstance(body, list) else [body])}
    return frozenset(name for name in ids if name.rpartition("/")[0].endswith("/managedclusters"))
