"""Azure Monitor of one tenant: the pulls that registries saw, told as metrics and as tables of workspaces."""

from __future__ import annotations

from typing import Any

from simulator.arm.resources import Resource
from simulator.jsonfiles import JsonFile, JsonFolder
from simulator.kubernetes.clusters import Clusters
from simulator.monitor import metrics
from simulator.monitor.clock import Clock, read_clock
from simulator.monitor.diagnostics import sources
from simulator.monitor.kql.tables import Table
from simulator.monitor.pulls import Pulls
from simulator.monitor.rows import Row, events, tables
from simulator.nodes.node_network import table

WORKSPACE = "microsoft.operationalinsights/workspaces"


class Monitor:
    """Reads TENANT/monitor.json, TENANT/logs and TENANT/metrics beside what the nodes do."""

    def __init__(self, clusters: Clusters) -> None:
        tenant = clusters.tenant
        self._tenant = tenant
        self._pulls = Pulls(clusters)
        self._settings = JsonFile(tenant.root / "monitor.json", {}, tenant.report)
        self._logs = JsonFolder(tenant.root / "logs", tenant.report)
        self._metrics = JsonFolder(tenant.root / "metrics", tenant.report)

    def clock(self) -> Clock:
        return read_clock(self._settings.value())

    async def metrics(self, registry: Resource, query: dict[str, str]) -> dict[str, Any]:
        """The body of a read of a registry's metrics. Raises Refusal (400)."""
        clock, name = self.clock(), str(registry.body.get("name") or registry.path.names[-1])
        history = next(iter(self._listed(self._metrics, name)), {})
        seen = [tries async for tries in self._pulls.all(clock.now) if tries.seen.registry == registry.id]
        counted = metrics.counts(seen, history, clock)
        return metrics.answer(registry, query, counted, clock)

    def workspace(self, customer_id: str) -> Resource | None:
        """A workspace by the id that queries name."""
        for resource in self._tenant.resources().everywhere(WORKSPACE):
            properties = table(resource.body.get("properties"))
            if str(properties.get("customerId", "")).lower() == customer_id.lower():
                return resource
        return None

    async def tables(self, workspace: Resource, clock: Clock) -> dict[str, Table]:
        """What a workspace holds: tables that a registry's settings lead there, and those of its file."""
        writes = sources(self._tenant.resources(), workspace)
        derived: dict[str, list[Row]] = {name: [] for name in writes}
        resources, tenant = self._tenant.resources(), self._tenant.caller().tenant
        wanted = {one for registries in writes.values() for one in registries}
        seen = [tries async for tries in self._pulls.all(clock.now)] if wanted else []
        for tries in seen:
            registry = resources.find(tries.seen.registry)
            if registry is not None and registry.lower in wanted:
                for row in events(tries, registry, clock, tenant):
                    if registry.lower in writes.get(row["Type"], ()):
                        derived[row["Type"]].append(row)
        name = str(workspace.body.get("name") or workspace.path.names[-1])
        return tables(derived, self._listed(self._logs, name), clock)

    def _listed(self, folder: JsonFolder, name: str) -> list[dict[str, Any]]:
        """The bodies of one file of a folder."""
        folder.refresh()
        wanted = f"{name.lower()}.json"
        return [body for path, body in folder.bodies_with_files() if path.name.lower() == wanted]
