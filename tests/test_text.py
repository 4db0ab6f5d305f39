"""Text that is stored, mailed or printed: no secrets, no control characters, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.text import MAX_LINE, clipped, listed, one_line, printable, redacted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AccountKey=c2VjcmV0; EndpointSuffix=x", "AccountKey=[redacted]; EndpointSuffix=x"),
        ("GET /?sig=abc%2F&se=2026", "GET /?sig=[redacted]&se=2026"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer [redacted]"),
        ("got eyJhbGciOiJI.eyJzdWIi.c2ln back", "got [redacted] back"),
        ("https://user:pw@contoso.azurecr.io/v2/", "https://[redacted]@contoso.azurecr.io/v2/"),
        ("a token of the registry", "a token of the registry"),
    ],
)
def test_what_looks_like_a_secret_is_redacted(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_characters_that_are_not_printable_are_replaced() -> None:
    assert printable("a\x1b[2J\u202eb\nc") == "a [2J b c"
    assert printable("a\x1bb\nc", keep="\n") == "a b\nc"
    assert printable("a\x1bb", instead="?") == "a?b"


@given(st.text(max_size=40))
def test_printable_text_is_of_the_same_length_and_printable(text: str) -> None:
    assert len(printable(text)) == len(text)
    assert printable(text).isprintable()


def test_one_line_has_no_control_characters_and_a_bound() -> None:
    assert one_line(" HTTP 403\r\n\x00denied \n") == "HTTP 403 denied"
    assert len(one_line("x" * (MAX_LINE + 1))) == MAX_LINE


@pytest.mark.parametrize(("limit", "expected"), [(6, "abcdef"), (7, "abcdef"), (5, "abcd…"), (1, "…")])
def test_clipped_text_keeps_within_its_limit_and_shows_the_cut(limit: int, expected: str) -> None:
    assert clipped("abcdef", limit) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c"], "a, b and 1 more")],
)
def test_listed_names_are_counted_beyond_the_limit(names: list[str], expected: str) -> None:
    assert listed(names, 2) == expected
