"""Kubeconfigs as AKS hands them out: local accounts with a certificate and a token, Entra through kubelogin."""

from __future__ import annotations

from typing import Any

from simulator.entra.tokens import AKS_SERVER
from simulator.kubernetes.clusters import Cluster, Clusters

KUBECTL_CLIENT = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"


def client_kubeconfig(clusters: Clusters, cluster: Cluster, user: str) -> dict[str, Any]:
    certificate, key = clusters.authority.client_certificate(cluster.key)
    return _kubeconfig(
        clusters,
        cluster,
        user,
        {
            "client-certificate-data": certificate,
            "client-key-data": key,
            "token": clusters.local_token(cluster, user),
        },
    )


def token_kubeconfig(clusters: Clusters, cluster: Cluster, token: str) -> dict[str, Any]:
    """For kubectl in tests, which has no kubelogin to ask for a token."""
    return _kubeconfig(clusters, cluster, "clusterUser", {"token": token})


def exec_kubeconfig(clusters: Clusters, cluster: Cluster, user: str, tenant: str) -> dict[str, Any]:
    arguments = ["get-token", "--environment", "AzurePublicCloud", "--server-id", AKS_SERVER]
    arguments += ["--client-id", KUBECTL_CLIENT, "--tenant-id", cluster.entra_tenant or tenant, "--login", "devicecode"]
    return _kubeconfig(
        clusters,
        cluster,
        user,
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "args": arguments,
                "command": "kubelogin",
                "env": None,
                "installHint": "kubelogin is not installed; see https://aka.ms/aks/kubelogin",
                "provideClusterInfo": False,
            }
        },
    )


def legacy_kubeconfig(clusters: Clusters, cluster: Cluster, user: str, tenant: str) -> dict[str, Any]:
    """`format=azure`: the auth provider that kubectl dropped in 1.26."""
    config = {"apiserver-id": AKS_SERVER, "client-id": KUBECTL_CLIENT, "config-mode": "1"}
    config |= {"environment": "AzurePublicCloud", "tenant-id": cluster.entra_tenant or tenant}
    return _kubeconfig(clusters, cluster, user, {"auth-provider": {"name": "azure", "config": config}})


def _kubeconfig(clusters: Clusters, cluster: Cluster, user: str, credentials: dict[str, Any]) -> dict[str, Any]:
    name = f"{user}_{cluster.group}_{cluster.name}"
    server = {"certificate-authority-data": clusters.authority.pem_base64, "server": clusters.server(cluster)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster.name, "cluster": server}],
        "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": name}}],
        "current-context": cluster.name,
        "preferences": {},
        "users": [{"name": name, "user": credentials}],
    }
