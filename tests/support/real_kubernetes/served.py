"""A tenant's cluster behind an API server: the simulated one or a real one, for tests with one body for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from simulator import Simulator, running
from tests.support.real_kubernetes.roles import READER
from tests.support.real_kubernetes.server import KubeApiServer
from tests.support.real_kubernetes.tenant import APP, moved
from tests.support.tenant_builder import Tenant


class ApiServer:
    """Serves tenants. ``real`` is the real API server, None where the simulated one answers."""

    def __init__(self, real: KubeApiServer | None) -> None:
        self.real = real
        self._sim: Simulator | None = None

    @contextmanager
    def running(
        self, tenant: Tenant, cluster: str = "aks-1", roles: tuple[str, ...] = (READER,)
    ) -> Iterator[Simulator]:
        """The tenant, with the cluster's objects in the API server, where the app has ``roles``.

        What the simulated one allows is said by the tenant (authorization/caller.json).
        """
        if self.real is not None:
            moved(tenant, self.real, cluster, roles=roles)
        with running(tenant.root) as sim:
            self._sim = sim
            yield sim

    def count(self, resource: str) -> int:
        """How many requests for a resource came from the app, pages counted."""
        if self.real is not None:
            return sum(1 for one in self.real.audit.asked(APP) if one.resource == resource)
        assert self._sim is not None, "no tenant is running"
        return self._sim.count("kubernetes", f"/{resource}")
