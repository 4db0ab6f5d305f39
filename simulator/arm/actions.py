"""The action that Azure RBAC asks for a request to ARM: what a role has to hold for it.

`GET …/managedClusters/x` and a list of them are `Microsoft.ContainerService/managedClusters/read`; `POST` to
`…/x/runCommand` is `…/managedClusters/runCommand/action`; extension resources such as role assignments have their own
provider's action, at whatever scope. Source: "Azure resource provider operations" on Microsoft Learn.
"""

from __future__ import annotations

from simulator.arm import ids

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}
RESOURCE_GRAPH = "microsoft.resourcegraph/resources"
_SUBSCRIPTIONS = "Microsoft.Resources/subscriptions"


def action_of(method: str, path: str) -> str:
    """The action of a request by its method and path, in the path's own case; "" for what needs none (`/tenants`)."""
    parsed, verb = ids.parse(path), _VERBS.get(method.upper(), "write")
    if parsed.full_type.lower() == RESOURCE_GRAPH:
        return f"{parsed.full_type}/read"  # a POST for the sake of its body
    if parsed.types:
        return f"{parsed.full_type}/{verb}"
    if not parsed.segments or parsed.segments[0].lower() != "subscriptions":
        return ""
    if parsed.namespace is not None:
        return f"{_SUBSCRIPTIONS}/providers/{verb}"
    return "/".join([_SUBSCRIPTIONS, *parsed.segments[2::2], verb])
