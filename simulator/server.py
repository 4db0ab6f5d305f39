"""All services of one tenant on loopback: ports, certificates, the records of what was asked."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from simulator.action_log import VARIABLE, ActionLog
from simulator.arm import ids
from simulator.arm.actions import action_of
from simulator.arm.service import Arm
from simulator.certificates import Authority
from simulator.entra.managed_identity import Identity
from simulator.entra.tokens import LOGS_AUDIENCES, Tokens
from simulator.faults import Faults
from simulator.graph.service import Graph
from simulator.kubernetes.clusters import Clusters
from simulator.kubernetes.service import Kubernetes
from simulator.monitor.logs import FURTHER_ACTIONS, QUERY_ACTION, Logs
from simulator.monitor.monitor import Monitor
from simulator.nodes.kubelet import DELAY_SECONDS, Kubelet
from simulator.registry.service import Registry
from simulator.responses import CloseConnection, Refusal
from simulator.tenant import Tenant

LOOPBACK = "127.0.0.1"
DEFAULT_PAGE_SIZE = 50
MAIL_BYTES = 64 * 1024 * 1024
SUFFIXES = ("*.azurecr.io", "*.azurecr.cn", "*.azurecr.us", "*.blob.core.windows.net")
LOGS_HOSTS = tuple(audience.removeprefix("https://") for audience in LOGS_AUDIENCES)
SERVICES = ("identity", "arm", "graph", "kubernetes", "registry", "logs")


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request that was answered. `status` is 0 where the connection was closed without an answer.

    `subscription` is the id in the path (lower case) or None; `query` is the raw query string; times in seconds.
    `action` is what Azure wants a role to hold for it in Azure Resource Manager and for queries of workspaces, "" for
    the other services; `further` are those it wants besides, for the tables that a query names.
    """

    service: str
    method: str
    host: str
    path: str
    query: str
    status: int
    subscription: str | None
    seconds: float
    action: str = ""
    further: tuple[str, ...] = ()


