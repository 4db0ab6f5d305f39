"""The ARM bodies and role assignments of a generated fleet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.entra.app_permissions import DEFAULT_ADDRESS, DEFAULT_PRINCIPAL, DEFAULT_TENANT
from simulator.fleet import monitoring_bodies
from simulator.fleet.model import Cluster, Fleet, Registry

ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
ROLE_DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions/"
REPOSITORY_READER = "b93aa761-3e63-49ed-ac28-beffa264f7ac"
# What the app holds on every subscription: Reader, AKS Cluster User, AKS RBAC Reader, Repository Reader.
APP_ROLES = (
    "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
    "7f6c6a51-bcf8-42ba-9220-52d62157d7db",
    REPOSITORY_READER,
)
VERSION = "1.33.5"
NODE_IMAGE = "AKSUbuntu-2204gen2containerd-202610.28.0"
VM_SIZE = "Standard_D4s_v5"
Body = dict[str, Any]


def bodies(fleet: Fleet, index: int, subscription: str) -> Iterator[Body]:
    """Everything that stands in one subscription, the subscription first."""
    yield {
        "id": f"/subscriptions/{subscription}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription,
        "tenantId": DEFAULT_TENANT,
        "displayName": f"workloads-{index:03}",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "EnterpriseAgreement_2014-09-01",
            "spendingLimit": "Off",
        },
    }
    for registry in fleet.registries:
        if registry.subscription == subscription:
            yield _group(registry.group_id, registry.region)
            yield _registry(fleet, registry)
            yield from monitoring_bodies.settings(fleet, registry)
    if index == 0:
        yield from monitoring_bodies.workspaces(fleet)
    for cluster in fleet.clusters:
        if cluster.subscription == subscription:
            yield from _cluster_bodies(fleet, cluster)


def assignments(fleet: Fleet, subscription: str) -> Iterator[Body]:
    """Role assignments whose scope lies in one subscription."""
    for role in APP_ROLES:
        yield _assignment(fleet, f"/subscriptions/{subscription}", DEFAULT_PRINCIPAL, role)
    for cluster in fleet.clusters:
        for registry in cluster.registries:
            if registry.subscription == subscription:
                scope = registry.group_id if cluster.index % 5 == 2 else registry.id
                role = REPOSITORY_READER if registry.by_repository else ACR_PULL
                yield _assignment(fleet, scope, cluster.principal, role)


def _assignment(fleet: Fleet, scope: str, principal: str, role: str) -> Body:
    name = fleet.guid("assignment", scope, principal, role)
    subscription = scope.split("/")[2]
    made = "2026-02-03T09:12:44.1234567Z"
    return {
        "properties": {
            "roleDefinitionId": f"/subscriptions/{subscription}{ROLE_DEFINITIONS}{role}",
            "principalId": principal,
            "principalType": "ServicePrincipal",
            "scope": scope,
            "condition": None,
            "conditionVersion": None,
            "createdOn": made,
            "updatedOn": made,
            "createdBy": fleet.guid("administrator"),
            "updatedBy": fleet.guid("administrator"),
            "delegatedManagedIdentityResourceId": None,
            "description": None,
        },
        "id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
        "type": "Microsoft.Authorization/roleAssignments",
        "name": name,
    }


def _group(group_id: str, region: str, managed_by: str | None = None) -> Body:
    body = {
        "id": group_id,
        "name": group_id.rsplit("/", 1)[-1],
        "type": "Microsoft.Resources/resourceGroups",
        "location": region,
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    }
    return body | ({"managedBy": managed_by} if managed_by else {})


def _registry(fleet: Fleet, registry: Registry) -> Body:
    users = [cluster for cluster in fleet.clusters if registry in cluster.registries]
    addresses = [DEFAULT_ADDRESS, *(cluster.address for cluster in users)]
    rules = [{"action": "Allow", "value": address} for address in addresses] if registry.restricted else []
    network = {"defaultAction": "Deny" if registry.restricted else "Allow", "ipRules": rules}
    off = {"status": "disabled"}
    mode = "AbacRepositoryPermissions" if registry.by_repository else "LegacyRegistryPermissions"
    return {
        "sku": {"name": registry.sku, "tier": registry.sku},
        "type": "Microsoft.ContainerRegistry/registries",
        "id": registry.id,
        "name": registry.name,
        "location": registry.region,
        "tags": {},
        "properties": {
            "loginServer": registry.login_server,
            "creationDate": "2025-06-11T08:03:27.4417Z",
            "provisioningState": "Succeeded",
            "adminUserEnabled": False,
            "networkRuleSet": {**network, "virtualNetworkRules": []} if registry.sku == "Premium" else None,
            "policies": {
                "quarantinePolicy": off,
                "trustPolicy": {"type": "Notary", **off},
                "retentionPolicy": {"days": 7, "lastUpdatedTime": "2025-06-11T08:03:33.2+00:00", **off},
                "exportPolicy": {"status": "enabled"},
                "azureADAuthenticationAsArmPolicy": {"status": "enabled"},
            },
            "encryption": off,
            "dataEndpointEnabled": False,
            "dataEndpointHostNames": [],
            "privateEndpointConnections": [],
            "publicNetworkAccess": "Enabled",
            "networkRuleBypassOptions": "AzureServices",
            "zoneRedundancy": "Disabled",
            "anonymousPullEnabled": False,
            "roleAssignmentMode": mode,
        },
    }


def _cluster_bodies(fleet: Fleet, cluster: Cluster) -> Iterator[Body]:
    subscription = f"/subscriptions/{cluster.subscription}"
    group = f"{subscription}/resourceGroups/{cluster.group}"
    nodes = f"{subscription}/resourceGroups/{cluster.node_group}"
    network = f"{group}/providers/Microsoft.Network/virtualNetworks/vnet-{cluster.index:04}"
    address = f"{nodes}/providers/Microsoft.Network/publicIPAddresses/{fleet.guid('address', cluster.index)}"
    identity = f"{nodes}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{cluster.name}-agentpool"
    body = _managed_cluster(fleet, cluster, group, network, address, identity)
    yield _group(group, cluster.region)
    yield _group(nodes, cluster.region, body["id"])
    yield body
    yield _network(fleet, cluster, network)
    yield _address(fleet, cluster, address)
    yield {
        "location": cluster.region,
        "tags": {},
        "id": identity,
        "name": f"{cluster.name}-agentpool",
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "properties": {
            "tenantId": DEFAULT_TENANT,
            "principalId": cluster.principal,
            "clientId": cluster.client,
        },
    }
    for pool, count in cluster.pools:
        yield _scale_set(fleet, cluster, nodes, network, identity, pool, count)


def _managed_cluster(fleet: Fleet, cluster: Cluster, group: str, network: str, address: str, identity: str) -> Body:
    return {
        "id": f"{group}/providers/Microsoft.ContainerService/managedClusters/{cluster.name}",
        "location": cluster.region,
        "name": cluster.name,
        "tags": {"team": cluster.name.split("-")[1]},
        "type": "Microsoft.ContainerService/ManagedClusters",
        "sku": {"name": "Base", "tier": "Standard"},
        "identity": {
            "type": "SystemAssigned",
            "principalId": fleet.guid("control plane", cluster.index),
            "tenantId": DEFAULT_TENANT,
        },
        "properties": _cluster_properties(fleet, cluster, network, address, identity),
    }


def _cluster_properties(fleet: Fleet, cluster: Cluster, network: str, address: str, identity: str) -> Body:
    host = f"{cluster.name}-{fleet.guid('dns', cluster.index)[:8]}.hcp.{cluster.region}.azmk8s.io"
    entra = {"managed": True, "enableAzureRBAC": True, "adminGroupObjectIDs": None, "tenantID": DEFAULT_TENANT}
    kubelet = {"resourceId": identity, "clientId": cluster.client, "objectId": cluster.principal}
    return {
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "kubernetesVersion": VERSION,
        "currentKubernetesVersion": VERSION,
        "dnsPrefix": cluster.name,
        "fqdn": host,
        "azurePortalFQDN": host.replace(".hcp.", ".portal.hcp."),
        "agentPoolProfiles": [_pool(pool, count, network) for pool, count in cluster.pools],
        "servicePrincipalProfile": {"clientId": "msi"},
        "nodeResourceGroup": cluster.node_group,
        "enableRBAC": True,
        "supportPlan": "KubernetesOfficial",
        "networkProfile": _network_profile(cluster, address),
        "aadProfile": entra,
        "maxAgentPools": 100,
        "identityProfile": {"kubeletidentity": kubelet},
        "disableLocalAccounts": True,
        "securityProfile": {},
        "oidcIssuerProfile": {"enabled": False},
        "nodeResourceGroupProfile": {"restrictionLevel": "Unrestricted"},
        "bootstrapProfile": {"artifactSource": "Direct"},
    }


def _pool(pool: str, count: int, network: str) -> Body:
    return {
        "name": pool,
        "count": count,
        "vmSize": VM_SIZE,
        "osDiskSizeGB": 128,
        "osDiskType": "Ephemeral",
        "kubeletDiskType": "OS",
        "vnetSubnetID": f"{network}/subnets/nodes",
        "maxPods": 110,
        "type": "VirtualMachineScaleSets",
        "enableAutoScaling": False,
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "orchestratorVersion": VERSION,
        "currentOrchestratorVersion": VERSION,
        "enableNodePublicIP": False,
        "mode": "System" if pool == "system" else "User",
        "osType": "Linux",
        "osSKU": "Ubuntu",
        "nodeImageVersion": NODE_IMAGE,
        "upgradeSettings": {"maxSurge": "10%"},
        "enableFIPS": False,
    }


def _network_profile(cluster: Cluster, address: str) -> Body:
    addresses = {"effectiveOutboundIPs": [{"id": address}]}
    profile: Body = {
        "networkPlugin": "azure",
        "networkPluginMode": "overlay",
        "networkDataplane": "azure",
        "loadBalancerSku": "standard",
        "podCidr": "10.244.0.0/16",
        "serviceCidr": "10.0.0.0/16",
        "dnsServiceIP": "10.0.0.10",
        "outboundType": "managedNATGateway" if cluster.nat else "loadBalancer",
        "ipFamilies": ["IPv4"],
    }
    managed = {"count": 1}
    if cluster.nat:
        profile["natGatewayProfile"] = {"managedOutboundIPProfile": managed, **addresses, "idleTimeoutInMinutes": 4}
        profile["loadBalancerProfile"] = {"backendPoolType": "nodeIPConfiguration"}
    else:
        balancer = {"managedOutboundIPs": managed, **addresses, "backendPoolType": "nodeIPConfiguration"}
        profile["loadBalancerProfile"] = balancer
    return profile


def _network(fleet: Fleet, cluster: Cluster, network: str) -> Body:
    block = f"10.{cluster.index % 200 + 20}"
    subnet = {
        "name": "nodes",
        "id": f"{network}/subnets/nodes",
        "type": "Microsoft.Network/virtualNetworks/subnets",
        "properties": {
            "provisioningState": "Succeeded",
            "addressPrefix": f"{block}.0.0/20",
            "delegations": [],
            "privateEndpointNetworkPolicies": "Disabled",
            "privateLinkServiceNetworkPolicies": "Enabled",
        },
    }
    return {
        "name": network.rsplit("/", 1)[-1],
        "id": network,
        "type": "Microsoft.Network/virtualNetworks",
        "location": cluster.region,
        "tags": {},
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": fleet.guid("network", cluster.index),
            "addressSpace": {"addressPrefixes": [f"{block}.0.0/16"]},
            "subnets": [subnet],
            "virtualNetworkPeerings": [],
            "enableDdosProtection": False,
        },
    }


def _address(fleet: Fleet, cluster: Cluster, address: str) -> Body:
    return {
        "name": address.rsplit("/", 1)[-1],
        "id": address,
        "location": cluster.region,
        "tags": {"aks-managed-type": "aks-slb-managed-outbound-ip"},
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": fleet.guid("address guid", cluster.index),
            "ipAddress": cluster.address,
            "publicIPAddressVersion": "IPv4",
            "publicIPAllocationMethod": "Static",
            "idleTimeoutInMinutes": 30,
            "ipTags": [],
        },
        "type": "Microsoft.Network/publicIPAddresses",
        "sku": {"name": "Standard", "tier": "Regional"},
    }


def _scale_set(fleet: Fleet, cluster: Cluster, nodes: str, network: str, identity: str, pool: str, count: int) -> Body:
    name = scale_set_name(fleet, cluster, pool)
    interface = {
        "name": name,
        "properties": {
            "primary": True,
            "ipConfigurations": [
                {
                    "name": "ipconfig1",
                    "properties": {"primary": True, "subnet": {"id": f"{network}/subnets/nodes"}},
                }
            ],
        },
    }
    return {
        "name": name,
        "id": f"{nodes}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}",
        "type": "Microsoft.Compute/virtualMachineScaleSets",
        "location": cluster.region,
        "tags": {"aks-managed-poolName": pool},
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {
                identity: {"principalId": cluster.principal, "clientId": cluster.client},
            },
        },
        "sku": {"name": VM_SIZE, "tier": "Standard", "capacity": count},
        "properties": {
            "provisioningState": "Succeeded",
            "orchestrationMode": "Uniform",
            "virtualMachineProfile": {"networkProfile": {"networkInterfaceConfigurations": [interface]}},
        },
    }


def scale_set_name(fleet: Fleet, cluster: Cluster, pool: str) -> str:
    return f"aks-{pool}-{int(fleet.guid('scale set', cluster.index)[:8], 16) % 100_000_000:08}-vmss"
