"""The commands that fix things, quoted for a POSIX shell: every value that Azure or a pod gave is one safe word."""

from __future__ import annotations

import json
import shlex

from checks.facts import Cluster, RoleAssignment, resource_group_of, subscription_of


def command(*words: str) -> str:
    """One shell command out of words, each quoted where it needs to be."""
    return shlex.join(words)


def assign_role(object_id: str, role: str, scope: str, condition: str | None = None) -> str:
    """``az role assignment create`` by object id, which needs no Graph look-up and takes no client id by mistake."""
    return command(
        *("az", "role", "assignment", "create", "--assignee-object-id", object_id),
        *("--assignee-principal-type", "ServicePrincipal", "--role", role, "--scope", scope),
        *(("--condition", condition, "--condition-version", "2.0") if condition else ()),
    )


def change_condition(assignment: RoleAssignment, condition: str) -> str:
    """``az rest`` that gives a role assignment another condition: Azure allows no second one of the same role."""
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


def unassign(assignment_id: str) -> str:
    """``az role assignment delete`` of one assignment by its id."""
    return command("az", "role", "assignment", "delete", "--ids", assignment_id)


def leave_group(group_id: str, object_id: str) -> str:
    """``az ad group member remove``."""
    return command("az", "ad", "group", "member", "remove", "--group", group_id, "--member-id", object_id)


def attach_acr(cluster: Cluster, registry_id: str) -> str:
    """``az aks update --attach-acr``: assigns AcrPull to the kubelet identity. Of no use on an ABAC registry."""
    return command(*_aks("update", cluster), "--attach-acr", registry_id)


def show_cluster(cluster: Cluster) -> str:
    """``az aks show`` for the identity that nodes pull with."""
    return command(*_aks("show", cluster), "--query", "identityProfile.kubeletidentity")


def update_cluster(cluster: Cluster) -> str:
    """``az aks update`` without a change: it reconciles the cluster, kubelet identity included."""
    return command(*_aks("update", cluster))


def enable_managed_identity(cluster: Cluster) -> str:
    """``az aks update --enable-managed-identity``: moves a service-principal cluster to managed identities."""
    return command(*_aks("update", cluster), "--enable-managed-identity")


def _aks(verb: str, cluster: Cluster) -> tuple[str, ...]:
    return (
        *("az", "aks", verb, "--subscription", subscription_of(cluster.id)),
        *("--resource-group", resource_group_of(cluster.id), "--name", cluster.name),
    )


def list_denies(scope: str) -> str:
    """``az rest`` for the deny assignments that reach a scope (the CLI's own command is newer than most CLIs)."""
    url = f"{scope}/providers/Microsoft.Authorization/denyAssignments?api-version=2024-07-01-preview&$filter=atScope()"
    return command("az", "rest", "--method", "get", "--url", url)


def describe_pod(namespace: str, pod: str) -> str:
    """``kubectl describe pod``: the whole text and its events."""
    return command("kubectl", "describe", "pod", "--namespace", namespace, pod)
