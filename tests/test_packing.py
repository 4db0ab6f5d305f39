"""Long texts packed for a row, and what is no such text."""

from __future__ import annotations

import base64
import zlib

import pytest

from checks.packing import LONGEST, PACKED, SHORT, packed, unpacked


@pytest.mark.parametrize("text", ["", "{}", "x" * SHORT, "x" * (SHORT + 1), "ü\ud800\U0001f600" * SHORT])
def test_a_text_is_the_same_afterwards(text: str) -> None:
    assert unpacked(packed(text)) == text


def test_a_short_text_stays_readable_and_a_long_one_becomes_short() -> None:
    assert packed("{}") == "{}"
    assert len(packed('{"cluster":"aks"}' * SHORT)) < SHORT


@pytest.mark.parametrize(
    "text",
    [
        f"{PACKED}no base64!",
        f"{PACKED}{base64.b64encode(b'no zlib').decode()}",
        packed("x" * 100_000)[:-8],
        PACKED + base64.b64encode(zlib.compress(b"x" * (LONGEST + 1))).decode(),
        PACKED + base64.b64encode(zlib.compress(b"\xff")).decode(),
    ],
)
def test_what_was_not_packed_so_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        unpacked(text)
