"""The one place that opens connections.

Like curl's ``--connect-to`` it can be told where a host really is (PULLWATCH_CONNECT_TO); TLS still verifies the name
that was asked for. TLS is verified always, against the usual environment (SSL_CERT_FILE).
"""

from __future__ import annotations

import socket
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from checks.settings import ConnectTo


class _Resolver(AbstractResolver):
    """aiohttp's own resolver, but for the hosts that were told to be elsewhere."""

    def __init__(self, entries: tuple[ConnectTo, ...]) -> None:
        self._entries = entries
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of ``host``, with the port that a connection to it really takes."""
        entry = find_entry(self._entries, host, port)
        if entry is None:
            return await self._inner.resolve(host, port, family)
        found = await self._inner.resolve(entry.to_host, entry.to_port, family)
        return [{**result, "hostname": host, "port": entry.to_port} for result in found]

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()


def find_entry(entries: tuple[ConnectTo, ...], host: str, port: int) -> ConnectTo | None:
    """The first entry whose host (exact, or "*." for any name below) and port are those of a connection."""
    low = host.lower().rstrip(".")
    for entry in entries:
        below = entry.host.startswith("*.") and low.endswith(entry.host[1:])
        if entry.port == port and (below or low == entry.host):
            return entry
    return None


def connector(entries: tuple[ConnectTo, ...], context: ssl.SSLContext | None = None) -> aiohttp.TCPConnector:
    """A connector for one client, to be closed by whoever owns the session. ``context`` replaces the default trust."""
    return aiohttp.TCPConnector(resolver=_Resolver(entries), ssl=context or ssl.create_default_context(), limit=32)


def session(entries: tuple[ConnectTo, ...], *, decompress: bool = True) -> aiohttp.ClientSession:
    """A session with the default trust, without cookies. The environment's proxy settings are honoured.

    ``decompress`` is off where the client does it itself, as azure-core does.
    """
    return aiohttp.ClientSession(
        connector=connector(entries), cookie_jar=aiohttp.DummyCookieJar(), trust_env=True, auto_decompress=decompress
    )
