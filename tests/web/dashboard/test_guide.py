"""What people are told to do is what the gate asks for: the guide, the roles of the registration, the commands."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from checks import settings
from checks.rules.azure.clouds import CLOUDS
from checks.settings import VIEWER_ROLES
from checks.web.dashboard.gate import GUIDE, OPERATOR, READER, assignment, without_role

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / GUIDE).read_text(encoding="utf-8")
OBJECT_ID = "5b5450db-eb26-4c1a-981c-ba1d25f0483d"


def test_the_registration_has_the_roles_that_are_asked_for() -> None:
    roles = json.loads((ROOT / "infra" / "dashboard-roles.json").read_text(encoding="utf-8"))
    assert tuple(role["value"] for role in roles) == (READER, OPERATOR) == VIEWER_ROLES
    assert len({role["id"] for role in roles}) == len(roles)
    assert all(role["allowedMemberTypes"] == ["User"] and role["isEnabled"] for role in roles)
    assert "--app-roles @infra/dashboard-roles.json" in PAGE


def test_the_guide_assigns_a_role_as_the_page_of_who_has_none_does() -> None:
    for command in assignment('"$CLIENT_ID"', "$OBJECT_ID", OPERATOR, "https://graph.microsoft.com"):
        assert f"    {command}\n" in PAGE
    for cloud in CLOUDS.values():
        commands = "\n".join(without_role(READER, "Jo", OBJECT_ID, cloud.graph).commands)
        assert f"{cloud.graph}/v1.0/servicePrincipals/$APP/appRoleAssignedTo" in commands


@pytest.mark.parametrize("role", VIEWER_ROLES)
def test_the_commands_are_those_of_a_shell_and_the_body_is_json(role: str) -> None:
    """The last one, with what az would answer in place of it, in a real shell."""
    *_, command = assignment("c", OBJECT_ID, role, "https://graph.microsoft.com")
    body = re.sub(r"^az .* --body ", "printf %s ", command)
    environment = {"APP": "an-app", "ROLE": "a-role"}
    done = subprocess.run(["sh", "-c", body], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"principalId": OBJECT_ID, "resourceId": "an-app", "appRoleId": "a-role"}


def test_the_guide_names_settings_and_parameters_that_there_are() -> None:
    known = {settings.PREFIX + setting.name for setting in settings.SETTINGS}
    named = set(re.findall(r"\bPULLWATCH_[A-Z_]+\b", PAGE))
    assert named == {"PULLWATCH_SIGN_IN", "PULLWATCH_DASHBOARD", "PULLWATCH_LOCAL_VIEWER"} <= known
    template = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")
    for name in ("dashboardClientId", "dashboardTenantId"):
        assert f"`{name}`" in PAGE
        assert f"param {name} string" in template
    for output in ("DASHBOARD_REDIRECT_URI", "IDENTITY_PRINCIPAL_ID"):
        assert output in PAGE
        assert f"output {output} string" in template
    assert "DASHBOARD_CLIENT_ID" in (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
