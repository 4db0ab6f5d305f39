"""The roles that infra/ grants for scanning, and a tenant in which a scan asks for everything that it ever asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from checks.collect.arm.client import USER_AGENT
from simulator.action_log import noted
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support import name_server_world
from tests.support.infra import INFRA
from tests.support.logged_tenants import add_workspace, send_to
from tests.support.network_world import HOST, NODES, World
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, guid, merged, object_id
from tests.support.virtual_hubs import hub

OTHER = guid("another subscription of the scan")
SCOPES = (f"/subscriptions/{SUBSCRIPTION}", f"/subscriptions/{OTHER}")
# The switches of scan-access.bicep that are on unless one says otherwise: each assigns built-in roles.
SWITCHES = ("kubernetesReads", "imageReads")
# The one control-plane action that Pullwatch uses of a built-in role (Azure Kubernetes Service Cluster User Role).
KUBERNETES_ACTION = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"
IMAGE = f"{HOST}/team/web:1"
VERSION = "0123456789abcdef0123456789abcdef"
ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
OTHER_IMAGE = "acrother.azurecr.io/team/web:1"


def scan_roles() -> dict[str, Any]:
    """infra/scan-roles.json: the custom roles with their actions, and the built-in ones of each switch."""
    document: dict[str, Any] = json.loads((INFRA / "scan-roles.json").read_text(encoding="utf-8"))
    return document


def actions_of(role: str) -> frozenset[str]:
    """The actions of a custom role, in lower case: Azure compares them so."""
    return frozenset(action.lower() for action in scan_roles()[role]["actions"])


def beyond_the_roles(folder: Path) -> list[str]:
    """The actions that Pullwatch asked any simulator for and no role of infra/ holds; ``folder`` has the log.

    What other clients ask, the tests themselves among them, is not Pullwatch's: their User-Agent is another.
    """
    custom = [key for key, role in scan_roles().items() if isinstance(role, dict) and "actions" in role]
    held = {KUBERNETES_ACTION.lower()}.union(*map(actions_of, custom))
    asked = {action.lower() for agent, action in noted(folder) if agent.startswith(USER_AGENT)}
    return sorted(asked - held)


def grant(tenant: Tenant, switches: Iterable[str] = SWITCHES, scopes: Sequence[str] = SCOPES) -> None:
    """The app holds the reader role and the built-in ones of some switches at each scope, and nothing else."""
    guids = [define(tenant, "reader", scopes), *(role["id"] for one in switches for role in scan_roles()[one])]
    for scope in scopes:
        for role in guids:
            tenant.assign(DEFAULT_PRINCIPAL, role, scope)


def define(tenant: Tenant, key: str, scopes: Sequence[str]) -> str:
    """A custom role's definition in the tenant; returns its guid."""
    role, name = scan_roles()[key], guid(key)
    permission = {"actions": list(role["actions"]), "notActions": [], "dataActions": [], "notDataActions": []}
    body = {
        "id": f"{scopes[0]}/providers/Microsoft.Authorization/roleDefinitions/{name}",
        "name": name,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role["name"],
            "type": "CustomRole",
            "assignableScopes": list(scopes),
            "permissions": [permission],
        },
    }
    tenant.write("authorization", body, f"definition-{name}")
    return name


def everything(root: Path, **cluster: Any) -> Tenant:
    """A tenant of two subscriptions with a body of every kind that a scan reads, and a cause to read it.

    ``cluster`` are properties of the cluster's body.
    """
    world = World().healthy_private().cluster(**cluster)
    world.zone({}, world.vnet_id(NODES), aliases={"alias": HOST}, name="westeurope.azurecr.io")
    world.zone_group(f"{world.vnet_id(NODES).rsplit('/', 2)[0]}/privateEndpoints/pe", _zone_of(world))
    _name_servers(world)
    world.manager(SUBSCRIPTION, accesses=("Connectivity", "SecurityAdmin"))
    world.endpoint("pe-far", network=world.vnet("vnet-far", "10.90.0.0/16", endpoints={}), space="10.90.0")
    hub(world, "hub", world.vnet_id(NODES))
    _unembedded(world)
    _identity_and_machines(world)
    _registry_details(world)
    world.bodies[world.registry_id] = merged(world.bodies[world.registry_id], _encrypted("kv-images"))
    tenant = world.into(Tenant(root))
    tenant.add_subscription(OTHER)
    by_repository = {"properties": {"roleAssignmentMode": "AbacRepositoryPermissions"}}
    tenant.registry("acrother", sub=OTHER, **merged(_encrypted("kv-other"), by_repository))
    tenant.assign(object_id("aks-1"), ACR_PULL, world.registry_id)
    _customer_keys(tenant, world.registry_id)
    send_to(tenant, world.registry_id, add_workspace(tenant, "logs"))
    for image in (IMAGE, OTHER_IMAGE):
        host = image.split("/")[0]
        tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, host)
        tenant.pod(image)
    return tenant


def _zone_of(world: World) -> str:
    return next(key for key, body in world.bodies.items() if body["name"] == "privatelink.azurecr.io")


