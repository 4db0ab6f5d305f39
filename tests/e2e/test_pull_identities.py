"""Identities that pull instead of the kubelet identity, over the wire: what is asked for, and what is hidden."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator, running
from tests.simulator.test_simulated_kubelet import Cluster
from tests.support.cli import Scan, scan
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, guid, merged, object_id

PREVIEW = "2026-08-02-preview"
PULLER, TEAM = guid("default puller"), guid("team puller")
TEAM_CLIENT = guid("team client")
CLUSTER = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1"
IDENTITIES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ManagedIdentity"
DEFAULT = f"{IDENTITIES}/userAssignedIdentities/pullers"


def profile(**over: Any) -> dict[str, Any]:
    """The part of a cluster's body that has service accounts' identities pull."""
    shown = {"enabled": True, "defaultManagedIdentityId": DEFAULT} | over
    return {"properties": {"securityProfile": {"serviceAccountImagePullProfile": shown}}}


def bind(tenant: Tenant, name: str, object_id: str, client_id: str, resource_id: str) -> None:
    """An identity binding of aks-1."""
    identity = {"resourceId": resource_id, "objectId": object_id, "clientId": client_id, "tenantId": guid("tenant")}
    kind = "Microsoft.ContainerService/managedClusters/identityBindings"
    body = {"id": f"{CLUSTER}/identityBindings/{name}", "name": name, "type": kind}
    tenant.write("arm", body | {"properties": {"managedIdentity": identity}}, f"binding-{name}")


def account(tenant: Tenant, name: str, client_id: str | None = None) -> None:
    """A service account of the namespace "default"."""
    annotations = {"kubernetes.azure.com/acr-client-id": client_id} if client_id else {}
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    tenant.write("kubernetes/aks-1", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, f"sa-{name}")


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A cluster whose pods pull with a default identity, or with that of their team; nothing is granted."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(**profile())
    tenant.registry()
    tenant.write("registries", {"repositories": {"team/web": {"1": {}}}}, "acrone.azurecr.io")
    tenant.pod("acrone.azurecr.io/team/web:1", spec={"nodeName": "aks-system-12345678-vmss000000"})
    account(tenant, "default")
    bind(tenant, "default", PULLER, guid("default client"), DEFAULT)
    bind(tenant, "team", TEAM, TEAM_CLIENT, f"{DEFAULT}-team")
    return tenant


def registry_of(tenant: Tenant) -> str:
    return f"{tenant.group()}/providers/Microsoft.ContainerRegistry/registries/acrone"


def look(tenant: Tenant, *arguments: str, **environment: str) -> tuple[Scan, Simulator]:
    with running(tenant.root, kubelet_delay=0.01) as simulator:
        return scan(simulator.environment | environment, "--quiet", *arguments), simulator


def role(tenant: Tenant, **environment: str) -> tuple[str, str]:
    finding = look(tenant, **environment)[0].finding("PW102")
    return finding["verdict"], finding["cause"]


def asked(simulator: Simulator, part: str) -> list[str]:
    return [f"{r.path}?{r.query}" for r in simulator.requests if part in f"{r.path}?{r.query}"]


def test_the_default_identitys_role_decides(tenant: Tenant) -> None:
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    assert role(tenant) == ("fail", "role-missing")
    tenant.assign(PULLER, ACR_PULL, registry_of(tenant))
    assert role(tenant) == ("pass", "role-held")


def test_an_annotated_account_pulls_with_another(tenant: Tenant) -> None:
    account(tenant, "team", TEAM_CLIENT)
    tenant.pod("acrone.azurecr.io/team/web:1", name="of-team", spec={"serviceAccountName": "team"})
    tenant.assign(PULLER, ACR_PULL, registry_of(tenant))
    assert role(tenant) == ("fail", "role-missing")
    tenant.groups({guid("pullers"): [TEAM]})
    tenant.assign(guid("pullers"), ACR_PULL, registry_of(tenant), properties={"principalType": "Group"})
    assert role(tenant) == ("pass", "role-through-group")


def test_what_bindings_and_annotations_say_is_bounded_and_harmless(tenant: Tenant) -> None:
    """Whoever may annotate, or bind, writes what they like: nothing of it gets into a filter or a report."""
    account(tenant, "default", "x') or ('\n" + "y" * 5000)
    tenant.assign(PULLER, ACR_PULL, registry_of(tenant))
    result, simulator = look(tenant)
    assert result.finding("PW102")["cause"] == "identity-not-known"
    assert "yyyy" not in json.dumps(result.answer)
    account(tenant, "default")
    bind(tenant, "default", "x') or ('", guid("default client"), DEFAULT)
    assert role(tenant) == ("unknown", "identity-not-known")
    assert asked(simulator, "assignedTo%28%27x") == []


def test_without_a_default_identity_pods_pull_with_none(tenant: Tenant) -> None:
    tenant.cluster(**profile(defaultManagedIdentityId=None))
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    assert role(tenant) == ("fail", "no-identity")


@pytest.mark.parametrize("action", ["identityBindings/read", "serviceaccounts/read"])
def test_unknown_where_bindings_or_accounts_may_not_be_read(tenant: Tenant, action: str) -> None:
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    denied = f"Microsoft.ContainerService/managedClusters/{action}"
    tenant.caller(denied=[{"scope": CLUSTER, "actions": [denied], "dataActions": [denied]}])
    result, _ = look(tenant)
    finding = result.finding("PW102")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "look-not-allowed")
    assert result.row()["pull"]["verdict"] == "unknown"


def old_cloud(tenant: Tenant, status: int = 400) -> None:
    """The preview api-version of managed clusters is answered with an error."""
    rule = {"service": "arm", "path": rf"^.*/managedClusters\?.*api-version={PREVIEW}", "effect": {"status": status}}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))


def test_an_older_cloud_is_judged_as_if_there_were_no_such_thing(tenant: Tenant) -> None:
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    old_cloud(tenant)
    result, _ = look(tenant)
    assert result.finding("PW102")["cause"] == "role-held"
    assert "preview" not in json.dumps(result.cluster()["coverage"])


def test_an_annotation_is_a_sign_of_it_in_an_older_cloud(tenant: Tenant) -> None:
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    old_cloud(tenant)
    account(tenant, "default", TEAM_CLIENT)
    assert role(tenant, PULLWATCH_READ_PULL_SECRETS="true") == ("unknown", "look-not-applicable")


def test_unknown_where_the_list_fails_for_another_reason(tenant: Tenant) -> None:
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    old_cloud(tenant, status=409)
    assert role(tenant) == ("unknown", "look-error")


@pytest.mark.parametrize(
    ("holder", "verdict"), [(PULLER, "pass"), (object_id("aks-1"), "fail")], ids=["default", "kubelet"]
)
def test_nodes_pull_with_that_identity(tenant: Tenant, holder: str, verdict: str) -> None:
    """The simulated node says the same as what Azure Resource Manager shows."""
    tenant.assign(holder, ACR_PULL, registry_of(tenant))
    tenant.ready_pods("acrone.azurecr.io/team/web:1", "system")
    result, _ = look(tenant, "--canary", PULLWATCH_CANARY_SECONDS="5", PULLWATCH_PROBE="false")
    assert result.finding("PW305")["verdict"] == verdict
    assert result.row()["access"]["verdict"] == verdict


def test_clusters_are_listed_once_more_and_the_rest_only_where_it_is_on(tenant: Tenant) -> None:
    for name in ("aks-2", "aks-3"):
        tenant.cluster(name)
        tenant.pod("acrone.azurecr.io/team/web:1", cluster=name)
    _, simulator = look(tenant)
    assert len(asked(simulator, PREVIEW)) == 1
    assert [path.partition("?")[0] for path in asked(simulator, "/identityBindings")] == [f"{CLUSTER}/identityBindings"]
    assert len(asked(simulator, "/serviceaccounts")) == 1


def provisioned(tenant: Tenant, *machines: tuple[str, bool]) -> None:
    """aks-1 with node auto-provisioning, and its machines: each with the kubelet identity, or with another."""
    tenant.cluster(properties={"nodeProvisioningProfile": {"mode": "Auto"}})
    kubelet = f"{tenant.group('MC_aks-1')}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aks-1-agentpool"
    tenant.resource(
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "aks-1-agentpool",
        {"properties": {"principalId": object_id("aks-1"), "clientId": guid("aks-1 client")}},
        group="MC_aks-1",
    )
    for name, carries in machines:
        body = {
            "tags": {"karpenter.azure.com_cluster": "aks-1", "karpenter.sh_nodepool": "default"},
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {kubelet if carries else "/other": {}}},
        }
        tenant.resource("Microsoft.Compute/virtualMachines", name, body, group="MC_aks-1")


@pytest.fixture
def granted(tenant: Tenant) -> Tenant:
    """The kubelet identity holds the role, and the cluster provisions its nodes."""
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    provisioned(tenant, ("aks-default-good1", True))
    return tenant


@pytest.mark.parametrize("carries", [True, False])
def test_a_machine_of_node_auto_provisioning_carries_the_identity_or_fails(granted: Tenant, carries: bool) -> None:
    provisioned(granted, ("aks-default-2jf98", carries))
    result, simulator = look(granted)
    finding = result.finding("PW101")
    expected = ("pass", "kubelet-identity") if carries else ("fail", "identity-not-attached")
    assert (finding["verdict"], finding["cause"]) == expected
    assert ("aks-default-2jf98" in finding["summary"]) is not carries
    assert "aks-default-good1" not in finding["summary"]
    assert len(asked(simulator, "/virtualMachines?")) == 1


@pytest.mark.parametrize("action", ["Microsoft.Compute/virtualMachines/read", "*"])
def test_unknown_where_its_machines_may_not_be_read(granted: Tenant, action: str) -> None:
    """They carry the identity, or do not: who may not look says neither."""
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/MC_aks-1"
    for carries in (True, False):
        provisioned(granted, ("aks-default-2jf98", carries))
        granted.caller(denied=[{"scope": group, "actions": [action]}])
        finding = look(granted)[0].finding("PW101")
        assert (finding["verdict"], finding["cause"]) == ("unknown", "look-not-allowed")


def test_machines_are_not_listed_without_node_auto_provisioning(granted: Tenant) -> None:
    granted.cluster()
    assert asked(look(granted)[1], "/virtualMachines?") == []


NODES_READ = "Microsoft.ContainerService/managedClusters/nodes/read"
NODE = "aks-system-12345678-vmss000000"


@pytest.fixture
def on_former_identity(tmp_path: Path) -> Tenant:
    """A cluster whose only node was made with an earlier identity; the one of now holds the role."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.registry()
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    label = {"kubernetes.azure.com/kubelet-identity-client-id": guid("client before")}
    tenant.write(
        "kubernetes/aks-1", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": label}}, "node"
    )
    refused = "failed to authorize: failed to fetch anonymous token: 401 Unauthorized"
    tenant.pod("acrone.azurecr.io/team/web:1", waiting=("ErrImagePull", refused), spec={"nodeName": NODE})
    return tenant


