"""PW101: nodes that were made with an earlier kubelet identity and are refused: named, imaged anew, granted nothing."""

from typing import Any

import pytest

from checks.catalog.pw101_kubelet_identity import judge
from checks.facts import ClusterFacts, ContainerImage, IdentityResource, KubeletResource
from checks.facts.node_identity import FormerIdentityNode
from checks.findings import Finding, word
from checks.report.cluster_report import build_report
from checks.rules.pull.former_identity import wants_labels
from tests.support.access_facts import (
    CLIENT,
    IDENTITY_ID,
    ME,
    REFUSED,
    cluster,
    pool,
    seen,
    service_principal_cluster,
    verdict,
)
from tests.support.account_pulls import pulls
from tests.support.image_facts import ACR, WEB, container, facts

FORMER = "eeeeeeee-0000-4000-8000-00000000000c"
NODE = "aks-system-12345678-vmss000000"
UNAUTHORIZED = (
    f'failed to pull and unpack image "{WEB}": failed to authorize: failed to fetch oauth token: 401 Unauthorized'
)
STANDS = seen(KubeletResource(resource=IdentityResource(id=IDENTITY_ID, principal_id=ME)))


def stale(name: str = NODE, **over: Any) -> FormerIdentityNode:
    return FormerIdentityNode(name=name, client_id=FORMER, **over)


def refused(node: str = NODE, *secrets: str, text: str = UNAUTHORIZED, **over: Any) -> ContainerImage:
    return container(
        over.pop("image", WEB), *secrets, node=node, waiting_reason="ErrImagePull", waiting_message=text, **over
    )


STALE = stale()


def known(*pods: ContainerImage, nodes: Any = (STALE,), **over: Any) -> ClusterFacts:
    listed = nodes if nodes is REFUSED else seen(nodes)
    return facts(*(pods or (refused(),)), former_identity_nodes=listed, kubelet_resource=STANDS, **over)


def about_nodes(cluster_facts: ClusterFacts) -> list[Finding]:
    return [finding for finding in judge(cluster_facts) if finding.subject.registry is not None]


def test_a_refused_node_with_an_earlier_identity_is_named_and_imaged_anew() -> None:
    (finding,) = about_nodes(known())
    assert verdict(finding) == ("fail", "nodes-on-former-identity")
    assert NODE in finding.summary and FORMER in finding.summary and CLIENT in finding.summary
    assert any(line.endswith("--name system --node-image-only") for line in finding.fix)
    assert not any("role assignment" in line or "attach-acr" in line for line in finding.fix)


def test_it_is_what_has_to_be_repaired_first() -> None:
    row = build_report(known()).registries[0]
    assert (word(row.access.verdict), row.access.cause) == ("fail", "nodes-on-former-identity")
    assert (word(row.pull.verdict), row.pull.cause) == ("fail", "nodes-on-former-identity")
    assert not any("role assignment create" in line for line in row.pull.fix)


def test_only_the_registry_that_refuses_fails() -> None:
    other = container("acrtwo.azurecr.io/team/web:1")
    rows = {row.registry: row for row in build_report(known(refused(), other)).registries}
    assert rows[ACR].access.cause == "nodes-on-former-identity"
    assert rows["acrtwo.azurecr.io"].access.cause != "nodes-on-former-identity"


@pytest.mark.parametrize(
    "changed",
    [
        {"nodes": ()},
        {"nodes": (stale("aks-system-12345678-vmss000009"),)},
        {"cluster": cluster(provisioning_state="Upgrading")},
        {"image_pull": pulls()},
    ],
)
def test_nothing_is_said_of_nodes_that_have_the_identity_or_will_soon(changed: dict[str, Any]) -> None:
    assert about_nodes(known(**changed)) == []


def test_many_nodes_are_counted() -> None:
    names = [f"aks-system-12345678-vmss{n:06}" for n in range(40)]
    (finding,) = about_nodes(known(*(refused(name) for name in names), nodes=tuple(stale(name) for name in names)))
    assert "and 35 more" in finding.summary


def test_unknown_for_provisioned_nodes_whose_label_may_lag() -> None:
    name = "aks-default-2jf98"
    (finding,) = about_nodes(known(refused(name), nodes=(stale(name, provisioned=True),)))
    assert verdict(finding) == ("unknown", "nodes-on-former-identity")
    mixed = known(refused(), refused(name), nodes=(stale(), stale(name, provisioned=True)))
    (finding,) = about_nodes(mixed)
    assert verdict(finding)[0] == "fail"
    assert name not in finding.summary


def test_nodes_that_may_not_be_read_are_said_to_be() -> None:
    (finding,) = judge(known(nodes=REFUSED))
    assert verdict(finding) == ("pass", "kubelet-identity")
    assert "whether nodes still have an earlier identity" in finding.summary
    assert word(build_report(known(nodes=REFUSED)).registries[0].pull.verdict) == "fail", "the pulls fail all the same"


@pytest.mark.parametrize(
    ("pod", "asks"),
    [
        (refused(), True),
        (container(), False),
        (refused(NODE, "regcred"), False),
        (refused(text="dial tcp 20.1.1.1:443: i/o timeout"), False),
        (refused(image="docker.io/a/b:1", text="401 Unauthorized"), False),
        (refused("virtual-node-aci-linux"), False),
    ],
)
def test_nodes_are_asked_for_only_where_a_registry_refuses_one(pod: ContainerImage, asks: bool) -> None:
    workloads = facts(pod).workloads
    assert wants_labels(cluster(), workloads) is asks
    assert not wants_labels(service_principal_cluster(), workloads)
    assert not wants_labels(cluster(), REFUSED)


def test_without_a_pool_of_that_name_every_pool_is_imaged_anew() -> None:
    odd = refused("node-1")
    pools = cluster(pools=(pool(), pool("user")))
    (finding,) = about_nodes(known(odd, nodes=(stale("node-1"),), cluster=pools))
    assert sum("--node-image-only" in line for line in finding.fix) == 2
