"""The Log Analytics workspaces of a generated fleet, and the diagnostic settings by which registries fill them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.fleet.model import REGIONS, Fleet, Registry

Body = dict[str, Any]


def workspaces(fleet: Fleet) -> Iterator[Body]:
    for number in range(fleet.wanted.workspaces):
        workspace = fleet.workspace_id(number)
        yield {
            "id": workspace,
            "name": workspace.rsplit("/", 1)[-1],
            "type": "Microsoft.OperationalInsights/workspaces",
            "location": REGIONS[0],
            "tags": {},
            "properties": {
                "customerId": fleet.guid("workspace", number),
                "provisioningState": "Succeeded",
                "sku": {"name": "PerGB2018"},
                "retentionInDays": 30,
                "publicNetworkAccessForIngestion": "Enabled",
                "publicNetworkAccessForQuery": "Enabled",
            },
        }


def settings(fleet: Fleet, registry: Registry) -> Iterator[Body]:
    """The setting of one registry: every second names its categories, the others the group of all of them."""
    if not fleet.wanted.workspaces:
        return
    categories = ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents")
    logs = [{"category": name, "categoryGroup": None} for name in categories]
    if registry.index % 2:
        logs = [{"category": None, "categoryGroup": "allLogs"}]
    kept = {"enabled": True, "retentionPolicy": {"days": 0, "enabled": False}}
    yield {
        "id": f"{registry.id}/providers/Microsoft.Insights/diagnosticSettings/to-workspace",
        "name": "to-workspace",
        "type": "Microsoft.Insights/diagnosticSettings",
        "location": registry.region,
        "properties": {
            "workspaceId": fleet.workspace_id(registry.index % fleet.wanted.workspaces),
            "logAnalyticsDestinationType": None,
            "logs": [log | kept for log in logs],
            "metrics": [{"category": "AllMetrics", **kept}],
        },
    }