def test_a_refused_node_with_an_earlier_identity_is_named(on_former_identity: Tenant) -> None:
    on_former_identity.caller(granted=[NODES_READ])
    result, simulator = look(on_former_identity)
    (finding,) = [f for f in result.findings("PW101") if f["verdict"] == "fail"]
    assert finding["cause"] == "nodes-on-former-identity"
    assert NODE in finding["summary"]
    assert result.row()["pull"]["cause"] == "nodes-on-former-identity"
    assert len(asked(simulator, "/api/v1/nodes")) == 1


def test_nodes_that_may_not_be_read_leave_it_to_what_they_report(on_former_identity: Tenant) -> None:
    result, _ = look(on_former_identity)
    finding = result.finding("PW101")
    assert finding["verdict"] == "pass"
    assert "whether nodes still have an earlier identity" in finding["summary"]
    assert result.row()["pull"]["verdict"] == "fail"


def test_nodes_are_not_asked_for_while_none_is_refused(on_former_identity: Tenant) -> None:
    on_former_identity.caller(granted=[NODES_READ])
    (on_former_identity.root / "kubernetes" / "aks-1").joinpath("node.json").unlink()
    for path in (on_former_identity.root / "kubernetes" / "aks-1").glob("pod-*"):
        path.unlink()
    on_former_identity.pod("acrone.azurecr.io/team/web:1", spec={"nodeName": NODE})
    assert asked(look(on_former_identity)[1], "/api/v1/nodes") == []


