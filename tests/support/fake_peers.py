"""What a test's node meets on the way to a registry: a resolver, a proxy, an ACR and peers that fail, on loopback.

They answer by the name or the path they are asked for, so one of each serves every case at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import socket
import ssl
import struct
import threading
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import cast

NX_DOMAIN, SERVER_FAILURE = 0x8183, 0x8182
# Azure Storage says it in the status line, which is what containerd shows.
STORAGE_DENIES = "This request is not authorized to perform this operation."
_MANIFEST, _CONFIG = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "config"))
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_PHRASES = {
    200: "OK",
    301: "Moved Permanently",
    307: "Temporary Redirect",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    407: "Proxy Authentication Required",
    423: "Locked",
    429: "Too Many Requests",
    503: "Service Unavailable",
}
_BODIES = {
    401: ("UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information."),
    403: ("DENIED", "client with IP '203.0.113.9' is not allowed access. Refer https://aka.ms/acr/firewall"),
    404: ("NOT_FOUND", "there is nothing here"),
    423: ("LOCKED", "somebody else is at it"),
    429: ("TOOMANYREQUESTS", "too many requests"),
    503: ("UNAVAILABLE", "service unavailable"),
}


@dataclass(frozen=True)
class StandIns:
    """Where they are: an address for the resolver (port 53), ports of 127.0.0.1 for the others."""

    resolver: str
    proxy: int
    acr: int
    resets: int
    hangs_up: int
    speaks_ssh: int
    silent: int
    full: int


@contextmanager
def stand_ins(context: ssl.SSLContext, storage: str, lost_storage: str) -> Iterator[StandIns]:
    """All of them, until the block ends. ``context`` is the ACR's.

    ``storage``: the host an ACR sends clients to for its layers, here the same server; ``lost_storage``: one that does
    not resolve.
    """
    started: list[StandIns] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with _serving(context, storage, lost_storage) as shown:
            started.append(shown)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready.wait()
        yield started[0]
    finally:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread.join()


@asynccontextmanager
async def _serving(context: ssl.SSLContext, storage: str, lost_storage: str) -> AsyncIterator[StandIns]:
    own = asyncio.get_running_loop()
    # An address of this process's own, so that two runs on one machine do not ask for the same port 53.
    resolver = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    async with contextlib.AsyncExitStack() as stack:
        transport, _ = await own.create_datagram_endpoint(_Resolver, local_addr=(resolver, 53))
        stack.callback(transport.close)
        acr = _Acr(storage, lost_storage)
        ports = []
        for handler, tls in ((_proxy, None), (acr, context), (_reset, None), (_hang_up, None), (_ssh, None)):
            server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
            stack.push_async_callback(_close, server)
            ports.append(server.sockets[0].getsockname()[1])
        acr.port = ports[1]
        for full in (False, True):
            ports.append(stack.enter_context(_never_accepts(full=full)))
        yield StandIns(resolver, *ports)


async def _close(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()


@contextmanager
def _never_accepts(*, full: bool) -> Iterator[int]:
    """A port whose connections are taken by the kernel and never answered; ``full``: even these are dropped."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0 if full else 16)
        for _ in range(4 if full else 0):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class _Resolver(asyncio.DatagramProtocol):
    """No name exists; one that begins with "broken." fails, one that begins with "unheard." gets no answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Before Python 3.12 the transport of datagrams does not say that it is one.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = 12
        while end < len(data) and data[end]:
            end += data[end] + 1
        name = data[13:end].lower()
        if name.startswith(b"unheard"):
            return
        code = SERVER_FAILURE if name.startswith(b"broken") else NX_DOMAIN
        self._transport.sendto(data[:2] + struct.pack("!5H", code, 1, 0, 0, 0) + data[12 : end + 5], addr)


@dataclass(frozen=True)
class _Answer:
    """What a server says; the status's own phrase where no other is given."""

    code: int
    body: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    phrase: str = ""


class _Acr:
    """An ACR by its wire: the repository says what goes wrong, as ``<step>-<status>``.

    token: the token endpoint answers that status; manifest: the registry does (301: over and over to the same place);
    layers: the manifest is there and its contents are sent for to the storage account, which answers that status, or
    does not resolve.
    """

    def __init__(self, storage: str, lost_storage: str) -> None:
        self.port = 0
        self._storage = storage
        self._lost_storage = lost_storage

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _head(reader)
        line, host = head.partition("\r\n")[0], re.search(r"(?i)\r\nhost: (\S+)", head)
        if length := re.search(r"(?i)\r\ncontent-length: (\d+)", head):
            form = (await reader.readexactly(int(length[1]))).decode()
            line = f"{line}&{form}"
        step = re.search(r"\b(token|manifest|layers)-(\w+)", urllib.parse.unquote(line))
        answer = _Answer(503)
        if step and host:
            authorized = "\r\nauthorization: " in head.lower()
            answer = self._decide(line, host[1], step[1], step[2], authorized)
        await _send(writer, line, answer)

    def _decide(self, line: str, host: str, step: str, status: str, authorized: bool) -> _Answer:
        code = int(status) if status.isdigit() else 0
        if "/oauth2/token" in line:
            return _error(code) if step == "token" else _Answer(200, b'{"access_token": "a", "token": "a"}')
        if host.startswith(self._storage):
            return _Answer(code, phrase=STORAGE_DENIES)
        if not authorized:
            realm = f'realm="https://{host}/oauth2/token",service="{host}",scope="repository:{step}-{status}:pull"'
            return _Answer(401, fields={"WWW-Authenticate": f"Bearer {realm}"})
        if step == "manifest":
            return _Answer(301, fields={"Location": line.split()[1]}) if code == 301 else _error(code)
        if "/manifests/" in line:
            return _Answer(200, _manifest(f"{step}-{status}"), {"Content-Type": _MANIFEST})
        target = self._storage if code else self._lost_storage
        return _Answer(307, fields={"Location": f"https://{target}:{self.port}/{step}-{status}?se=2026&sig=x"})


def _error(code: int) -> _Answer:
    shown, message = _BODIES[code]
    body = {"errors": [{"code": shown, "message": message}]}
    return _Answer(code, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _manifest(name: str) -> bytes:
    """A manifest whose contents are nowhere; of its own for every name."""
    digests = [f"sha256:{hashlib.sha256(f'{name} {part}'.encode()).hexdigest()}" for part in ("config", "layer")]
    kinds = (_CONFIG, _LAYER)
    config, layer = (
        {"mediaType": kind, "digest": digest, "size": 64} for kind, digest in zip(kinds, digests, strict=True)
    )
    return json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode()


async def _proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuses every tunnel, with the status that the host's first label says."""
    line = (await _head(reader)).partition("\r\n")[0]
    asked = re.match(r"CONNECT \D*(\d+)\.", line)
    await _send(writer, line, _Answer(int(asked[1]) if asked else 503))


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    writer.close()


async def _ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await reader.read(65536)
    writer.close()


async def _head(reader: asyncio.StreamReader) -> str:
    """The request's head; "" where the client went away."""
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


async def _send(writer: asyncio.StreamWriter, line: str, answer: _Answer) -> None:
    """Answers the request of that first line, and ends the connection."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in answer.fields.items())
    head = (
        f"HTTP/1.1 {answer.code} {answer.phrase or _PHRASES[answer.code]}\r\n{fields}"
        f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + (b"" if line.startswith("HEAD ") else answer.body))
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()
