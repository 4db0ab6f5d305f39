"""Pods that are made: where they are scheduled, what containerd would say of their images, what admission refuses."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator import Simulator, running
from tests.simulator.test_simulated_kubernetes import Api
from tests.support import customer_key
from tests.support.network_world import EGRESS, HOST, NODES, RECORDS, World, rule
from tests.support.tenant_builder import ACR_PULL, REPOSITORY_READER, Tenant, guid, merged, object_id
from tests.support.tenant_server import Client

IMAGE = f"{HOST}/team/web:absent"
ANONYMOUS = (
    "failed to fetch anonymous token: unexpected status from GET request to "
    f"https://{HOST}/oauth2/token?scope=repository%3Ateam%2Fweb%3Apull&service={HOST}: 401 Unauthorized"
)
STEP = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}"'
ABSENT, FORBIDDEN = f"{IMAGE}: not found", "403 Forbidden"
Asked = Callable[..., list[str]]


def pod(image: str = IMAGE, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "canary"}, "spec": {"containers": [{"name": "main", "image": image}], **spec}}


class Cluster(Api):
    """The API of a world's cluster."""

    def __init__(self, sim: Simulator, cluster_id: str) -> None:
        document: Any = sim.kubeconfig(cluster_id)
        self.base = document["clusters"][0]["cluster"]["server"]
        self.token = document["users"][0]["user"]["token"]
        self.client = Client(sim)

    def made(self, body: dict[str, Any]) -> dict[str, Any]:
        """The status of a pod that was made, once it has one beyond its phase."""
        assert self("/api/v1/namespaces/default/pods", "POST", body).status == 201
        end = time.monotonic() + 10
        while time.monotonic() < end:
            status: dict[str, Any] = self(f"/api/v1/namespaces/default/pods/{body['metadata']['name']}").json["status"]
            if status.get("reason") or status.get("containerStatuses"):
                return status
            time.sleep(0.02)
        raise AssertionError("nobody answered for the pod")

    def tried(self, body: dict[str, Any]) -> dict[str, str]:
        """Events of a pod by reason (the longest text of each), once it was answered; the status's reason as well."""
        assert self("/api/v1/namespaces/default/pods", "POST", body).status == 201
        end = time.monotonic() + 10
        while time.monotonic() < end:
            events = self("/api/v1/namespaces/default/events").json["items"]
            shown = {e["reason"]: e["message"] for e in sorted(events, key=lambda e: len(e["message"]))}
            if {"Pulled", "BackOff", "FailedScheduling"} & set(shown):
                status = self("/api/v1/namespaces/default/pods/canary").json["status"]
                waiting = [s["state"].get("waiting", {}) for s in status.get("containerStatuses", [])]
                return shown | {"status": "; ".join(f"{w.get('reason')}: {w.get('message')}" for w in waiting if w)}
            time.sleep(0.02)
        raise AssertionError("the kubelet said nothing")


def tried(world: World, folder: Path, body: dict[str, Any] | None = None, *, role: str | None = ACR_PULL) -> Any:
    tenant = world.into(Tenant(folder / "tenant"))
    tenant.reachable()
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    if role:
        tenant.assign(object_id("aks-1"), role, world.registry_id)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        return Cluster(sim, world.cluster_id).tried(body or pod())


def test_an_absent_tag_is_not_found_first_and_backed_off_then(tmp_path: Path) -> None:
    shown = tried(World(), tmp_path)
    error = f"[rpc error: code = NotFound desc = {STEP}: {ABSENT}, {STEP}: failed to authorize: {ANONYMOUS}]"
    assert shown["Failed"] == f'Failed to pull image "{IMAGE}": {error}'
    assert shown["BackOff"] == f'Back-off pulling image "{IMAGE}"'
    assert shown["status"] == f'ImagePullBackOff: Back-off pulling image "{IMAGE}": ErrImagePull: {error}'


def test_an_image_that_is_there_is_pulled_with_its_size(tmp_path: Path) -> None:
    shown = tried(World(), tmp_path, pod(f"{HOST}/team/web:1"))
    assert shown["Pulled"].startswith(f'Successfully pulled image "{HOST}/team/web:1" in 1.234s (1.234s including')
    assert shown["Pulled"].endswith(" bytes.")


