"""One job's access to Azure: a credential, and clients that share a transport, a deadline and a call count.

Every request goes to the host it was meant for or not at all: a nextLink or redirect elsewhere would carry a token
there. Throttling is waited out in ``pacing``. azure-core obeys any other Retry-After without a cap; here a wait longer
than the deadline is reported at once.

The clients of resource providers are imported where one is made: most jobs and requests read only what is stored.
"""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncRetryPolicy,
    SansIOHTTPPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential
from azure.mgmt.core import AsyncARMPipelineClient

from checks.collect.arm.pacing import Gates, Paced, subscription_in
from checks.collect.wire import connections
from checks.collect.wire.errors import Temporary
from checks.loading import LOADING
from checks.retry_after import asked_seconds
from checks.settings import Settings
from checks.version import VERSION

if TYPE_CHECKING:
    from azure.mgmt.authorization.v2022_04_01.aio import AuthorizationManagementClient
    from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient
    from azure.mgmt.containerservice.aio import ContainerServiceClient

KEPT_BYTES = 16 * 1024 * 1024
USER_AGENT = f"pullwatch/{VERSION}"
_BEGAN = "pullwatch_began"


class _HostGuard(SansIOHTTPPolicy[Any, Any]):
    """Lets requests to one host through and refuses all others."""

    def __init__(self, endpoint: str) -> None:
        self._netloc = urlsplit(endpoint).netloc.lower()

    def on_request(self, request: PipelineRequest[Any]) -> None:
        netloc = urlsplit(request.http_request.url).netloc.lower()
        if netloc != self._netloc:
            raise Temporary(f"refused to follow Azure Resource Manager to another host ({netloc.rpartition('@')[2]})")


class _Counted(SansIOHTTPPolicy[Any, Any]):
    """Counts requests per subscription ("" for tenant-level ones), retries included."""

    def __init__(self, calls: Counter[str]) -> None:
        self._calls = calls

    def on_request(self, request: PipelineRequest[Any]) -> None:
        self._calls[subscription_in(request.http_request.url)] += 1


@dataclass
class Throttling:
    """How often Azure Resource Manager answered 429, and for how many seconds in all it asked to wait."""

    answers: int = 0
    seconds: float = 0.0


class _ThrottlingSeen(SansIOHTTPPolicy[Any, Any]):
    """Counts answers 429, each attempt's."""

    def __init__(self, throttling: Throttling) -> None:
        self._throttling = throttling

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        if response.http_response.status_code == 429:
            asked = asked_seconds(response.http_response.headers.get("Retry-After", ""), datetime.now(UTC))
            self._throttling.answers += 1
            self._throttling.seconds += asked or 0.0


