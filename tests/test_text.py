"""Text that is stored, mailed or printed: no secrets, no control characters, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.text import MAX_LINE, clipped, listed, one_line, printable, redacted, redacted_start, without_bytes


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


KEY = "x9FqB3" * 12 + "+AStAbCdEf=="  # its end makes a key of it


@pytest.mark.parametrize("before", range(180, 300, 9))
@pytest.mark.parametrize("secret", [KEY, f"https://web:{'s3cret' * 9}@contoso.azurecr.io", f"a web:{KEY}@tcp(db)"])
def test_a_text_is_cut_after_its_secrets_are_taken_out(before: int, secret: str) -> None:
    shown = redacted_start(f"{'y' * (before - 1)} {secret} {'z' * 900}", 300)
    assert not any(part in shown for part in ("x9FqB3", "s3cret"))
    assert shown.startswith("y" * (before - 1))
    assert len(shown) <= 300


@pytest.mark.parametrize("length", range(900, 1060, 7))
def test_what_is_looked_at_ends_before_a_secret_that_it_cuts(length: int) -> None:
    first = f"token=abc{'d' * (length - 80)} and the key "
    shown = redacted_start(f"{first}{KEY} is not valid {'z ' * 2000}", 500)
    assert "x9FqB3" not in shown
    assert shown.startswith("token=[redacted] and the")


@given(st.text(max_size=40), st.integers(0, 50), st.integers(0, 20))
def test_the_start_of_a_text_is_its_start(text: str, limit: int, margin: int) -> None:
    shown = redacted_start(text, limit, margin)
    assert len(shown) <= limit
    assert redacted(text).startswith(shown)


def test_what_is_cut_is_cut_at_its_limit() -> None:
    assert redacted_start("x" * 10_000, 300) == "x" * 300
    assert redacted_start("", 300) == redacted_start("x", 0) == ""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("400, message=\"Invalid header token:\\n\\n  b'X-Api-Key 1'\\n  ^\", url=''", "[redacted]"),
        ("400, message='Invalid HTTP header: b\\'X \"1\\'', url=''", "[redacted]"),
        ('Got more than 8190 bytes when reading: b"1\'1".', "[redacted]"),
    ],
)
def test_bytes_that_an_error_quotes_are_taken_out(said: str, expected: str) -> None:
    assert without_bytes(said).endswith(expected)
    assert "1'" not in without_bytes(said)


def test_an_error_without_bytes_is_as_it_was() -> None:
    said = "Cannot connect to host a:443 ssl:default [Connect call failed ('10.0.0.1', 443)] web'b' b 'x'"
    assert without_bytes(said) == said


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
