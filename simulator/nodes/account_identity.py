"""The managed identity that a pod's service account pulls with, where a cluster has that on.

As the credential provider of a Linux node goes about it (cloud-provider-azure, identity_bindings_credentials.go): the
annotation of the account names a client id, else the cluster's default identity is taken; an identity binding of the
cluster has to be there for it. Whoever has none pulls without credentials. Windows nodes know nothing of this.
"""

from __future__ import annotations

from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resource, Resources
from simulator.kubernetes.objects import ClusterObjects
from simulator.nodes.node_network import table

ANNOTATION = "kubernetes.azure.com/acr-client-id"
Body = dict[str, Any]


def service_account(objects: ClusterObjects, namespace: str, spec: Body) -> Body:
    """The body of a pod's service account; empty where there is none."""
    name = str(spec.get("serviceAccountName") or "default")
    account = objects.get("v1", "serviceaccounts", namespace, name)
    return account.body() if account is not None else {}


def pulls_by_account(cluster: Resource, pool: Body) -> bool:
    """Whether nodes of a pool leave the kubelet identity aside."""
    profile = _profile(cluster)
    return profile.get("enabled") is True and str(pool.get("osType") or "Linux").lower() != "windows"


def principal_of_account(cluster: Resource, account: Body, resources: Resources) -> str | None:
    """The object id of the identity that the account's pods pull with; None: they have none."""
    wanted = table(table(account.get("metadata")).get("annotations")).get(ANNOTATION)
    default = _profile(cluster).get("defaultManagedIdentityId")
    for binding in resources.children(cluster.id, "identityBindings"):
        identity = table(table(binding.body.get("properties")).get("managedIdentity"))
        by_client = wanted and str(identity.get("clientId")).lower() == str(wanted).lower()
        by_default = not wanted and default and ids.key(str(identity.get("resourceId"))) == ids.key(str(default))
        if by_client or by_default:
            return str(identity["objectId"])
    return None


def _profile(cluster: Resource) -> Body:
    security = table(table(cluster.body.get("properties")).get("securityProfile"))
    return table(security.get("serviceAccountImagePullProfile"))
