"""Errors that were broken at any column, by a terminal or by a mail, are whole again: no word is glued or torn."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from checks.cli.classify.texts.text_lines import begins_anything
from checks.cli.classify.texts.word_breaks import between
from checks.cli.classify.texts.wraps import whole_lines
from tests.support.classified import classified

IMAGE = "a.azurecr.io/x:1"
LEAD = (
    f'Failed to pull image "{IMAGE}": rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": '
    f'failed to resolve reference "{IMAGE}": '
)
REQUEST = 'failed to do request: Head "https://a.azurecr.io/v2/x/manifests/1": '
TAILS = {
    "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
    "https://a.azurecr.io/oauth2/token?scope=x: 401 Unauthorized": "unauthorized",
    f"{REQUEST}dial tcp: lookup a.azurecr.io: no such host": "dns",
    f"{REQUEST}dial tcp 20.1.1.1:443: i/o timeout": "connect_timeout",
    "dial tcp 20.1.1.1:443: i/o timeout": "connect_timeout",
    f"{IMAGE}: not found": "image_not_found",
    f"{REQUEST}tls: failed to verify certificate: x509: certificate signed by unknown authority": "tls",
}
NEIGHBOURS = (
    ((), ()),
    (("the pods do not start, this is what it says",), ("any idea?",)),
    (("Error: ErrImagePull",), ("Error: ImagePullBackOff",)),
    (
        (f'Back-off pulling image "{IMAGE}"',),
        ("Normal things go on here, and somebody writes a long line of their own",),
    ),
)


def cut(text: str, width: int) -> list[str]:
    return [text[at : at + width] for at in range(0, len(text), width)]


def copied(text: str, width: int) -> list[str]:
    """Of what a terminal shows, the spaces in the last column are lost where it is copied."""
    return [line.rstrip() for line in cut(text, width)]


def mailed(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


@pytest.mark.parametrize("how", [cut, copied, mailed])
@pytest.mark.parametrize("tail", TAILS, ids=lambda tail: tail[-20:])
def test_an_error_that_was_broken_at_any_column_is_one_beside_any_neighbour(
    tail: str, how: Callable[[str, int], list[str]]
) -> None:
    text = LEAD + tail
    for width in range(50, 141):
        for before, after in NEIGHBOURS:
            lines = [*before, *how(text, width), *after]
            assert list(whole_lines(lines, begins_anything)) == [*before, text, *after], width
        (answer,) = classified("\n".join(["it says", *how(text, width), "any idea?", ""])).named
        assert (answer[0], answer[-1]) == (TAILS[tail], IMAGE), width


@pytest.mark.parametrize(
    ("whole", "line", "glue"),
    [
        ("unexpected status", " from GET", ""),
        ("unexpected status", "from GET", " "),
        ("unexpected sta", "tus from GET", ""),
        ("request to http", "s://a.io/v2/", ""),
        ("request to https://a.io/oauth2/to", "ken?scope=x: 401", ""),
        ("request to https://a.io/x:", "401 Unauthorized", " "),
        ("dial tcp 20.1", ".1.1:443: i/o timeout", ""),
        ("dial tcp 20.1.1.1:", "443: i/o timeout", ""),
        ("dial tcp", "20.1.1.1:443: i/o timeout", " "),
        ('pull image "a.io/', 'x:1": not', ""),
        ('pull image "a.io/x:1', '": not', ""),
        ("code", "= Unknown", " "),
        ("somebody", "else", None),
    ],
)
def test_the_words_tell_what_stood_between_two_lines(whole: str, line: str, glue: str | None) -> None:
    assert between(whole, line) == glue


def test_errors_below_each_other_stay_apart_at_any_length() -> None:
    for length in range(1, 80):
        name = "x" * length
        lines = [f'Failed to pull image "a.azurecr.io/{name}:{n}": 401 Unauthorized' for n in (1, 2, 3)]
        assert list(whole_lines(lines, begins_anything)) == lines
