"""PW101: the identity nodes pull with."""

from typing import Any

import pytest

from checks.catalog.pw101_kubelet_identity import judge
from checks.facts import (
    IdentityResource,
    KubeletIdentity,
    KubeletResource,
    NodeMachines,
    NotSeen,
    NotSeenReason,
    Principal,
)
from tests.support.access_facts import (
    GROUP,
    IDENTITY_ID,
    ME,
    NODES,
    REFUSED,
    cluster,
    facts,
    look_failed,
    only,
    pool,
    seen,
    service_principal_cluster,
    verdict,
)


def machines(name: str = "aks-system-12345678-vmss", *identities: str, tag: str | None = None) -> NodeMachines:
    resource = f"{NODES}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"
    return NodeMachines(id=resource, name=name, pool=tag, identities=identities)


def listed(resource: Any, **over: Any) -> Any:
    return seen(KubeletResource(resource=resource, **over))


CARRIED = machines("aks-system-12345678-vmss", IDENTITY_ID.lower())
OWN = IdentityResource(id=IDENTITY_ID, principal_id=ME.upper())


def test_pass_where_the_identity_is_there_and_its_machines_carry_it() -> None:
    finding = only(judge(facts(kubelet_resource=listed(OWN), machines=seen((CARRIED,)))))
    assert verdict(finding) == ("pass", "kubelet-identity")
    assert "Not verified" not in finding.summary


def test_pass_for_an_identity_of_another_subscription_which_is_named() -> None:
    other = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/ids/providers/x/y/kubelet"
    finding = only(judge(facts(cluster=cluster(kubelet=KubeletIdentity(other, None, ME)))))
    assert finding.summary.count("22222222-2222-4222-8222-222222222222") == 1
    assert verdict(finding) == ("pass", "kubelet-identity")


def test_pass_with_a_note_where_resource_and_machines_could_not_be_read() -> None:
    finding = only(judge(facts(kubelet_resource=REFUSED, machines=REFUSED)))
    assert verdict(finding) == ("pass", "kubelet-identity")
    assert "Not verified" in finding.summary
    assert "HTTP 403" in finding.summary


def test_pass_with_a_note_where_arm_shows_nothing_beside_an_absent_identity() -> None:
    finding = only(judge(facts(kubelet_resource=listed(None), machines=seen(()))))
    assert verdict(finding) == ("pass", "kubelet-identity")
    assert "Not verified" in finding.summary


def test_pass_for_a_service_principal_that_graph_knows() -> None:
    finding = only(judge(facts(cluster=service_principal_cluster())))
    assert verdict(finding) == ("pass", "service-principal")