def _name_servers(world: World) -> None:
    """A network whose DNS servers are a hub's resolver and firewall; a ruleset of the hub's sends names on."""
    hub = world.vnet("vnet-hub", "10.40.0.0/16", inbound={})
    world.peer(world.vnet("vnet-machines", "10.50.0.0/16", nodes={}, dns=("10.40.0.4", "10.40.1.4")), hub)
    resolver = name_server_world.resolver(world, hub, "10.40.0.4")
    name_server_world.firewall(world, hub, "10.40.1.4")
    world.ruleset("rules", hub, rules={"azurecr.io": "10.40.0.9"}, resolver=resolver)


def _unembedded(world: World) -> None:
    """Bodies that do not mention their children, as no contract of Azure's promises: they are then asked for."""
    for kind, name in (("virtualNetworks", "bare"), ("networkSecurityGroups", "bare"), ("routeTables", "bare")):
        world.put(f"Microsoft.Network/{kind}", name, {})


def _identity_and_machines(world: World) -> None:
    """The kubelet identity, which no list shows, and pools of scale sets, with own addresses, and of machines."""
    name = "Microsoft.ManagedIdentity/userAssignedIdentities"
    identity = world.put(name, "aks-1-agentpool", {"properties": {"principalId": object_id("aks-1")}}, group="MC_aks-1")
    world.put(name, "another", {"properties": {"principalId": guid("another")}}, group="MC_aks-1")
    del world.bodies[identity]
    pools = [
        world.pool("system", enableNodePublicIP=True),
        world.pool("machines", "vnet-machines", type="VirtualMachines", mode="User"),
    ]
    kubelet = {"resourceId": identity, "objectId": object_id("aks-1"), "clientId": guid("aks-1 client")}
    world.cluster(nodeResourceGroup="MC_aks-1", agentPoolProfiles=pools, identityProfile={"kubeletidentity": kubelet})
    # Pods pull with the default identity of service accounts, which here is the same one.
    profile = {"enabled": True, "defaultManagedIdentityId": identity}
    world.cluster(securityProfile={"serviceAccountImagePullProfile": profile})
    world.cluster(identityBindings=[{"name": "default", "properties": {"managedIdentity": kubelet}}])
    tags = {"tags": {"aks-managed-poolName": "system"}}
    world.put("Microsoft.Compute/virtualMachineScaleSets", "aks-system-12345678-vmss", tags, group="MC_aks-1")


def _encrypted(vault: str) -> dict[str, Any]:
    """What the body of a registry has that uses a key of a vault with an identity of its own."""
    key = f"https://{vault}.vault.azure.net/keys/images"
    named = {"keyIdentifier": key, "versionedKeyIdentifier": f"{key}/{VERSION}"}
    return {
        "identity": {"type": "SystemAssigned", "principalId": guid(f"{vault} user")},
        "properties": {"encryption": {"status": "enabled", "keyVaultProperties": named}},
    }


def _customer_keys(tenant: Tenant, registry: str) -> None:
    """A registry's key whose version is not there, so the key is asked for; one that is in order, in a vault that goes
    by roles; and one whose vault is nowhere, so it is looked for everywhere, and among the deleted ones."""
    kind = "Microsoft.KeyVault/vaults"
    for name, versions in (("kv-images", ""), ("kv-other", f"/versions/{VERSION}")):
        properties = {"vaultUri": f"https://{name}.vault.azure.net/", "enableRbacAuthorization": True}
        sub = OTHER if name == "kv-other" else SUBSCRIPTION
        vault = tenant.resource(kind, name, {"properties": properties}, sub=sub)
        key = {"id": f"{vault}/keys/images{versions}", "properties": {"attributes": {"enabled": True}}}
        tenant.write("arm", key, f"key-of-{name}")
        tenant.assign(guid(f"{name} user"), ENCRYPTION_USER, vault)
    tenant.registry("acrthird", sub=OTHER, **_encrypted("kv-nowhere"))
    tenant.assign(object_id("aks-1"), ACR_PULL, registry.replace("/acrone", "/acrthird").replace(SUBSCRIPTION, OTHER))
    tenant.pod("acrthird.azurecr.io/team/web:1")


def _registry_details(world: World) -> None:
    """A replica, and a cache rule with its credential set."""
    registry = world.registry_id
    credentials = f"{registry}/credentialSets/hub"
    rule = {
        "sourceRepository": "docker.io/library/nginx",
        "targetRepository": "nginx",
        "credentialSetResourceId": credentials,
    }
    for path, properties in (
        ("replications/westeurope", {"provisioningState": "Succeeded"}),
        ("cacheRules/nginx", rule),
        ("credentialSets/hub", {"loginServer": "docker.io", "authCredentials": []}),
    ):
        kind, name = path.split("/")
        body = {"id": f"{registry}/{path}", "name": name, "type": f"Microsoft.ContainerRegistry/registries/{kind}"}
        world.bodies[f"{registry}/{path}"] = merged(body, {"location": "westeurope", "properties": properties})