def test_without_a_role_the_anonymous_token_is_refused(tmp_path: Path) -> None:
    shown = tried(World(), tmp_path, role=None)
    assert shown["Failed"].endswith(f"failed to authorize: {ANONYMOUS}")
    assert "oauth token" not in shown["Failed"]


def test_by_repositories_the_legacy_role_does_not_pull_and_the_repository_role_does(tmp_path: Path) -> None:
    world = World()
    world.bodies[world.registry_id]["properties"]["roleAssignmentMode"] = "AbacRepositoryPermissions"
    refused = tried(world, tmp_path / "legacy")["Failed"]
    assert "insufficient_scope: authorization failed, failed to pull" in refused and refused.endswith(f"{ANONYMOUS}]")
    assert ABSENT in tried(world, tmp_path / "repository", role=REPOSITORY_READER)["Failed"]


def test_the_firewall_answers_by_the_address_nodes_leave_with(tmp_path: Path) -> None:
    assert ABSENT in tried(World().deny(EGRESS), tmp_path / "in")["Failed"]
    denied = tried(World().deny("20.9.9.9"), tmp_path / "out")["Failed"]
    assert denied.endswith(
        f"unexpected status from HEAD request to https://{HOST}/v2/team/web/manifests/absent: {FORBIDDEN}"
    )


def test_a_service_endpoint_hides_the_public_address(tmp_path: Path) -> None:
    world = World().deny(EGRESS).nodes(serviceEndpoints=[{"service": "Microsoft.ContainerRegistry"}])
    assert tried(world, tmp_path / "denied")["Failed"].endswith(FORBIDDEN)
    world.deny(subnets=(world.subnet(NODES),))
    assert ABSENT in tried(world, tmp_path / "rule")["Failed"]


def test_a_rule_may_name_the_subnet_that_aks_made(tmp_path: Path) -> None:
    world = World().pools(World().pool("system", None))
    served = {"serviceEndpoints": [{"service": "Microsoft.ContainerRegistry"}]}
    network = world.vnet("aks-vnet-1", "10.224.0.0/16", group="MC_aks-1", aks_subnet=served)
    assert tried(world.deny(), tmp_path / "denied")["Failed"].endswith(FORBIDDEN)
    assert ABSENT in tried(world.deny(subnets=(f"{network}/subnets/aks-subnet",)), tmp_path / "rule")["Failed"]


def test_a_private_endpoint_is_reached_by_its_record_only(tmp_path: Path) -> None:
    assert ABSENT in tried(World().healthy_private(), tmp_path / "good")["Failed"]
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home).endpoint(network=home)
    world.zone({}, world.vnet_id(NODES))
    missing = tried(world.private(), tmp_path / "missing")["Failed"]
    assert missing.endswith(f"dial tcp: lookup {HOST} on 168.63.129.16:53: no such host")
    unlinked = World()
    home = unlinked.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    unlinked.peer(unlinked.vnet_id(NODES), home).endpoint(network=home)
    unlinked.zone(RECORDS, home)
    assert "403 Forbidden" in tried(unlinked.private(), tmp_path / "unlinked")["Failed"]


def test_a_ruleset_forwards_the_public_name_to_where_the_zone_is_linked(tmp_path: Path) -> None:
    for domain, error in (("azurecr.io", ABSENT), ("privatelink.azurecr.io", FORBIDDEN), ("", FORBIDDEN)):
        world = World()
        home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
        world.peer(world.vnet_id(NODES), home).endpoint(network=home)
        world.zone(RECORDS, home)
        world.ruleset("rules", world.vnet_id(NODES), rules={domain: "10.20.1.4"})
        assert error in tried(world.private(), tmp_path / f"rule-{domain}")["Failed"], domain


def test_the_group_that_aks_puts_on_interfaces_is_heard_in_a_network_of_ones_own_only(tmp_path: Path) -> None:
    world = World()
    world.group("aks-agentpool-1-nsg", rule("no", 100, "Deny", "*"), where="MC_aks-1")
    assert tried(world, tmp_path / "own")["Failed"].endswith(":443: i/o timeout")
    world.pools(world.pool("system", None))
    world.vnet("aks-vnet-1", "10.224.0.0/16", group="MC_aks-1", aks_subnet={})
    assert ABSENT in tried(world, tmp_path / "made")["Failed"]