class _NoLongWait(SansIOHTTPPolicy[Any, Any]):
    """Reports a wait that would not end within a call's ``deadline`` at once, or one longer than half of it.

    azure-core waits as long as Retry-After says; the deadline would end that as if nobody had answered. Answers 429 do
    not come to azure-core, but for those that ask for no wait.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def on_request(self, request: PipelineRequest[Any]) -> None:
        request.context.setdefault(_BEGAN, time.monotonic())  # of the first attempt: they share the context

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        header = response.http_response.headers.get("Retry-After", "")
        asked = asked_seconds(header, datetime.now(UTC))
        status = response.http_response.status_code
        if status < 400 or status == 429 or asked is None:
            return
        spent = time.monotonic() - request.context[_BEGAN]
        if asked > self._deadline / 2 or spent + asked >= self._deadline:
            raise Temporary(f"throttled: Azure Resource Manager asks to wait {asked:.0f} s", asked)


class Azure:
    """The clients of one job. Made by ``open_azure``; not to be used after it closes."""

    def __init__(self, settings: Settings, credential: AsyncTokenCredential, session: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.credential = credential
        self.calls: Counter[str] = Counter()
        self.throttling = Throttling()
        self._gates = Gates()
        self._session = session
        self._clients: dict[tuple[type[Any], str], Any] = {}
        self._buffers: list[bytearray] = []
        self._trust: ssl.SSLContext | None = None

    def trust(self) -> ssl.SSLContext:
        """The usual authorities, loaded once a job: that takes as long as a handshake. Nobody changes it."""
        if self._trust is None:
            self._trust = ssl.create_default_context()
        return self._trust

    @contextmanager
    def buffer(self) -> Iterator[bytearray]:
        """Memory to read pages into, lent to one reader at a time. Got anew it costs as much as decrypting into it.

        Not for secrets: it is not wiped. What grew beyond KEPT_BYTES is let go, and what a view is left of, as a reader
        that failed may leave one: it could not grow any more.
        """
        lent = self._buffers.pop() if self._buffers else bytearray()
        yield lent
        if len(lent) <= KEPT_BYTES and _may_grow(lent):
            self._buffers.append(lent)

    def _common(self) -> dict[str, Any]:
        deadline = float(self.settings.call_seconds)
        return {
            "base_url": self.settings.arm,
            "credential_scopes": [self.settings.cloud.arm_scope],
            "transport": AioHttpTransport(session=self._session, session_owner=False),
            "retry_policy": AsyncRetryPolicy(retry_total=3, retry_backoff_factor=0.5, retry_backoff_max=8),
            "permit_redirects": False,
            "per_call_policies": [_HostGuard(self.settings.arm)],
            "per_retry_policies": [
                Paced(self._gates, deadline, float(self.settings.cluster_seconds)),
                _Counted(self.calls),
                _NoLongWait(deadline),
                _ThrottlingSeen(self.throttling),
            ],
            "base_user_agent": USER_AGENT,
            "logging_enable": False,
        }

    def _client(self, kind: type[Any], subscription: str) -> Any:
        key = (kind, subscription)
        if key not in self._clients:
            self._clients[key] = kind(self.credential, subscription, **self._common())
        return self._clients[key]

    def container_service(self, subscription: str) -> ContainerServiceClient:
        """Managed clusters of a subscription."""
        with LOADING:
            from azure.mgmt.containerservice.aio import ContainerServiceClient
        return cast("ContainerServiceClient", self._client(ContainerServiceClient, subscription))

    def container_registry(self, subscription: str) -> ContainerRegistryManagementClient:
        """Registries of a subscription."""
        with LOADING:
            from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient
        return cast("ContainerRegistryManagementClient", self._client(ContainerRegistryManagementClient, subscription))

    def authorization(self, subscription: str) -> AuthorizationManagementClient:
        """Role assignments and definitions that concern a subscription."""
        with LOADING:
            from azure.mgmt.authorization.v2022_04_01.aio import AuthorizationManagementClient
        return cast("AuthorizationManagementClient", self._client(AuthorizationManagementClient, subscription))

    def raw(self) -> AsyncARMPipelineClient[Any, Any]:
        """ARM for what no SDK model shows whole: any path at any api-version."""
        key = (AsyncARMPipelineClient, "")
        if key not in self._clients:
            common = self._common()
            authentication = AsyncBearerTokenCredentialPolicy(self.credential, *common.pop("credential_scopes"))
            self._clients[key] = AsyncARMPipelineClient(
                base_url=common["base_url"],
                transport=common["transport"],
                policies=[
                    UserAgentPolicy(common["base_user_agent"]),
                    *common["per_call_policies"],
                    common["retry_policy"],
                    authentication,
                    *common["per_retry_policies"],
                ],
            )
        return cast("AsyncARMPipelineClient[Any, Any]", self._clients[key])

    async def token(self, scope: str) -> str:
        """A bearer token for a scope. Raises what azure-identity raises; callers map it."""
        return (await self.credential.get_token(scope)).token


def _may_grow(buffer: bytearray) -> bool:
    try:
        buffer.append(0)
    except BufferError:
        return False
    buffer.pop()
    return True


@asynccontextmanager
async def open_azure(settings: Settings) -> AsyncIterator[Azure]:
    """Opens one job's clients; closes all of them at the end.

    The identity is azure-identity's default chain: a managed identity in Azure, ``az login`` on a desk.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(connections.session(settings.connect_to, decompress=False))
        credential = await stack.enter_async_context(
            DefaultAzureCredential(
                authority=settings.cloud.authority,
                transport=AioHttpTransport(session=session, session_owner=False),
                exclude_interactive_browser_credential=True,
                exclude_shared_token_cache_credential=True,
                exclude_visual_studio_code_credential=True,
            )
        )
        yield Azure(settings, credential, session)
