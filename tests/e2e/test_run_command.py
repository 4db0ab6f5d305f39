"""Private clusters out of reach, read by Run Command: the same answer as from within, or an Unknown that says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator, running
from tests.support.cli import Scan, scan
from tests.support.tenant_builder import ACR_PULL, REPOSITORY_READER, SUBSCRIPTION, Tenant, object_id

ACR = "acrone.azurecr.io"
WEB, API = f"{ACR}/team/web:1", f"{ACR}/team/api:2"
ALLOWED = {"PULLWATCH_ALLOW_RUN_COMMAND": "true"}
PRIVATE: dict[str, Any] = {"enablePrivateCluster": True}


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A private cluster whose identity may pull; one of its pods waits for a tag that is not there."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(properties={"apiServerAccessProfile": PRIVATE})
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    present = {"platforms": ["linux/amd64"]}
    tenant.write("registries", {"repositories": {"team/web": {"1": present}, "team/api": {}}}, ACR)
    tenant.pulled(WEB)
    return tenant


def broken(tenant: Tenant) -> None:
    pod = tenant.pod(
        API,
        waiting=("ImagePullBackOff", f'Back-off pulling image "{API}"'),
        metadata={"ownerReferences": [{"kind": "ReplicaSet", "name": "api-5d8f7c9b6d", "controller": True}]},
        spec={"imagePullSecrets": [{"name": "regcred"}]},
    )
    tenant.event(pod, "Failed", f'Failed to pull image "{API}": rpc error: code = NotFound desc = {API}: not found')
    tenant.pod("docker.io/library/busybox:1")


def look(tenant: Tenant, **over: str) -> Scan:
    with running(tenant.root) as sim:
        return scan(sim.environment | ALLOWED | over)


def shown(result: Scan) -> dict[str, Any]:
    """What a scan says of the cluster but for where and when it was read, finding by finding.

    What the registry counted (PW307) has grown by the next look: of that the cause alone.
    """
    report = result.cluster()
    without = {"PW307": ("evidence", "because", "summary")}
    findings = {
        f"{finding['code']} {finding['subject']}": {
            k: v for k, v in finding.items() if k not in without.get(finding["code"], ("evidence",))
        }
        for finding in report["findings"]
    }
    assert len(findings) == len(report["findings"])
    return {"registries": report["registries"], **findings}


def coverage(result: Scan, what: str = "pods") -> list[tuple[bool, str]]:
    return [(line["looked"], line["why"]) for line in result.cluster()["coverage"] if line["what"] == what]


def posts(sim: Simulator) -> int:
    return sum(record.method == "POST" and record.path.endswith("/runCommand") for record in sim.requests)


def test_the_answer_is_that_of_a_cluster_within_reach(tenant: Tenant) -> None:
    broken(tenant)
    by_command = look(tenant)
    tenant.cluster(properties={"apiServerAccessProfile": {"enablePrivateCluster": False}})
    direct = look(tenant)
    assert shown(by_command) == shown(direct)
    assert by_command.finding("PW301")["cause"] == "image_not_found"
    assert by_command.code == direct.code == 1
    ((looked, why),) = coverage(by_command)
    assert looked and why.startswith("by Run Command, because the API server is out of reach")
    assert coverage(direct) == [(True, "")]


def test_a_healthy_cluster_passes_by_the_proof_that_run_command_brought(tenant: Tenant) -> None:
    result = look(tenant)
    assert result.verdicts() == ("pass", "pass", "pass")
    assert result.finding("PW301")["cause"] == "no-pod-waits"
    assert result.row()["pull"]["cause"] == "pulled"


def test_each_reading_makes_two_pods_that_end_and_are_no_workload_of_the_cluster(tenant: Tenant) -> None:
    with running(tenant.root) as sim:
        result = scan(sim.environment | ALLOWED)
        assert posts(sim) == 2
        results = {record.path for record in sim.requests if "/commandResults/" in record.path}
        ended = {record.path for record in sim.requests if record.path in results and record.status == 200}
    assert len(results) == 2 and ended == results
    assert "mcr.microsoft.com" not in json.dumps(result.cluster()["registries"])


def test_without_the_setting_it_is_unknown_and_the_setting_is_named(tenant: Tenant) -> None:
    with running(tenant.root) as sim:
        result = scan(sim.environment)
        assert posts(sim) == 0
    unknown(result, "PULLWATCH_ALLOW_RUN_COMMAND=true")


def unknown(result: Scan, *words: str) -> dict[str, Any]:
    finding = result.finding("PW301")
    assert finding["verdict"] == "unknown" and finding["look_failed"] is True, finding
    ((looked, why),) = coverage(result)
    assert not looked
    assert all(word in finding["summary"] and word in why for word in words), finding["summary"]
    return finding


def test_a_cluster_that_has_it_disabled_is_unknown_and_the_switch_is_named(tenant: Tenant) -> None:
    tenant.cluster(properties={"apiServerAccessProfile": PRIVATE | {"disableRunCommand": True}})
    assert unknown(look(tenant), "disableRunCommand")["fix"][0].endswith("--enable-run-command")


def test_a_policy_that_blocks_it_is_unknown_and_what_to_exclude_is_named(tenant: Tenant) -> None:
    constraint = {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": "K8sAzureCustomContainerAllowedImages",
        "metadata": {"name": "allowed"},
    }
    tenant.write("kubernetes/aks-1", constraint, "policy")
    unknown(look(tenant), "RunCommandBlockedByAzurePolicy", "aks-command")


@pytest.mark.parametrize(
    ("action", "role"),
    [
        ("runcommand/action", "Microsoft.ContainerService/managedClusters/runcommand/action"),
        ("commandResults/read", "Microsoft.ContainerService/managedClusters/commandResults/read"),
        ("pods/read", "Azure Kubernetes Service RBAC Reader"),
    ],
)
def test_a_right_that_is_missing_is_unknown_and_the_role_is_named(tenant: Tenant, action: str, role: str) -> None:
    actions = [f"Microsoft.ContainerService/managedClusters/{action}"]
    tenant.caller(denied=[{"scope": f"/subscriptions/{SUBSCRIPTION}", "actions": actions}])
    finding = unknown(look(tenant), role)
    assert role in finding["missing"] and "az role assignment create" in finding["fix"][-1]


def test_a_command_that_ends_badly_is_unknown_with_its_exit_code(tenant: Tenant) -> None:
    body = {"id": "x", "properties": {"provisioningState": "Succeeded", "exitCode": 137, "logs": "Killed\n"}}
    rule = {"service": "arm", "path": "*/commandResults/*", "effect": {"status": 200, "body": body}}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))
    unknown(look(tenant), "exit code 137")


def crowd(tenant: Tenant, phase: str = "Running") -> None:
    """So many pods that the output of Run Command is cut; the last of them, which that hides, cannot pull."""
    for number in range(300):
        image = f"{ACR}/team/web:1"
        tenant.pod(image, name=f"a{number:04}", metadata={"ownerReferences": [{"kind": "x" * 2000, "name": "o"}]})
    waiting = ("ErrImagePull", f'Failed to pull image "{API}": not found')
    tenant.pod(API, name="zzz", waiting=waiting, status={"phase": phase})


def test_a_reading_that_was_cut_is_told_in_part_and_claims_nothing_of_the_rest(tenant: Tenant) -> None:
    crowd(tenant)
    result = look(tenant)
    finding = result.finding("PW301")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "pods-read-in-part")
    assert "cut off" in finding["summary"] and result.code == 2
    assert not [f for f in result.findings("PW304") if f["verdict"] == "pass"]
    looked, lacking = coverage(result)
    assert looked[0] and not lacking[0] and "cut off" in lacking[1]
    assert result.verdicts()[0] == "pass"  # an unconditional role is for every image, whoever was not seen


def test_pods_that_never_started_are_asked_for_besides_where_a_reading_was_cut(tenant: Tenant) -> None:
    crowd(tenant, phase="Pending")
    result = look(tenant)
    assert (result.finding("PW301")["cause"], result.code) == ("image_not_found", 1)
    _, lacking = coverage(result)
    assert "not all; all of phase Pending are among them" in (lacking[1] or "")


def test_what_a_cut_reading_saw_fails_all_the_same(tenant: Tenant) -> None:
    crowd(tenant)
    tenant.pod(API, name="a", waiting=("ErrImagePull", f'Failed to pull image "{API}": not found'))
    assert look(tenant).finding("PW301")["cause"] == "image_not_found"


def test_a_conditional_role_is_not_taken_to_cover_repositories_that_a_cut_reading_hid(tenant: Tenant) -> None:
    registry = tenant.registry("acrtwo", properties={"roleAssignmentMode": "AbacRepositoryPermissions"})
    name = "Microsoft.ContainerRegistry/registries/repositories"
    allowed = f"@Request[{name}:name] StringEqualsIgnoreCase 'team/web'"
    actions = " AND ".join(f"!(ActionMatches{{'{name}/{part}/read'}})" for part in ("content", "metadata"))
    over = {"properties": {"condition": f"(({actions}) OR ({allowed}))", "conditionVersion": "2.0"}}
    tenant.assign(object_id("aks-1"), REPOSITORY_READER, registry, **over)
    tenant.pod("acrtwo.azurecr.io/team/web:1", name="a")

    def answer() -> tuple[str, str]:
        (finding,) = (f for f in look(tenant).findings("PW102") if f["subject"]["registry"].startswith("acrtwo"))
        return finding["verdict"], finding["cause"]

    assert answer() == ("pass", "role-held")
    crowd(tenant)
    assert answer() == ("unknown", "pods-read-in-part")


def test_pull_secrets_are_never_read_by_run_command(tenant: Tenant) -> None:
    broken(tenant)
    with running(tenant.root) as sim:
        result = scan(sim.environment | ALLOWED | {"PULLWATCH_READ_PULL_SECRETS": "true"})
        assert posts(sim) == 2
    (secret,) = (f for f in result.findings("PW303") if f["subject"].get("secret"))
    assert secret["verdict"] == "unknown" and "not read by Run Command" in secret["summary"]
