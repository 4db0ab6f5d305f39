"""The ARM resources of a tenant, found by id, by type and by parent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.arm import ids

# Where a parent keeps node pools: under another name than their type has.
AGENT_POOLS, POOL_PROFILES = "agentPools", "agentPoolProfiles"


@dataclass(slots=True, eq=False)
class Resource:
    """One body as it stands in its file. `lower` is the key of its id, `kind` its full type in lower case."""

    id: str
    lower: str
    kind: str
    body: dict[str, Any]
    path: ids.ArmPath
    encoded: dict[str, bytes] = field(default_factory=dict)  # by what is hidden, see versions.py


@dataclass(slots=True)
class Subscription:
    id: str
    body: dict[str, Any]
    groups: dict[str, Resource] = field(default_factory=dict)

    def is_delegated_to(self, tenant: str) -> bool:
        """Whether a tenant looks at it through Azure Lighthouse: it is another's, and names that tenant as managing."""
        own, listed = self.body.get("tenantId"), self.body.get("managedByTenants")
        managing = {
            str(item.get("tenantId")).lower()
            for item in (listed if isinstance(listed, list) else [])
            if isinstance(item, dict)
        }
        return isinstance(own, str) and own.lower() != tenant.lower() and tenant.lower() in managing


class Resources:
    """An index over all bodies. Built anew when a file changed, so it never changes itself."""

    def __init__(self, bodies: Iterable[dict[str, Any]], default_tenant: str) -> None:
        self.by_id: dict[str, Resource] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self._children: dict[tuple[str, str], list[Resource]] = {}
        self._top: dict[tuple[str, str], list[Resource]] = {}
        self._default_tenant = default_tenant
        for body in bodies:
            if isinstance(body.get("id"), str):
                self._add(body["id"], body)
        for resource in list(self.by_id.values()):
            self._derive_locations(resource)

    def find(self, resource_id: str) -> Resource | None:
        """By id; a child is found by its own body or inside its parent's."""
        resource = self.by_id.get(ids.key(resource_id))
        if resource is not None:
            return resource
        path = ids.parse(resource_id)
        if path.parent is None or not path.is_resource:
            return None
        parent = self.find(path.parent)
        children = self._embedded(parent, path.types[-1]) if parent else []
        return next((child for child in children if child.lower == ids.key(resource_id)), None)

    def children(self, parent_id: str, child_type: str) -> list[Resource]:
        """Children of one type: those with bodies of their own first, then those the parent embeds."""
        own = self._children.get((ids.key(parent_id), child_type.lower()), [])
        known = {child.lower for child in own}
        parent = self.find(parent_id)
        embedded = self._embedded(parent, child_type) if parent else []
        return [*own, *(child for child in embedded if child.lower not in known)]

    def below(self, parent_id: str, child_type: str) -> list[Resource]:
        """Descendants at any depth whose last type is the one asked for (interfaces of a scale set's machines)."""
        above = ids.key(parent_id)
        return [
            resource
            for resource in self.by_id.values()
            if resource.kind.endswith("/" + child_type.lower()) and ids.covers(above, resource.lower)
        ]

    def all_children(self, parent_id: str) -> list[Resource]:
        parent = ids.key(parent_id)
        return [child for (above, _), resources in self._children.items() if above == parent for child in resources]

    def of_type(self, kind: str, subscription_id: str, group: str | None = None) -> list[Resource]:
        """Top-level resources of a full type in a subscription, or in one of its resource groups."""
        resources = self._top.get((kind.lower(), subscription_id.lower()), [])
        if group is None:
            return resources
        return [resource for resource in resources if (resource.path.group or "").lower() == group.lower()]

    def everywhere(self, kind: str) -> Iterator[Resource]:
        for (resource_type, _), resources in self._top.items():
            if resource_type == kind.lower():
                yield from resources

    def in_subscription(self, subscription_id: str, group: str | None = None) -> list[Resource]:
        """Every top-level resource, as `GET .../resources` lists them: without what only extends one of them."""
        items = [r for (_, s), resources in self._top.items() if s == subscription_id.lower() for r in resources]
        items = [r for r in items if "/providers/" not in r.path.scope.lower()]
        return [r for r in items if group is None or (r.path.group or "").lower() == group.lower()]

    def _add(self, resource_id: str, body: dict[str, Any]) -> None:
        path = ids.parse(resource_id)
        resource = Resource(resource_id, ids.key(resource_id), path.full_type.lower(), body, path)
        previous = self.by_id.get(resource.lower)
        self.by_id[resource.lower] = resource
        if not path.is_resource:
            return
        if path.parent is not None:
            siblings = self._children.setdefault((ids.key(path.parent), path.types[-1].lower()), [])
        else:
            siblings = self._top.setdefault((resource.kind, (path.subscription or "").lower()), [])
        if previous is not None:
            siblings.remove(previous)  # an id that is given twice: the later body counts
        siblings.append(resource)

    def _derive_locations(self, resource: Resource) -> None:
        """Subscriptions and resource groups exist where a body of their own says so or an id implies them."""
        subscription_id = resource.path.subscription
        if subscription_id is None:
            return
        subscription = self.subscriptions.get(subscription_id.lower())
        if subscription is None:
            given = self.by_id.get(ids.key(f"/subscriptions/{subscription_id}"))
            body = given.body if given else self._subscription_body(subscription_id)
            subscription = self.subscriptions[subscription_id.lower()] = Subscription(subscription_id, body)
        name = resource.path.group
        if name is not None and name.lower() not in subscription.groups:
            subscription.groups[name.lower()] = self._group(subscription_id, name, resource)

    def _group(self, subscription_id: str, name: str, member: Resource) -> Resource:
        group_id = f"/subscriptions/{subscription_id}/resourceGroups/{name}"
        given = self.by_id.get(ids.key(group_id))
        if given is not None:
            return given
        body = {
            "id": group_id,
            "name": name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": member.body.get("location", "westeurope"),
            "properties": {"provisioningState": "Succeeded"},
        }
        return Resource(group_id, ids.key(group_id), "microsoft.resources/resourcegroups", body, ids.parse(group_id))

    def _subscription_body(self, subscription_id: str) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{subscription_id}",
            "subscriptionId": subscription_id,
            "displayName": subscription_id,
            "state": "Enabled",
            "tenantId": self._default_tenant,
            "subscriptionPolicies": {"spendingLimit": "Off", "quotaId": "EnterpriseAgreement_2014-09-01"},
            "authorizationSource": "RoleBased",
        }

    def _embedded(self, parent: Resource, child_type: str) -> list[Resource]:
        properties = parent.body.get("properties")
        if not isinstance(properties, dict):
            return []
        pool = child_type.lower() == AGENT_POOLS.lower()
        wanted = (POOL_PROFILES if pool else child_type).lower()
        name = next((name for name in properties if name.lower() == wanted), None)
        items = properties.get(name) if name else None
        embedded = []
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                embedded.append(_embedded_child(parent, AGENT_POOLS if pool else str(name), item, pool=pool))
        return embedded


def _embedded_child(parent: Resource, child_type: str, item: dict[str, Any], *, pool: bool) -> Resource:
    """A child as its own GET shows it. A node pool's profile is its properties; the others are whole already."""
    child_id = f"{parent.id}/{child_type}/{item['name']}"
    if not pool and isinstance(item.get("id"), str):
        child_id = item["id"]
    path = ids.parse(child_id)
    body = item
    if pool:
        properties = {name: value for name, value in item.items() if name != "name"}
        body = {"id": child_id, "name": item["name"], "type": path.full_type, "properties": properties}
    elif "id" not in item:
        body = {"id": child_id, **item}
    return Resource(child_id, ids.key(child_id), path.full_type.lower(), body, path)
