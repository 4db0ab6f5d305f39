"""A headless Chromium, where one is installed: opens pages at a given width, measures them and takes pictures.

It speaks the DevTools protocol over a WebSocket on 127.0.0.1 and asks no other host for anything.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 30.0
PHONE, DESK = 390, 1280
_LISTENING = b"DevTools listening on "


def program() -> str:
    """The browser's program; "" where none is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), "")


class Page:
    """A tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._socket = socket
        self._session = session
        self._ids = itertools.count(100)

    async def open(self, file: Path, width: int) -> None:
        """Opens a local page in a window (for phones: a phone's) of that width."""
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.ask("Emulation.setDeviceMetricsOverride", **size)
        frame = (await self.ask("Page.getFrameTree"))["frameTree"]["frame"]["id"]
        html = await asyncio.to_thread(file.read_text, encoding="utf-8")
        await self.ask("Page.setDocumentContent", frameId=frame, html=html)

    async def value(self, script: str) -> Any:
        """What an expression comes to in the page."""
        answer = await self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def picture(self, max_height: int) -> bytes:
        """The page as a PNG, from its top, not higher than that."""
        width, height = await self.value("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, max_height), "scale": 1}
        shot = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        return await _ask(self._socket, next(self._ids), method, params, self._session)


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A browser with one tab; it ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program(),
            "--headless=new",
            "--no-sandbox",  # which root cannot have; only the project's own pages are opened
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--remote-debugging-address=127.0.0.1",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS):
                address = await _address(process)
            async with aiohttp.ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
                target = await _ask(socket, 1, "Target.createTarget", {"url": "about:blank"})
                attached = await _ask(socket, 2, "Target.attachToTarget", {**target, "flatten": True})
                yield Page(socket, attached["sessionId"])
                await socket.send_json({"id": 3, "method": "Browser.close"})
            async with asyncio.timeout(SECONDS):
                await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Where the browser listens, which it writes when it does."""
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if line.startswith(_LISTENING):
            return line.removeprefix(_LISTENING).decode().strip()
    raise RuntimeError(f"{program()} ended before it listened")


async def _ask(
    socket: aiohttp.ClientWebSocketResponse, number: int, method: str, params: dict[str, Any], session: str = ""
) -> dict[str, Any]:
    command = {"id": number, "method": method, "params": params}
    await socket.send_json(command | ({"sessionId": session} if session else {}))
    async with asyncio.timeout(SECONDS):
        while True:
            answer = await socket.receive_json()
            if answer.get("id") == number:
                break
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    result: dict[str, Any] = answer["result"]
    return result
