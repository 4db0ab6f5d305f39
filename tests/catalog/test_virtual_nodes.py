"""Pods on virtual nodes: Azure Container Instances pulls for them, so they stand for no node, and no node for them."""

from typing import Any

import msgspec
import pytest

from checks.catalog import judge_with, pw102_pull_permission
from checks.catalog.pw301_pull_failures import judge as judge_pods
from checks.catalog.pw304_images_without_credentials import judge as judge_images
from checks.collect.kubernetes.objects import Pod, containers
from checks.collect.kubernetes.texts import Texts
from checks.facts import ClusterFacts, ContainerImage
from checks.findings import RegistryRow, word
from checks.report.cluster_report import build_report
from tests.support import access_facts
from tests.support.access_facts import only, registry, seen, verdict
from tests.support.image_facts import ACR, NO_ROLE, WEB, container, entry, event, facts, pulled, secret, use_of

NODE = "virtual-node-aci-linux"
ANSWER = "api call to https://management.azure.com/x: got HTTP response status code"
INACCESSIBLE = (
    f"{ANSWER} 400 error code \"InaccessibleImage\": The image '{WEB}' in container group 'prod-burst' is not "
    "accessible. Please check the image and registry credential."
)
REGISTRY_ERROR = (
    f'{ANSWER} 409 error code "RegistryErrorResponse": An error response is received from the docker registry '
    f"'{ACR}'. Please retry later."
)
QUOTA = f'{ANSWER} 409 error code "ContainerGroupQuotaReached": Resource type standardCores is exhausted.'


def decoded(text: str = INACCESSIBLE, *images: str, **over: Any) -> list[ContainerImage]:
    """The containers of a pod whose virtual node failed with this text."""
    spec = {"nodeName": NODE, "containers": [{"name": f"c{n}", "image": i} for n, i in enumerate(images or (WEB,))]}
    status = {"phase": "Pending", "reason": "ProviderFailed", "message": text, "containerStatuses": []}
    body = {
        "metadata": {"name": "burst-1", "namespace": "prod"},
        "spec": spec | over.get("spec", {}),
        "status": status | over.get("status", {}),
    }
    return containers(msgspec.convert(body, Pod), Texts())


def virtual(*secrets: str, **over: Any) -> ContainerImage:
    given: dict[str, Any] = {"pod": "burst-1", "workload": "default/Pod/burst-1", "node": NODE}
    return container(over.pop("image", WEB), *secrets, **(given | over))


def failing(text: str = INACCESSIBLE, *secrets: str, **over: Any) -> ContainerImage:
    return virtual(*secrets, virtual="aci", waiting_reason="ProviderFailed", waiting_message=text, **over)


def row(known: ClusterFacts) -> RegistryRow:
    return build_report(known).registries[0]


def words(known: ClusterFacts) -> tuple[str, str]:
    found = row(known)
    return word(found.access.verdict), word(found.pull.verdict)


def closed(*pods: ContainerImage, **over: Any) -> ClusterFacts:
    access = access_facts.registry().network_access
    shut = registry(network_access=msgspec.structs.replace(access, public_network_access="Disabled"))
    return facts(*pods, uses=(use_of(ACR, list(pods), seen(shut)),), **over)


def test_a_failure_is_read_from_the_pods_own_status() -> None:
    (one,) = decoded()
    assert (one.waiting_reason, one.virtual) == ("ProviderFailed", "aci")
    assert one.waiting_message == INACCESSIBLE
    assert decoded(REGISTRY_ERROR)[0].waiting_reason == "ProviderFailed"


def test_a_failure_about_something_else_is_no_pull() -> None:
    (one,) = decoded(QUOTA)
    assert (one.waiting_reason, one.virtual) == (None, "aci")
    assert decoded("")[0].waiting_reason is None


def test_a_pod_that_ended_waits_for_nothing() -> None:
    assert decoded(status={"phase": "Failed"})[0].waiting_reason is None


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        (INACCESSIBLE, {WEB}),
        (REGISTRY_ERROR, {WEB, f"{ACR}/team/web:10"}),
        (f"{ANSWER} InaccessibleImage", set()),
        (f"InaccessibleImage: {WEB}0 is not", {f"{WEB}0"}),
        (f"RegistryErrorResponse: not{ACR} answered", set()),
    ],
)
def test_of_several_images_those_wait_that_the_text_names(text: str, waits: set[str]) -> None:
    pod = decoded(text, WEB, f"{ACR}/team/web:10", "mcr.microsoft.com/tool:1")
    assert {one.image for one in pod if one.waiting_reason} == waits


@pytest.mark.parametrize(
    ("selector", "kind"),
    [
        ({"type": "virtual-kubelet"}, "aci"),
        ({"virtualization": "virtualnode2"}, "v2"),
        ({"type": "gpu"}, None),
    ],
)
def test_a_selector_shows_which_kind_of_virtual_node(selector: dict[str, str], kind: str | None) -> None:
    (one,) = decoded(spec={"nodeName": "node", "nodeSelector": selector}, status={"reason": None})
    assert one.virtual == kind


def test_without_a_pull_secret_no_role_helps() -> None:
    finding = only(judge_images(facts(virtual())))
    assert verdict(finding) == ("fail", "nothing-grants")
    assert finding.fix[0].startswith("kubectl create secret docker-registry")
    assert verdict(only(judge_with((pw102_pull_permission,), facts(virtual())))) == ("skipped", "virtual-nodes")
    assert words(facts(virtual())) == ("fail", "fail")


