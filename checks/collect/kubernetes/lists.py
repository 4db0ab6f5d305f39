"""Whole lists of an API server, in pages, with the bytes decoded by msgspec.

Source: Kubernetes API concepts, "Retrieving large results sets in chunks" (limit and continue; a 410 carries a token by
which the rest can be read, though not as it was when the list began), and "API Priority and Fairness" (429).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Generic, TypeVar

import aiohttp

from checks.collect.arm.client import Azure
from checks.collect.kubernetes.bodies import chunks
from checks.collect.kubernetes.calls import ApiRefusal, KubernetesApi, Query
from checks.collect.kubernetes.connection import RBAC_READER
from checks.collect.kubernetes.objects import decode_page
from checks.collect.kubernetes.refusals import MAX_BODY, Expired, error_of
from checks.collect.wire.errors import CollectError, Temporary, translate_errors
from checks.collect.wire.throttling import wait_out
from checks.facts import Cluster

T = TypeVar("T")
R = TypeVar("R")
PAGE = 1000
MAX_PAGES = 400
EXPIRIES = 3
MAX_PAGE_BYTES = 64 * 1024 * 1024
RESERVE = 1.0  # seconds kept back of the cluster's, so that a list that stays throttled is told as that


class _TooLong(CollectError):
    """A page has more bytes than there is room for: its objects are long, and fewer fit into one."""


class Listed(Generic[R]):
    """What a whole list gave: ``items`` out of ``objects``, of which some were ``unreadable``.

    ``of_two_moments``: it expired on the way, and its rest is of a later moment. What was there all the time is in it.
    """

    def __init__(self) -> None:
        self.items: list[R] = []
        self.objects = 0
        self.unreadable = 0
        self.of_two_moments = False


def deadline(azure: Azure) -> float:
    """The event loop's time at which reading a cluster has to be done, from now."""
    return asyncio.get_running_loop().time() + azure.settings.cluster_seconds


class Reader:
    """Reads whole lists of one cluster, page by page into ``buffer``, each page within the call's deadline.

    Where it is throttled it waits, up to the event loop's time ``until``.
    """

    def __init__(self, azure: Azure, cluster: Cluster, api: KubernetesApi, buffer: bytearray, until: float) -> None:
        self._azure = azure
        self._api = api
        self._cluster = cluster
        self._buffer = buffer
        self._until = until - RESERVE

    async def whole(
        self,
        path: str,
        kind: type[T],
        convert: Callable[[T], Iterable[R]],
        query: Mapping[str, str] | None = None,
    ) -> Listed[R]:
        """A list read to its end, each object converted as its page comes. Raises CollectError.

        Where it expires on the way it is gone on with, if the API server allows it, or else begun anew.
        """
        listed: Listed[R] = Listed()
        token: str | None = None
        expiries, limit = 0, PAGE
        for _ in range(MAX_PAGES):
            try:
                # Not kept under a name: the buffer could not grow for the next page.
                objects, token, bad = decode_page(
                    await wait_out(partial(self._page, path, token, limit, query or {}), self._until), kind
                )
            except _TooLong:
                if limit == 1:
                    raise
                limit = max(1, limit // 10)
                continue
            except Expired as error:
                expiries += 1
                if expiries == EXPIRIES:
                    raise Temporary(f"the Kubernetes API's list expired {EXPIRIES} times while it was read") from error
                token = error.token
                listed = listed if token else Listed()
                listed.of_two_moments = bool(token)
                continue
            limit = min(PAGE, limit * 10)
            for item in objects:
                listed.items.extend(convert(item))
            listed.objects += len(objects) + bad
            listed.unreadable += bad
            objects.clear()  # the next page's take their memory, which is still in the processor's cache
            if not token:
                return listed
        raise Temporary(f"the Kubernetes API's list has more than {MAX_PAGES} pages")

    async def _page(self, path: str, token: str | None, limit: int, query: Mapping[str, str]) -> memoryview:
        options: Query = {**query, "limit": limit, **({"continue": token} if token else {})}
        seconds = float(self._azure.settings.call_seconds)
        try:
            async with translate_errors("read the Kubernetes API", RBAC_READER, self._cluster.id, seconds):
                response = await self._api.get(path, seconds, options)
                async with response:
                    return await self._body(response)
        except ApiRefusal as error:
            raise self._refused(error.status, error.headers, error.body.encode()) from None

    async def _body(self, response: aiohttp.ClientResponse) -> memoryview:
        """A view of the one buffer that all pages share: memory got anew for each costs as much as decrypting it."""
        buffer, size = self._buffer, 0
        async for chunk in chunks(response):
            end = size + len(chunk)
            if end > MAX_PAGE_BYTES:
                raise _TooLong(f"the Kubernetes API sent more than {MAX_PAGE_BYTES} bytes in one page")
            if end <= len(buffer):
                memoryview(buffer)[size:end] = chunk  # assigned to the buffer itself, it would be copied twice
            else:
                del buffer[size:]
                buffer += chunk
            size = end
        if response.status != 200:
            raise self._refused(response.status, response.headers, bytes(self._buffer[: min(size, MAX_BODY)]))
        return memoryview(self._buffer)[:size]

    def _refused(self, status: int, headers: Mapping[str, str], body: bytes) -> CollectError:
        return error_of(status, headers, body, self._cluster, RBAC_READER, datetime.now(UTC))