BURST = {"kind": "Pod", "metadata": {"name": "burst"}, "spec": {"nodeName": "virtual-node-aci-linux"}}
REGISTRY_SECRET = {"auths": {"acrone.azurecr.io": {"username": "puller", "password": "made-up"}}}


@pytest.fixture
def bursting(tmp_path: Path) -> Tenant:
    """A cluster with the virtual nodes add-on, whose kubelet identity may pull."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(properties={"addonProfiles": {"aciConnectorLinux": {"enabled": True}}})
    tenant.registry()
    tenant.assign(object_id("aks-1"), ACR_PULL, registry_of(tenant))
    held = {"repositories": {"team/web": {"1": {}}}, "credentials": {"puller": "made-up"}}
    tenant.write("registries", held, "acrone.azurecr.io")
    data = {".dockerconfigjson": base64.b64encode(json.dumps(REGISTRY_SECRET).encode()).decode()}
    metadata = {"name": "regcred", "namespace": "default"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/dockerconfigjson"}
    tenant.write("kubernetes/aks-1", body | {"data": data}, "secret")
    return tenant


def burst(tenant: Tenant, *secrets: str, **environment: str) -> Scan:
    """Makes a pod on the virtual node over the wire, and scans once it was answered."""
    pod = merged(BURST, {"spec": {"containers": [{"name": "main", "image": "acrone.azurecr.io/team/web:1"}]}})
    pod["spec"]["imagePullSecrets"] = [{"name": name} for name in secrets]
    with running(tenant.root, kubelet_delay=0.01) as simulator:
        Cluster(simulator, CLUSTER).made(pod)
        return scan(simulator.environment | environment, "--quiet")


def test_a_virtual_node_pulls_with_pull_secrets_alone(bursting: Tenant) -> None:
    result = burst(bursting)
    finding = result.finding("PW301")
    assert (finding["cause"], finding["subject"]["pool"]) == ("credentials_missing", "virtual-nodes")
    assert result.row()["access"]["cause"] == "nothing-grants"
    with_secret = burst(bursting, "regcred", PULLWATCH_READ_PULL_SECRETS="true")
    assert with_secret.finding("PW301")["verdict"] == "pass"


def test_a_virtual_node_does_not_get_past_a_firewall(bursting: Tenant) -> None:
    bursting.registry(properties={"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"value": "20.1.1.1"}]}})
    result = burst(bursting, "regcred")
    assert result.finding("PW301")["cause"] == "firewall_denied"
    assert result.row()["pull"]["cause"] == "firewall_denied"
