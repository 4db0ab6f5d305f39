"""Commands about identities and their permissions: roles, groups, Microsoft Graph, Key Vault and clusters."""

from __future__ import annotations

import json

from checks.arm_ids import name_of
from checks.facts import Cluster, RoleAssignment, subscription_of
from checks.rules.fixes import kubectl
from checks.rules.fixes.shell import command, resource_options

# Stands for the app's own object id in commands that are made where it is not known.
OWN_IDENTITY = "<object id of Pullwatch>"  # without an apostrophe, which no shell likes


def assign_role(object_id: str, role: str, scope: str, condition: str | None = None) -> str:
    """``az role assignment create`` by object id, which needs no Graph lookup and cannot mistake a client id for it."""
    return command(
        *("az", "role", "assignment", "create", "--assignee-object-id", object_id),
        *("--assignee-principal-type", "ServicePrincipal", "--role", role, "--scope", scope),
        *(("--condition", condition, "--condition-version", "2.0") if condition else ()),
    )


def assign_role_to(variable: str, role: str, scope: str) -> str:
    """``az role assignment create`` for the object id in a shell variable."""
    return f'az role assignment create --assignee-object-id "${variable}" ' + command(
        *("--assignee-principal-type", "ServicePrincipal", "--role", role, "--scope", scope)
    )


def change_condition(assignment: RoleAssignment, condition: str) -> str:
    """``az rest`` that replaces the condition of a role assignment: Azure allows no second one of the same role."""
    url = f"{assignment.id}?api-version=2022-04-01"
    wanted = {
        "roleDefinitionId": assignment.role_definition_id,
        "principalId": assignment.principal_id,
        "principalType": assignment.principal_type or "ServicePrincipal",
        "condition": condition,
        "conditionVersion": "2.0",
    }
    body = json.dumps({"properties": wanted})
    return command("az", "rest", "--method", "put", "--url", url, "--body", body)


def delete_assignment(assignment_id: str) -> str:
    """``az role assignment delete`` of one assignment by its id."""
    return command("az", "role", "assignment", "delete", "--ids", assignment_id)


def list_deny_assignments(scope: str) -> str:
    """``az rest`` for the deny assignments at a scope (most installed CLIs do not have the newer command)."""
    url = f"{scope}/providers/Microsoft.Authorization/denyAssignments?api-version=2024-07-01-preview&$filter=atScope()"
    return command("az", "rest", "--method", "get", "--url", url)


def remove_from_group(group_id: str, object_id: str) -> str:
    """``az ad group member remove``."""
    return command("az", "ad", "group", "member", "remove", "--group", group_id, "--member-id", object_id)


def create_identity(identity: str) -> str:
    """``az identity create`` with the name and resource group of a resource id."""
    name = name_of(identity)
    return command("az", "identity", "create", *resource_options(identity), "--name", name)


def grant_application_read(graph: str) -> str:
    """``az rest`` that grants Application.Read.All of Microsoft Graph to Pullwatch's identity."""
    who = OWN_IDENTITY
    wanted = {
        "principalId": who,
        "resourceId": "<az ad sp show --id 00000003-0000-0000-c000-000000000000 --query id>",
        "appRoleId": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    }
    url = f"{graph}/v1.0/servicePrincipals/{who}/appRoleAssignments"
    return command("az", "rest", "--method", "post", "--url", url, "--body", json.dumps(wanted))


def grant_vault_secrets(vault: str, principal_id: str) -> str:
    """``az keyvault set-policy``: lets the identity of a credential set get the secrets of a vault."""
    return command(
        *("az", "keyvault", "set-policy", "--name", vault, "--object-id", principal_id),
        *("--secret-permissions", "get"),
    )


def grant_secret_reader(cluster: Cluster, namespace: str) -> tuple[str, ...]:
    """Grants Pullwatch's identity ``get`` on the secrets of one namespace, and nothing else."""
    who, name = OWN_IDENTITY, "Pullwatch pull secret reader"
    if cluster.azure_rbac:
        role = {
            "Name": name,
            "Description": "Reads the pull secrets that pods name.",
            "AssignableScopes": [f"/subscriptions/{subscription_of(cluster.id)}"],
            "Actions": [],
            "DataActions": ["Microsoft.ContainerService/managedClusters/secrets/read"],
        }
        return (
            command("az", "role", "definition", "create", "--role-definition", json.dumps(role)),
            assign_role(who, name, f"{cluster.id}/namespaces/{namespace}"),
        )
    return kubectl.grant_secret_reader(namespace, who)


def grant_run_command(cluster: Cluster) -> tuple[str, ...]:
    """Grants Pullwatch's identity Run Command on one cluster, with a custom role: no built-in role has only that."""
    name = "Pullwatch Run Command"
    role = {
        "Name": name,
        "Description": "Runs commands in AKS clusters and reads their results.",
        "AssignableScopes": [f"/subscriptions/{subscription_of(cluster.id)}"],
        "Actions": [
            "Microsoft.ContainerService/managedClusters/runcommand/action",
            "Microsoft.ContainerService/managedClusters/commandResults/read",
        ],
    }
    return (
        command("az", "role", "definition", "create", "--role-definition", json.dumps(role)),
        assign_role(OWN_IDENTITY, name, cluster.id),
    )


def grant_action(action: str, subscription: str) -> tuple[str, ...]:
    """Grants Pullwatch's identity one action that Reader lacks on a subscription, with a custom role of that action."""
    scope = f"/subscriptions/{subscription}"
    name = f"Pullwatch {action.split('/')[-2]}"
    role = {
        "Name": name,
        "Description": "One POST list, which no */read covers.",
        "AssignableScopes": [scope],
        "Actions": [action],
    }
    return (
        command("az", "role", "definition", "create", "--role-definition", json.dumps(role)),
        assign_role(OWN_IDENTITY, name, scope),
    )


def list_policy_assignments(cluster: Cluster) -> str:
    """``az policy assignment list`` at the scope of a cluster."""
    where = resource_options(cluster.id)
    return command("az", "policy", "assignment", "list", *where, "--filter", "atScope()")
