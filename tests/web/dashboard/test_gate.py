"""Who may look: forged, broken and foreign principals, missing roles, and the stand-in where it does not belong."""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest

from checks import settings
from checks.settings import SettingError, Settings
from checks.web.dashboard.gate import NOBODY, NOT_ENABLED, NOT_HERE, OFF, OFF_HERE, viewer_of
from checks.web.dashboard.principal import MAX_HEADER
from checks.web.dashboard.refusal import Refusal
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked
from tests.support.dashboard import AUTH_ON, CLIENT_ID, NAME, OBJECT_ID, OID, ROLE_TYPE, encoded, principal, signed_in

AZURE = ("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME", "WEBSITE_SKU", "WEBSITE_OWNER_NAME")
MARKERS = (*AZURE, "WEBSITE_AUTH_ENABLED", "WEBSITE_HOSTNAME", "WEBSITE_HOME_STAMPNAME", "LEGION_SERVICE_HOST")


def loaded(**given: str) -> Settings:
    return settings.load({f"PULLWATCH_{name}": value for name, value in given.items()})


def looked(headers: dict[str, str], environment: dict[str, str] | None = None, **given: str) -> Viewer | Refusal:
    environment = AUTH_ON if environment is None else environment
    return viewer_of(Asked("GET", headers=headers), loaded(**(given or {"SIGN_IN": "entra"})), environment)


def refused(headers: dict[str, str], environment: dict[str, str] | None = None, **given: str) -> Refusal:
    answer = looked(headers, environment, **given)
    assert isinstance(answer, Refusal)
    assert answer.status == 403
    return answer


@pytest.mark.parametrize(
    ("roles", "operator"), [(["Reader"], False), (["Operator"], True), (["Reader", "Operator", "Reader"], True)]
)
def test_an_operator_is_a_reader_too(roles: list[str], operator: bool) -> None:
    assert looked(signed_in(*roles)) == Viewer(name=NAME, id=OBJECT_ID, operator=operator)


def test_roles_are_also_read_by_the_type_that_the_principal_names() -> None:
    claims = [{"typ": OID, "val": OBJECT_ID}, {"typ": ROLE_TYPE, "val": "Operator"}]
    assert looked(signed_in(said=principal(claims=claims))) == Viewer(name=NAME, id=OBJECT_ID, operator=True)


@pytest.mark.parametrize(
    ("claim", "role_type"),
    [
        ({"typ": "name", "val": "Operator"}, "name"),
        ({"typ": "groups", "val": "Operator"}, "groups"),
        ({"typ": ROLE_TYPE, "val": "Operator"}, "roles"),
        ({"typ": "Roles", "val": "Operator"}, ROLE_TYPE),
        ({"typ": "roles", "val": "operator"}, ROLE_TYPE),
        ({"typ": "roles", "val": "Reader,Operator"}, ROLE_TYPE),
        ({"typ": "roles", "val": True}, ROLE_TYPE),
        ({"typ": "wids", "val": "Reader"}, ROLE_TYPE),
    ],
    ids=str,
)
def test_a_role_in_another_claim_is_none(claim: dict[str, Any], role_type: str) -> None:
    said = principal(role_typ=role_type)
    said["claims"].append(claim)
    assert "The app role Reader is missing" in refused(signed_in(said=said)).title


