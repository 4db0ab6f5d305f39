"""Long texts as short ones, for a row that has room for half a million characters. Pure."""

from __future__ import annotations

import base64
import binascii
import zlib

PACKED = "zlib:"  # no JSON begins so
SHORT = 30_000  # characters: what fits into one property stays as people can read it
LONGEST = 20_000_000  # bytes that a packed text may hold


def packed(text: str) -> str:
    """A long text packed, a short one as it is."""
    if len(text) <= SHORT:
        return text
    return PACKED + base64.b64encode(zlib.compress(text.encode("utf-8", "surrogatepass"))).decode()


def unpacked(text: str) -> str:
    """The text that ``packed`` made short. ValueError where it was not that, or is too long."""
    if not text.startswith(PACKED):
        return text
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(base64.b64decode(text.removeprefix(PACKED), validate=True), LONGEST)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"a packed text cannot be read: {error}") from error
    if not stream.eof:
        raise ValueError(f"a packed text is incomplete, or longer than {LONGEST} bytes")
    return data.decode("utf-8", "surrogatepass")
