"""The one place that opens connections, and the policy of where they may go.

Like curl's ``--connect-to`` a setting (PULLWATCH_CONNECT_TO) can say where a host really is; TLS still verifies the
name that was asked for. TLS is verified always, against the usual environment (SSL_CERT_FILE).

Hosts that pods name are hostile. ``resolve`` resolves a host once and vets every address; ``tls_handshake`` and
``pinned_session`` then go to exactly these addresses, so that a second answer of a name server (DNS rebinding) or a
redirect leads nowhere. What PULLWATCH_CONNECT_TO names is a developer's word and not vetted.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from checks.settings import ConnectTo
from checks.text import one_line

HTTPS = 443
MAX_ADDRESSES = 16
CONNECT_SECONDS = 4.0
HANDSHAKE_SECONDS = 4.0
_NAME = re.compile(
    r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE
)
# Azure's platform address on every virtual machine's host: public by its range, and no business of a registry.
_PLATFORM = ipaddress.ip_address("168.63.129.16")
# Anycast, relay and documentation ranges of the IANA registry of special addresses: no registry is there.
_RELAYS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.88.99.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.175.48.0/24",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_PRIVATE = tuple(ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """A host that may not be contacted at all, or whose addresses may not; the text says why, for people."""


class ResolvedHost(msgspec.Struct, frozen=True):
    """Where a host is: its vetted addresses and the port, the name its CNAME chain ended at where one was told.

    ``elsewhere``: PULLWATCH_CONNECT_TO said so, and no name was resolved.
    """

    host: str
    port: int
    addresses: tuple[str, ...]
    canonical: str | None = None
    elsewhere: bool = False


class Certificate(msgspec.Struct, frozen=True):
    """When a verified certificate is valid (ISO 8601, UTC)."""

    valid_from: str | None
    valid_until: str | None


class Answers(msgspec.Struct, frozen=True):
    """What a name server said: addresses, and the canonical name."""

    addresses: tuple[str, ...]
    canonical: str | None = None


Lookup = Callable[[str, int], Awaitable[Answers]]


class _Resolver(AbstractResolver):
    """aiohttp's own resolver, except for hosts that a setting puts elsewhere."""

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
        answers = await self._inner.resolve(entry.to_host, entry.to_port, family)
        return [{**result, "hostname": host, "port": entry.to_port} for result in answers]

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()


