"""The calls to a cluster's API server, by their paths.

The ``kubernetes`` package's client carries them: its connection, its sign-in, its errors. Its generated methods
(``CoreV1Api``) are not used: they load the models of the whole API, half a second of CPU and 25 MB for each process
that looks at a cluster, and Pullwatch reads the bytes of a handful of paths.

The package itself costs a sixth of a second: it is imported where a cluster is asked, here and in ``connection``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from checks.loading import LOADING

if TYPE_CHECKING:
    from kubernetes.aio import client

PODS = "/api/v1/pods"
EVENTS_PATH = "/api/v1/events"
NODES = "/api/v1/nodes"
SERVICE_ACCOUNTS = "/api/v1/serviceaccounts"

Query = Mapping[str, str | int]


class ApiRefusal(Exception):
    """An answer that the client itself makes an error of. ``status`` is 0 where there was none."""

    def __init__(self, status: int, headers: Mapping[str, str], body: str) -> None:
        super().__init__(f"({status}) {body}")
        self.status = status
        self.headers = headers
        self.body = body


class KubernetesApi:
    """One cluster's API server. Answers are given open, unread and whatever their status; the caller reads them."""

    def __init__(self, api_client: client.ApiClient) -> None:
        with LOADING:
            from kubernetes.aio.client.exceptions import ApiException
        self._client: Any = api_client
        self._refused = ApiException

    async def get(self, path: str, seconds: float, query: Query | None = None) -> aiohttp.ClientResponse:
        """Reads a path (made by ``in_namespace``, or one of those above). Raises ApiRefusal and what aiohttp raises."""
        return await self._send("GET", path, seconds, query=query)

    async def post(self, path: str, seconds: float, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        """Makes an object."""
        return await self._send("POST", path, seconds, body=body)

    async def delete(self, path: str, seconds: float, query: Query) -> aiohttp.ClientResponse:
        """Deletes an object."""
        return await self._send("DELETE", path, seconds, query=query)

    async def _send(
        self,
        method: str,
        path: str,
        seconds: float,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", **({"Content-Type": "application/json"} if body is not None else {})}
        request = await self._client.param_serialize(
            method=method,
            resource_path=path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = await self._client.call_api(*request, _preload_content=False, _request_timeout=seconds)
        except self._refused as error:
            text = str(error.body or error.reason or "")
            raise ApiRefusal(int(error.status or 0), error.headers or {}, text) from None
        response: aiohttp.ClientResponse = answer.response
        return response


def in_namespace(namespace: str, plural: str, name: str | None = None) -> str:
    """The path of a kind's list in a namespace, or of one object. The names may be hostile.

    Raises ValueError for "", "." and "..", which no object is named and which would lead to another path.
    """
    for part in (namespace, name):
        if part in ("", ".", ".."):
            raise ValueError(f"{part!r} names no object")
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/{plural}"
    return path if name is None else f"{path}/{quote(name, safe='')}"
