"""One POST of a transport: whether its body was on its way when something broke, and a bounded answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import aiohttp
import msgspec
from yarl import URL

from checks.retry_after import asked_seconds

MAX_ANSWER = 16_384
ANSWER_SECONDS = 5.0
LONGEST_RETRY_AFTER = 3600.0
_CHUNK = 16_384


class Answer(msgspec.Struct, frozen=True):
    """What a server answered; ``retry_after``: the seconds it asks for, at most an hour."""

    status: int
    body: bytes
    retry_after: float | None


class Upload:
    """A body that is sent in parts. ``complete``: its last byte was handed to the connection."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.complete = False

    async def parts(self) -> AsyncIterator[bytes]:
        """The parts; each is asked for when the one before is on its way."""
        for start in range(0, len(self.body), _CHUNK):
            self.complete = start + _CHUNK >= len(self.body)
            yield self.body[start : start + _CHUNK]


async def post(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], upload: Upload) -> Answer:
    """One request, to this address as it is written and to no other. Raises aiohttp.ClientError or TimeoutError.

    What stands in the answer beside its status is for people: it is waited for only so long.
    """
    sent = {**headers, "Content-Length": str(len(upload.body))}
    async with session.post(
        URL(url, encoded=True), data=upload.parts(), headers=sent, allow_redirects=False
    ) as response:
        asked = asked_seconds(response.headers.get("Retry-After", ""), datetime.now(UTC))
        body = b"" if 200 <= response.status <= 299 else await _start_of(response.content)
        return Answer(response.status, body, None if asked is None else min(asked, LONGEST_RETRY_AFTER))


async def _start_of(content: aiohttp.StreamReader) -> bytes:
    parts: list[bytes] = []
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(ANSWER_SECONDS):
            while (left := MAX_ANSWER - sum(map(len, parts))) > 0 and (part := await content.read(left)):
                parts.append(part)
    return b"".join(parts)
