"""Built-in role definitions that matter around image pulls: ids and permissions as Azure publishes them."""

from __future__ import annotations

from typing import Any

_ACR = "Microsoft.ContainerRegistry/registries/"
_AKS = "Microsoft.ContainerService/managedClusters/"
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
_CLUSTER_USER = "listClusterUserCredential/action"

# name, id, actions, notActions, dataActions, notDataActions
_Role = tuple[str, str, list[str], list[str], list[str], list[str]]


def _registry_roles() -> list[_Role]:
    pull, push = _ACR + "pull/read", _ACR + "push/write"
    quarantine, artifacts = _ACR + "quarantine/", _ACR + "quarantinedArtifacts/"
    write = [*_REPOSITORY_READ, *_REPOSITORY_WRITE]
    importer = [_ACR + "importImage/action", _ACR + "read", pull]
    name = "Container Registry "
    return [
        ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d", [pull], [], [], []),
        ("AcrPush", "8311e382-0749-4cb8-b61a-304f252e45ec", [pull, push], [], [], []),
        ("AcrDelete", "c2f4ef07-c644-48eb-af81-4b1b4947fb11", [_ACR + "artifacts/delete"], [], [], []),
        (
            "AcrImageSigner",
            "6cef56e8-d556-48e5-a04f-b8e64114680f",
            [_ACR + "sign/write"],
            [],
            [_ACR + "trustedCollections/write"],
            [],
        ),
        (
            "AcrQuarantineReader",
            "cdda3590-29a3-44f6-95f2-9f980659eb04",
            [quarantine + "read"],
            [],
            [artifacts + "read"],
            [],
        ),
        (
            "AcrQuarantineWriter",
            "c8d4ff99-41c3-41a8-9f60-21dfdad59608",
            [quarantine + "read", quarantine + "write"],
            [],
            [artifacts + "read", artifacts + "write"],
            [],
        ),
        (name + "Repository Reader", "b93aa761-3e63-49ed-ac28-beffa264f7ac", [], [], _REPOSITORY_READ, []),
        (name + "Repository Writer", "2a1e307c-b015-4ebd-883e-5b7698a07328", [], [], write, []),
        (
            name + "Repository Contributor",
            "2efddaa5-3f1f-4df3-97df-af3f13818f4c",
            [],
            [],
            [*write, *_REPOSITORY_DELETE],
            [],
        ),
        (
            name + "Repository Catalog Lister",
            "bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7",
            [],
            [],
            [_ACR + "catalog/read"],
            [],
        ),
        (
            name + "Data Importer and Data Reader",
            "577a9874-89fd-4f24-9dbd-b5034d0ad23a",
            importer,
            [],
            [_ACR + "catalog/read", *_REPOSITORY_READ],
            [],
        ),
    ]


def _general_roles() -> list[_Role]:
    return [
        ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", ["*"], [], [], []),
        (
            "Contributor",
            "b24988ac-6180-42a0-ab88-20f7382dd24c",
            ["*"],
            [
                "Microsoft.Authorization/*/Delete",
                "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action",
                "Microsoft.Blueprint/blueprintAssignments/write",
                "Microsoft.Blueprint/blueprintAssignments/delete",
                "Microsoft.Compute/galleries/share/action",
            ],
            [],
            [],
        ),
        ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", ["*/read"], [], [], []),
        (
            "User Access Administrator",
            "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
            ["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
            [],
            [],
            [],
        ),
        (
            "Monitoring Reader",
            "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
            ["*/read", "Microsoft.OperationalInsights/workspaces/search/action", "Microsoft.Support/*"],
            [],
            [],
            [],
        ),
        (
            "Log Analytics Reader",
            "73c42c96-874c-492b-b04d-ab87d138a893",
            [
                "*/read",
                "Microsoft.OperationalInsights/workspaces/analytics/query/action",
                "Microsoft.OperationalInsights/workspaces/search/action",
                "Microsoft.Support/*",
            ],
            ["Microsoft.OperationalInsights/workspaces/sharedKeys/read"],
            [],
            [],
        ),
        (
            "Managed Identity Operator",
            "f1a07417-d97a-45cb-824c-7a7467783830",
            [
                "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
                "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
                "Microsoft.Authorization/*/read",
                "Microsoft.Insights/alertRules/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Resources/deployments/*",
                "Microsoft.Support/*",
            ],
            [],
            [],
            [],
        ),
        (
            "Network Contributor",
            "4d97b98b-1d4f-4787-a291-c67834d212e7",
            [
                "Microsoft.Authorization/*/read",
                "Microsoft.Insights/alertRules/*",
                "Microsoft.Network/*",
                "Microsoft.ResourceHealth/availabilityStatuses/read",
                "Microsoft.Resources/deployments/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Support/*",
            ],
            [],
            [],
            [],
        ),
    ]


def _cluster_roles() -> list[_Role]:
    name = "Azure Kubernetes Service "
    user, monitoring = _AKS + _CLUSTER_USER, _AKS + "listClusterMonitoringUserCredential/action"
    admin = [
        _AKS + "listClusterAdminCredential/action",
        _AKS + "accessProfiles/listCredential/action",
        _AKS + "read",
        _AKS + "runcommand/action",
    ]
    kept = [_AKS + "resourcequotas/write", _AKS + "resourcequotas/delete"]
    kept += [_AKS + "namespaces/write", _AKS + "namespaces/delete"]
    contributor = [_AKS + "read", _AKS + "write", "Microsoft.Resources/deployments/*"]
    everything = [_AKS + "*"]
    rbac = [*_READ_ANYWHERE, user]
    return [
        (name + "Cluster Admin Role", "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8", admin, [], [], []),
        (name + "Cluster User Role", "4abbcc35-e782-43d8-92c5-2d3f1bd2253f", [user, _AKS + "read"], [], [], []),
        (
            name + "Cluster Monitoring User",
            "1afdec4b-e479-420e-99e7-f82237c7c5e6",
            [monitoring, _AKS + "read"],
            [],
            [],
            [],
        ),
        (name + "Contributor Role", "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8", contributor, [], [], []),
        (name + "RBAC Reader", "7f6c6a51-bcf8-42ba-9220-52d62157d7db", _READ_ANYWHERE, [], _KUBERNETES_READ, []),
        (name + "RBAC Writer", "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb", _READ_ANYWHERE, [], _KUBERNETES_WRITE, []),
        (name + "RBAC Admin", "3498e952-d568-435e-9b2c-8d77e338d7f7", rbac, [], everything, kept),
        (name + "RBAC Cluster Admin", "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b", rbac, [], everything, []),
    ]


def _body(role: _Role) -> dict[str, Any]:
    name, guid, actions, not_actions, data_actions, not_data_actions = role
    return {
        "properties": {
            "roleName": name,
            "type": "BuiltInRole",
            "description": name,
            "assignableScopes": ["/"],
            "permissions": [
                {
                    "actions": actions,
                    "notActions": not_actions,
                    "dataActions": data_actions,
                    "notDataActions": not_data_actions,
                }
            ],
            "createdOn": "2021-11-11T20:13:08.8779328Z",
            "updatedOn": "2021-11-11T20:13:08.8779328Z",
            "createdBy": None,
            "updatedBy": None,
        },
        "id": f"/providers/Microsoft.Authorization/roleDefinitions/{guid}",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": guid,
    }


def builtin_roles() -> dict[str, dict[str, Any]]:
    """Role definition bodies by their GUID (lower case)."""
    roles = [*_registry_roles(), *_general_roles(), *_cluster_roles()]
    return {role[1]: _body(role) for role in roles}
