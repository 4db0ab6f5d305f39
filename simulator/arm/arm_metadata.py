"""What ARM tells about itself and what follows from a SKU: tenants, locations, providers, registry usages."""

from __future__ import annotations

from typing import Any

from simulator.arm.resources import Resource

GIB = 1024**3
METADATA = "/metadata/endpoints"
_LOCATIONS = (
    ("eastus", "East US", "US"),
    ("eastus2", "East US 2", "US"),
    ("westus2", "West US 2", "US"),
    ("northeurope", "North Europe", "Europe"),
    ("westeurope", "West Europe", "Europe"),
    ("germanywestcentral", "Germany West Central", "Europe"),
    ("uksouth", "UK South", "UK"),
    ("southeastasia", "Southeast Asia", "Asia Pacific"),
)
_PROVIDERS = {
    "Microsoft.Authorization": ("roleAssignments", "roleDefinitions", "denyAssignments"),
    "Microsoft.Compute": ("virtualMachineScaleSets",),
    "Microsoft.ContainerRegistry": ("registries", "registries/replications", "registries/cacheRules"),
    "Microsoft.ContainerService": ("managedClusters", "managedClusters/agentPools"),
    "Microsoft.Insights": ("diagnosticSettings", "metrics"),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities",),
    "Microsoft.Network": ("virtualNetworks", "publicIPAddresses", "privateEndpoints", "privateDnsZones"),
    "Microsoft.OperationalInsights": ("workspaces",),
    "Microsoft.Resources": ("subscriptions", "resourceGroups"),
}
_API_VERSIONS = ["2026-09-01-preview", "2026-08-01", "2025-11-01", "2024-07-01", "2022-04-01", "2021-04-01"]
# SKU: included storage GiB, webhooks, tokens and scope maps
_SKUS = {"basic": (10, 2, 100), "standard": (100, 10, 500), "premium": (500, 500, 50_000)}


def cloud(version: str, arm: str, graph: str, logs: str) -> Any:
    """What `GET /metadata/endpoints` says without a token: where the cloud's services are (one cloud, or at older
    api-versions a list of them). Azure's own has "https://api.loganalytics.io" for `logAnalyticsResourceId`."""
    described = {
        "name": "Simulated",
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": arm,
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": arm,
        "graph": graph,
        "graphAudience": graph,
        "microsoftGraphResourceId": graph,
        "logAnalyticsResourceId": logs,
        "suffixes": {"acrLoginServer": "azurecr.io"},
    }
    return described if version[:10] >= "2023-11-01" else [described]


def tenants(tenant_id: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"/tenants/{tenant_id}",
            "tenantId": tenant_id,
            "countryCode": "DE",
            "displayName": "Simulated",
            "domains": ["simulated.onmicrosoft.com"],
            "tenantCategory": "Home",
        }
    ]


def locations(subscription_id: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"/subscriptions/{subscription_id}/locations/{name}",
            "name": name,
            "type": "Region",
            "displayName": display,
            "regionalDisplayName": f"({geography}) {display}",
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "geographyGroup": geography},
        }
        for name, display, geography in _LOCATIONS
    ]


def provider_list(namespace: str | None) -> list[dict[str, Any]]:
    """All providers, or the one named; one nobody knows is told as registered without types."""
    chosen = {n: t for n, t in _PROVIDERS.items() if namespace is None or n.lower() == namespace.lower()}
    if namespace is not None and not chosen:
        chosen = {namespace: ()}
    return [
        {
            "id": f"/providers/{name}",
            "namespace": name,
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
            "resourceTypes": [
                {"resourceType": kind, "locations": [], "apiVersions": _API_VERSIONS, "capabilities": "None"}
                for kind in types
            ],
        }
        for name, types in chosen.items()
    ]


def usages(registry: Resource | None) -> list[dict[str, Any]]:
    """listUsages of a registry that has no body for it: its SKU's limits, hardly used."""
    sku = registry.body.get("sku") if registry else None
    name = str(sku.get("name", "")).lower() if isinstance(sku, dict) else ""
    gib, webhooks, tokens = _SKUS.get(name, _SKUS["basic"])
    rows = [("Size", gib * GIB, gib * GIB // 50, "Bytes"), ("Webhooks", webhooks, 0, "Count")]
    if name == "premium":
        rows += [("Geo-replications", -1, 0, "Count"), ("IPRules", 200, 0, "Count"), ("VNetRules", 100, 0, "Count")]
        rows += [("PrivateEndpointConnections", 200, 0, "Count")]
    rows += [("ScopeMaps", tokens, 3, "Count"), ("Tokens", tokens, 0, "Count")]
    return [{"name": n, "limit": limit, "currentValue": value, "unit": unit} for n, limit, value, unit in rows]