@pytest.mark.parametrize(
    ("policies", "error"),
    [("NetworkSecurityGroupEnabled", "dial tcp 10.20.0.4:443: i/o timeout"), ("Disabled", ABSENT)],
)
def test_a_group_at_an_endpoint_counts_only_by_the_subnets_policies(tmp_path: Path, policies: str, error: str) -> None:
    world = World().healthy_private()
    group = {"id": world.group("nsg-endpoints", rule("no", 100, "Deny", "*", direction="Inbound"))}
    world.bodies[world.vnet_id("vnet-endpoints")]["properties"]["subnets"][0]["properties"].update(
        privateEndpointNetworkPolicies=policies, networkSecurityGroup=group
    )
    assert error in tried(world, tmp_path)["Failed"]


def test_without_a_way_out_nothing_answers(tmp_path: Path) -> None:
    world = World().routes(("0.0.0.0/0", "None"))
    assert tried(world, tmp_path)["Failed"].endswith(":443: i/o timeout")


def test_layers_need_their_own_record(tmp_path: Path) -> None:
    world = World().healthy_private()
    del world.bodies[next(key for key in world.bodies if key.endswith("/A/acrone.westeurope.data"))]
    shown = tried(world, tmp_path, pod(f"{HOST}/team/web:1"))
    assert "failed to copy: httpReadSeeker: failed open" in shown["Failed"]
    assert (
        "lookup acrone.westeurope.data.azurecr.io on 168.63.129.16:53: no such host, failed to pull" in shown["Failed"]
    )


def test_a_platform_that_is_missing_is_told_as_such(tmp_path: Path) -> None:
    world = World()
    world.pools(world.pool("system", vmSize="Standard_D4ps_v5"))
    assert "no match for platform in manifest" in tried(world, tmp_path, pod(f"{HOST}/team/web:1"))["Failed"]


def test_pods_are_scheduled_by_pool_and_taint(tmp_path: Path) -> None:
    world = World()
    world.pools(world.pool("system"), world.pool("gpu", nodeTaints=["sku=gpu:NoSchedule"]))
    chosen: dict[str, Any] = {"nodeSelector": {"kubernetes.azure.com/agentpool": "gpu"}}
    refused = tried(world, tmp_path / "taint", pod(**chosen))
    assert "untolerated taint" in refused["FailedScheduling"]
    shown = tried(world, tmp_path / "tolerated", pod(**chosen, tolerations=[{"operator": "Exists"}]))
    assert "aks-gpu-" in shown["Scheduled"]


@pytest.mark.parametrize("restricted", [True, False])
def test_a_restricted_namespace_takes_restricted_pods_only(tmp_path: Path, restricted: bool) -> None:
    world = World()
    tenant = world.into(Tenant(tmp_path / "tenant"))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    tenant.write("kubernetes/aks-1", {"kind": "Namespace", "apiVersion": "v1",
                                      "metadata": {"name": "default", "labels": labels}})  # fmt: skip
    whole = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    body = pod(securityContext=whole)
    if restricted:
        own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        body["spec"]["containers"][0]["securityContext"] = own
    with running(tenant.root) as sim:
        reply = Cluster(sim, world.cluster_id)("/api/v1/namespaces/default/pods", "POST", body)
    assert reply.status == (201 if restricted else 403)
    assert restricted or 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation' in reply.json["message"]


def test_everybody_hears_of_an_absent_tag_once_where_everybody_may_read(tmp_path: Path) -> None:
    world = World().registry(anonymousPullEnabled=True)
    assert tried(world, tmp_path, role=None)["Failed"].endswith(f"desc = {STEP}: {ABSENT}")


def test_a_service_principal_offers_its_password_before_it_asks_without(tmp_path: Path) -> None:
    world = World().cluster(identityProfile=..., servicePrincipalProfile={"clientId": "app-1"})
    tenant = world.into(Tenant(tmp_path / "tenant"))
    tenant.reachable()
    tenant.write("graph", {"id": object_id("aks-1"), "appId": "app-1"})
    with running(tenant.root, kubelet_delay=0.02) as sim:
        shown = Cluster(sim, world.cluster_id).tried(pod())["Failed"]
    first, second = (
        f"{STEP}: failed to authorize: {text}" for text in (ANONYMOUS.replace("anonymous", "oauth"), ANONYMOUS)
    )
    assert shown == f'Failed to pull image "{IMAGE}": [{first}, {second}]'


