"""A TLS server of a test's own on loopback that says whatever the test wants, and the client's side of it."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme
from azure.core.credentials import AccessToken

from checks import settings
from checks.collect.arm.client import Azure
from checks.collect.wire import connections

HOST = "acrone.azurecr.io"
Say = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What was asked of it (``METHOD path``, and the bodies), and where it listens."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[str] = []
        self.received = b""


def raw(status: str, body: str = "", **headers: str) -> Say:
    """An answer with a body and headers (underscores for dashes)."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    sent = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()

    return say


@asynccontextmanager
async def server(
    folder: Path,
    answers: dict[str, Say],
    *,
    names: tuple[str, ...] = (HOST,),
    expired: bool = False,
    tls: bool = True,
    identity: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Answers by "METHOD path"; what is not named is closed without an answer. Writes its CA to ``folder``/ca.pem.

    ``identity`` takes the place of the certificate that it makes for itself.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    now = datetime.datetime.now(datetime.UTC)
    begins = now - datetime.timedelta(days=9) if expired else None
    ends = now - datetime.timedelta(days=1) if expired else None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, not_before=begins, not_after=ends).configure_cert(context)
    result = Server(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            result.requests.append(f"{method} {path}")
            length = next((int(v) for k, _, v in (h.partition(":") for h in head.split("\r\n")) if k.lower() ==
                           "content-length"), 0)  # fmt: skip
            result.received += head.encode() + await reader.readexactly(length)
            if f"{method} {path}" in answers:
                await answers[f"{method} {path}"](writer)
        except (OSError, EOFError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=(identity or context) if tls else None)
    result.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield result
    await asyncio.sleep(0.05)  # the sockets of connections that were dropped close on the loop's next turns


class Credential:
    """Hands out one token and counts how often it was asked."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """The token "entra"."""
        self.scopes.extend(scopes)
        return AccessToken("entra-secret", 2**40)

    async def close(self) -> None:
        """Nothing is held."""

    async def __aenter__(self) -> Credential:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@asynccontextmanager
async def client(port: int | None, *, host: str = HOST, seconds: int = 5) -> AsyncIterator[tuple[Azure, Credential]]:
    """An ``Azure`` that is told that ``host`` is at a port of loopback (None: not told), with a counted credential."""
    shown = {} if port is None else {"PULLWATCH_CONNECT_TO": f"{host}:443=127.0.0.1:{port}"}
    loaded = settings.load({"PULLWATCH_CALL_SECONDS": str(seconds), **shown})
    credential = Credential()
    async with connections.session(()) as session:
        yield Azure(loaded, credential, session), credential