def test_who_has_no_role_is_told_which_and_how_it_is_assigned() -> None:
    refusal = refused(signed_in("Writer"))
    said = " ".join(refusal.said)
    assert all(word in said for word in (NAME, OBJECT_ID, "Reader", "Operator", "Enterprise applications"))
    commands = "\n".join(refusal.commands)
    assert all(word in commands for word in (CLIENT_ID, OBJECT_ID, "Reader", "appRoleAssignedTo"))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WEBSITE_SITE_NAME": "func"},
        {"WEBSITE_SITE_NAME": "func", "WEBSITE_AUTH_ENABLED": "False"},
        {"WEBSITE_SITE_NAME": "func", "WEBSITE_AUTH_ENABLED": "1"},
    ],
    ids=str,
)
def test_a_forged_principal_opens_nothing_where_the_platform_signs_nobody_in(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert refused(signed_in("Operator"), environment) == NOT_ENABLED
    assert "WEBSITE_AUTH_ENABLED" in caplog.text


def test_a_forged_principal_opens_nothing_where_the_dashboard_is_off() -> None:
    refusal = refused(signed_in("Operator"), SIGN_IN="off")
    assert refusal == OFF
    assert "dashboardClientId" in " ".join(refusal.said)


def test_on_ones_own_machine_the_page_tells_of_the_stand_in() -> None:
    assert refused(signed_in("Operator"), {}, SIGN_IN="off") == OFF_HERE
    assert "PULLWATCH_LOCAL_VIEWER" in " ".join(OFF_HERE.said)
    assert "PULLWATCH_LOCAL_VIEWER" not in " ".join(OFF.said)


def test_a_request_that_names_nobody_is_refused() -> None:
    headers = signed_in("Operator")
    del headers["x-ms-client-principal"]
    assert refused(headers) == NOBODY
    assert refused({}) == NOBODY
    assert refused(signed_in(x_ms_client_principal="")) == NOBODY


GOOD = encoded(principal("Operator"))


@pytest.mark.parametrize(
    "given",
    [
        "!!!",
        GOOD + "=",
        f"{GOOD},{GOOD}",
        GOOD[:-5],
        "Zm9v",
        encoded([]),
        encoded("aad"),
        encoded({}),
        encoded({"auth_typ": "aad", "claims": "roles"}),
        encoded({"auth_typ": "aad", "claims": [{"typ": "roles"}]}),
        encoded({"auth_typ": "aad", "claims": [{"typ": "roles", "val": ["Operator"]}]}),
        base64.b64encode(b"\xff\xfe{}").decode(),
        base64.b64encode(b"[" * 20_000).decode(),
        encoded(principal("Operator", padding="x" * MAX_HEADER)),
        "é",
        f"{GOOD}\n",
    ],
    ids=lambda given: given[:20],
)
def test_a_principal_that_cannot_be_read_is_refused(given: str, caplog: pytest.LogCaptureFixture) -> None:
    assert "cannot be used" in refused(signed_in(x_ms_client_principal=given)).title
    assert caplog.records
    assert given not in caplog.text


def test_a_principal_of_many_claims_is_read_up_to_a_bound() -> None:
    said = principal("Reader")
    said["claims"] += [{"typ": "groups", "val": str(number)} for number in range(500)]
    assert len(encoded(said)) < MAX_HEADER
    assert isinstance(looked(signed_in(said=said)), Viewer)


@pytest.mark.parametrize("provider", ["google", "github", "apple", "", "aad2", "AAD,google"])
def test_other_identity_providers_are_refused(provider: str) -> None:
    assert "cannot be used" in refused(signed_in("Operator", x_ms_client_principal_idp=provider)).title
    said = principal("Operator", auth_typ=provider)
    assert "cannot be used" in refused(signed_in(said=said)).title


@pytest.mark.parametrize("ids", [[], [""], ["x"], [OBJECT_ID, CLIENT_ID], [f"{OBJECT_ID}\n"], [OBJECT_ID[:-1]]])
def test_without_one_object_id_nobody_is_let_in(ids: list[str]) -> None:
    claims = [{"typ": "roles", "val": "Operator"}, *({"typ": OID, "val": one} for one in ids)]
    assert "cannot be used" in refused(signed_in(said=principal(claims=claims))).title


@pytest.mark.parametrize("kind", [OID, "oid"])
def test_an_object_id_counts_once_in_whatever_case(kind: str) -> None:
    claims = [
        {"typ": "roles", "val": "Reader"},
        {"typ": OID, "val": OBJECT_ID},
        {"typ": kind, "val": OBJECT_ID.upper()},
    ]
    assert looked(signed_in(said=principal(claims=claims))) == Viewer(name=NAME, id=OBJECT_ID)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("jo\n@contoso\x1b[31m", "jo @contoso [31m"),
        ("x" * 500, "x" * 59 + "…"),
        ("\u202ejo", "jo"),
        ("", NAME),
    ],
)
def test_a_name_is_one_bounded_harmless_line(name: str, shown: str) -> None:
    claims = [{"typ": OID, "val": OBJECT_ID}, {"typ": "roles", "val": "Reader"}]
    claims.append({"typ": "preferred_username", "val": name})
    viewer = looked(signed_in(said=principal(claims=claims)))
    assert isinstance(viewer, Viewer)
    assert viewer.name == shown
    assert len(viewer.author) <= 100


