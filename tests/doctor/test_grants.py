"""The script that grants what is missing: of grants that were understood, and never of anybody's texts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.doctor.grants import CANARY, Grant, Grants, grants_in, script
from checks.rules.fixes import az_roles
from tests.support.sample_chains import NASTY

WHO = "22222222-2222-4222-8222-222222222222"
SCOPE = "/subscriptions/11111111-1111-4111-8111-111111111111"
# Says which assignments there are, and keeps what it is asked to create.
AZ = """#!/bin/sh
if [ "$3" = list ]; then grep -cxF -- "$5 $7" "$STATE" || true; exit 0; fi
shift 3
while [ $# -gt 0 ]; do
  case $1 in --role) role=$2;; --scope) scope=$2;; --assignee-object-id) echo "$2" >> "$WHO";; esac
  shift
done
echo "$role $scope" >> "$STATE"
"""


def test_a_grant_is_understood_with_its_identity_or_without() -> None:
    made = grants_in(
        [
            az_roles.assign_role(WHO, "Reader", SCOPE),
            az_roles.assign_role(WHO, "Reader", SCOPE),
            az_roles.assign_role(
                az_roles.OWN_IDENTITY, "Azure Kubernetes Service RBAC Reader", f"{SCOPE}/resourceGroups/r.g"
            ),
            az_roles.assign_role(WHO, "AcrPull", SCOPE),
            "# a remark",
        ]
    )
    assert made.needed == (
        Grant(SCOPE, "Reader", WHO),
        Grant(f"{SCOPE}/resourceGroups/r.g", "Azure Kubernetes Service RBAC Reader"),
    )
    assert (made.pulling, made.others, made.cut) == ((Grant(SCOPE, "AcrPull", WHO),), 0, 0)


@pytest.mark.parametrize(
    "step",
    [
        az_roles.assign_role(WHO, "Owner", SCOPE),
        az_roles.assign_role(WHO, "Reader", "/"),
        az_roles.assign_role(WHO, "Reader", f"{SCOPE}/../{WHO}"),
        az_roles.assign_role(WHO, "Reader", f"{SCOPE}/namespaces/a-pods-choice"),
        az_roles.assign_role(WHO, "Reader", f"{SCOPE}/$(reboot)"),
        az_roles.assign_role(WHO, "Reader", f"{SCOPE}\nreboot"),
        az_roles.assign_role(NASTY, "Reader", SCOPE),
        az_roles.assign_role(WHO, "Reader", SCOPE, "@Resource[x] StringEquals 'y'"),
        f"{az_roles.assign_role(WHO, 'Reader', SCOPE)}; reboot",
        f"{az_roles.assign_role(WHO, 'Reader', SCOPE)} # reboot",
        f"sudo {az_roles.assign_role(WHO, 'Reader', SCOPE)}",
        f"az role assignment create 'unbalanced {SCOPE}",
        "kubectl create rolebinding x --namespace $(reboot)",
    ],
)
def test_what_is_not_just_that_is_left_to_a_person(step: str) -> None:
    made = grants_in([step])
    assert (made.needed, made.pulling, made.others) == ((), (), 1)
    assert "reboot" not in script(made, "now")
    assert "1 more step is for a person to decide" in script(made, "now")


@given(st.text(), st.text(), st.text())
def test_no_text_gets_into_the_script(who: str, role: str, scope: str) -> None:
    text = script(grants_in([az_roles.assign_role(who, role, scope), who, f"az {role}"]), "now")
    calls = [line for line in text.splitlines() if line.startswith("grant ")]
    assert calls == []


def test_the_script_is_one_that_a_shell_takes_and_may_run_again(tmp_path: Path) -> None:
    needed = (Grant(SCOPE, "Reader", WHO), Grant(f"{SCOPE}/resourceGroups/rg", "Azure Kubernetes Service RBAC Reader"))
    grants = Grants(needed=needed, pulling=(Grant(SCOPE, "AcrPull"),), others=2)
    file, state, who = tmp_path / "unseen.sh", tmp_path / "state", tmp_path / "who"
    file.write_text(script(grants, "2 of 2 clusters"))
    (tmp_path / "az").write_text(AZ)
    (tmp_path / "az").chmod(0o755)
    state.touch()
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "STATE": str(state), "WHO": str(who)}
    unset = subprocess.run(["sh", file], env=environment, capture_output=True, text=True, check=False)
    assert unset.returncode != 0 and "PULLWATCH_OBJECT_ID" in unset.stderr
    environment["PULLWATCH_OBJECT_ID"] = "33333333-3333-4333-8333-333333333333"
    first = subprocess.run(["sh", file], env=environment, capture_output=True, text=True, check=True)
    again = subprocess.run(["sh", file], env=environment, capture_output=True, text=True, check=True)
    assert first.stdout.count("granted: ") == 3 and again.stdout.count("there already: ") == 3
    assert state.read_text().splitlines() == [f"{one.role} {one.scope}" for one in (*needed, *grants.pulling)]
    own = "33333333-3333-4333-8333-333333333333"
    assert who.read_text().split() == [WHO, own, own]
    assert "also allow downloading images" in file.read_text()


def test_at_a_namespace_only_the_role_of_canaries_is_granted_and_only_where_a_setting_names_it() -> None:
    cluster = f"{SCOPE}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1"
    step = az_roles.assign_role(WHO, "Azure Kubernetes Service RBAC Writer", f"{cluster}/namespaces/canary")
    assert grants_in([step], "canary").needed == (Grant(f"{cluster}/namespaces/canary", CANARY, WHO),)
    for namespace in ("", "other", "nary"):
        assert grants_in([step], namespace).others == 1


def test_a_script_of_nothing_says_so() -> None:
    assert "# Nothing is missing that a role would show." in script(grants_in([]), "now")
