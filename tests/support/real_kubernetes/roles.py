"""Azure's built-in roles for AKS as ClusterRoles: what their documented data actions come to in Kubernetes' words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.arm.builtin_roles import builtin_roles

READER = "Azure Kubernetes Service RBAC Reader"
WRITER = "Azure Kubernetes Service RBAC Writer"
# A custom role, as Pullwatch's own fix makes it.
SECRET_READER = "Pullwatch pull secret reader"
ALL = (READER, WRITER, SECRET_READER)
_PREFIX = "Microsoft.ContainerService/managedClusters/"
_VERBS = {
    "read": ("get", "list", "watch"),
    "write": ("create", "update", "patch"),
    "delete": ("delete", "deletecollection"),
}


def cluster_role(name: str) -> dict[str, Any]:
    """The ClusterRole of one of Azure's."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name_of(name)},
        "rules": [_rule(action.removeprefix(_PREFIX)) for action in data_actions(name)],
    }


def name_of(role: str) -> str:
    """The ClusterRole's name: Kubernetes takes no blanks."""
    return role.lower().replace(" ", "-")


def data_actions(role: str) -> Sequence[str]:
    """The documented data actions of a built-in role, or those of the custom one. Raises KeyError."""
    if role == SECRET_READER:
        return (f"{_PREFIX}secrets/read",)
    by_name = {body["properties"]["roleName"]: body["properties"] for body in builtin_roles().values()}
    actions: list[str] = by_name[role]["permissions"][0]["dataActions"]
    return actions


def verbs_allowed(role: str) -> set[tuple[str, str]]:
    """(verb, resource) of everything in the core group that the role allows."""
    rules = [rule for rule in cluster_role(role)["rules"] if rule["apiGroups"] == [""]]
    return {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def _rule(action: str) -> dict[str, Any]:
    """`apps/deployments/read` or `pods/*`: the group, where there is one, the resource, the verb."""
    *group, resource, verb = action.split("/")
    verbs = [one for many in _VERBS.values() for one in many] if verb == "*" else list(_VERBS[verb])
    return {"apiGroups": group or [""], "resources": [resource], "verbs": verbs}