class _Pinned(AbstractResolver):
    """Knows one host, and for it only the addresses that were vetted."""

    def __init__(self, host: ResolvedHost) -> None:
        self._resolved = host

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The vetted addresses. Raises OSError for every other host."""
        if host.lower() != self._resolved.host or port != HTTPS:
            raise OSError(f"refused to connect to {host}:{port}, which is not {self._resolved.host}")
        return [
            {
                "hostname": host,
                "host": address,
                "port": self._resolved.port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in self._resolved.addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


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
        connector=connector(entries),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=names_proxy(),
        auto_decompress=decompress,
    )


def names_proxy() -> bool:
    """Whether the environment names a proxy for HTTPS.

    Where it does not, aiohttp does not trust it: at every request it would look for a proxy and into ~/.netrc,
    each in a thread of its own, and an entry there that fits breaks every request that carries a token.
    """
    return "https" in getproxies()


def refusal_of_name(host: str) -> str | None:
    """Why a host that a pod named may not be contacted, or None: only dotted names, no addresses, no port but 443."""
    name, colon, port = host.partition(":")
    if colon and port != str(HTTPS):
        return f"only port {HTTPS} is contacted, not {one_line(host)[:80]}"
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return None if _NAME.fullmatch(name) else f"{one_line(host)[:80]} is no host name of a registry"
    return f"{one_line(host)[:80]} is an address, no name of a registry"


def refusal_of_address(address: str, *, known: bool) -> str | None:
    """Why an address may not be connected to, or None.

    Loopback, link-local, multicast, reserved ranges and Azure's platform address never; private ranges only where the
    host is a registry that ARM returned (``known``: a private endpoint). An IPv6 address that carries an IPv4 one
    (mapped, 6to4, NAT64) is judged by that.
    """
    try:
        result = _unwrapped(ipaddress.ip_address(address))
    except ValueError:
        return f"{one_line(address)[:60]!r} is no address"
    if (
        result.is_loopback
        or result.is_link_local
        or result.is_multicast
        or result.is_unspecified
        or result == _PLATFORM
    ):
        return f"{address} is a loopback, link-local, multicast or platform address"
    if any(result in network for network in (*_PRIVATE, _SHARED) if network.version == result.version):
        return None if known else f"{address} is in a private range"
    if any(result in network for network in _RELAYS if network.version == result.version):
        return f"{address} is in a reserved range"
    public = result.is_global and not result.is_reserved and (result.version == 4 or result in _GLOBAL_IPV6)
    return None if public else f"{address} is in a reserved range"


def _unwrapped(address: IPAddress) -> IPAddress:
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.scope_id is not None:
        return ipaddress.IPv6Address("fe80::1")  # an address with a zone is local to a link, whatever it looks like
    carried = address.ipv4_mapped or address.sixtofour
    if carried is None and address in _NAT64:
        carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    # ::1 and :: lie in the compatible range too; they are shown as what they are.
    if carried is None and address in _COMPATIBLE and int(address) > 1:
        carried = ipaddress.IPv4Address(int(address))
    return carried or address


async def system_lookup(host: str, port: int) -> Answers:
    """Asks the resolver of the machine. Raises socket.gaierror."""
    loop = asyncio.get_running_loop()
    entries = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    canonical = next((str(name) for _, _, _, name, _ in entries if name), None)
    return Answers(tuple(dict.fromkeys(str(address[0]) for *_, address in entries)), canonical)


def behind_proxy(entries: tuple[ConnectTo, ...], host: str) -> bool:
    """Whether the environment sends connections to a host through a proxy, which resolves names by itself."""
    if find_entry(entries, host, HTTPS) is not None:
        return False
    return names_proxy() and not proxy_bypass(host)


async def resolve(
    entries: tuple[ConnectTo, ...], host: str, *, known: bool = False, lookup: Lookup = system_lookup
) -> ResolvedHost:
    """Where a host is, resolved once and vetted. Raises Refused, or socket.gaierror where the name does not resolve.

    One address that may not be contacted refuses the host as a whole: a name that points both to the world and inward
    is no registry's.
    """
    name = host.lower().partition(":")[0]
    why = refusal_of_name(host)
    if why is not None:
        raise Refused(why)
    entry = find_entry(entries, name, HTTPS)
    if entry is not None:
        answers = await lookup(entry.to_host, entry.to_port)
        return ResolvedHost(name, entry.to_port, answers.addresses[:MAX_ADDRESSES], elsewhere=True)
    answers = await lookup(name, HTTPS)
    for address in answers.addresses:
        why = refusal_of_address(address, known=known)
        if why is not None:
            raise Refused(f"{name} resolves to where Pullwatch does not connect: {why}")
    canonical = answers.canonical.lower().rstrip(".") if answers.canonical else None
    return ResolvedHost(name, HTTPS, answers.addresses[:MAX_ADDRESSES], None if canonical == name else canonical)


async def tls_handshake(host: ResolvedHost, context: ssl.SSLContext) -> tuple[ResolvedHost, Certificate]:
    """TCP and TLS with the first address that takes a connection; returns the place narrowed to it.

    Raises TimeoutError or OSError (TCP) or ssl.SSLError (a subclass of OSError).
    """
    failure: OSError = OSError(f"{host.host} has no address")
    for address in host.addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, writer = await asyncio.open_connection(address, host.port)
        except OSError as error:  # TimeoutError is one
            failure = error
            continue
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await writer.start_tls(context, server_hostname=host.host)
            peer = writer.get_extra_info("peercert") or {}
        except TimeoutError:
            raise ssl.SSLError(f"no handshake within {HANDSHAKE_SECONDS:g} s") from None
        finally:
            writer.transport.abort()
        narrowed = msgspec.structs.replace(host, addresses=(address,))
        return narrowed, Certificate(_moment(peer.get("notBefore")), _moment(peer.get("notAfter")))
    raise failure


def _moment(text: str | None) -> str | None:
    """The time in OpenSSL's words ("Jun  1 12:00:00 2027 GMT") as ISO 8601."""
    if not text:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC).isoformat(timespec="seconds")


def pinned_session(host: ResolvedHost, context: ssl.SSLContext, *, keep_alive: bool = False) -> aiohttp.ClientSession:
    """A session that reaches one host at its vetted addresses and nothing else; no proxy, no cookies, nothing unpacked.

    Whoever opens it closes it. A host that is an address would pass the resolver by; ``resolve`` refuses those.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Pinned(host), ssl=context, limit=2, force_close=not keep_alive),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        raise_for_status=False,
    )
