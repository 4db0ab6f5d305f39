"""What the app may do in a cluster: the data actions it was granted, less those that caller.json denies.

It holds what "Azure Kubernetes Service RBAC Writer" on the cluster gives, which is all that any check needs and
includes no nodes. `granted` of caller.json adds data actions:
`["Microsoft.ContainerService/managedClusters/nodes/read"]`. Where caller.json has its roles enforced, it holds what
they give it, at the cluster or in a namespace (`{cluster}/namespaces/{name}`).
"""

from __future__ import annotations

from functools import cache

from simulator.arm.builtin_roles import builtin_roles
from simulator.entra.app_permissions import Caller, matches

PREFIX = "Microsoft.ContainerService/managedClusters/"
ROLE = "Azure Kubernetes Service RBAC Writer"


def may(caller: Caller, action: str, cluster: str, namespace: str | None = None) -> bool:
    """Whether the app may do something in a cluster, or in one of its namespaces."""
    scope = f"{cluster}/namespaces/{namespace}" if namespace and caller.roles is not None else cluster
    patterns = ("*",) if caller.roles is not None else (*_data_actions(), *caller.granted)
    return any(matches(pattern, action) for pattern in patterns) and not caller.is_denied(action, scope, data=True)


@cache
def _data_actions() -> tuple[str, ...]:
    """The documented data actions of the role."""
    bodies = (body["properties"] for body in builtin_roles().values())
    role = next(properties for properties in bodies if properties["roleName"] == ROLE)
    return tuple(role["permissions"][0]["dataActions"])
