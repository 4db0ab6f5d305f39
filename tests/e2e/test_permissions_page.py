"""docs/permissions.md quotes what a report says without a role: here the role is not there, and it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulator import running
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.cli import Scan, scan
from tests.support.hub_world import HUB, Hub
from tests.support.permissions_page import Quoted, quoted
from tests.support.scan_access import IMAGE, SCOPES, everything, grant, scan_roles
from tests.support.tenant_builder import Tenant, guid

ZONES = {"scope": SCOPES[0], "actions": ["Microsoft.Network/privateDnsZones/read"]}


def look(tenant: Tenant, *arguments: str, **environment: str) -> Scan:
    with running(tenant.root, kubelet_delay=0.02) as sim:
        return scan(sim.environment | environment, "--quiet", *arguments)


def without_an_action(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant)
    tenant.caller(enforced=True, denied=[ZONES])
    return look(tenant)


def without_cluster_user(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant, ["imageReads"])
    tenant.caller(enforced=True)
    return look(tenant)


def without_rbac_reader(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant, ["imageReads"])
    user = next(role["id"] for role in scan_roles()["kubernetesReads"] if "Cluster User" in role["name"])
    tenant.assign(DEFAULT_PRINCIPAL, user, SCOPES[0])
    tenant.caller(enforced=True)
    return look(tenant)


def without_image_reads(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant, ["kubernetesReads"])
    tenant.caller(enforced=True)
    return look(tenant)


def without_the_log(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant)
    actions = ["Microsoft.OperationalInsights/workspaces/query/*"]
    tenant.caller(enforced=True, denied=[{"scope": SCOPES[0], "actions": actions}])
    return look(tenant)


def without_writer(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant)
    tenant.ready_pods(IMAGE, "system")
    tenant.caller(enforced=True)
    return look(tenant, "--canary", PULLWATCH_CANARY_NAMESPACE="pullwatch-canary")


def without_rulesets(folder: Path) -> Scan:
    tenant = Hub().world.into(Tenant(folder))
    tenant.pod(IMAGE)
    hidden = {"scope": f"/subscriptions/{HUB}", "actions": ["Microsoft.Network/dnsForwardingRulesets/*"]}
    tenant.caller(denied=[hidden])
    return look(tenant)


def without_network_managers(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant)
    tenant.caller(enforced=True)
    return look(tenant)


def without_run_command(folder: Path) -> Scan:
    tenant = everything(folder, apiServerAccessProfile={"enablePrivateCluster": True})
    grant(tenant)
    tenant.caller(enforced=True)
    return look(tenant, PULLWATCH_ALLOW_RUN_COMMAND="true")


def without_secrets(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant)
    tenant.pod(IMAGE, name="brings-a-secret", spec={"imagePullSecrets": [{"name": "regcred"}]})
    tenant.caller(enforced=True)
    return look(tenant, PULLWATCH_READ_PULL_SECRETS="true")


def without_graph(folder: Path) -> Scan:
    tenant = everything(folder)
    grant(tenant)
    principal = {"servicePrincipalProfile": {"clientId": guid("sp")}, "identityProfile": ...}
    tenant.cluster("aks-sp", properties=principal, identity=...)
    tenant.caller(enforced=True, graph="denied")
    return look(tenant)


WITHOUT: dict[str, Callable[[Path], Scan]] = {
    "Pullwatch Reader (custom, below), or Reader": without_an_action,
    "Azure Kubernetes Service Cluster User Role": without_cluster_user,
    "Azure Kubernetes Service RBAC Reader": without_rbac_reader,
    "AcrPull, and Container Registry Repository Reader for registries in ABAC mode": without_image_reads,
    "Pullwatch Reader, Reader, or Log Analytics Reader on the workspace": without_the_log,
    "Azure Kubernetes Service RBAC Writer": without_writer,
    "Pullwatch Ruleset Reader (custom, below)": without_rulesets,
    "Pullwatch Network Manager Reader (custom, below)": without_network_managers,
    "Pullwatch Run Command (custom, below)": without_run_command,
    "a custom role with `Microsoft.ContainerService/managedClusters/secrets/read`": without_secrets,
    "Application.Read.All (Microsoft Graph)": without_graph,
}


def test_every_role_of_the_page_is_taken_away_once() -> None:
    assert [one.role for one in quoted()] == list(WITHOUT)


@pytest.mark.parametrize("one", quoted(), ids=lambda one: f"{one.code} {one.role[:40]}")
def test_the_report_says_what_the_page_quotes(tmp_path: Path, one: Quoted) -> None:
    result = WITHOUT[one.role](tmp_path / "tenant")
    findings = [f for cluster in result.answer["clusters"] for f in cluster["findings"] if f["code"] == one.code]
    unknown = [finding["summary"] for finding in findings if finding["verdict"] == "unknown"]
    assert any(one.is_in(summary) for summary in unknown), unknown


def test_without_the_reader_role_a_subscription_is_not_listed(tmp_path: Path) -> None:
    tenant = everything(tmp_path / "tenant")
    tenant.caller(enforced=True)
    assert look(tenant).answer["subscriptions"] == []
