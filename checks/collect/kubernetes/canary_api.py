"""The calls that canaries make to a cluster's API server, and how patient they are.

An API server that is busy (429 of API Priority and Fairness, with Retry-After) or away for a moment (it restarts) is
asked again where a pod is read or deleted, until a time that the caller sets. A pod that is to be made is asked for
again only where the server said that it did nothing (429): any other failure may have made it. A server that was away
refuses for a moment what it allows (its authorizers have not read their bindings yet): that is asked again too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
import msgspec

from checks.collect.arm.client import Azure
from checks.collect.kubernetes import bodies
from checks.collect.kubernetes.calls import NODES, ApiRefusal, KubernetesApi, Query, in_namespace
from checks.collect.kubernetes.canary_pod import LABELS, PodState
from checks.collect.wire.errors import CollectError, NotAllowed, NotFound, Temporary, Unreachable, translate_errors
from checks.facts import Cluster, NotSeen, NotSeenReason
from checks.facts.canary import CanaryRefusal, RefusedBy
from checks.rules.pull import canary_refusals
from checks.rules.pull.canaries import POOL_LABEL

RBAC_WRITER = "Azure Kubernetes Service RBAC Writer"
RBAC_READER = "Azure Kubernetes Service RBAC Reader"
SETTING = "PULLWATCH_CANARY_NAMESPACE"
MAX_ANSWER = 4 * 1024 * 1024
NODES_IN_PAGE = 50
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds
HELD_SECONDS = 2.0  # how long a finalizer may take to be taken off before it is reported
WARM_UP = 15.0  # seconds in which an API server that was away may refuse what it allows
BUSY = frozenset({429, 503})
DENIED = frozenset({401, 403})
_SECONDS = re.compile(r"[0-9]{1,4}")

Call = Callable[[], Awaitable[aiohttp.ClientResponse]]


class Refused(CollectError):
    """The API server does not take the pod: the namespace, its quota or a policy is in the way."""

    def __init__(self, refusal: CanaryRefusal, detail: str) -> None:
        super().__init__(detail)
        self.refusal = refusal

    def as_gap(self) -> NotSeen:
        """The fact, with the setting that leads elsewhere."""
        return NotSeen(NotSeenReason.ERROR, str(self), SETTING)


class _Busy(Temporary):
    """429 or 503: the server says that it did nothing."""


class Deletion(msgspec.Struct, frozen=True):
    """How a deletion ended: whether the pod was ``found``, and its state where finalizers still hold it."""

    found: bool
    held: PodState | None = None


class CanaryApi:
    """One cluster's API, as canaries in one namespace use it."""

    def __init__(self, azure: Azure, cluster: Cluster, api: KubernetesApi, namespace: str) -> None:
        self._api = api
        self._call_seconds = float(azure.settings.call_seconds)
        self._namespace = namespace
        self._scope = f"{cluster.id}/namespaces/{namespace}"
        self._cluster = cluster.id
        self._last_away = float("-inf")

    async def create(self, body: dict[str, Any]) -> None:
        """Makes a pod. Raises Refused and NotAllowed where none was made; after other errors it may be there."""
        call = partial(self._api.post, in_namespace(self._namespace, "pods"), self._call_seconds, body)
        status, raw = await self._patiently(self._call_seconds, (_Busy,), "create a canary pod", call)
        if status not in (200, 201, 202):
            raise self._error(status, raw, "create a canary pod")

    async def read(self, name: str, seconds: float) -> PodState | None:
        """A pod's state, None where it is gone. An API server that does not answer is asked again for ``seconds``."""
        call = partial(self._api.get, in_namespace(self._namespace, "pods", name), self._call_seconds)
        status, raw = await self._patiently(seconds, (_Busy, Unreachable), "read a canary pod", call)
        if status == 404:
            return None
        if status != 200:
            raise self._error(status, raw, "read a canary pod")
        return PodState.of(raw)

    async def delete(self, name: str) -> Deletion:
        """Deletes a pod, and looks whether it is gone or is kept by finalizers. Raises CollectError.

        DELETE answers 200 for a pod that stays too: then it has a deletionTimestamp, and is there when it is read.
        """
        path, end = in_namespace(self._namespace, "pods", name), self._now() + self._call_seconds
        call = partial(self._api.delete, path, self._call_seconds, {"gracePeriodSeconds": 0})
        status, raw = await self._patiently(self._call_seconds, (_Busy, Unreachable), "delete a canary pod", call)
        if status == 404:
            return Deletion(found=False)
        if status not in (200, 202):
            raise self._error(status, raw, "delete a canary pod")
        return Deletion(found=True, held=await self._until_gone(name, end) if PodState.of(raw).deleting else None)

    async def _until_gone(self, name: str, end: float) -> PodState | None:
        pause, held_since = FIRST_PAUSE, self._now()
        while (state := await self.read(name, max(end - self._now(), 0.0))) is not None:
            if state.finalizers and self._now() - held_since >= HELD_SECONDS:
                return state
            if self._now() + pause >= end:
                raise Temporary("delete a canary pod: the API server accepted it, and the pod is still there")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return None

    async def events(self, name: str) -> bytes | None:
        """The list of a pod's events; None where it may not be read."""
        query: Query = {"fieldSelector": f"involvedObject.kind=Pod,involvedObject.name={name}", "limit": 200}
        call = partial(self._api.get, in_namespace(self._namespace, "events"), self._call_seconds, query)
        status, raw = await self._patiently(self._call_seconds, (_Busy,), "read events", call)
        return raw if status == 200 else None

    async def list_canaries(self) -> bytes | None:
        """The list of the namespace's canary pods; None where it may not be read."""
        selector = ",".join(f"{label}={value}" for label, value in LABELS.items())
        query: Query = {"labelSelector": selector, "limit": 500}
        call = partial(self._api.get, in_namespace(self._namespace, "pods"), self._call_seconds, query)
        status, raw = await self._call("list canary pods", call)
        return raw if status == 200 else None

    async def list_quotas(self) -> bytes | None:
        """The list of the namespace's quotas; None where it may not be read."""
        path = in_namespace(self._namespace, "resourcequotas")
        call = partial(self._api.get, path, self._call_seconds, {"limit": 1})
        status, raw = await self._patiently(self._call_seconds, (_Busy,), "list resource quotas", call)
        return raw if status == 200 else None

    async def list_nodes(self, pool: str, token: str) -> bytes:
        """A page of a pool's nodes. Raises CollectError."""
        query: dict[str, str | int] = {"labelSelector": f"{POOL_LABEL}={pool}", "limit": NODES_IN_PAGE}
        query |= {"continue": token} if token else {}
        call = partial(self._api.get, NODES, self._call_seconds, query)
        status, raw = await self._patiently(self._call_seconds, (_Busy,), "list nodes", call)
        if status in DENIED:
            raise NotAllowed(f"list nodes: {PodState.message_of(raw)}", RBAC_READER, self._cluster)
        if status != 200:
            raise self._error(status, raw, "list nodes")
        return raw

    async def _patiently(
        self, seconds: float, passing: tuple[type[CollectError], ...], what: str, call: Call
    ) -> tuple[int, bytes]:
        """A call, made again after errors of these kinds for so many seconds."""
        pause, end = FIRST_PAUSE, self._now() + seconds
        while True:
            wait = pause
            try:
                status, raw = await self._call(what, call)
                if status not in DENIED or self._now() + wait >= min(end, self._last_away + WARM_UP):
                    return status, raw
            except passing as error:
                wait = max(pause, getattr(error, "retry_after", None) or 0.0)
                if self._now() + wait >= end:
                    raise
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _call(self, what: str, call: Call) -> tuple[int, bytes]:
        """An answer's status and body. Raises _Busy for one that says that nothing was done."""
        try:
            async with translate_errors(what, RBAC_WRITER, self._scope, self._call_seconds):
                response = await call()
                async with response:
                    status, raw = int(response.status), await bodies.whole(response, MAX_ANSWER, "about a canary pod")
                    wait = response.headers.get("Retry-After", "")
        except Unreachable:
            self._last_away = self._now()
            raise
        except ApiRefusal as error:
            status, raw = error.status, error.body.encode()
            wait = error.headers.get("Retry-After", "")
        if status in BUSY:
            detail = f"{what}: the Kubernetes API answered {status}: {PodState.message_of(raw)}"
            seconds = float(wait) if _SECONDS.fullmatch(wait) else 0.0
            raise _Busy(detail, seconds if status == 429 else None)
        return status, raw

    def _error(self, status: int, raw: bytes, what: str) -> CollectError:
        """What an error answer means: permission, admission, or something that is not there."""
        message = PodState.message_of(raw)
        detail = f"{what}: the Kubernetes API answered {status}: {message}"
        if "create" in what and canary_refusals.is_admission_refusal(status, message):
            return Refused(CanaryRefusal(RefusedBy.API_SERVER, str(status), message), detail)
        if status in DENIED:
            return NotAllowed(detail, RBAC_WRITER, self._scope)
        return NotFound(detail) if status == 404 else Temporary(detail)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
