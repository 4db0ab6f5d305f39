"""Tenants for tests: raw bodies written into a folder, as the simulator serves them.

A ``Tenant`` starts with one subscription and grows by the piece; every method returns the body's id, and every body
takes overrides, so a test says only what it is about.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

TENANT_ID = "72f988bf-0000-4000-8000-000000000001"
SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
REPOSITORY_READER = "b93aa761-3e63-49ed-ac28-beffa264f7ac"


def guid(text: str) -> str:
    """A guid that is always the same for the same text."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid over it, dict by dict; a value of ``...`` takes the key away."""
    result = dict(base)
    for key, value in over.items():
        if value is ...:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


class Tenant:
    """A tenant folder under construction."""

    def __init__(self, root: Path, subscription: str = SUBSCRIPTION) -> None:
        self.root = root
        self.subscription = subscription
        for folder in ("arm", "authorization", "graph", "kubernetes", "registries"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self.add_subscription(subscription)

    def write(self, folder: str, body: Any, name: str | None = None) -> None:
        """Writes one body (or an array of them) into a file of its own."""
        path = self.root / folder / f"{name or uuid.uuid4().hex}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(body))

    def add_subscription(self, subscription: str, **over: Any) -> str:
        """A subscription of the tenant."""
        body = {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
            "displayName": f"sub {subscription[:4]}",
            "state": "Enabled",
            "tenantId": TENANT_ID,
        }
        self.write("arm", merged(body, over), f"subscription-{subscription}")
        return str(body["id"])

    def group(self, name: str = "rg", subscription: str | None = None) -> str:
        """The id of a resource group (it needs no body)."""
        return f"/subscriptions/{subscription or self.subscription}/resourceGroups/{name}"

    def resource(self, kind: str, name: str, body: dict[str, Any], *, group: str = "rg", sub: str | None = None) -> str:
        """Any ARM resource: ``kind`` like "Microsoft.Network/virtualNetworks"."""
        resource_id = f"{self.group(group, sub)}/providers/{kind}/{name}"
        base = {"id": resource_id, "name": name, "type": kind, "location": "westeurope", "properties": {}}
        self.write("arm", merged(base, body), f"{kind.rsplit('/', 1)[-1]}-{name}-{guid(resource_id)[:8]}")
        return resource_id

    def cluster(self, name: str = "aks-1", *, group: str = "rg", sub: str | None = None, **over: Any) -> str:
        """A running Entra cluster with a kubelet identity; its object id is ``object_id(name)``."""
        identity = f"{self.group(f'MC_{name}', sub)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
        body = {
            "identity": {"type": "SystemAssigned", "principalId": guid(f"{name} control"), "tenantId": TENANT_ID},
            "properties": {
                "provisioningState": "Succeeded",
                "powerState": {"code": "Running"},
                "nodeResourceGroup": f"MC_{name}",
                "aadProfile": {"managed": True, "enableAzureRBAC": True, "tenantID": TENANT_ID},
                "servicePrincipalProfile": {"clientId": "msi"},
                "identityProfile": {
                    "kubeletidentity": {
                        "resourceId": f"{identity}/{name}-agentpool",
                        "clientId": guid(f"{name} client"),
                        "objectId": object_id(name),
                    }
                },
                "networkProfile": {
                    "networkPlugin": "azure",
                    "outboundType": "loadBalancer",
                    "loadBalancerSku": "standard",
                },
                "agentPoolProfiles": [
                    {
                        "name": "system",
                        "mode": "System",
                        "type": "VirtualMachineScaleSets",
                        "osType": "Linux",
                        "vmSize": "Standard_D4s_v5",
                        "count": 2,
                        "powerState": {"code": "Running"},
                        "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202610.06.0",
                    }
                ],
            },
        }
        self.managed_network(name, sub=sub)
        kind = "Microsoft.ContainerService/managedClusters"
        return self.resource(kind, name, merged(body, over), group=group, sub=sub)

    def managed_network(self, cluster: str = "aks-1", *, sub: str | None = None) -> str:
        """The network that AKS makes for a cluster, in its node resource group; network_world.py has others."""
        group, name = f"MC_{cluster}", f"aks-vnet-{guid(cluster)[:8]}"
        network = f"{self.group(group, sub)}/providers/Microsoft.Network/virtualNetworks/{name}"
        subnet = {
            "id": f"{network}/subnets/aks-subnet",
            "name": "aks-subnet",
            "properties": {"addressPrefix": "10.224.0.0/16"},
        }
        properties = {
            "addressSpace": {"addressPrefixes": ["10.224.0.0/12"]},
            "subnets": [subnet],
            "virtualNetworkPeerings": [],
        }
        return self.resource(
            "Microsoft.Network/virtualNetworks", name, {"properties": properties}, group=group, sub=sub
        )

    def registry(self, name: str = "acrone", *, group: str = "rg", sub: str | None = None, **over: Any) -> str:
        """A Premium registry, public, in legacy mode. Its login server is ``{name}.azurecr.io``."""
        body = {
            "sku": {"name": "Premium", "tier": "Premium"},
            "properties": {
                "loginServer": f"{name}.azurecr.io",
                "provisioningState": "Succeeded",
                "adminUserEnabled": False,
                "anonymousPullEnabled": False,
                "publicNetworkAccess": "Enabled",
                "networkRuleSet": {"defaultAction": "Allow", "ipRules": []},
                "networkRuleBypassOptions": "AzureServices",
                "dataEndpointEnabled": False,
                "roleAssignmentMode": "LegacyRegistryPermissions",
                "privateEndpointConnections": [],
            },
        }
        kind = "Microsoft.ContainerRegistry/registries"
        return self.resource(kind, name, merged(body, over), group=group, sub=sub)

    def assign(self, principal: str, role: str, scope: str, **over: Any) -> str:
        """A role assignment: ``role`` is the guid of its definition. Returns the name of its file's body."""
        name = guid(f"{principal} {role} {scope} {json.dumps(over, sort_keys=True)}")
        where = "" if scope == "/" else scope
        definitions = f"/subscriptions/{self.subscription}/providers/Microsoft.Authorization/roleDefinitions"
        body = {
            "id": f"{where}/providers/Microsoft.Authorization/roleAssignments/{name}",
            "name": name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": f"{definitions}/{role}",
                "principalId": principal,
                "principalType": "ServicePrincipal",
                "scope": scope,
            },
        }
        self.write("authorization", merged(body, over), f"assignment-{name}")
        return name

    def unassign(self, name: str) -> None:
        """Takes a role assignment away."""
        (self.root / "authorization" / f"assignment-{name}.json").unlink()

    def caller(self, **body: Any) -> None:
        """What the app's own identity may not do (authorization/caller.json)."""
        self.write("authorization", body, "caller")

    def groups(self, members: dict[str, list[str]]) -> None:
        """Group object ids with their members."""
        self.write("authorization", members, "groups")

    def reachable(self, cluster: str = "aks-1") -> None:
        """Makes a cluster's API answer, with no object in it; without this (and without pods) it is out of reach."""
        (self.root / "kubernetes" / cluster).mkdir(parents=True, exist_ok=True)

    def pod(self, image: str, *, cluster: str = "aks-1", name: str | None = None, namespace: str = "default",
            waiting: tuple[str, str] | None = None, **over: Any) -> str:  # fmt: skip
        """A pod with one container; ``waiting`` is the reason and message of one that waits. Returns its name."""
        name = name or f"pod-{guid(f'{image} {waiting} {over}')[:8]}"
        state = {"waiting": {"reason": waiting[0], "message": waiting[1]}} if waiting else {"running": {}}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": image}]},
            "status": {
                "phase": "Pending" if waiting else "Running",
                "startTime": "2026-11-24T08:00:00Z",
                "containerStatuses": [{"name": "main", "image": image, "state": state}],
            },
        }
        self.write(f"kubernetes/{cluster}", merged(body, over), f"pod-{namespace}-{name}")
        return name

    def ready_pods(self, image: str, *pools: str, cluster: str = "aks-1") -> None:
        """A Ready pod on a node of each pool: by these a canary names its node."""
        for pool in pools:
            status = {"conditions": [{"type": "Ready", "status": "True"}]}
            spec = {"nodeName": f"aks-{pool}-12345678-vmss000000"}
            self.pod(image, cluster=cluster, name=f"web-on-{pool}", spec=spec, status=status)

    def event(self, pod: str, reason: str, message: str, *, cluster: str = "aks-1", namespace: str = "default") -> None:
        """An event about a pod."""
        name = f"{pod}.{guid(f'{reason} {message}')[:12]}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {"kind": "Pod", "name": pod, "namespace": namespace},
            "reason": reason,
            "message": message,
            "count": 1,
            "lastTimestamp": "2026-11-24T08:01:00Z",
        }
        self.write(f"kubernetes/{cluster}", body, f"event-{name}")

    def pulled(self, image: str, *, cluster: str = "aks-1") -> None:
        """A running pod whose image a node pulled just now."""
        name = self.pod(image, cluster=cluster)
        text = f'Successfully pulled image "{image}" in 1.2s (1.2s including waiting). Image size: 1048576 bytes.'
        self.event(name, "Pulled", text, cluster=cluster)


def object_id(cluster: str) -> str:
    """The object id of a cluster's kubelet identity."""
    return guid(f"{cluster} kubelet")
