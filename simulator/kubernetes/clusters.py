"""The clusters of a tenant as its API servers see them: where they are, who gets in, what they hold."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resource
from simulator.certificates import Authority
from simulator.kubernetes.objects import ClusterObjects
from simulator.tenant import Tenant

CLUSTER = "microsoft.containerservice/managedclusters"


@dataclass(frozen=True, slots=True)
class Cluster:
    """What matters of a managedClusters body; anything of the wrong type counts as absent."""

    id: str
    key: str
    name: str
    group: str
    subscription: str
    entra: bool
    entra_tenant: str | None
    local_accounts: bool
    private: bool
    running: bool
    run_command: bool
    outbound: bool
    version: str

    @property
    def path(self) -> str:
        return f"/clusters/{self.subscription}/{self.group}/{self.name}"


def cluster_of(resource: Resource) -> Cluster:
    properties = _table(resource.body.get("properties"))
    entra, access = properties.get("aadProfile"), _table(properties.get("apiServerAccessProfile"))
    tenant = _table(entra).get("tenantID")
    version = properties.get("currentKubernetesVersion") or properties.get("kubernetesVersion") or "1.33.2"
    return Cluster(
        id=resource.id,
        key=resource.lower,
        name=resource.path.names[0],
        group=resource.path.group or "",
        subscription=resource.path.subscription or "",
        entra=isinstance(entra, dict),
        entra_tenant=tenant if isinstance(tenant, str) else None,
        local_accounts=properties.get("disableLocalAccounts") is not True,
        private=access.get("enablePrivateCluster") is True,
        running=str(_table(properties.get("powerState")).get("code", "Running")).lower() != "stopped",
        run_command=access.get("disableRunCommand") is not True,
        outbound=str(_table(properties.get("networkProfile")).get("outboundType", "")).lower() not in ("none", "block"),
        version=str(version),
    )


class Clusters:
    """Finds clusters and keeps their Kubernetes objects. `origin` and `refused` are set when the ports are known."""

    def __init__(self, tenant: Tenant, authority: Authority) -> None:
        self.tenant = tenant
        self.authority = authority
        self.origin = ""  # https://127.0.0.1:PORT of the API servers
        self.refused = ""  # an address nobody listens at
        self._secret = secrets.token_bytes(32)
        self._objects: dict[str, ClusterObjects] = {}

    def find(self, cluster_id: str) -> Cluster | None:
        resource = self.tenant.resources().by_id.get(ids.key(cluster_id))
        return cluster_of(resource) if resource is not None and resource.kind == CLUSTER else None

    def folder(self, cluster: Cluster) -> Path:
        return self.tenant.root / "kubernetes" / cluster.name

    def is_reachable(self, cluster: Cluster) -> bool:
        """From outside its network: a folder is there, the cluster runs and is not private."""
        return cluster.running and not cluster.private and self.folder(cluster).is_dir()

    def server(self, cluster: Cluster) -> str:
        """The address its kubeconfig names; one that refuses connections where the cluster is out of reach."""
        return (self.origin if self.is_reachable(cluster) else self.refused) + cluster.path

    def objects(self, cluster: Cluster) -> ClusterObjects:
        if cluster.key not in self._objects:
            self._objects[cluster.key] = ClusterObjects(self.folder(cluster), self.tenant.report)
        return self._objects[cluster.key]

    def local_token(self, cluster: Cluster, user: str) -> str:
        """The static token of a local account; good for as long as this process lives."""
        return hmac.new(self._secret, f"{cluster.key}|{user}".encode(), hashlib.sha256).hexdigest()

    def is_local_token(self, cluster: Cluster, token: str) -> bool:
        users = ("clusterUser", "clusterAdmin", "clusterMonitoringUser")
        return any(hmac.compare_digest(self.local_token(cluster, user).encode(), token.encode()) for user in users)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
