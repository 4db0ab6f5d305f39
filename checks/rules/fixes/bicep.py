"""Fixes as Bicep, to deploy to the registry's resource group."""

from __future__ import annotations

from checks.facts import Registry, resource_group_of

HEAD = "// Bicep:"


def role_assignment(
    registry: Registry, role_guid: str, object_id: str, condition: str | None = None, name: str | None = None
) -> str:
    """A role assignment on a registry, by the role's guid and the principal's object id.

    ``name`` is that of the existing assignment, if any: Azure rejects a second assignment of the same role.
    """
    principal, role = quoted(object_id), quoted(role_guid)
    condition_lines = [f"    condition: {quoted(condition)}", "    conditionVersion: '2.0'"] if condition else []
    return "\n".join(
        [
            f"{HEAD} deploy to resource group {' '.join(resource_group_of(registry.id).split())}",
            "resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {",
            f"  name: {quoted(registry.name)}",
            "}",
            "resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {",
            f"  name: {quoted(name) if name else f'guid(registry.id, {principal}, {role})'}",
            "  scope: registry",
            "  properties: {",
            f"    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', {role})",
            f"    principalId: {principal}",
            "    principalType: 'ServicePrincipal'",
            *condition_lines,
            "  }",
            "}",
        ]
    )


def quoted(text: str) -> str:
    """A text as a Bicep string: quotes, backslashes, line breaks and interpolation are escaped."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
    return "'" + escaped.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t") + "'"
