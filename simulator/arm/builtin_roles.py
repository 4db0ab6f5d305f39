"""Built-in role definitions that matter around image pulls: ids and permissions as Azure publishes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_ACR = "Microsoft.ContainerRegistry/registries/"
_AKS = "Microsoft.ContainerService/managedClusters/"
_VAULT_KEYS = "Microsoft.KeyVault/vaults/keys/"
_SUPPORT = "Microsoft.Support/*"
_READ_ANYWHERE = [
    "Microsoft.Authorization/*/read",
    "Microsoft.Resources/subscriptions/operationresults/read",
    "Microsoft.Resources/subscriptions/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
]
_REPOSITORY_READ = [_ACR + "repositories/metadata/read", _ACR + "repositories/content/read"]
_REPOSITORY_WRITE = [_ACR + "repositories/metadata/write", _ACR + "repositories/content/write"]
_REPOSITORY_DELETE = [_ACR + "repositories/metadata/delete", _ACR + "repositories/content/delete"]

_KUBERNETES_READ = [
    _AKS + name + "/read"
    for name in (
        "apps/controllerrevisions",
        "apps/daemonsets",
        "apps/deployments",
        "apps/replicasets",
        "apps/statefulsets",
        "autoscaling/horizontalpodautoscalers",
        "batch/cronjobs",
        "batch/jobs",
        "configmaps",
        "discovery.k8s.io/endpointslices",
        "endpoints",
        "events.k8s.io/events",
        "events",
        "extensions/daemonsets",
        "extensions/deployments",
        "extensions/ingresses",
        "extensions/networkpolicies",
        "extensions/replicasets",
        "limitranges",
        "metrics.k8s.io/pods",
        "metrics.k8s.io/nodes",
        "namespaces",
        "networking.k8s.io/ingresses",
        "networking.k8s.io/networkpolicies",
        "persistentvolumeclaims",
        "pods",
        "policy/poddisruptionbudgets",
        "replicationcontrollers",
        "resourcequotas",
        "serviceaccounts",
        "services",
    )
]
_KUBERNETES_WRITE = [
    *(_AKS + "coordination.k8s.io/leases/" + verb for verb in ("read", "write", "delete")),
    *(
        _AKS + name + "/*"
        for name in (
            "apps/daemonsets",
            "apps/deployments",
            "apps/replicasets",
            "apps/statefulsets",
            "autoscaling/horizontalpodautoscalers",
            "batch/cronjobs",
            "batch/jobs",
            "configmaps",
            "endpoints",
            "events",
            "extensions/daemonsets",
            "extensions/deployments",
            "extensions/ingresses",
            "extensions/networkpolicies",
            "extensions/replicasets",
            "networking.k8s.io/ingresses",
            "networking.k8s.io/networkpolicies",
            "persistentvolumeclaims",
            "pods",
            "policy/poddisruptionbudgets",
            "replicationcontrollers",
            "secrets",
            "serviceaccounts",
            "services",
        )
    ),
    *(
        _AKS + name + "/read"
        for name in (
            "apps/controllerrevisions",
            "discovery.k8s.io/endpointslices",
            "events.k8s.io/events",
            "limitranges",
            "metrics.k8s.io/pods",
            "metrics.k8s.io/nodes",
            "namespaces",
            "resourcequotas",
        )
    ),
]


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    guid: str
    actions: Sequence[str] = ()
    not_actions: Sequence[str] = ()
    data_actions: Sequence[str] = ()
    not_data_actions: Sequence[str] = ()


def _registry_roles() -> list[Role]:
    """Roles that speak in registry-wide actions (legacy mode) and in artifacts of old features."""
    pull, push = _ACR + "pull/read", _ACR + "push/write"
    quarantine, artifacts = _ACR + "quarantine/", _ACR + "quarantinedArtifacts/"
    sign, signatures = [_ACR + "sign/write"], [_ACR + "trustedCollections/write"]
    see, seen = [quarantine + "read"], [artifacts + "read"]
    mark, marked = [*see, quarantine + "write"], [*seen, artifacts + "write"]
    return [
        Role("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d", [pull]),
        Role("AcrPush", "8311e382-0749-4cb8-b61a-304f252e45ec", [pull, push]),
        Role("AcrDelete", "c2f4ef07-c644-48eb-af81-4b1b4947fb11", [_ACR + "artifacts/delete"]),
        Role("AcrImageSigner", "6cef56e8-d556-48e5-a04f-b8e64114680f", sign, data_actions=signatures),
        Role("AcrQuarantineReader", "cdda3590-29a3-44f6-95f2-9f980659eb04", see, data_actions=seen),
        Role("AcrQuarantineWriter", "c8d4ff99-41c3-41a8-9f60-21dfdad59608", mark, data_actions=marked),
    ]


def _repository_roles() -> list[Role]:
    """Roles that speak in dataActions (repository mode); the importer speaks in both."""
    write = [*_REPOSITORY_READ, *_REPOSITORY_WRITE]
    delete = [*write, *_REPOSITORY_DELETE]
    catalog = [_ACR + "catalog/read"]
    importer = [_ACR + "importImage/action", _ACR + "read", _ACR + "pull/read"]
    data = [*catalog, *_REPOSITORY_READ]
    repository = "Container Registry Repository "
    name = "Container Registry Data Importer and Data Reader"
    return [
        Role(repository + "Reader", "b93aa761-3e63-49ed-ac28-beffa264f7ac", data_actions=_REPOSITORY_READ),
        Role(repository + "Writer", "2a1e307c-b015-4ebd-883e-5b7698a07328", data_actions=write),
        Role(repository + "Contributor", "2efddaa5-3f1f-4df3-97df-af3f13818f4c", data_actions=delete),
        Role(repository + "Catalog Lister", "bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7", data_actions=catalog),
        Role(name, "577a9874-89fd-4f24-9dbd-b5034d0ad23a", importer, data_actions=data),
    ]


_CONTRIBUTOR_LACKS = (
    "Microsoft.Authorization/*/Delete",
    "Microsoft.Authorization/*/Write",
    "Microsoft.Authorization/elevateAccess/Action",
    "Microsoft.Blueprint/blueprintAssignments/write",
    "Microsoft.Blueprint/blueprintAssignments/delete",
    "Microsoft.Compute/galleries/share/action",
)
_COMMON = ("Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Resources/deployments/*", _SUPPORT)
_READ_ROLES = ("Microsoft.Authorization/*/read", "Microsoft.Insights/alertRules/*")


def _general_roles() -> list[Role]:
    insights = "Microsoft.OperationalInsights/workspaces/"
    monitoring = ["*/read", insights + "search/action", _SUPPORT]
    logs = ["*/read", insights + "analytics/query/action", insights + "search/action", _SUPPORT]
    identities = "Microsoft.ManagedIdentity/userAssignedIdentities/*/"
    operator = [identities + "read", identities + "assign/action", *_READ_ROLES, *_COMMON]
    health = "Microsoft.ResourceHealth/availabilityStatuses/read"
    network = [*_READ_ROLES, "Microsoft.Network/*", health, *_COMMON]
    access = ["*/read", "Microsoft.Authorization/*", _SUPPORT]
    keys = [insights + "sharedKeys/read"]
    return [
        Role("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", ["*"]),
        Role("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c", ["*"], _CONTRIBUTOR_LACKS),
        Role("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", ["*/read"]),
        Role("User Access Administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", access),
        Role("Monitoring Reader", "43d0d8ad-25c7-4714-9337-8ba259a9fe05", monitoring),
        Role("Log Analytics Reader", "73c42c96-874c-492b-b04d-ab87d138a893", logs, keys),
        Role("Managed Identity Operator", "f1a07417-d97a-45cb-824c-7a7467783830", operator),
        Role(
            "Key Vault Crypto Service Encryption User",
            "e147488a-f6f5-4113-8e2d-b22465e65bf6",
            ["Microsoft.EventGrid/eventSubscriptions/" + verb for verb in ("write", "read", "delete")],
            data_actions=[_VAULT_KEYS + name for name in ("read", "wrap/action", "unwrap/action")],
        ),
        Role("Network Contributor", "4d97b98b-1d4f-4787-a291-c67834d212e7", network),
    ]


def _cluster_roles() -> list[Role]:
    name = "Azure Kubernetes Service "
    read, user = _AKS + "read", _AKS + "listClusterUserCredential/action"
    monitoring = _AKS + "listClusterMonitoringUserCredential/action"
    listing = [_AKS + "listClusterAdminCredential/action", _AKS + "accessProfiles/listCredential/action"]
    admin = [*listing, read, _AKS + "runcommand/action"]
    kept = [_AKS + f"{kind}/{verb}" for kind in ("resourcequotas", "namespaces") for verb in ("write", "delete")]
    contributor = [read, _AKS + "write", "Microsoft.Resources/deployments/*"]
    rbac, everything = [*_READ_ANYWHERE, user], [_AKS + "*"]
    return [
        Role(name + "Cluster Admin Role", "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8", admin),
        Role(name + "Cluster User Role", "4abbcc35-e782-43d8-92c5-2d3f1bd2253f", [user, read]),
        Role(name + "Cluster Monitoring User", "1afdec4b-e479-420e-99e7-f82237c7c5e6", [monitoring, read]),
        Role(name + "Contributor Role", "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8", contributor),
        Role(name + "RBAC Reader", "7f6c6a51-bcf8-42ba-9220-52d62157d7db", _READ_ANYWHERE, (), _KUBERNETES_READ),
        Role(name + "RBAC Writer", "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb", _READ_ANYWHERE, (), _KUBERNETES_WRITE),
        Role(name + "RBAC Admin", "3498e952-d568-435e-9b2c-8d77e338d7f7", rbac, (), everything, kept),
        Role(name + "RBAC Cluster Admin", "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b", rbac, (), everything),
    ]


def _body(role: Role) -> dict[str, Any]:
    permissions = {
        "actions": list(role.actions),
        "notActions": list(role.not_actions),
        "dataActions": list(role.data_actions),
        "notDataActions": list(role.not_data_actions),
    }
    return {
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.name,
            "assignableScopes": ["/"],
            "permissions": [permissions],
            "createdOn": "2021-11-11T20:13:08.8779328Z",
            "updatedOn": "2021-11-11T20:13:08.8779328Z",
            "createdBy": None,
            "updatedBy": None,
        },
        "id": f"/providers/Microsoft.Authorization/roleDefinitions/{role.guid}",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": role.guid,
    }


def builtin_roles() -> dict[str, dict[str, Any]]:
    """Role definition bodies by their GUID (lower case)."""
    roles = [*_registry_roles(), *_repository_roles(), *_general_roles(), *_cluster_roles()]
    return {role.guid: _body(role) for role in roles}