def test_a_pull_secret_that_holds_or_anonymous_pull_is_enough() -> None:
    assert words(facts(virtual("regcred"), pull_secrets=secret(entry()))) == ("pass", "unknown")
    everybody = use_of(ACR, [virtual()], seen(registry(anonymous_pull=True)))
    assert verdict(only(judge_images(facts(virtual(), uses=(everybody,))))) == ("pass", "anonymous-pull")


def test_the_kubelet_identitys_role_does_not_cover_them() -> None:
    """Beside pods on nodes, which may pull, those on virtual nodes still decide."""
    assert words(facts(container())) == ("pass", "unknown")
    assert words(facts(container(), virtual())) == ("fail", "fail")
    unread = row(facts(container(), virtual("regcred")))
    assert (word(unread.access.verdict), unread.access.cause) == ("unknown", "virtual-node-secrets")


def test_a_nodes_pull_proves_nothing_of_unread_secrets_there() -> None:
    found = row(facts(container(), virtual("regcred"), events=[pulled()]))
    assert word(found.pull.verdict) == "unknown"
    assert any("says nothing of pods" in sentence for sentence in found.disagreements)


def test_a_pull_on_a_virtual_node_proves_nothing_of_the_nodes() -> None:
    pods = (container(), virtual("regcred"))
    known = facts(*pods, events=[pulled(pod="burst-1")], authorization=NO_ROLE, pull_secrets=secret(entry()))
    assert words(known) == ("fail", "fail")
    by_node = facts(*pods, events=[pulled(pod="gone", node=NODE)], authorization=NO_ROLE, pull_secrets=secret(entry()))
    assert "pulled" not in row(by_node).pull.summary


def test_a_closed_registry_may_be_out_of_their_reach() -> None:
    holds = secret(entry())
    found = row(closed(virtual("regcred"), pull_secrets=holds))
    assert (word(found.access.verdict), found.access.cause) == ("unknown", "virtual-node-network")
    both = row(closed(container(), virtual("regcred"), pull_secrets=holds, events=[pulled()]))
    assert (word(both.pull.verdict), both.pull.cause) == ("unknown", "virtual-node-network")
    assert words(closed(container(), pull_secrets=holds))[0] == "pass", "nodes may get there another way"


def test_unknown_for_the_second_generation() -> None:
    found = row(facts(virtual(virtual="v2", node="vn2-0")))
    assert (word(found.access.verdict), found.access.cause) == ("unknown", "identity-not-known")
    assert "identity of their own" in found.access.summary
    assert words(facts(container(), virtual(virtual="v2", node="vn2-0")))[0] == "unknown"


def test_a_failure_is_a_group_of_its_own_with_its_own_remedy() -> None:
    kubelets = container(waiting_reason="ErrImagePull", waiting_message=f'failed to pull "{WEB}": 401 Unauthorized')
    same = failing(workload=kubelets.workload)
    findings = judge_pods(facts(kubelets, same))
    assert [f.subject.pool for f in findings] == [None, "virtual-nodes"]
    theirs = findings[1]
    assert verdict(theirs) == ("fail", "credentials_missing")
    assert "Azure Container Instances pulls" in theirs.summary
    assert "kubectl create secret docker-registry" in theirs.fix[1]
    assert not any("az role assignment" in line for line in theirs.fix)


@pytest.mark.parametrize(
    ("pod", "cause"),
    [
        (failing(), "credentials_missing"),
        (failing(INACCESSIBLE, "regcred"), "unauthorized"),
        (failing(INACCESSIBLE.replace(WEB, "docker.io/a/b:1"), image="docker.io/a/b:1"), "unknown"),
        (failing(REGISTRY_ERROR), "registry_error"),
    ],
)
def test_the_providers_text_says_the_cause_as_far_as_it_goes(pod: ContainerImage, cause: str) -> None:
    assert only(judge_pods(facts(pod))).cause == cause


def test_azure_shows_what_the_providers_text_leaves_open() -> None:
    finding = only(judge_pods(closed(failing(REGISTRY_ERROR))))
    assert verdict(finding) == ("fail", "firewall_denied")
    assert "run the pod on a node pool" in finding.fix[0]
    everybody = use_of(ACR, [failing()], seen(registry(anonymous_pull=True)))
    assert only(judge_pods(facts(failing(), uses=(everybody,)))).cause == "unknown"


def test_their_failure_fails_the_row_and_contradicts_nothing() -> None:
    found = row(closed(failing(REGISTRY_ERROR, "regcred"), pull_secrets=secret(entry())))
    assert (word(found.pull.verdict), found.pull.cause) == ("fail", "firewall_denied")
    assert found.disagreements == ()


def test_what_nodes_report_leads() -> None:
    kubelets = container(waiting_reason="ErrImagePull", waiting_message="dial tcp 20.1.1.1:443: i/o timeout")
    found = row(facts(failing(), kubelets))
    assert found.pull.cause == "connect_timeout"


def test_events_of_the_provider_are_counted() -> None:
    known = facts(failing(), events=[event("ProviderCreateFailed", INACCESSIBLE, pod="burst-1", count=3)])
    assert any("reported 3 times" in one.what for one in only(judge_pods(known)).evidence)