@pytest.mark.parametrize("own", [[], [{"name": "mine"}]])
def test_a_pod_without_pull_secrets_gets_its_service_account_s(tmp_path: Path, own: list[dict[str, str]]) -> None:
    world = World()
    tenant = world.into(Tenant(tmp_path / "tenant"))
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": "default"}}
    tenant.write("kubernetes/aks-1", account | {"imagePullSecrets": [{"name": "regcred"}]})
    with running(tenant.root) as sim:
        api = Cluster(sim, world.cluster_id)
        made = api("/api/v1/namespaces/default/pods", "POST", pod(imagePullSecrets=own)).json
    assert made["spec"]["imagePullSecrets"] == (own or [{"name": "regcred"}])


@pytest.mark.parametrize("carries", [True, False])
def test_a_provisioned_machine_gets_tokens_of_the_identities_it_carries(tmp_path: Path, carries: bool) -> None:
    world = World()
    group = world.cluster_id.partition("/resourceGroups/")[0] + "/resourceGroups/MC_aks-1"
    kubelet = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aks-1-agentpool"
    world.cluster(identityProfile={"kubeletidentity": {"resourceId": kubelet, "objectId": object_id("aks-1")}})
    machine = f"{group}/providers/Microsoft.Compute/virtualMachines/aks-default-2jf98"
    world.bodies[machine] = {
        "id": machine,
        "name": "aks-default-2jf98",
        "type": "Microsoft.Compute/virtualMachines",
        "tags": {"karpenter.azure.com_cluster": "aks-1", "karpenter.sh_nodepool": "default"},
        "identity": {"userAssignedIdentities": {kubelet.upper() if carries else "/other": {}}},
        "properties": {"hardwareProfile": {"vmSize": "Standard_D4s_v5"}},
    }
    shown = tried(world, tmp_path, pod(f"{HOST}/team/web:1", nodeName="aks-default-2jf98"))
    assert ("Pulled" in shown) is carries
    assert carries or ANONYMOUS in shown["Failed"]


@pytest.mark.parametrize(
    ("label", "exists", "pulls"),
    [
        ("client now", True, True),
        ("client before", False, False),
        ("client before", True, False),
        ("client of another", True, True),
    ],
)
def test_a_node_asks_for_tokens_of_the_identity_it_was_made_with(
    tmp_path: Path, label: str, exists: bool, pulls: bool
) -> None:
    world = World()
    world.cluster(identityProfile={"kubeletidentity": {"clientId": "client now", "objectId": object_id("aks-1")}})
    base = f"{world.cluster_id.partition('/providers/')[0]}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    before = {"clientId": "client before", "principalId": guid("nobody")}
    another = {"clientId": "client of another", "principalId": object_id("aks-1")}
    for name, properties in (("before", before), ("another", another)):
        if exists:
            world.bodies[f"{base}/{name}"] = {"id": f"{base}/{name}", "name": name, "properties": properties}
    tenant = world.into(Tenant(tmp_path / "tenant"))
    labels = {"kubernetes.azure.com/agentpool": "system", "kubernetes.azure.com/kubelet-identity-client-id": label}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "aks-system-1", "labels": labels}}
    tenant.write("kubernetes/aks-1", node, "node")
    shown = tried(world, tmp_path, pod(f"{HOST}/team/web:1", nodeName="aks-system-1"))
    assert ("Pulled" in shown) is pulls


def test_a_registry_that_lost_its_key_refuses_every_token(tmp_path: Path) -> None:
    def encrypted(**attributes: Any) -> World:
        world = World()
        world.bodies[world.registry_id] = merged(world.bodies[world.registry_id], customer_key.encrypted())
        known = (customer_key.identity_body(), customer_key.vault_body(), customer_key.key_body(**attributes))
        world.bodies.update({str(body["id"]): body for body in known})
        return world

    assert ABSENT in tried(encrypted(), tmp_path / "usable")["Failed"]
    assert ABSENT in tried(encrypted(exp=1), tmp_path / "expired")["Failed"]
    refused = tried(encrypted(enabled=False), tmp_path / "disabled")["Failed"]
    assert "failed to fetch oauth token: unexpected status from GET request to https://" in refused
    assert refused.endswith(f"{ANONYMOUS.replace('401 Unauthorized', FORBIDDEN)}]")
