"""The picture of a chain in a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.report.chain.model import Chain
from checks.report.path_picture import text
from checks.report.path_picture.words import columns, wrapped
from tests.support.sample_chains import hostile, sample, whole, without_role

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
CHAINS = {"dns": sample(), "role": without_role(), "whole": whole(), "hostile": hostile(sample())}
each = pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)


@each
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [30, 80, 132])
def test_no_line_is_wider_than_the_terminal_and_nothing_steers_it(chain: Chain, ascii_only: bool, width: int) -> None:
    shown = text.picture(chain, width=width, ascii_only=ascii_only)
    assert max(columns(line) for line in shown.splitlines()) <= width
    assert not STEERING.search(shown)
    if ascii_only:
        assert shown.isascii()


def test_where_it_breaks_is_seen_without_colours() -> None:
    shown = text.picture(sample())
    assert "> ✗  DNS       FAIL zone-not-linked (PW204) ◄── it breaks here\n" in shown
    assert "> ✗  NODES     FAIL dns (PW301) ◄── nodes say so\n" in shown
    assert shown.count("it breaks here") == 1
    before, _, after = shown.partition("> ✗  DNS")
    assert "│" in before and "┆" not in before
    assert "┆" in after and "│" not in after


def test_the_picture_in_ascii_says_the_same() -> None:
    shown = text.picture(sample(), ascii_only=True)
    assert "> X  DNS       FAIL zone-not-linked (PW204) <== it breaks here\n" in shown
    assert "  +  role      pass (PW102)\n" in shown


def test_a_chain_that_holds_breaks_nowhere() -> None:
    shown = text.picture(whole())
    assert "FAIL" not in shown
    assert ">" not in shown
    assert "A node pulled acrone.azurecr.io/team/web:1" in " ".join(shown.split())


def test_lines_have_the_verdict_to_colour_them_by() -> None:
    by_verdict = {line.verdict for line in text.lines(sample())}
    assert by_verdict == {"", "pass", "fail"}


@given(st.text(max_size=200), st.integers(min_value=2, max_value=60))
def test_wrapping_fits_every_text_and_loses_no_character(given_text: str, width: int) -> None:
    made = list(wrapped(given_text, width))
    assert all(columns(line) <= width for line in made)
    assert "".join("".join(made).split()) == "".join(given_text.split())
