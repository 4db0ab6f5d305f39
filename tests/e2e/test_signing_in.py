"""Nobody is signed in, or the sign-in is not taken: the real azure-identity says so, and what to do comes first.

The Azure CLI is a script on PATH that prints what the real one prints (texts of Azure/azure-cli issues 16209, 16745,
23105 and of "Microsoft Entra authentication and authorization error codes").
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator import running
from tests.support.cli import Scan, scan
from tests.support.scan_schema import problems
from tests.support.tenant_builder import ACR_PULL, Tenant, guid, object_id

TENANT = "72f988bf-0000-4000-8000-000000000001"
TRACE = "Trace ID: 9958a6aa-3e9b-4470-9df7-7d0603262301 Correlation ID: c215e3d3-39fa-42e5-855c-4d93e362d308 Timestamp: 2026-01-09 13:10:42Z"  # fmt: skip # noqa: E501
AGAIN = "Interactive authentication is needed. Please run:\naz login"
MANAGEMENT = "https://management.core.windows.net//.default"
NOT_SET_UP = "ERROR: Please run 'az login' to setup account."
BROKER = (
    "ERROR: (pii). Status: Response_Status.Status_InteractionRequired, Error code: 3399614467, Tag: 528315213\n"
    f"Please explicitly log in with:\naz login --scope {MANAGEMENT}"
)
SIGN_IN_FREQUENCY = (
    "ERROR: AADSTS70043: The refresh token has expired or is invalid due to sign-in frequency checks by conditional "
    "access. The token was issued on 2026-01-07T12:15:47.8520000Z and the maximum allowed lifetime for this request is "
    f"172800. {TRACE}\n{AGAIN} --scope {MANAGEMENT}"
)
REVOKED = (
    "ERROR: AADSTS50173: The provided grant has expired due to it being revoked, a fresh auth token is needed. The "
    f"user might have changed or reset their password. {TRACE}\n{AGAIN} --scope {MANAGEMENT}"
)
INACTIVE = (
    "ERROR: AADSTS700082: The refresh token has expired due to inactivity. The token was issued on "
    f"2025-10-05T11:50:24.4394320Z and was inactive for 90.00:00:00. {TRACE}\n{AGAIN} --scope {MANAGEMENT}"
)
MFA = (
    "ERROR: AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new "
    f"location, you must use multi-factor authentication to access '797f4846-ba00-4fd7-ba43-dac1f8f63013'. {TRACE}\n"
    f'{AGAIN} --tenant "{TENANT}" --scope "{MANAGEMENT}"'
)
GUEST = (
    "ERROR: AADSTS50020: User account '{EmailHidden}' from identity provider 'live.com' does not exist in tenant "
    "'Contoso' and cannot access the application '04b07795-8ddb-461a-bbee-02f9e1bf7b46'(Microsoft Azure CLI) in that "
    f"tenant. {TRACE}"
)
OLD_SECRET = (
    "ERROR: AADSTS7000222: The provided client secret keys for app '04b07795-0000-4000-8000-000000000000' are expired. "
    f"Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret. {TRACE}\n{AGAIN}"
)
HOSTILE = (
    f"ERROR: AADSTS70043: expired\n{AGAIN} --tenant $(reboot) --scope x;reboot/.default\x1b[31m Bearer eyJhbGciOi.e30.x"
)
SINGLE_READS = (r"^/subscriptions/.*/registries\?api-version=20(26-09|21-08)-01-preview", "*/virtualNetworks")
TEXTS = {
    "never signed in": (NOT_SET_UP, "nobody is signed in to Azure", "az login"),
    "the broker asks": (BROKER, "nobody is signed in to Azure", "az login"),
    "sign-in frequency": (SIGN_IN_FREQUENCY, "has expired or was revoked (AADSTS70043)", "az login"),
    "revoked": (REVOKED, "has expired or was revoked (AADSTS50173)", "az login"),
    "inactive": (INACTIVE, "has expired or was revoked (AADSTS700082)", "az login"),
    "second factor": (MFA, "asks to sign in again (AADSTS50076)", f"az login --tenant {TENANT}"),
    "another tenant": (GUEST, "is for another tenant (AADSTS50020)", "az login --tenant TENANT_ID"),
    "old secret": (OLD_SECRET, "asks to sign in again (AADSTS7000222)", "az login"),
    "no more than a code": (f"ERROR: AADSTS53003: Blocked. {TRACE}", "refuses the sign-in (AADSTS53003)", "az login"),
    "hostile": (HOSTILE, "has expired or was revoked (AADSTS70043)", "az login"),
}


def signed_out(tmp_path: Path, script: str | None) -> Scan:
    """A scan on a desk, where ``az`` is a script, or absent."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    binaries = tmp_path / "bin"
    binaries.mkdir()
    if script is not None:
        (binaries / "az").write_text(f"#!/bin/sh\n{script}\n")
        (binaries / "az").chmod(0o755)
    with running(tenant.root) as simulator:
        on_desk = {k: v for k, v in simulator.environment.items() if not k.startswith("IDENTITY_")}
        # "dev" leaves out the metadata service of virtual machines, which may answer where tests run.
        return scan({**on_desk, "PATH": str(binaries), "AZURE_TOKEN_CREDENTIALS": "dev"})


def says(tmp_path: Path, text: str) -> Scan:
    quoted = text.replace("'", "'\\''")
    return signed_out(tmp_path, f"printf '%s\\n' '{quoted}' >&2\nexit 1")


