"""The addresses that a cluster's tag names: of whatever is written there, few and well formed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.rules.mail_addresses import ADDRESS, MAX_NAMED, Listed, domain_of, listed

FIVE = tuple(f"p{number}@c.example" for number in range(5))


@pytest.mark.parametrize(("text", "expected"), [
    ("", Listed()),
    (" , ,\t", Listed()),
    ("a@c.example", Listed(named=("a@c.example",))),
    ("a@c.example,b@c.example", Listed(named=("a@c.example", "b@c.example"))),
    ("  b@c.example   a@c.example ", Listed(named=("b@c.example", "a@c.example"))),
    ("A@C.example a@c.example", Listed(named=("A@C.example",))),
    ("a@c.example;b@c.example", Listed(wrong=("a@c.example;b@c.example",))),
    ("nobody a@c.example nobody", Listed(named=("a@c.example",), wrong=("nobody",))),
    ("<a@c.example>", Listed(wrong=("<a@c.example>",))),
    ("a@c.example\r\nBcc:x@c.example", Listed(named=("a@c.example",), wrong=("Bcc:x@c.example",))),
    ("ä@c.example", Listed(wrong=("ä@c.example",))),
    ("a@с.example", Listed(wrong=("a@с.example",))),
    (f"{'a' * 65}@c.example", Listed(wrong=(f"{'a' * 65}@c.example",))),
    (" ".join((*FIVE, "p5@c.example", "p6@c.example")), Listed(named=FIVE, beyond=2)),
])  # fmt: skip
def test_a_tag_is_read(text: str, expected: Listed) -> None:
    assert listed(text) == expected


@given(st.text(max_size=2000))
def test_whatever_it_says_it_names_few_and_each_is_an_address(text: str) -> None:
    read = listed(text)
    assert len(read.named) <= MAX_NAMED
    assert all(ADDRESS.fullmatch(address) for address in read.named)
    assert not any(ADDRESS.fullmatch(word) for word in read.wrong)


def test_domains_are_compared_in_lower_case() -> None:
    assert domain_of("a@Contoso.Example") == "contoso.example"
