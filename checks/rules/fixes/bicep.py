"""Bicep that fixes things: a snippet to deploy into the registry's resource group."""

from __future__ import annotations

from checks.facts import Registry, resource_group_of

HEAD = "// Bicep:"


def role_assignment(
    registry: Registry, role_guid: str, object_id: str, condition: str | None = None, name: str | None = None
) -> str:
    """A role assignment on a registry, by the role's guid and the principal's object id.

    ``name`` is that of the assignment there is already: under another name Azure refuses a second one of the same role.
    """
    who, role = quoted(object_id), quoted(role_guid)
    narrowed = [f"    condition: {quoted(condition)}", "    conditionVersion: '2.0'"] if condition else []
    return "\n".join(
        [
            f"{HEAD} deploy to resource group {' '.join(resource_group_of(registry.id).split())}",
            "resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {",
            f"  name: {quoted(registry.name)}",
            "}",
            "resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {",
            f"  name: {quoted(name) if name else f'guid(registry.id, {who}, {role})'}",
            "  scope: registry",
            "  properties: {",
            f"    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', {role})",
            f"    principalId: {who}",
            "    principalType: 'ServicePrincipal'",
            *narrowed,
            "  }",
            "}",
        ]
    )


def quoted(text: str) -> str:
    """A text as a Bicep string: quotes, backslashes, line ends and interpolation are escaped."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
    return "'" + escaped.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t") + "'"
