"""The simulator inside a test or a demo: the servers run in a thread of their own, next to whatever loop is there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from simulator.entra.tokens import AKS_SERVER
from simulator.graph.service import SentMail
from simulator.kubernetes.kubeconfig import token_kubeconfig
from simulator.nodes.kubelet import DELAY_SECONDS
from simulator.server import DEFAULT_PAGE_SIZE, RequestRecord, Server


class Simulator:
    """What a test sees of a running tenant."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.environment: dict[str, str] = server.environment()

    @property
    def requests(self) -> list[RequestRecord]:
        """Every request answered so far; clear() it to count from here."""
        return self._server.requests

    @property
    def ca_file(self) -> Path:
        return self._server.ca_file

    @property
    def graph_outbox(self) -> list[SentMail]:
        return self._server.graph.outbox

    @property
    def tenant_dir(self) -> Path:
        return self._server.tenant.root

    @property
    def log_analytics(self) -> str:
        """The address that queries of workspaces go to."""
        return self._server.logs.origin

    @property
    def ports(self) -> dict[str, int]:
        """By service: identity, arm, graph, kubernetes, registry, logs."""
        return self._server.ports

    def count(self, service: str | None = None, containing: str = "", method: str | None = None) -> int:
        """How many requests there were, by service, by a part of the path (case does not count) and by method."""
        return sum(
            1
            for record in self.requests
            if service in (None, record.service)
            and containing.lower() in record.path.lower()
            and method in (None, record.method)
        )

    def token(self, audience: str, principal: str | None = None, client: str | None = None) -> str:
        """An Entra token for the app, or for another identity (a cluster's kubelet)."""
        caller = self._server.tenant.caller()
        return self._server.tokens.entra(
            audience, principal or caller.principal, client or caller.client, caller.tenant
        )

    def kubeconfig(self, cluster_id: str) -> dict[str, object]:
        """A kubeconfig with a static Entra token, for a kubectl that has no kubelogin. Raises KeyError."""
        clusters = self._server.clusters
        cluster = clusters.find(cluster_id)
        if cluster is None:
            raise KeyError(cluster_id)
        token = self.token(AKS_SERVER) if cluster.entra else clusters.local_token(cluster, "clusterUser")
        return token_kubeconfig(clusters, cluster, token)


@contextmanager
def running(
    tenant_dir: Path | str,
    *,
    page_size: int = DEFAULT_PAGE_SIZE,
    port_base: int | None = None,
    kubelet_delay: float = DELAY_SECONDS,
    still: bool = False,
) -> Iterator[Simulator]:
    """Serves a tenant in a background thread until the block ends. Raises OSError when it cannot listen.

    `kubelet_delay`: seconds until the kubelet tells of a pod that was made, and again until it backs off. `still`:
    nobody changes the folder meanwhile; a look at thousands of files takes longer than most answers.
    """
    server = Server(
        Path(tenant_dir), page_size=page_size, port_base=port_base, kubelet_delay=kubelet_delay, still=still
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield Simulator(server)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        asyncio.run_coroutine_threadsafe(_settle(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def running_async(
    tenant_dir: Path | str,
    *,
    page_size: int = DEFAULT_PAGE_SIZE,
    port_base: int | None = None,
    kubelet_delay: float = DELAY_SECONDS,
) -> AsyncIterator[Simulator]:
    """The same on the caller's own loop."""
    server = Server(Path(tenant_dir), page_size=page_size, port_base=port_base, kubelet_delay=kubelet_delay)
    await server.start()
    try:
        yield Simulator(server)
    finally:
        await server.stop()


async def _settle() -> None:
    """Lets tasks of closed connections end, so that nothing is left on the loop when it closes."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
