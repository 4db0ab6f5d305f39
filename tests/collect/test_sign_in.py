"""What Azure says with 401 of a token that it does not take, on a desk and in the app."""

from __future__ import annotations

from checks.collect.wire.sign_in import no_token, refused_token

OWN, OTHER = "f220aaaa-a5d6-4a54-9beb-2db0dcee4f5b", "b6cc8f32-0d28-41cd-beb7-3a18c4775049"
WRONG_ISSUER = (
    f"InvalidAuthenticationTokenTenant: The access token is from the wrong issuer 'https://sts.windows.net/{OWN}/'. It "
    f"must match the tenant 'https://sts.windows.net/{OTHER}/' associated with this subscription. Please use the "
    f"authority (URL) 'https://login.windows.net/{OTHER}' to get the token."
)


def test_a_token_of_another_tenant_is_answered_with_the_tenant_to_sign_in_to() -> None:
    found = refused_token(WRONG_ISSUER, {})
    assert found.problem == "the sign-in is for another tenant"
    assert found.fix == (f"az login --tenant {OTHER}",)


def test_without_the_tenants_id_the_place_for_it_is_named() -> None:
    found = refused_token("InvalidAuthenticationTokenTenant: from the wrong issuer 'https://sts.windows.net/x/'", {})
    assert found.fix == ("az login --tenant TENANT_ID",)


def test_an_app_is_not_told_to_sign_in() -> None:
    app = {"IDENTITY_ENDPOINT": "http://127.0.0.1:1", "WEBSITE_SITE_NAME": "pull watch"}
    assert refused_token(WRONG_ISSUER, app).fix == (
        "az functionapp identity show --name 'pull watch' --resource-group RESOURCE_GROUP",
    )


def test_the_scope_of_a_sign_in_that_only_the_cluster_wants_is_kept() -> None:
    text = "AADSTS50076: use multi-factor authentication\nInteractive authentication is needed. Please run:\naz login "
    scope = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
    assert no_token(f"{text}--scope {scope}\n", {}).fix == (f"az login --scope {scope}",)
    assert no_token(f"{text}--scope x;reboot/.default\n", {}).fix == ("az login",)
