"""Fix commands: every name that Azure or a pod supplied stays one word of one command."""

import json
import shlex

from hypothesis import given
from hypothesis import strategies as st

from checks.facts import Cluster, Registry, RoleAssignment
from checks.rules.fixes import az_aks, az_roles, bicep

HOSTILE = st.text(max_size=60) | st.sampled_from(["$(reboot)", "`id`", "a'; rm -rf ~ #", '"', "\n", "${x}", "\\'"])


@given(HOSTILE, HOSTILE)
def test_a_command_splits_into_its_words(name: str, text: str) -> None:
    cluster = Cluster(id=f"/subscriptions/s/resourceGroups/{name}/providers/x/y/{text}", name=text)
    assert text in shlex.split(az_aks.upgrade_node_image(cluster, text))
    assert shlex.split(az_roles.assign_role("me", name, text))[-2:] == ["--scope", text]
    assignment = RoleAssignment(id=name, scope="/", principal_id=text, role_definition_id="r")
    words = shlex.split(az_roles.change_condition(assignment, text))
    assert json.loads(words[-1])["properties"]["condition"] == text


@given(HOSTILE)
def test_a_bicep_string_is_closed_by_its_own_quote_only(text: str) -> None:
    written = bicep.quoted(text)
    body = written[1:-1]
    assert written[0] == written[-1] == "'"
    assert "\n" not in body
    assert "\r" not in body
    plain = body.replace("\\\\", "").replace("\\'", "").replace("\\${", "")
    assert "'" not in plain
    assert "${" not in plain


def test_the_bicep_of_a_role_assignment() -> None:
    identifier = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/acrone"
    registry = Registry(id=identifier, name="acrone", login_server="acrone.azurecr.io")
    lines = bicep.role_assignment(registry, "role", "me", "x 'y'").splitlines()
    assert lines[0] == "// Bicep: deploy to resource group rg"
    assert "  name: guid(registry.id, 'me', 'role')" in lines
    assert "    condition: 'x \\'y\\''" in lines
    assert "    conditionVersion: '2.0'" in lines
