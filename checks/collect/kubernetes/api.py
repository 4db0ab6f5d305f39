"""A cluster's own API, read-only: pods and events, in pages, with the bytes decoded by msgspec.

Source: Kubernetes API reference (list with limit and continue; 410 means start again). Entra clusters take a token for
the AKS server application, got by azure-identity; clusters without Entra ID only their kubeconfig, which is equal to
cluster-admin and therefore used only where a setting allows it.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiohttp
from azure.core.exceptions import ClientAuthenticationError
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from checks.collect.arm import reads
from checks.collect.arm.client import Azure
from checks.collect.kubernetes import run_command
from checks.collect.kubernetes.kubeconfig import Kubeconfig, read
from checks.collect.kubernetes.objects import EVENTS, Event, Pod, containers, decode_page, node_of_ready, pod_events
from checks.collect.wire import connections
from checks.collect.wire.errors import CollectError, NotAllowed, NotFound, Temporary, Unreachable, translate_errors
from checks.facts import Cluster, ContainerImage, NotSeen, NotSeenReason, PodEvent, Seen, Workloads
from checks.rules.azure.clouds import AKS_SERVER_APPLICATION

T = TypeVar("T")
R = TypeVar("R")
RBAC_READER = "Azure Kubernetes Service RBAC Reader"
PAGE = 1000
MAX_PAGES = 400
RESTARTS = 3
MAX_PAGE_BYTES = 64 * 1024 * 1024


async def workloads(azure: Azure, cluster: Cluster) -> Seen[Workloads] | NotSeen:
    """The pods' images and what waits, with the events about pods; or why they could not be read.

    Where the API server is out of reach, Run Command reads them instead, if a setting allows it.
    """
    until = asyncio.get_running_loop().time() + azure.settings.cluster_seconds
    gap = not_to_be_looked_at(cluster)
    if gap is not None:
        return gap
    try:
        kubeconfig = read(await reads.user_kubeconfig(azure, cluster))
        if not kubeconfig.exec_plugin and not azure.settings.allow_local_accounts:
            return local_accounts_off()
        try:
            return await pods_and_events(azure, cluster, kubeconfig)
        except Unreachable as error:
            token = partial(_token, azure, cluster) if kubeconfig.exec_plugin else None
            return await run_command.instead(azure, cluster, token, error, until)
    except CollectError as error:
        return error.as_gap()


def local_accounts_off() -> NotSeen:
    """A cluster without Entra ID is not looked at unless a setting allows it."""
    return NotSeen(
        NotSeenReason.OFF,
        "the cluster has no Entra ID: its kubeconfig is equal to cluster-admin and is not used unless "
        "PULLWATCH_ALLOW_LOCAL_ACCOUNTS is true",
        "PULLWATCH_ALLOW_LOCAL_ACCOUNTS=true",
    )


def not_to_be_looked_at(cluster: Cluster) -> NotSeen | None:
    """Why a cluster's API has nothing to say: it is stopped, not there yet, or going away."""
    state = (cluster.provisioning_state or "").lower()
    if (cluster.power_state or "").lower() == "stopped":
        return NotSeen(NotSeenReason.NOT_APPLICABLE, "the cluster is stopped")
    if state in ("creating", "deleting"):
        return NotSeen(NotSeenReason.NOT_APPLICABLE, f"the cluster is {state}")
    return None


async def pods_and_events(azure: Azure, cluster: Cluster, kubeconfig: Kubeconfig) -> Seen[Workloads]:
    """The workloads, read from the API server that the kubeconfig names. Raises CollectError."""
    ready: set[str] = set()

    def noted(pod: Pod) -> list[ContainerImage]:
        if node := node_of_ready(pod):
            ready.add(node)
        return containers(pod)

    async with open_api(azure, cluster, kubeconfig) as api:
        with azure.buffer() as buffer:
            reader = Reader(azure, cluster, buffer)
            pods = await reader.whole(api.list_pod_for_all_namespaces_without_preload_content, Pod, noted)
            events = await _events(reader, api)
    result = Workloads(
        containers=tuple(pods.items),
        events=events,
        pods=pods.objects,
        unreadable=pods.unreadable,
        ready_nodes=frozenset(ready),
    )
    return Seen(result, reads.evidence("pods and events", kubeconfig.server, "v1"))


@asynccontextmanager
async def open_api(azure: Azure, cluster: Cluster, kubeconfig: Kubeconfig) -> AsyncIterator[client.CoreV1Api]:
    """The cluster's API over its own trust, closed at the end. Raises CollectError where no token can be had."""
    token = await _token(azure, cluster) if kubeconfig.exec_plugin else kubeconfig.token
    connector = connections.connector((), _trust(kubeconfig))
    api_client = client.ApiClient(_configuration(kubeconfig, token, connector))
    try:
        yield client.CoreV1Api(api_client)
    finally:
        await api_client.close()  # type: ignore[no-untyped-call]
        await connector.close()  # the client leaves a connector that it was given open


async def _events(reader: Reader, api: client.CoreV1Api) -> Seen[tuple[PodEvent, ...]] | NotSeen:
    list_events = api.list_event_for_all_namespaces_without_preload_content
    try:
        events = await reader.whole(list_events, Event, pod_events, field_selector=EVENTS)
    except CollectError as error:
        return error.as_gap()
    gaps = f"{events.unreadable} events could not be read" if events.unreadable else ""
    return Seen(tuple(events.items), reads.evidence("events", "Kubernetes API", "v1"), gaps)


