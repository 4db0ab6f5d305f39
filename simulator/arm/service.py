"""Azure Resource Manager: every route that is about resources, generic wherever ARM is generic."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from simulator.arm import ids, resource_graph, versions
from simulator.arm.arm_metadata import METADATA, cloud, locations, provider_list, tenants, usages
from simulator.arm.authorization import parse_alternatives
from simulator.arm.authorization_api import ArmAuthorization
from simulator.arm.buckets import Buckets
from simulator.arm.cluster_actions import ArmClusters
from simulator.arm.network_actions import effective_page, listed_at, needs_grant
from simulator.arm.rbac import Rights
from simulator.arm.request import (
    ArmRequest,
    api_version,
    authenticate,
    known_group,
    known_subscription,
    resource_not_found,
)
from simulator.arm.resources import Resource, Resources, Subscription
from simulator.entra.app_permissions import Caller
from simulator.entra.tokens import ARM_AUDIENCES, Tokens
from simulator.kubernetes.clusters import CLUSTER, Clusters
from simulator.monitor.insights import Insights
from simulator.monitor.monitor import Monitor
from simulator.responses import answer, arm_refusal, encode
from simulator.tenant import Tenant

REGISTRY = "microsoft.containerregistry/registries"
DELETED_VAULTS = "microsoft.keyvault/deletedvaults"
RECORD_SETS = ("all", "recordsets")
BELOW_MACHINES = ("networkinterfaces", "publicipaddresses")


class Arm:
    """The service behind PULLWATCH_ARM_ENDPOINT. `origin` (its own address) is accepted as an audience as well;
    `graph` and `logs` are the addresses of the services that the cloud's metadata name."""

    def __init__(self, tenant: Tenant, tokens: Tokens, clusters: Clusters, monitor: Monitor, page_size: int) -> None:
        self._tenant = tenant
        self._tokens = tokens
        self._clusters = clusters
        self._page_size = page_size
        self._authorization = ArmAuthorization(tenant, page_size)
        self._actions = ArmClusters(clusters, tokens)
        self._insights = Insights(monitor, page_size)
        self.buckets = Buckets(tenant.root / "buckets.json", tenant.report)
        self.origin = self.graph = self.logs = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        caller = self._tenant.caller()
        query = {name.lower(): value for name, value in request.query.items()}
        if request.path.rstrip("/").lower() == METADATA:
            return answer(cloud(api_version(query), self.origin, self.graph, self.logs))
        audiences = (*ARM_AUDIENCES, self.origin)
        authenticate(self._tokens, request.headers.get("Authorization"), audiences, caller.tenant)
        path = ids.parse(request.path)
        self.buckets.take(request.method, path.subscription)
        version = api_version(query)
        asked = ArmRequest(
            method=request.method,
            path=path,
            query=query,
            version=version,
            base=f"{request.scheme}://{request.host}",
            body=await request.read(),
            caller=caller,
        )
        if self._insights.handles(path):
            known_subscription(path, self._tenant.resources())
            return await self._insights.answer(asked, self._tenant.resources())
        return self._dispatch(asked)

    def _dispatch(self, request: ArmRequest) -> web.Response:
        path, resources = request.path, self._tenant.resources()
        first = [part.lower() for part in path.segments[:1]]
        if first == ["subscriptions"] and len(path.segments) > 1:
            known_subscription(path, resources)
        if self._authorization.handles(path):
            return self._authorization.answer(request)
        if first == ["subscriptions"]:
            return self._in_subscription(request, resources)
        if first == ["tenants"] and len(path.segments) == 1:
            return request.page([encode(body) for body in tenants(request.caller.tenant)], self._page_size)
        if tuple(part.lower() for part in path.segments) == resource_graph.PATH and request.method == "POST":
            return resource_graph.answers(request, self._tenant)
        if path.is_resource:
            return self._resource(request, resources)
        raise arm_refusal(404, "NotFound", f"The simulator has nothing at '{path.text}'.")

    def _in_subscription(self, request: ArmRequest, resources: Resources) -> web.Response:
        path = request.path
        if len(path.segments) == 1:
            shown = [
                subscription
                for subscription in resources.subscriptions.values()
                if not request.caller.hides_subscription(subscription.id)
            ]
            return request.page([encode(subscription.body) for subscription in shown], self._page_size)
        subscription = resources.subscriptions[(path.subscription or "").lower()]
        rest = [part.lower() for part in path.segments[2:]]
        if path.namespace is None:
            return self._about_subscription(request, resources, subscription, rest)
        if not path.types:
            request.deny("Microsoft.Resources/subscriptions/providers/read", path.scope)
            return answer(provider_list(path.namespace)[0])
        if request.method == "POST" and not path.is_resource:
            return self._act(request, resources)
        return self._resource(request, resources) if path.is_resource else self._list(request, resources)

    def _about_subscription(
        self, request: ArmRequest, resources: Resources, subscription: Subscription, rest: list[str]
    ) -> web.Response:
        scope = f"/subscriptions/{subscription.id}"
        subscriptions = "Microsoft.Resources/subscriptions/"
        if not rest:
            request.deny(subscriptions + "read", scope)
            return answer(subscription.body)
        if rest == ["locations"]:
            request.deny(subscriptions + "locations/read", scope)
            return answer({"value": locations(subscription.id)})
        if rest == ["providers"]:
            request.deny(subscriptions + "providers/read", scope)
            return request.page([encode(body) for body in provider_list(None)], self._page_size)
        if rest[0] == "resourcegroups" and len(rest) <= 2:
            return self._groups(request, subscription, rest)
        if rest[-1] == "resources":
            group = request.path.group
            known_group(request.path, resources)
            request.deny(subscriptions + "resources/read", request.path.text.rsplit("/", 1)[0])
            return self._inventory(request, resources.in_subscription(subscription.id, group))
        raise arm_refusal(404, "NotFound", f"The simulator has nothing at '{request.path.text}'.")

    def _groups(self, request: ArmRequest, subscription: Subscription, rest: list[str]) -> web.Response:
        action = "Microsoft.Resources/subscriptions/resourceGroups/read"
        if len(rest) == 1:
            request.deny(action, f"/subscriptions/{subscription.id}")
            shown = [group for group in subscription.groups.values() if not request.caller.is_denied(action, group.id)]
            return request.page([encode(group.body) for group in shown], self._page_size)
        request.deny(action, request.path.text)
        group = subscription.groups.get(rest[1])
        if request.method == "HEAD":
            return web.Response(status=204 if group else 404)
        if group is None:
            message = f"Resource group '{request.path.segments[3]}' could not be found."
            raise arm_refusal(404, "ResourceGroupNotFound", message)
        return answer(group.body)

    def _inventory(self, request: ArmRequest, inventory: list[Resource]) -> web.Response:
        """`GET .../resources`: resources without properties; $filter by resourceType, name, location, tag."""
        wanted = [dict(one.equals) for one in parse_alternatives(request.query.get("$filter"))]
        items = [
            encode(_trimmed(resource))
            for resource in inventory
            if any(_passes(resource, one) for one in wanted)
            and not request.caller.is_denied(_type_of(resource) + "/read", resource.id)
        ]
        return request.page(items, self._page_size)

    def _resource(self, request: ArmRequest, resources: Resources) -> web.Response:
        path = request.path
        action = path.full_type + "/read"
        request.deny(action, path.text)
        if request.method not in ("GET", "HEAD"):
            raise arm_refusal(405, "MethodNotAllowed", f"The simulator does not take {request.method} here.")
        known_group(path, resources)
        if path.full_type.lower() == CLUSTER + "/commandresults":
            cluster = self._clusters.find(path.parent or "")
            if cluster is not None:
                return self._actions.command_result(request, cluster, path.names[-1])
        resource = resources.find(path.text)
        if resource is None:
            raise resource_not_found(path)
        return answer(versions.encoded_at(resource, request.version))

    def _list(self, request: ArmRequest, resources: Resources) -> web.Response:
        """Resources of a type at a subscription or resource group, or children of a resource."""
        path = request.path
        action = path.full_type + "/read"
        scope = path.parent or path.scope
        request.deny(action, scope, f"{path.scope}/providers/{path.namespace}" if path.parent is None else scope)
        known_group(path, resources)
        if path.full_type.lower() == DELETED_VAULTS:
            items = resources.below(path.scope, "deletedvaults")  # their ids name a location
        elif path.parent is None:
            items = resources.of_type(path.full_type, path.subscription or "", path.group)
        else:
            stored = resources.by_id.get(ids.key(path.text))
            if stored is not None:
                return answer({name: value for name, value in stored.body.items() if name != "id"})
            items = self._children(path, resources)
        if path.full_type.lower() == REGISTRY + "/listusages":
            return answer({"value": usages(resources.find(path.parent or ""))})
        shown = [resource for resource in items if not request.caller.is_denied(action, resource.id)]
        return request.page([versions.encoded_at(resource, request.version) for resource in shown], self._page_size)

    def _children(self, path: ids.ArmPath, resources: Resources) -> list[Resource]:
        parent, child = path.parent or "", path.types[-1].lower()
        kind = path.full_type.lower()
        if kind.startswith("microsoft.network/privatednszones/") and child in RECORD_SETS:
            children = [r for r in resources.all_children(parent) if r.path.types[-1].lower() != "virtualnetworklinks"]
        elif kind.startswith("microsoft.compute/virtualmachinescalesets/") and child in BELOW_MACHINES:
            children = resources.below(parent, child)
        else:
            children = resources.children(parent, child)
        if not children and resources.find(parent) is None:
            name = path.names[-1] if path.names else ""
            message = f"Can not perform requested operation on nested resource. Parent resource '{name}' not found."
            raise arm_refusal(404, "ParentResourceNotFound", message)
        return children

    def _act(self, request: ArmRequest, resources: Resources) -> web.Response:
        """POST {resource}/{action}. A body whose id is that very path is the answer, for actions nobody wrote here."""
        path = request.path
        target = path.parent or ""
        request.deny(path.full_type + "/action", target)
        if needs_grant(path.full_type) and not self._may(request.caller, path.full_type + "/action", target):
            raise request.forbidden(path.full_type + "/action", target)
        known_group(path, resources)
        if resources.find(target) is None:
            raise resource_not_found(ids.parse(target))
        effective = effective_page(path.text, path.full_type, request.body, resources, self._page_size)
        if effective is not None:
            return answer(effective)
        stored = resources.by_id.get(ids.key(path.text))
        if stored is not None:
            return answer({name: value for name, value in stored.body.items() if name != "id"})
        listed = listed_at(target, path.full_type, resources)
        if listed is not None:
            return answer({"value": listed})
        cluster = self._clusters.find(target)
        done = self._actions.act(request, cluster, path.types[-1].lower()) if cluster is not None else None
        if done is None:
            raise arm_refusal(404, "NotFound", f"The simulator has no action '{path.types[-1]}' here.")
        return done

    def _may(self, caller: Caller, action: str, scope: str) -> bool:
        return Rights(self._tenant.authorization_with_own_roles(), caller.principal).may(action, scope)


def _type_of(resource: Resource) -> str:
    return str(resource.body.get("type") or resource.path.full_type)


def _trimmed(resource: Resource) -> dict[str, Any]:
    kept = ("id", "name", "type", "kind", "location", "tags", "sku", "identity", "managedBy", "plan", "zones")
    return {name: resource.body[name] for name in kept if name in resource.body}


def _passes(resource: Resource, wanted: dict[str, str]) -> bool:
    tags = resource.body.get("tags")
    table = {str(k).lower(): str(v) for k, v in tags.items()} if isinstance(tags, dict) else {}
    values = {
        "resourcetype": resource.kind,
        "name": str(resource.body.get("name", "")),
        "location": str(resource.body.get("location", "")),
        "resourcegroup": resource.path.group or "",
    }
    for name, value in wanted.items():
        if name == "tagname" and value.lower() not in table:
            return False
        if name == "tagvalue" and table.get(wanted.get("tagname", "").lower()) != value:
            return False
        if name in values and values[name].lower() != value.lower():
            return False
    return True
