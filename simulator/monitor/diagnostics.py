"""Diagnostic settings of registries: which tables of which workspace their events go to.

A setting is a body of its own in TENANT/arm, with the id
`{registry}/providers/Microsoft.Insights/diagnosticSettings/{name}`.
"""

from __future__ import annotations

from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resource, Resources
from simulator.nodes.node_network import items, table

SETTINGS = "microsoft.insights/diagnosticsettings"
LOGIN_EVENTS, REPOSITORY_EVENTS = "ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"
TABLES = (LOGIN_EVENTS, REPOSITORY_EVENTS)
_ALL = ("alllogs", "audit")


def settings_of(resources: Resources, resource_id: str) -> list[Resource]:
    """The diagnostic settings of one resource."""
    return [one for one in resources.everywhere(SETTINGS) if ids.key(one.path.scope) == ids.key(resource_id)]


def sources(resources: Resources, workspace: Resource) -> dict[str, set[str]]:
    """By table: the registries (keys of their ids) whose events go to it in a workspace."""
    found: dict[str, set[str]] = {}
    for setting in resources.everywhere(SETTINGS):
        properties = table(setting.body.get("properties"))
        if ids.key(str(properties.get("workspaceId") or "")) == workspace.lower:
            for name in TABLES:
                if _is_on(properties, name):
                    found.setdefault(name, set()).add(ids.key(setting.path.scope))
    return found


def _is_on(properties: dict[str, Any], category: str) -> bool:
    for log in items(properties.get("logs")):
        group = str(log.get("categoryGroup") or "").lower()
        if log.get("enabled") is True and (group in _ALL or str(log.get("category")).lower() == category.lower()):
            return True
    return False