class _Expired(Exception):
    """410: the continue token is too old; the list has to be read again from its start."""


class _List(Generic[R]):
    """What a whole list gave: ``found`` out of ``objects``, of which some were ``unreadable``."""

    def __init__(self) -> None:
        self.items: list[R] = []
        self.objects = 0
        self.unreadable = 0


class Reader:
    """Reads whole lists of one cluster, page by page into ``buffer``, each page within the call's deadline."""

    def __init__(self, azure: Azure, cluster: Cluster, buffer: bytearray) -> None:
        self._azure = azure
        self._cluster = cluster
        self._buffer = buffer

    async def whole(
        self, call: Callable[..., Awaitable[Any]], kind: type[T], convert: Callable[[T], Iterable[R]], **query: Any
    ) -> _List[R]:
        """A list read to its end, each object converted as its page comes; begun anew where it expires on the way."""
        for _ in range(RESTARTS):
            try:
                return await self._once(call, kind, convert, query)
            except _Expired:
                continue
        raise Temporary(f"the Kubernetes API's list expired {RESTARTS} times while it was read")

    async def _once(
        self,
        call: Callable[..., Awaitable[Any]],
        kind: type[T],
        convert: Callable[[T], Iterable[R]],
        query: dict[str, Any],
    ) -> _List[R]:
        result: _List[R] = _List()
        token: str | None = None
        for _ in range(MAX_PAGES):
            objects, token, bad = decode_page(await self._page(call, token, query), kind)
            for item in objects:
                result.items.extend(convert(item))
            result.objects += len(objects) + bad
            result.unreadable += bad
            if not token:
                return result
        raise Temporary(f"the Kubernetes API's list has more than {MAX_PAGES} pages")

    async def _page(self, call: Callable[..., Awaitable[Any]], token: str | None, query: dict[str, Any]) -> memoryview:
        options = {**query, "limit": PAGE, **({"_continue": token} if token else {})}
        try:
            async with translate_errors("read the Kubernetes API", RBAC_READER, self._cluster.id, self._seconds):
                response = await call(**options, _request_timeout=self._seconds)
                async with response:
                    return await self._body(response)
        except ApiException as error:
            raise self._mapped(error.status or 0, str(error.reason)) from error

    async def _body(self, response: aiohttp.ClientResponse) -> memoryview:
        """A view of the one buffer that all pages share: memory got anew for each costs as much as decrypting it."""
        buffer, size = self._buffer, 0
        while chunk := await response.content.readany():
            end = size + len(chunk)
            if end > MAX_PAGE_BYTES:
                raise Temporary(f"the Kubernetes API sent more than {MAX_PAGE_BYTES} bytes for {PAGE} objects")
            if end <= len(buffer):
                memoryview(buffer)[size:end] = chunk  # assigned to the buffer itself, it would be copied twice
            else:
                del buffer[size:]
                buffer += chunk
            size = end
        if response.status != 200:
            raise self._mapped(response.status, self._buffer[: min(size, 300)].decode("utf-8", "replace"))
        return memoryview(self._buffer)[:size]

    def _mapped(self, status: int, detail: str) -> Exception:
        if status == 410:
            return _Expired()
        text = f"the Kubernetes API answered {status}: {detail}"
        if status in (401, 403):
            return NotAllowed(text, RBAC_READER, self._cluster.id)
        return NotFound(text) if status == 404 else Temporary(text)

    @property
    def _seconds(self) -> float:
        return float(self._azure.settings.call_seconds)


def _configuration(kubeconfig: Kubeconfig, token: str | None, connector: aiohttp.BaseConnector) -> client.Configuration:
    configuration = client.Configuration(host=kubeconfig.server)
    # The client makes a context of its own too; with this it does not load the system's authorities for nothing.
    configuration.ca_cert_data = kubeconfig.ca_pem or None
    if token:
        configuration.api_key = {"BearerToken": f"Bearer {token}"}
    configuration.client_session_kwargs = {"connector": connector, "trust_env": connections.names_proxy()}
    return configuration


def _trust(kubeconfig: Kubeconfig) -> ssl.SSLContext:
    """The cluster's own CA and nothing else; a client certificate touches the disk only while it is loaded."""
    try:
        context = ssl.create_default_context(cadata=kubeconfig.ca_pem or None)
        if kubeconfig.certificate_pem and kubeconfig.key_pem:
            with tempfile.TemporaryDirectory() as folder:
                pem = Path(folder, "client.pem")
                pem.touch(mode=0o600)
                pem.write_text(kubeconfig.certificate_pem + "\n" + kubeconfig.key_pem)
                context.load_cert_chain(pem)
    except (ssl.SSLError, ValueError) as error:
        raise Temporary(f"the kubeconfig's certificates cannot be used: {error}") from error
    return context


async def _token(azure: Azure, cluster: Cluster) -> str:
    async with translate_errors("token for the cluster", RBAC_READER, cluster.id, azure.settings.call_seconds):
        try:
            return await azure.token(f"{AKS_SERVER_APPLICATION}/.default")
        except ClientAuthenticationError as error:
            raise NotAllowed(
                f"no token for the AKS server application: {error.message}", RBAC_READER, cluster.id
            ) from error
