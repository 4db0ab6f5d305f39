"""Egress addresses against IP rules, beside a reference that tries every address."""

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from checks.rules.path.registry_firewall import match

PREFIXES = st.builds(
    lambda offset, length: IPv4Network((0x14320000 + offset, length), strict=False),
    st.integers(min_value=0, max_value=63),
    st.integers(min_value=27, max_value=32),
)


@given(egress=st.lists(PREFIXES, max_size=3), rules=st.lists(PREFIXES, max_size=4))
def test_the_match_is_what_every_single_address_says(egress: list[IPv4Network], rules: list[IPv4Network]) -> None:
    ip_rule_match = match(egress, [str(rule) for rule in rules])
    allowed = {address for rule in rules for address in rule}
    for one in egress:
        addresses = set(one)
        assert (one in ip_rule_match.inside) == bool(addresses & allowed)
        assert (one in ip_rule_match.outside) == bool(addresses - allowed)


def test_ipv6_and_nonsense_among_the_rules_allow_nothing() -> None:
    (one,) = match([IPv4Network("20.50.0.1")], ["::/0", "everyone", "20.50.0.1/33", ""]).outside
    assert str(one) == "20.50.0.1/32"