class Server:
    """Serves one tenant. `start()` and `stop()` belong to one event loop; the rest may be read from any thread."""

    def __init__(
        self,
        root: Path,
        *,
        page_size: int = DEFAULT_PAGE_SIZE,
        port_base: int | None = None,
        record: bool = True,
        kubelet_delay: float = DELAY_SECONDS,
        still: bool = False,
    ) -> None:
        self.tenant = Tenant(root, still=still)
        self.tokens = Tokens()
        self.authority = Authority()
        self.clusters = Clusters(self.tenant, self.authority)
        self.kubelet = Kubelet(self.clusters, kubelet_delay)
        self._folder = tempfile.TemporaryDirectory(prefix="simulator-")
        self.ca_file = Path(self._folder.name) / "ca.pem"
        self.identity = Identity(self.tenant, self.tokens)
        monitor = Monitor(self.clusters)
        self.arm = Arm(self.tenant, self.tokens, self.clusters, monitor, page_size)
        self.logs = Logs(self.tenant, self.tokens, monitor)
        self.graph = Graph(self.tenant, self.tokens, Path(self._folder.name) / "outbox")
        self.requests: list[RequestRecord] = []
        self._actions = ActionLog(os.environ.get(VARIABLE))
        self.ports: dict[str, int] = {}
        self._record = record
        self._port_base = port_base
        self._runners: list[web.AppRunner] = []
        self._refusing: socket.socket | None = None
        self._faults: Faults | None = None

    async def start(self) -> None:
        """Raises OSError when a port is taken."""
        self.authority.write(self.ca_file)
        self._faults = Faults(self.tenant.root / "faults.json", self.tenant.report)
        handlers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "identity": self.identity.answer,
            "arm": self.arm.answer,
            "graph": self.graph.answer,
            "kubernetes": Kubernetes(self.clusters, self.tokens, self.kubelet).answer,
            "registry": Registry(self.tenant, self.tokens).answer,
            "logs": self.logs.answer,
        }
        contexts: dict[str, ssl.SSLContext | None] = {
            "identity": None,
            "kubernetes": self.authority.server_context(client_certificates=True),
            "registry": self.authority.server_context(by_name=True),
            "logs": self.authority.server_context(by_name=True),
        }
        for offset, name in enumerate(SERVICES):
            context = contexts[name] if name in contexts else self.authority.server_context()
            self.ports[name] = await self._serve(name, handlers[name], context, offset)
        self._refusing = _bound_socket(self._port(len(SERVICES)))
        self.clusters.origin = f"https://{LOOPBACK}:{self.ports['kubernetes']}"
        self.clusters.refused = f"https://{LOOPBACK}:{self._refusing.getsockname()[1]}"
        self.arm.origin = f"https://{LOOPBACK}:{self.ports['arm']}"
        self.graph.origin = self.arm.graph = f"https://{LOOPBACK}:{self.ports['graph']}"
        self.logs.origin = self.arm.logs = f"https://{LOOPBACK}:{self.ports['logs']}"

    async def stop(self) -> None:
        if self._faults is not None:
            self._faults.stop()
        for runner in self._runners:
            await _stop_runner(runner)
        if self._refusing is not None:
            self._refusing.close()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        """The variables the app, the SDKs and the command lines need to talk to this tenant and to nothing else."""
        registry, logs = (f"{LOOPBACK}:{self.ports[name]}" for name in ("registry", "logs"))
        names = [*SUFFIXES, *(host for host in sorted(self.tenant.registries()) if not _has_suffix(host))]
        return {
            "PULLWATCH_ARM_ENDPOINT": self.arm.origin,
            "PULLWATCH_GRAPH_ENDPOINT": self.graph.origin,
            "PULLWATCH_CONNECT_TO": ",".join(
                [*(f"{name}:443={registry}" for name in names), *(f"{name}:443={logs}" for name in LOGS_HOSTS)]
            ),
            "IDENTITY_ENDPOINT": f"http://{LOOPBACK}:{self.ports['identity']}/msi/token",
            "IDENTITY_HEADER": self.identity.header,
            "SSL_CERT_FILE": str(self.ca_file),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "NO_PROXY": f"{LOOPBACK},localhost",
        }

    def exports(self) -> str:
        """The same as lines for a shell."""
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.environment().items())

    async def _serve(
        self,
        name: str,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        context: ssl.SSLContext | None,
        offset: int,
    ) -> int:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await self._answer(name, request, handler)

        app = web.Application(client_max_size=MAIL_BYTES)
        app.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        listener = _bound_socket(self._port(offset))
        await web.SockSite(runner, listener, ssl_context=context, backlog=1024).start()
        return int(listener.getsockname()[1])

    async def _answer(
        self, name: str, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        started, status = time.perf_counter(), 0
        assert self._faults is not None  # set before anything listens
        try:
            try:
                answer = await self._faults.apply(name, request, handler)
            except Refusal as refusal:
                answer = refusal.response()
            status = answer.status
            if name == "arm":
                answer.headers["x-ms-request-id"] = answer.headers["x-ms-correlation-request-id"] = _request_id()
                answer.headers["x-ms-ratelimit-remaining-subscription-global-reads"] = "16499"
                answer.headers.update(self.arm.buckets.headers(request.method, ids.parse(request.path).subscription))
            return answer
        except CloseConnection:
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError from None
        finally:
            if self._record:
                self._note(name, request, status, time.perf_counter() - started)

    def _note(self, name: str, request: web.Request, status: int, seconds: float) -> None:
        subscription = ids.parse(request.path).subscription if name == "arm" else None
        action = action_of(request.method, request.path) if name == "arm" else QUERY_ACTION if name == "logs" else ""
        further = tuple(request.get(FURTHER_ACTIONS, []))
        for one in (action, *further):
            self._actions.note(request.headers.get("User-Agent", ""), one)
        self.requests.append(
            RequestRecord(
                service=name,
                method=request.method,
                host=request.host,
                path=request.path,
                query=request.query_string,
                status=status,
                subscription=subscription.lower() if subscription else None,
                seconds=seconds,
                action=action,
                further=further,
            )
        )

    def _port(self, offset: int) -> int:
        return 0 if self._port_base is None else self._port_base + offset


async def _stop_runner(runner: web.AppRunner) -> None:
    """Ends a service without waiting for clients that keep TLS connections open and never say goodbye."""
    open_now = runner.server.connections if runner.server is not None else []
    transports = [connection.transport for connection in open_now if connection.transport is not None]
    await runner.cleanup()
    for transport in transports:
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
    await asyncio.sleep(0.01)  # the loop closes their sockets on its next turns


def _bound_socket(port: int) -> socket.socket:
    """A socket that has its port; until somebody listens on it, connections to it are refused."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


def _has_suffix(host: str) -> bool:
    return any(host.endswith(suffix.removeprefix("*")) for suffix in SUFFIXES)


def _request_id() -> str:
    return f"{time.time_ns():032x}"
