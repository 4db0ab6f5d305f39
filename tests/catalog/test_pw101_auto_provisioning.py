"""PW101 and node auto-provisioning: machines beside the pools, each of which has to carry the kubelet identity."""

from typing import Any

import pytest

from checks.catalog.pw101_kubelet_identity import judge
from checks.collect.arm import bodies
from checks.facts import IdentityResource, KubeletResource, NodeMachines, NotSeen, NotSeenReason, Permission
from checks.facts.visibility import Visibility
from checks.findings import Evidence, Finding, word
from checks.report.cluster_report import build_report
from tests.support.access_facts import (
    IDENTITY_ID,
    ME,
    NODES,
    REFUSED,
    SUBSCRIPTION,
    cluster,
    facts,
    look_failed,
    only,
    seen,
    verdict,
)

AUTO = cluster(node_provisioning=True)
STANDS = seen(KubeletResource(resource=IdentityResource(id=IDENTITY_ID, principal_id=ME)))
SCALE_SET = NodeMachines(id=f"{NODES}/x/vmss", name="aks-system-12345678-vmss", identities=(IDENTITY_ID.lower(),))


def machine(name: str = "aks-default-2jf98", *identities: str, **over: Any) -> NodeMachines:
    given: dict[str, Any] = {"provisioned": True} | over
    return NodeMachines(id=f"{NODES}/providers/x/{name}", name=name, identities=identities, **given)


def judged(*machines: NodeMachines, **over: Any) -> Finding:
    given: dict[str, Any] = {"cluster": AUTO, "kubelet_resource": STANDS, "machines": seen((SCALE_SET, *machines))}
    return only(judge(facts(**(given | over))))


CARRIES = machine("aks-default-7xk2p", IDENTITY_ID.upper().lower())


def test_pass_where_each_machine_carries_the_identity_or_there_is_none() -> None:
    assert verdict(judged(CARRIES)) == ("pass", "kubelet-identity")
    assert verdict(judged()) == ("pass", "kubelet-identity")


def test_fail_for_a_machine_without_it_which_is_named() -> None:
    finding = judged(CARRIES, machine(), machine("aks-default-other", "/some/identity"))
    assert verdict(finding) == ("fail", "identity-not-attached")
    assert "aks-default-2jf98, aks-default-other" in finding.summary
    assert "aks-default-7xk2p" not in finding.summary
    assert finding.fix[-2:] == ("kubectl delete nodeclaim default-2jf98", "kubectl delete nodeclaim default-other")
    assert not any("--node-image-only" in line for line in finding.fix), "no pool lacks it"


def test_many_machines_are_counted() -> None:
    finding = judged(*(machine(f"aks-default-{n}") for n in range(40)))
    assert "and 35 more" in finding.summary
    assert sum(line.startswith("kubectl") for line in finding.fix) == 5


def test_pools_and_machines_are_both_named() -> None:
    bare = NodeMachines(id=f"{NODES}/x/vmss", name="aks-system-12345678-vmss")
    finding = judged(machines=seen((bare, machine())))
    assert "system" in finding.summary
    assert "aks-default-2jf98" in finding.summary


@pytest.mark.parametrize(
    "changed",
    [
        {"cluster": cluster()},
        {"cluster": cluster(node_provisioning=True, provisioning_state="Updating")},
        {"cluster": cluster(node_provisioning=True, power_state="Stopped")},
        {"machines": seen((SCALE_SET, machine(provisioned=False)))},
        {"machines": seen((SCALE_SET, machine(made_for="another-cluster")))},
    ],
)
def test_nothing_is_said_of_machines_that_are_not_its_own_or_not_settled(changed: dict[str, Any]) -> None:
    assert verdict(judged(machine(), **changed)) == ("pass", "kubelet-identity")


def test_unknown_where_machines_could_not_be_read() -> None:
    finding = judged(machines=REFUSED)
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert "machines of node auto-provisioning" in finding.summary
    assert look_failed(finding)
    cut = NotSeen(NotSeenReason.ERROR, "500")
    assert verdict(judged(machines=cut))[0] == "unknown"
    partly = seen((SCALE_SET,), "1 of 2 bodies could not be read")
    assert verdict(judged(machines=partly)) == ("unknown", "look-error")


def test_unknown_where_the_list_of_machines_may_lack_some() -> None:
    reads = Permission(("*/read",), ("Microsoft.Compute/virtualMachines/read",))
    part = Visibility(own_roles={SUBSCRIPTION: seen((reads,))})
    finding = judged(CARRIES, visibility=part)
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert "Microsoft.Compute/virtualMachines" in finding.summary
    assert verdict(judged(cluster=cluster(), visibility=part)) == ("pass", "kubelet-identity"), "there are none"
    assert verdict(judged(machine(), visibility=part))[0] == "fail", "what was seen stands"


def test_a_machine_without_it_fails_access() -> None:
    known = facts(cluster=AUTO, kubelet_resource=STANDS, machines=seen((SCALE_SET, machine())))
    row = build_report(known).registries[0]
    assert (word(row.access.verdict), row.access.cause) == ("fail", "identity-not-attached")


@pytest.mark.parametrize("identity", ["UserAssigned", 7, {"userAssignedIdentities": ["an id"]}])
def test_a_machine_whose_identities_are_not_understood_is_not_taken_to_lack_one(identity: Any) -> None:
    assert bodies.node_machines({"id": f"{NODES}/providers/x/aks-default-1", "identity": identity}) is None


@pytest.mark.parametrize(
    ("tags", "provisioned"),
    [
        ({"karpenter.azure.com_cluster": "aks-1", "karpenter.sh_nodepool": "default"}, True),
        ({"aks-managed-poolName": "system"}, False),
        ({"karpenter.azure.com_cluster": 1}, False),
        (None, False),
        ([], False),
    ],
)
def test_a_machine_is_told_by_karpenters_tag(tags: Any, provisioned: bool) -> None:
    read = bodies.node_machines({"id": f"{NODES}/providers/x/aks-default-1", "tags": tags})
    assert read is not None
    assert read.provisioned is provisioned


@pytest.mark.parametrize(
    ("profile", "auto"),
    [({"mode": "Auto"}, True), ({"mode": "Manual"}, False), ({}, False), (None, False), ("x", False)],
)
def test_a_cluster_says_whether_it_provisions_nodes(profile: Any, auto: bool) -> None:
    body = {"id": AUTO.id, "properties": {"nodeProvisioningProfile": profile}}
    read = bodies.cluster(body, Evidence("clusters", "ARM"))
    assert read is not None
    assert read.node_provisioning is auto
