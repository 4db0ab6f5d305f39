"""``pullwatch doctor`` over the wire: each thing that is taken away is named, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator import running
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.cli import typed
from tests.support.doctor_cases import CASES, OTHER, SCOPE, Case, granted, whole
from tests.support.tenant_builder import Tenant


def doctor(tenant: Tenant, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Its exit code and its answer."""
    with running(tenant.root, kubelet_delay=0.02) as sim:
        done = typed({**sim.environment, **environment}, "doctor", "-o", "json", *arguments)
    return done.returncode, json.loads(done.stdout)


def test_where_nothing_is_missing_it_says_so_and_who_looked(tmp_path: Path) -> None:
    code, answer = doctor(granted(tmp_path / "tenant"))
    found = answer["diagnosis"]
    assert (code, found["lacks"], found["identity"]) == (0, [], DEFAULT_PRINCIPAL)
    assert all(line["read"] == line["of"] for line in found["in_place"]), found["in_place"]
    assert "# Nothing is missing that a role would show." in answer["script"]


@pytest.mark.parametrize("name", CASES)
def test_what_is_taken_away_is_named_with_what_is_lost_and_what_helps(tmp_path: Path, name: str) -> None:
    case: Case = CASES[name]
    code, answer = doctor(case.make(tmp_path / "tenant"), **case.environment)
    lacks = answer["diagnosis"]["lacks"]
    (lack,) = [one for one in lacks if one["kind"] == case.kind and one["what"].startswith(case.what)]
    assert case.needs in lack["needs"] and lack["lost"]
    assert all(place["why"] and place["fix"] for place in lack["places"]), lack
    assert code == 1
    if case.alone:
        assert lacks == [lack]
    calls = [line for line in answer["script"].splitlines() if line.startswith("grant ")]
    assert len(calls) == case.grants or not case.alone
    assert all(f" {DEFAULT_PRINCIPAL} " in call or "$own" in call for call in calls)


def test_a_subscription_without_any_role_is_not_among_those_that_are_listed(tmp_path: Path) -> None:
    code, answer = doctor(granted(tmp_path / "tenant", scopes=(SCOPE,)))
    assert code == 0 and answer["diagnosis"]["subscriptions"] == 1, "nobody said that there should be another one"


def test_without_a_token_nothing_could_be_looked_at(tmp_path: Path) -> None:
    tenant = granted(tmp_path / "tenant")
    with running(tenant.root) as sim:
        environment = {**sim.environment, "IDENTITY_ENDPOINT": "http://127.0.0.1:9/nobody"}
        done = typed(environment, "doctor")
    assert done.returncode == 3 and "what was asked for" in done.stdout


def test_what_is_named_and_cannot_be_seen_is_missing(tmp_path: Path) -> None:
    tenant = granted(tmp_path / "tenant", scopes=(SCOPE,))
    hidden = tenant.cluster("aks-hidden", sub=OTHER)
    for name in (hidden, "aks-hidden"):
        code, answer = doctor(tenant, "--cluster", name)
        (lack,) = answer["diagnosis"]["lacks"]
        assert (code, lack["what"], lack["needs"]) == (1, "what was asked for", "Reader")
        assert "aks-hidden" in lack["places"][0]["why"] or OTHER in lack["places"][0]["why"]


def test_a_registry_in_a_subscription_that_cannot_be_seen_is_missing(tmp_path: Path) -> None:
    tenant = granted(tmp_path / "tenant", scopes=(SCOPE,))
    tenant.registry("acrfar", sub=OTHER)
    tenant.pod("acrfar.azurecr.io/team/web:1", name="far")
    code, answer = doctor(tenant)
    (lack,) = answer["diagnosis"]["lacks"]
    assert (code, lack["kind"], lack["what"], lack["needs"]) == (1, "permission", "registry", "Reader")
    assert "acrfar.azurecr.io is in none of the" in lack["places"][0]["why"]


def test_without_any_role_nothing_could_be_looked_at(tmp_path: Path) -> None:
    code, answer = doctor(whole(tmp_path / "tenant"))
    (lack,) = answer["diagnosis"]["lacks"]
    assert (code, lack["needs"]) == (3, "Reader")


def test_the_page_is_for_people_and_the_script_for_a_shell(tmp_path: Path) -> None:
    tenant = CASES["pods"].make(tmp_path / "tenant")
    file = tmp_path / "grant.sh"
    with running(tenant.root, kubelet_delay=0.02) as sim:
        done = typed(sim.environment, "doctor", "--script", str(file))
        stream = typed(sim.environment, "doctor", "--script", "-")
    assert f"Looked as object id {DEFAULT_PRINCIPAL}." in done.stdout
    assert "PERMISSION  pods" in done.stdout and "Not known without it: PW301" in done.stdout
    assert "az role assignment create" in done.stdout
    assert f"{file} is written: read it" in done.stderr
    assert file.read_text().startswith("#!/bin/sh\n") and stream.stdout.startswith("#!/bin/sh\n")


def test_a_script_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with running(granted(tmp_path / "tenant").root, kubelet_delay=0.02) as sim:
        done = typed(sim.environment, "doctor", "--script", str(tmp_path / "no" / "x.sh"))
    assert done.returncode == 74 and "cannot be written" in done.stderr


@pytest.mark.parametrize(
    "wrong", [("--to", "a@b.example"), ("--mail", "--to", "no address"), ("--script", ""), ("--mail", "--script", "x")]
)
def test_wrong_usage_is_said(wrong: tuple[str, ...]) -> None:
    assert typed({}, "doctor", *wrong).returncode == 64
