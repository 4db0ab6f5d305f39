"""The bytes of an API server's answer as they come, unpacked where they are packed.

An API server packs what is longer than 128 KiB for clients that ask for it, as kubectl does: lists of pods become a
tenth as long. Unpacked here piece by piece, nothing is held twice and whoever reads can stop at its own limit.
zlib-ng does it in half the time that the standard library's zlib takes, a sixth of what reading pods costs
(tests/benchmarks/big_clusters.py).
Source: RFC 9110 8.4.1; Kubernetes' APIResponseCompression.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from zlib_ng import zlib_ng

from checks.collect.wire.errors import Temporary
from checks.text import one_line

PACKING = "gzip"
_GZIP = 31  # zlib's word for it: a window of 32 KiB, with gzip's header and trailer
# Of one piece: a few packed bytes can stand for as much as they like, and memory for longer ones is got anew each time.
_AT_ONCE = 256 * 1024


async def chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The answer's bytes, piece by piece. Raises Temporary where they are packed otherwise, damaged or cut off."""
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    if packing in ("", "identity"):
        while chunk := await response.content.readany():
            yield chunk
        return
    if packing != PACKING:
        raise Temporary(f"the Kubernetes API packed its answer with {one_line(packing)[:40]}, which was not asked for")
    unpacker = zlib_ng.decompressobj(_GZIP)
    while not unpacker.eof and (packed := await response.content.readany()):
        while packed and not unpacker.eof:  # at the end of the packed bytes a tail that follows them may stay
            yield _unpacked(unpacker, packed)
            packed = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise Temporary("the Kubernetes API's packed answer was cut off")
    if unpacker.unused_data or await response.content.readany():
        raise Temporary("the Kubernetes API sent more after the end of a packed answer")


async def whole(response: aiohttp.ClientResponse, limit: int, about: str) -> bytes:
    """An answer of at most ``limit`` bytes, unpacked. Raises Temporary for a longer one, and as ``chunks`` does."""
    raw = bytearray()
    async for chunk in chunks(response):
        raw += chunk
        if len(raw) > limit:
            raise Temporary(f"the Kubernetes API sent more than {limit} bytes {about}")
    return bytes(raw)


def _unpacked(unpacker: zlib_ng._Decompress, packed: bytes) -> bytes:
    try:
        return unpacker.decompress(packed, _AT_ONCE)
    except zlib_ng.error as error:  # type: ignore[misc]  # its stub says that it is an int
        raise Temporary(f"the Kubernetes API's answer cannot be unpacked: {error}") from None
