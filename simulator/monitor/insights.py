"""What Azure Resource Manager answers of Microsoft.Insights at a registry: its metrics and diagnostic settings."""

from __future__ import annotations

from aiohttp import web

from simulator.arm import ids
from simulator.arm.request import ArmRequest, known_group, resource_not_found
from simulator.arm.resources import Resource, Resources
from simulator.monitor import metrics
from simulator.monitor.diagnostics import settings_of
from simulator.monitor.monitor import Monitor
from simulator.responses import Refusal, answer, arm_refusal, encode

_PROVIDER = "microsoft.insights"
_KINDS = ("metrics", "diagnosticsettings")


class Insights:
    """Extension resources of any resource, by `{resource}/providers/Microsoft.Insights/…`."""

    def __init__(self, monitor: Monitor, page_size: int) -> None:
        self._monitor = monitor
        self._page_size = page_size

    def handles(self, path: ids.ArmPath) -> bool:
        named = (path.namespace or "").lower() == _PROVIDER and len(path.types) == 1
        return named and path.types[0].lower() in _KINDS and ids.parse(path.scope).is_resource

    async def answer(self, request: ArmRequest, resources: Resources) -> web.Response:
        path = request.path
        request.deny(f"{path.full_type}/read", path.scope)
        if request.method != "GET":
            raise arm_refusal(405, "MethodNotAllowed", f"The simulator does not take {request.method} here.")
        known_group(path, resources)
        resource = resources.find(path.scope)
        if resource is None:
            raise resource_not_found(ids.parse(path.scope))
        if path.types[0].lower() == "metrics":
            return await self._metrics(request, resource)
        settings = settings_of(resources, path.scope)
        if not path.is_resource:
            return request.page([encode(one.body) for one in settings], self._page_size)
        found = next((one for one in settings if one.lower == ids.key(path.text)), None)
        if found is None:
            message = f"The diagnostic setting '{path.names[0]}' doesn't exist."
            raise Refusal(404, {"code": "ResourceNotFound", "message": message})
        return answer(found.body)

    async def _metrics(self, request: ArmRequest, resource: Resource) -> web.Response:
        if resource.kind != metrics.NAMESPACE.lower():
            message = f"{resource.path.full_type} is not a supported platform metric namespace, supported ones are "
            raise Refusal(400, {"code": "BadRequest", "message": message + metrics.NAMESPACE})
        return answer(await self._monitor.metrics(resource, request.query))
