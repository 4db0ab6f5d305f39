"""The roles of infra/ are enough for a scan, and none of their actions is more than it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator, running
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.e2e.test_hiding import tenant_of
from tests.support.cli import Scan, scan
from tests.support.hiding import LandingZone
from tests.support.scan_access import (
    IMAGE,
    KUBERNETES_ACTION,
    SCOPES,
    actions_of,
    define,
    everything,
    grant,
    scan_roles,
)
from tests.support.tenant_builder import Tenant

# A check of one cluster asks where its registries lie, and may ask which kinds of resources its subscription has.
GRAPH = "microsoft.resourcegraph/resources/read"
ALONE = {"microsoft.resources/subscriptions/resources/read"}
DEFAULT = actions_of("reader") - ALONE | {KUBERNETES_ACTION.lower()}
CONNECTIONS = "microsoft.network/networkmanagerconnections/read"
NAMESPACE = "pullwatch-canary"
CANARY = {"PULLWATCH_CANARY_NAMESPACE": NAMESPACE, "PULLWATCH_CANARY_SECONDS": "5"}
RUN_COMMAND = {"PULLWATCH_ALLOW_RUN_COMMAND": "true"}
PRIVATE = {"apiServerAccessProfile": {"enablePrivateCluster": True}}
CLUSTER = f"{SCOPES[0]}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1"
GROUP = "/providers/Microsoft.Management/managementGroups/corp"


def look(tenant: Tenant, *arguments: str, **environment: str) -> tuple[Scan, Simulator]:
    """A scan of a tenant, and what was asked of it."""
    with running(tenant.root, kubelet_delay=0.02) as sim:
        return scan(sim.environment | environment, "--quiet", *arguments), sim


def asked(sim: Simulator) -> frozenset[str]:
    """The actions that the requests to Azure Resource Manager, and to Log Analytics, needed."""
    records = [record for record in sim.requests if record.service in ("arm", "logs")]
    return frozenset(action.lower() for record in records for action in (record.action, *record.further))


def refused(sim: Simulator) -> list[str]:
    return [record.path for record in sim.requests if record.status in (401, 403) and record.service == "arm"]


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """Everything that a scan reads, in a tenant that judges the app by its roles; it holds none yet."""
    tenant = everything(tmp_path / "tenant")
    tenant.caller(enforced=True)
    return tenant


# what is asked for ---------------------------------------------------------------------------------------------------


def test_a_scan_asks_for_each_action_of_the_reader_role_and_for_no_other(tenant: Tenant) -> None:
    grant(tenant)
    _, sim = look(tenant)
    assert asked(sim) == DEFAULT
    assert refused(sim) == []


def test_a_check_of_one_cluster_asks_where_its_registries_lie_besides(tenant: Tenant) -> None:
    grant(tenant)
    _, sim = look(tenant, "--cluster", CLUSTER)
    assert {GRAPH} <= asked(sim) <= DEFAULT | ALONE
    assert refused(sim) == []


@pytest.mark.parametrize(
    "environment",
    [
        {"PULLWATCH_CHECK_IMAGES": "false", "PULLWATCH_PROBE": "false"},
        {"PULLWATCH_READ_PULL_SECRETS": "true", "PULLWATCH_ALLOW_LOCAL_ACCOUNTS": "true"},
        {"PULLWATCH_PROBE_OTHERS": "true"},
    ],
    ids=["without images", "secrets and local accounts", "other registries"],
)
def test_other_settings_ask_azure_resource_manager_for_the_same(tenant: Tenant, environment: dict[str, str]) -> None:
    tenant.pod(IMAGE, name="with-secret", spec={"imagePullSecrets": [{"name": "regcred"}]})
    tenant.cluster("aks-local", properties={"aadProfile": ...})
    tenant.pod(IMAGE, cluster="aks-local")
    grant(tenant)
    assert asked(look(tenant, **environment)[1]) == DEFAULT


def test_canaries_ask_azure_resource_manager_for_the_same_and_write_in_their_namespace(tenant: Tenant) -> None:
    with_canaries(tenant)
    result, sim = look(tenant, "--canary", **CANARY)
    assert asked(sim) == DEFAULT
    made = [record for record in sim.requests if record.service == "kubernetes" and record.method == "POST"]
    assert made and {record.status for record in made} == {201}
    assert all(f"/namespaces/{NAMESPACE}/" in record.path for record in made)
    assert "canary-no-namespace" not in {finding["cause"] for finding in result.findings("PW305")}


def test_a_writer_of_another_namespace_makes_no_canary(tenant: Tenant) -> None:
    with_canaries(tenant, f"{CLUSTER}/namespaces/another")
    _, sim = look(tenant, "--canary", **CANARY)
    assert {record.status for record in sim.requests if record.method == "POST" and "/pods" in record.path} == {403}


def test_run_command_asks_for_each_action_of_its_role_besides(tmp_path: Path) -> None:
    tenant = everything(tmp_path / "tenant", **PRIVATE)
    tenant.caller(enforced=True)
    grant(tenant)
    tenant.assign(DEFAULT_PRINCIPAL, define(tenant, "runCommand", SCOPES[:1]), CLUSTER)
    result, sim = look(tenant, **RUN_COMMAND)
    assert asked(sim) == DEFAULT | actions_of("runCommand")
    assert (result.finding("PW301")["verdict"], refused(sim)) == ("pass", [])


def test_network_managers_ask_for_each_action_of_their_role_besides(tenant: Tenant) -> None:
    grant(tenant)
    result, _ = look(tenant)
    assert "admin-rules-login" in {finding["cause"] for finding in result.findings("PW206")}
    tenant.assign(DEFAULT_PRINCIPAL, define(tenant, "networkManagers", SCOPES[:1]), SCOPES[0])
    result, sim = look(tenant)
    # What other tenants' managers do is then known by what is in effect.
    assert asked(sim) == DEFAULT - {CONNECTIONS} | actions_of("networkManagers")
    assert refused(sim) == []
    assert "admin-rules-login" not in {finding["cause"] for finding in result.findings("PW206")}


def with_canaries(tenant: Tenant, scope: str = f"{CLUSTER}/namespaces/{NAMESPACE}") -> None:
    """Pods on whose nodes canaries may be put, and a namespace that the app may write in."""
    grant(tenant)
    tenant.assign(DEFAULT_PRINCIPAL, scan_roles()["canary"]["id"], scope)
    tenant.ready_pods(IMAGE, "system")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    tenant.write("kubernetes/aks-1", body, "namespace")


# what is answered ----------------------------------------------------------------------------------------------------


def same_report(tenant: Tenant, scopes: Sequence[str]) -> Scan:
    """A scan by who may read everything, and one by who holds the roles of infra/ at some scopes: they say the same."""
    grant(tenant, scopes=scopes)
    tenant.caller()
    with running(tenant.root) as sim:
        full = scan(sim.environment, "--quiet")
        tenant.caller(enforced=True)
        least = scan(sim.environment, "--quiet")
        assert refused(sim) == []
    assert timeless(least.answer) == timeless(full.answer)
    return least


def timeless(report: Any) -> Any:
    """A report without the times at which it was made and its parts were read."""
    if isinstance(report, dict):
        left_out = ("read_at", "started_at", "seconds")
        return {key: timeless(value) for key, value in report.items() if key not in left_out}
    return [timeless(item) for item in report] if isinstance(report, list) else report


@pytest.mark.parametrize("scopes", [SCOPES, (GROUP,)], ids=["subscriptions", "management group"])
def test_who_holds_the_roles_gets_the_report_of_who_may_read_everything(
    tmp_path: Path, scopes: tuple[str, ...]
) -> None:
    report = same_report(everything(tmp_path / "tenant"), scopes)
    assert report.finding("PW301")["verdict"] == "pass"
    assert "pass" in {finding["verdict"] for finding in report.findings("PW302")}


@pytest.mark.parametrize("seed", range(8))
def test_so_it_is_in_any_network(tmp_path: Path, seed: int) -> None:
    """What rests on an absence stays certain: the lists count as complete with these roles."""
    zone = LandingZone(seed).with_identity()
    same_report(tenant_of(zone, tmp_path / "tenant"), [f"/subscriptions/{guid}" for guid in zone.subscriptions()])
