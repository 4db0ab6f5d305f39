"""Signing in to the dashboard as infra/ sets it up: who is sent to sign in, who keeps a key, and off by default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from checks import settings
from checks.web.dashboard.blueprint import ROUTE
from checks.web.routes import ROUTES
from tests.support import bicep, infra

pytestmark = pytest.mark.skipif(bool(bicep.what_is_missing()), reason=bicep.what_is_missing())

Snapshot = dict[str, Any]
SAMPLE = infra.INFRA / "samples" / "dashboard.bicepparam"
IDENTITY_AS_SECRET = "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("infra")


@pytest.fixture(scope="module")
def snapshot(folder: Path) -> Snapshot:
    return infra.expand(SAMPLE, folder)


def sign_in(snapshot: Snapshot) -> dict[str, Any]:
    config = infra.only(snapshot, "Web/sites/config")
    assert config["name"].endswith("/authsettingsV2")
    properties: dict[str, Any] = config["properties"]
    return properties


def path_of(route: str) -> str:
    """A route as an excluded path: exact, or up to its first parameter and whatever comes below."""
    literal, brace, _ = f"/api/{route}".partition("{")
    return f"{literal}*" if brace else literal


def test_every_route_of_the_api_is_left_out_and_nothing_else(snapshot: Snapshot) -> None:
    excluded = sign_in(snapshot)["globalValidation"]["excludedPaths"]
    assert excluded == sorted({path_of(route.route) for route in ROUTES})


def test_no_page_of_the_dashboard_is_left_out(snapshot: Snapshot) -> None:
    excluded = sign_in(snapshot)["globalValidation"]["excludedPaths"]
    patterns = [re.compile(re.escape(path).replace(r"\*", ".*"), re.IGNORECASE) for path in excluded]
    assert ROUTE.startswith("dashboard/")
    for page in (
        "/api/dashboard",
        "/api/dashboard/",
        "/api/dashboard/runs",
        "/API/Dashboard/clusters/a/b/c",
        "/",
        "/x",
    ):
        assert not [pattern for pattern in patterns if pattern.fullmatch(page)], page


def test_whoever_is_not_signed_in_is_sent_to_sign_in_with_entra(snapshot: Snapshot) -> None:
    properties = sign_in(snapshot)
    assert properties["platform"]["enabled"] is True
    validation = properties["globalValidation"]
    assert validation["requireAuthentication"] is True
    assert validation["unauthenticatedClientAction"] == "RedirectToLoginPage"
    assert validation["redirectToProvider"] == "azureactivedirectory"
    assert properties["httpSettings"]["requireHttps"] is True
    assert [name for name, value in properties["identityProviders"].items() if value["enabled"]] == [
        "azureActiveDirectory"
    ]
    entra = properties["identityProviders"]["azureActiveDirectory"]
    assert entra["validation"]["allowedAudiences"] == [entra["registration"]["clientId"]]
    assert entra["registration"]["openIdIssuer"].startswith("[format('{0}{1}/v2.0', environment().authentication.")
    assert bicep.TENANT in entra["registration"]["openIdIssuer"]
    assert properties["login"]["tokenStore"]["enabled"] is False


def test_there_is_no_client_secret_but_the_apps_identity(snapshot: Snapshot) -> None:
    registration = sign_in(snapshot)["identityProviders"]["azureActiveDirectory"]["registration"]
    assert registration["clientSecretSettingName"] == IDENTITY_AS_SECRET
    emitted = infra.app_settings(snapshot)
    assert emitted[IDENTITY_AS_SECRET] == emitted["AZURE_CLIENT_ID"]


def test_the_app_is_told_and_mails_link_to_it(snapshot: Snapshot) -> None:
    emitted = infra.app_settings(snapshot)
    assert emitted["PULLWATCH_SIGN_IN"] == "entra"
    assert emitted["PULLWATCH_DASHBOARD"] == snapshot["outputs"]["DASHBOARD_URL"]
    assert infra.only(snapshot, "Web/sites")["name"] in emitted["PULLWATCH_DASHBOARD"]
    assert "/.auth/login/aad/callback" in snapshot["outputs"]["DASHBOARD_REDIRECT_URI"]
    loaded = settings.load({"PULLWATCH_SIGN_IN": emitted["PULLWATCH_SIGN_IN"]})
    assert loaded.sign_in == "entra"


def test_mails_may_link_elsewhere_and_people_be_of_another_tenant(folder: Path) -> None:
    other = "00000000-0000-0000-0000-00000000000b"
    text = SAMPLE.read_text(encoding="utf-8")
    text += (
        f"param dashboardTenantId = '{other}'\nparam settings = {{ DASHBOARD: 'https://grafana.contoso.com/d/1' }}\n"
    )
    expanded = infra.expand_text(text, folder)
    assert infra.app_settings(expanded)["PULLWATCH_DASHBOARD"] == "https://grafana.contoso.com/d/1"
    assert other in sign_in(expanded)["identityProviders"]["azureActiveDirectory"]["registration"]["openIdIssuer"]


def test_without_a_client_id_nothing_of_it_is_there(folder: Path) -> None:
    without = infra.expand(infra.INFRA / "samples" / "smallest.bicepparam", folder)
    assert infra.of_type(without, "Web/sites/config") == []
    assert not {IDENTITY_AS_SECRET, "PULLWATCH_SIGN_IN", "PULLWATCH_DASHBOARD"} & set(infra.app_settings(without))
    assert without["outputs"]["DASHBOARD_URL"] == ""
