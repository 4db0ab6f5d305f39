"""A simulated tenant whose cluster is a real API server: its Azure Resource Manager hands out the real kubeconfig."""

from __future__ import annotations

import json
from typing import Any

from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.real_kubernetes.certificates import encoded
from tests.support.real_kubernetes.nodes import load_folder
from tests.support.real_kubernetes.roles import READER
from tests.support.real_kubernetes.server import KubeApiServer
from tests.support.tenant_builder import Tenant

# The user that the app's token names at the API server.
APP = DEFAULT_PRINCIPAL


def moved(tenant: Tenant, server: KubeApiServer, cluster: str = "aks-1", *, roles: tuple[str, ...] = (READER,)) -> None:
    """The cluster's objects stand in the real server from now on, and there the app has ``roles`` on the cluster.

    Takes the place of the tenant's faults.
    """
    load_folder(server, tenant.root / "kubernetes" / cluster)
    for role in roles:
        server.grant(role, APP)
    hand_out(tenant, server, cluster)
    server.audit.clear()


def hand_out(tenant: Tenant, server: KubeApiServer, cluster: str = "aks-1", *, local: bool = False) -> None:
    """Only the kubeconfig: the one for Entra ID, or (``local``) the certificate that is equal to cluster-admin."""
    (tenant.root / "faults.json").write_text(json.dumps([kubeconfig_rule(server, cluster, local=local)]))


def kubeconfig_rule(server: KubeApiServer, cluster: str = "aks-1", *, local: bool = False) -> dict[str, Any]:
    """The rule of faults.json by which listClusterUserCredential answers with the real server's kubeconfig."""
    return handing_out(server.admin_kubeconfig() if local else server.entra_kubeconfig(), cluster)


def handing_out(config: dict[str, Any], cluster: str = "aks-1") -> dict[str, Any]:
    """The rule of faults.json by which listClusterUserCredential answers with a kubeconfig."""
    value = encoded(json.dumps(config).encode())  # JSON is YAML
    path = f"*/managedclusters/{cluster}/listclusterusercredential"
    return {
        "service": "arm",
        "path": path,
        "effect": {"status": 200, "body": {"kubeconfigs": [{"name": "clusterUser", "value": value}]}},
    }
