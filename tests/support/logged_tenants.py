"""Tenants whose registries send what they see to a Log Analytics workspace, and questions to that workspace.

``logged`` makes one out of a ``World``; ``Workspace`` asks it over the wire, with the token that the service wants.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulator import Simulator
from tests.support.network_world import HOST, World
from tests.support.tenant_builder import Tenant, guid, object_id
from tests.support.tenant_server import Client, Reply

LOGINS, PULLS = "ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"
AUDIENCE = "https://api.loganalytics.io"
NODE = "aks-system-12345678-vmss000000"
Row = dict[str, Any]


def add_workspace(tenant: Tenant, name: str = "log", **properties: Any) -> str:
    """A workspace; queries name it by ``customer_id(name)``. Returns its ARM id."""
    kept = {"customerId": customer_id(name), "provisioningState": "Succeeded", "retentionInDays": 30}
    body = {"properties": kept | {"publicNetworkAccessForQuery": "Enabled"} | properties}
    return tenant.resource("Microsoft.OperationalInsights/workspaces", name, body)


def customer_id(workspace: str) -> str:
    """The id that queries name a workspace by."""
    return guid(f"workspace {workspace}")


def send_to(tenant: Tenant, registry: str, workspace: str, *categories: str, name: str = "to-log") -> str:
    """A diagnostic setting of a registry; without categories the group of all of them. Returns its id."""
    chosen = [{"category": one} for one in categories] or [{"categoryGroup": "allLogs"}]
    setting = f"{registry}/providers/Microsoft.Insights/diagnosticSettings/{name}"
    properties = {"workspaceId": workspace, "logs": [{**one, "enabled": True} for one in chosen], "metrics": []}
    tenant.write("arm", {"id": setting, "name": name, "properties": properties}, f"setting-{guid(setting)}")
    return setting


def waiting_pod(
    tenant: Tenant, image: str, *, minutes: int = 60, cluster: str = "aks-1", name: str = "web", node: str = NODE
) -> None:
    """A pod that has waited for its image for so long."""
    _pod(tenant, image, minutes, cluster, name, ("ImagePullBackOff", "Back-off"), node)


def running_pod(tenant: Tenant, image: str, *, minutes: int = 60, cluster: str = "aks-1", name: str = "web") -> None:
    """A pod that started so long ago and runs."""
    _pod(tenant, image, minutes, cluster, name, None, NODE)


def _pod(
    tenant: Tenant, image: str, minutes: int, cluster: str, name: str, waiting: tuple[str, str] | None, node: str
) -> None:
    began = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    state: Row = {"waiting": {"reason": waiting[0], "message": waiting[1]}} if waiting else {
        "running": {"startedAt": began}}  # fmt: skip
    statuses = [{"name": "main", "image": image, "state": state}]
    status = {"phase": "Pending" if waiting else "Running", "startTime": began, "containerStatuses": statuses}
    tenant.pod(image, cluster=cluster, name=name, waiting=waiting, spec={"nodeName": node}, status=status)


def logged(world: World, root: Path, *roles: str) -> Tenant:
    """A world's tenant: its registry holds team/web:1 and logs to the workspace "log"; the nodes hold the roles."""
    tenant = world.into(Tenant(root))
    tenant.reachable()
    images = {"team/web": {"1": {"platforms": ["linux/amd64"]}}}
    tenant.write("registries", {"repositories": images}, HOST)
    for role in roles:
        tenant.assign(object_id("aks-1"), role, world.registry_id)
    send_to(tenant, world.registry_id, add_workspace(tenant))
    return tenant


class Workspace:
    """Queries of one workspace."""

    def __init__(self, sim: Simulator, name: str = "log") -> None:
        self.client = Client(sim)
        self.url = f"{sim.log_analytics}/v1/workspaces/{customer_id(name)}/query"

    def ask(self, query: str, *, token: str | None = None, **body: Any) -> Reply:
        """The service's answer, whatever its status."""
        given = self.client.sim.token(AUDIENCE) if token is None else token
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {given}"} if given else {})
        return self.client.send(self.url, "POST", json.dumps({"query": query, **body}).encode(), **headers)

    def rows(self, query: str, **body: Any) -> list[Row]:
        """The rows of an answer, by column."""
        reply = self.ask(query, **body)
        assert reply.status == 200, reply.body
        (table,) = reply.json["tables"]
        names = [column["name"] for column in table["columns"]]
        return [dict(zip(names, row, strict=True)) for row in table["rows"]]

    def error(self, query: str, **body: Any) -> tuple[int, str, str]:
        """(status, code of the error, code of the innermost one)."""
        reply = self.ask(query, **body)
        error = inner = reply.json["error"]
        while "innererror" in inner:
            inner = inner["innererror"]
        return reply.status, error["code"], inner["code"]