def test_the_sign_in_name_comes_before_the_one_that_people_choose() -> None:
    said = principal("Reader")
    said["claims"].insert(0, {"typ": "name", "val": "The boss"})
    assert looked(signed_in(said=said)) == Viewer(name=NAME, id=OBJECT_ID)


LOCAL = {"LOCAL_VIEWER": "Jo: Doe:operator"}


@pytest.mark.parametrize("host", ["localhost", "localhost:7071", "127.0.0.1:7071", "LOCALHOST:80", "[::1]:7071"])
def test_the_stand_in_looks_on_this_machine(host: str) -> None:
    assert looked({"host": host}, {}, **LOCAL) == Viewer(name="Jo: Doe", operator=True, local=True)
    reader = looked({"host": host}, {}, LOCAL_VIEWER="Jo:Reader")
    assert reader == Viewer(name="Jo", operator=False, local=True)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "pullwatch.example",
        "10.0.0.4:7071",
        "0.0.0.0",
        "localhost.evil.example",
        "evil@x",
        "127.0.0.1.evil",
        "[",
        "a b",
    ],
)
def test_the_stand_in_opens_nothing_at_another_address(host: str, caplog: pytest.LogCaptureFixture) -> None:
    assert refused({"host": host}, {}, **LOCAL) == NOT_HERE
    assert "PULLWATCH_LOCAL_VIEWER is refused" in caplog.text


@pytest.mark.parametrize("marker", MARKERS)
def test_the_stand_in_opens_nothing_where_anything_speaks_for_azure(
    marker: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert refused({"host": "localhost:7071"}, {marker: "x"}, **LOCAL) == NOT_HERE
    assert marker in caplog.text
    both = loaded(**LOCAL, SIGN_IN="entra")
    assert viewer_of(Asked("GET", headers=signed_in("Operator")), both, AUTH_ON | {marker: "x"}) == NOT_HERE


@pytest.mark.parametrize("name", ["localhost:7071", "127.0.0.1:7071", "localhost"])
def test_what_core_tools_and_development_containers_set_does_not_speak_for_azure(name: str) -> None:
    environment = {"WEBSITE_HOSTNAME": name, "CONTAINER_NAME": "dev-1", "FUNCTIONS_WORKER_RUNTIME": "python"}
    assert isinstance(looked({"host": "localhost:7071"}, environment, **LOCAL), Viewer)
    assert (
        refused({"host": "localhost"}, environment | {"WEBSITE_HOSTNAME": f"{name.partition(':')[0]}.evil"}, **LOCAL)
        == NOT_HERE
    )


@pytest.mark.parametrize("marker", MARKERS)
def test_the_app_does_no_work_with_the_stand_in_in_azure(marker: str) -> None:
    environment = {"PULLWATCH_LOCAL_VIEWER": "Jo:Operator", marker: "x", "PULLWATCH_MAIL_TRANSPORTS": "smtp"}
    with pytest.raises(SettingError, match=f"PULLWATCH_LOCAL_VIEWER is for development and refused.*{marker}"):
        settings.load(environment)


@pytest.mark.parametrize("value", ["Jo", "Jo:", ":Operator", "Jo:Owner", "x" * 61 + ":Reader", "J\x1bo:Reader"])
def test_a_stand_in_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="PULLWATCH_LOCAL_VIEWER takes a name"):
        loaded(LOCAL_VIEWER=value)
