"""The virtual node of the add-on `aciConnectorLinux`: Azure Container Instances pulls, over no network of the nodes.

It signs in with the pod's pull secrets alone, whatever identities the cluster has, and comes from addresses that no
registry's rules name: one that is not open to everybody is out of its reach. Sources: virtual-kubelet/azure-aci
(pkg/provider/aci.go, podsTracker.go), "Virtual nodes in AKS", Azure/acr#524.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from simulator.arm.resources import Resource
from simulator.kubernetes.objects import ClusterObjects
from simulator.nodes.node_network import items, table
from simulator.registry.hosts import Host, find_host
from simulator.tenant import Tenant

_NODE = "virtual-node-aci-"
_CALL = "api call to https://management.azure.com/: got HTTP response status code"


def is_virtual_node(cluster: Resource, node: object) -> bool:
    """Whether a pod that names this node is the add-on's to run."""
    addons = table(table(cluster.body.get("properties")).get("addonProfiles"))
    return str(node).startswith(_NODE) and table(addons.get("aciConnectorLinux")).get("enabled") is True


def refusal(tenant: Tenant, objects: ClusterObjects, namespace: str, spec: dict[str, Any]) -> str:
    """What Azure Container Instances says of a pod's first image that does not come; "" where all come."""
    names = [str(secret.get("name")) for secret in items(spec.get("imagePullSecrets"))]
    for container in items(spec.get("containers")):
        image = str(container.get("image"))
        name, _, rest = image.partition("/")
        host = find_host(tenant, name)
        if host is not None and (not host.public or host.allowed is not None):
            return (
                f'{_CALL} 409 error code "RegistryErrorResponse": An error response is received from the docker '
                f"registry '{host.name}'. Please retry later."
            )
        repository, _, tag = rest.partition(":")
        signed_in = host is not None and any(_signs_in(objects, namespace, one, host) for one in names)
        if host is None or not (host.anonymous or signed_in) or tag not in host.repositories.get(repository, {}):
            return (
                f"{_CALL} 400 error code \"InaccessibleImage\": The image '{image}' in container group is not "
                "accessible. Please check the image and registry credential."
            )
    return ""


def _signs_in(objects: ClusterObjects, namespace: str, secret: str, host: Host) -> bool:
    """Whether a pull secret holds a user and password that the registry takes."""
    found = objects.get("v1", "secrets", namespace, secret)
    encoded = table(found.body().get("data")).get(".dockerconfigjson") if found is not None else None
    try:
        document = table(json.loads(base64.b64decode(str(encoded or ""))))
    except ValueError:
        return False
    entry = table(table(document.get("auths")).get(host.name))
    user = str(entry.get("username"))
    return user in host.credentials and host.credentials[user] == str(entry.get("password"))
