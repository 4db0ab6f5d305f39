"""Facts for the tests of PW101 to PW106 and PW501: a healthy cluster and registry; each test changes one thing."""

from __future__ import annotations

from typing import Any

import msgspec

from checks.facts import (
    AgentPool,
    Authorization,
    Cluster,
    ClusterFacts,
    ContainerImage,
    KubeletIdentity,
    NotSeen,
    NotSeenReason,
    Permission,
    Principal,
    Registry,
    RegistryUse,
    RoleAssignment,
    RoleDefinition,
    Seen,
    subscription_of,
)
from checks.findings import Evidence, Fail, Finding, Pass, Skipped, Unknown, word
from checks.rules.access import rbac
from tests.support.readable import readable

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
REGISTRY_ID = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/acrone"
NODES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/MC_aks-1"
IDENTITY_ID = f"{NODES}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aks-1-agentpool"
ME = "aaaaaaaa-0000-4000-8000-000000000001"
CLIENT = "aaaaaaaa-0000-4000-8000-00000000000c"
TENANT = "72f988bf-0000-4000-8000-000000000001"
READ_AT = "2026-11-24T12:00:00+00:00"
REFUSED = NotSeen(NotSeenReason.NOT_ALLOWED, "HTTP 403", "Reader", ("az role assignment create …",))

ACR_PULL = RoleDefinition(rbac.ACR_PULL, "AcrPull", (Permission((rbac.PULL_ACTION,)),))
READER = RoleDefinition(
    rbac.REPOSITORY_READER,
    "Container Registry Repository Reader",
    (Permission(data_actions=rbac.PULL_DATA_ACTIONS),),
)
OWNER = RoleDefinition("owner", "Owner", (Permission(("*",)),))
PUSH = RoleDefinition(
    "push", "AcrPush", (Permission((rbac.PULL_ACTION, "Microsoft.ContainerRegistry/registries/push/write")),)
)
ROLES = {role.guid: role for role in (ACR_PULL, READER, OWNER, PUSH)}


def evidence(source: str = "something") -> Evidence:
    return Evidence(source, "a test", READ_AT, "2025-11-01")


def seen(value: Any, partial: str = "") -> Seen[Any]:
    return Seen(value, evidence(), partial)


def cluster(**over: Any) -> Cluster:
    base: dict[str, Any] = {
        "id": f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/aks-1",
        "name": "aks-1",
        "provisioning_state": "Succeeded",
        "power_state": "Running",
        "has_identity": True,
        "tenant_id": TENANT,
        "kubelet": KubeletIdentity(IDENTITY_ID, CLIENT, ME),
        "node_resource_group": "MC_aks-1",
        "pools": (pool(),),
        "evidence": evidence("cluster"),
    }
    return Cluster(**(base | over))


def service_principal_cluster(**over: Any) -> Cluster:
    base = {"kubelet": None, "has_identity": False, "tenant_id": None, "service_principal_client_id": CLIENT}
    return cluster(**(base | over))


def pool(name: str = "system", **over: Any) -> AgentPool:
    base: dict[str, Any] = {
        "type": "VirtualMachineScaleSets",
        "count": 2,
        "power_state": "Running",
        "node_image_version": "AKSUbuntu-2204gen2containerd-202610.06.0",
    }
    return AgentPool(name=name, **(base | over))


def registry(**over: Any) -> Registry:
    base: dict[str, Any] = {
        "id": REGISTRY_ID,
        "name": "acrone",
        "login_server": "acrone.azurecr.io",
        "sku": "Premium",
        "role_assignment_mode": rbac.LEGACY_MODE,
        "anonymous_pull": False,
        "authentication_as_arm": "enabled",
    }
    return Registry(**(base | over))


def image(repository: str, *, secrets: tuple[str, ...] = ()) -> ContainerImage:
    return ContainerImage(
        namespace="default",
        pod=f"pod-{repository}",
        workload="Deployment/web",
        container="main",
        kind="main",
        image=f"acrone.azurecr.io/{repository}:1",
        pull_secrets=secrets,
    )


def held(role: RoleDefinition, scope: str = REGISTRY_ID, **over: Any) -> RoleAssignment:
    base: dict[str, Any] = {
        "id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{role.guid}",
        "scope": scope,
        "principal_id": ME,
        "role_definition_id": f"/providers/Microsoft.Authorization/roleDefinitions/{role.guid}",
    }
    return RoleAssignment(**(base | over))


def authorization(*assignments: RoleAssignment, **over: Any) -> Authorization:
    base: dict[str, Any] = {"assignments": seen(assignments), "definitions": seen(ROLES), "denies": seen(())}
    return Authorization(**(base | over))


def use(registry_fact: Any = None, *images: ContainerImage, **over: Any) -> RegistryUse:
    base: dict[str, Any] = {
        "login_server": "acrone.azurecr.io",
        "sources": ("images of 1 pod",),
        "registry": seen(registry()) if registry_fact is None else registry_fact,
        "images": images,
    }
    return RegistryUse(**(base | over))


def facts(**over: Any) -> ClusterFacts:
    """A cluster that uses one registry and has AcrPull on it; the app may read every subscription that occurs."""
    registries = [use.registry.value.id for use in over.get("uses", ()) if isinstance(use.registry, Seen)]
    kubelet = over["cluster"].kubelet if "cluster" in over else None
    subscriptions = {subscription_of(i) for i in (*registries, (kubelet.resource_id if kubelet else "") or "")}
    base: dict[str, Any] = {
        "cluster": cluster(),
        "principal": seen(Principal(object_id=ME, kind="managed identity")),
        "workloads": REFUSED,
        "uses": (use(),),
        "authorization": {SUBSCRIPTION: authorization(held(ACR_PULL))},
        "tenants": {SUBSCRIPTION: TENANT},
        "visibility": readable(SUBSCRIPTION, *filter(None, subscriptions)),
    }
    return ClusterFacts(**(base | over))


def verdict(finding: Finding) -> tuple[str, str]:
    """The finding's verdict and cause."""
    return word(finding.verdict), finding.cause


def look_failed(finding: Finding) -> bool:
    assert isinstance(finding.verdict, Unknown)
    return finding.verdict.look_failed


def only(findings: tuple[Finding, ...]) -> Finding:
    """The only finding; a Fail has a fix."""
    (finding,) = findings
    assert isinstance(finding.verdict, Pass | Fail | Unknown | Skipped)
    if isinstance(finding.verdict, Fail):
        assert finding.fix
    return finding


def changed(value: Any, **over: Any) -> Any:
    return msgspec.structs.replace(value, **over)
