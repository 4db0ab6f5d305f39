"""The names of one registry: which hosts belong to the same login server."""

import pytest

from checks.rules.registry_names import login_server_of


@pytest.mark.parametrize(
    ("host", "login_server"),
    [
        ("acrshop.azurecr.io", "acrshop.azurecr.io"),
        ("acrshop.westeurope.geo.azurecr.io", "acrshop.azurecr.io"),
        ("acrshop-abc123.westeurope.geo.azurecr.io", "acrshop-abc123.azurecr.io"),
        ("acrshop.westeurope.data.azurecr.io", "acrshop.azurecr.io"),
        ("acrshop.privatelink.azurecr.io", "acrshop.azurecr.io"),
        ("AcrShop.privatelink.azurecr.us", "acrshop.azurecr.us"),
        ("acrshop.chinanorth3.geo.azurecr.cn", "acrshop.azurecr.cn"),
    ],
)
def test_a_host_of_a_registry_belongs_to_its_login_server(host: str, login_server: str) -> None:
    assert login_server_of(host) == login_server


@pytest.mark.parametrize(
    "host",
    [
        "docker.io", "localhost:5000", "privatelink.azurecr.io", "a.b.azurecr.io", "a.b.c.azurecr.io",
        "a.b.c.geo.azurecr.io", "acrshop.privatelink.azurecr.io.evil.example", "azurecr.io", "",
    ],
)  # fmt: skip
def test_a_host_that_is_no_other_name_of_a_registry_stays(host: str) -> None:
    assert login_server_of(host) == host
