"""Addresses: a name is one segment, whatever it is."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from checks.dashboard import addresses
from tests.fleet.test_incidents import SUBSCRIPTION, cluster_id


def test_a_cluster_is_named_by_its_three_parts() -> None:
    assert addresses.cluster(cluster_id("aks-1")) == f"/api/dashboard/clusters/{SUBSCRIPTION}/rg/aks-1"
    assert addresses.cluster("no id") == "" and addresses.registry("") == ""
    assert addresses.registry("x" * 2000) == "", "an address that no server takes is none"


def test_a_query_leaves_out_what_is_not_given() -> None:
    assert addresses.now(all="", q="") == "/api/dashboard"
    assert addresses.now(all="1", q="a b&c") == "/api/dashboard?all=1&q=a+b%26c"


@given(st.text(min_size=1, max_size=100))
def test_any_name_is_one_segment(name: str) -> None:
    address = addresses.page("registries", name)
    assert address.count("/") == 4 and address.isascii() and not set(address) & set("\"'<>? #")
    assert unquote(address.rpartition("/")[2]) == name.encode("utf-8", "replace").decode()