@pytest.mark.parametrize(("text", "described", "fix"), TEXTS.values(), ids=TEXTS)
def test_what_the_azure_cli_says_becomes_one_sentence_and_one_command(
    tmp_path: Path, text: str, described: str, fix: str
) -> None:
    result = says(tmp_path, text)
    (error,) = result.answer["errors"]
    assert error["cause"] == "not-signed-in"
    assert described in error["summary"]
    assert error["fix"] == [fix]
    assert len(error["summary"]) < 120
    assert f"  {fix}\n" in result.errors
    assert "role assignment" not in result.errors
    assert (result.code, result.answer["verdict"], problems(result.answer)) == (3, "unknown", [])


def test_without_the_azure_cli_that_is_said(tmp_path: Path) -> None:
    (error,) = signed_out(tmp_path, None).answer["errors"]
    assert "the Azure CLI (az) is not on the PATH" in error["summary"]
    assert error["fix"] == ["az login"]


def test_a_sign_in_service_out_of_reach_is_no_missing_sign_in(tmp_path: Path) -> None:
    text = (
        "ERROR: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: "
        "/organizations/oauth2/v2.0/token (Caused by NewConnectionError('Failed to establish a new connection'))"
    )
    result = says(tmp_path, text)
    (error,) = result.answer["errors"]
    assert (error["cause"], error["fix"], result.code) == ("look-unreachable", [], 3)


def with_identity(tmp_path: Path, faults: list[dict[str, Any]], **environment: str) -> Scan:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    (tenant.root / "faults.json").write_text(json.dumps(faults))
    with running(tenant.root) as simulator:
        return scan({**simulator.environment, **environment})


def test_an_app_without_its_managed_identity_is_not_told_to_sign_in(tmp_path: Path) -> None:
    own = {"WEBSITE_RESOURCE_GROUP": "rg-pullwatch"}
    foreign = {"AZURE_CLIENT_ID": guid("no identity of the app's")}
    result = with_identity(tmp_path, [], **own, **foreign)
    (error,) = result.answer["errors"]
    assert error["cause"] == "not-signed-in"
    assert "the managed identity of the app gets no token" in error["summary"]
    assert error["fix"] == ["az functionapp identity show --name FUNCTION_APP_NAME --resource-group rg-pullwatch"]


def test_an_identity_that_a_variable_names_is_what_is_to_be_looked_at(tmp_path: Path) -> None:
    named = guid("an application")
    on_desk = {"IDENTITY_ENDPOINT": "", "IDENTITY_HEADER": "", "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    (error,) = with_identity(tmp_path, [], AZURE_CLIENT_ID=named, **on_desk).answer["errors"]
    assert error["cause"] == "not-signed-in"
    assert "the identity that AZURE_CLIENT_ID names gets no token" in error["summary"]
    assert error["fix"] == [f"az ad sp show --id {named}"]


def refusing(code: str, message: str, path: str = "/subscriptions") -> list[dict[str, Any]]:
    body = {"error": {"code": code, "message": message}}
    return [{"service": "arm", "path": path, "effect": {"status": 401, "body": body}}]


def test_a_token_that_azure_does_not_take_is_no_missing_role(tmp_path: Path) -> None:
    result = with_identity(tmp_path, refusing("InvalidAuthenticationToken", "The access token is invalid."))
    (error,) = result.answer["errors"]
    assert error["cause"] == "not-signed-in"
    assert "HTTP 401 InvalidAuthenticationToken: Azure does not take the sign-in" in error["summary"]
    assert "role assignment" not in str(error)
    assert result.code == 3


def test_one_read_that_takes_no_token_costs_nothing_else(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pulled("acrone.azurecr.io/team/web:1")
    body = {"error": {"code": "InvalidAuthenticationToken", "message": "The access token is invalid."}}
    rules = [{"service": "arm", "path": path, "effect": {"status": 401, "body": body}} for path in SINGLE_READS]
    (tenant.root / "faults.json").write_text(json.dumps(rules))
    with running(tenant.root) as simulator:
        result = scan(simulator.environment)
    assert result.row()["pull"]["verdict"] == "pass"
    assert "role assignment create" not in str([line for line in result.cluster()["coverage"] if "401" in line["why"]])


def test_a_cluster_that_no_token_is_to_be_had_for_is_still_judged_by_azure(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(tags={"pullwatch-registries": "acrone"})
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pulled("acrone.azurecr.io/team/web:1")
    body = {"error": "invalid_resource", "error_description": f"AADSTS500011: The resource was not found. {TRACE}"}
    rule = {"service": "identity", "path": "^.*resource=6dae42f8", "effect": {"status": 400, "body": body}}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))
    with running(tenant.root) as simulator:
        result = scan(simulator.environment)
    finding = result.finding("PW301")
    assert (
        "no token for the AKS server application: the managed identity of the app gets no token" in finding["summary"]
    )
    assert "role assignment" not in str(finding["fix"])
    assert result.row()["access"]["verdict"] == "pass"


def test_a_subscription_that_takes_no_token_costs_the_others_nothing_and_is_granted_no_role(tmp_path: Path) -> None:
    path = "/subscriptions/*/managedClusters"
    result = with_identity(
        tmp_path, refusing("ExpiredAuthenticationToken", "The access token expiry time passed.", path)
    )
    (refused,) = result.answer["subscriptions"]
    assert (refused["verdict"], refused["missing"]) == ("unknown", "a sign-in to Azure")
    assert "role assignment" not in str(refused)
    assert result.code == 2