@pytest.mark.parametrize(
    ("resource_id", "over"),
    [
        (IDENTITY_ID, {"siblings": 1, "others": 1}),
        (IDENTITY_ID, {"machines": True}),
        (f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine", {"others": 1}),
    ],
)
def test_fail_for_an_identity_that_was_deleted_where_its_neighbours_are_seen(
    resource_id: str, over: dict[str, Any]
) -> None:
    result = seen((CARRIED,)) if over.pop("machines", False) else seen(())
    changed = cluster(kubelet=KubeletIdentity(resource_id, None, ME), user_assigned=True)
    finding = only(judge(facts(cluster=changed, kubelet_resource=listed(None, **over), machines=result)))
    assert verdict(finding) == ("fail", "identity-deleted")
    commands = "\n".join(finding.fix)
    made_by_aks = "/resourceGroups/MC_" in resource_id
    assert ("az identity create " in commands) is not made_by_aks
    assert (f"--assign-kubelet-identity {resource_id} --yes" in commands) is not made_by_aks
    assert "--enable-managed-identity" not in commands, "alone, it takes the control plane its identity"
    steps = ("OBJECT_ID=$(az aks show ", '--assignee-object-id "$OBJECT_ID"')
    assert [commands.count(step) for step in steps] == [1, 1], "the new principal has no role yet"
    assert ("--node-image-only" in commands) is made_by_aks, "assigning an identity upgrades every node pool itself"


def test_the_identity_of_a_system_assigned_cluster_is_made_anew_by_a_reconcile() -> None:
    finding = only(judge(facts(kubelet_resource=listed(None, others=1, siblings=1), machines=seen(()))))
    commands = [line for line in finding.fix if not line.startswith("#")]
    assert commands[0].startswith("az aks update ")
    assert commands[0].endswith("--name aks-1"), "no option: that is what reconciles"
    assert [line.split(" ")[0] for line in commands[1:3]] == ["OBJECT_ID=$(az", "az"]
    assert "--role AcrPull --scope" in commands[2]
    assert commands[3].endswith("--name system --node-image-only")
    assert "--yes does not answer it" in finding.fix[0]


def test_fail_for_an_identity_that_was_made_anew_under_its_name() -> None:
    anew = IdentityResource(id=IDENTITY_ID, principal_id="bbbbbbbb-0000-4000-8000-000000000009")
    finding = only(judge(facts(kubelet_resource=listed(anew), machines=seen((CARRIED,)))))
    assert verdict(finding) == ("fail", "identity-replaced")


@pytest.mark.parametrize(
    "machines",
    [
        machines("aks-system-12345678-vmss"),
        machines("akssystem", "/some/other/identity"),
        machines("anything", tag="System"),
    ],
)
def test_fail_where_the_machines_of_a_running_pool_lack_the_identity(machines: NodeMachines) -> None:
    finding = only(judge(facts(kubelet_resource=listed(OWN), machines=seen((machines,)))))
    assert verdict(finding) == ("fail", "identity-not-attached")
    assert any(line.endswith("--name system --node-image-only") for line in finding.fix)


@pytest.mark.parametrize(
    "over",
    [
        {"pools": (pool(count=0),)},
        {"pools": (pool(power_state="Stopped"),)},
        {"pools": (pool("sys"),)},
        {"power_state": "Stopped"},
        {"provisioning_state": "Upgrading"},
    ],
)
def test_pass_where_the_machines_that_lack_it_are_of_no_running_pool(over: dict[str, Any]) -> None:
    without = machines("aks-system-12345678-vmss")
    finding = only(judge(facts(cluster=cluster(**over), machines=seen((without,)))))
    assert verdict(finding) == ("pass", "kubelet-identity")


def test_fail_for_a_service_principal_that_does_not_exist() -> None:
    gap = NotSeen(NotSeenReason.NOT_FOUND, "no service principal")
    finding = only(judge(facts(cluster=service_principal_cluster(), principal=gap)))
    assert verdict(finding) == ("fail", "service-principal-absent")


def test_unknown_where_graph_refuses() -> None:
    finding = only(judge(facts(cluster=service_principal_cluster(), principal=REFUSED)))
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert look_failed(finding)


@pytest.mark.parametrize("state", ["Creating", "Upgrading", None])
def test_unknown_while_the_cluster_is_not_settled(state: str | None) -> None:
    creating = cluster(provisioning_state=state, kubelet=None)
    finding = only(judge(facts(cluster=creating, principal=NotSeen(NotSeenReason.ERROR, "none"))))
    assert verdict(finding) == ("unknown", "identity-not-yet-known")
    assert not look_failed(finding)


def test_unknown_where_a_settled_cluster_shows_no_identity_or_no_object_id() -> None:
    gap = NotSeen(NotSeenReason.ERROR, "none")
    assert verdict(only(judge(facts(cluster=cluster(kubelet=None), principal=gap))))[1] == "identity-absent"
    bare = cluster(kubelet=KubeletIdentity(IDENTITY_ID, None, None))
    assert verdict(only(judge(facts(cluster=bare, principal=Principal)))) == ("unknown", "object-id-absent")


def test_nothing_there_while_the_cluster_is_being_deleted() -> None:
    assert verdict(only(judge(facts(cluster=cluster(provisioning_state="Deleting"))))) == (
        "skipped",
        "cluster-deleting",
    )
