"""PW306: what images name as their registry, and where nodes cannot pull by that name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.catalog.pw306_registry_names import MAX_FINDINGS, judge
from checks.facts import ClusterFacts, ContainerImage
from checks.findings import Severity
from checks.rules.registry_names import find_oddity
from tests.support import access_facts as base
from tests.support.access_facts import REFUSED, only, verdict
from tests.support.image_facts import container, facts

LABELLED = "acrone-exfrbuffaye7ceag.azurecr.io"
KNOWN = {"acrone": ("acrone.azurecr.io",), "acrtwo": ("acrtwo-exfrbuffaye7ceag.azurecr.io",)}
OLD = "AKSUbuntu-2204gen2containerd-202607.28.0"
NEW = "AKSUbuntu-2204gen2containerd-202607.29.0"


def named(*images: str, pools: Any = None, **over: Any) -> ClusterFacts:
    used = [container(image, pod=f"pod-{n}", **over) for n, image in enumerate(images)]
    return facts(*used, cluster=base.cluster(pools=pools or (base.pool(),)), arm_registries=KNOWN)


def test_pass_where_every_name_is_right() -> None:
    cluster_facts = named(
        "acrone.azurecr.io/web:1", "acrtwo-exfrbuffaye7ceag.azurecr.io/web:1", "nginx", "acme/tool", "ghcr.io/a/b"
    )
    assert verdict(only(judge(cluster_facts))) == ("pass", "names-right")


def test_pass_for_a_regional_host_where_all_nodes_are_new() -> None:
    cluster_facts = named("acrone.westeurope.geo.azurecr.io/web:1", pools=(base.pool(node_image_version=NEW),))
    assert verdict(only(judge(cluster_facts))) == ("pass", "names-right")


FAILURES = [
    ("acrone.westeurope.data.azurecr.io/web:1", "data-endpoint", Severity.ERROR, "acrone.azurecr.io/web:1"),
    ("acrone.azurecr.io/Team/Web:1", "upper-case-repository", Severity.ERROR, "acrone.azurecr.io/team/web:1"),
    ("AcrOne.azurecr.io/web:1", "upper-case-host", Severity.WARNING, "acrone.azurecr.io/web:1"),
    ("acrtwo.azurecr.io/web:1", "other-login-server", Severity.WARNING, KNOWN["acrtwo"][0] + "/web:1"),
    ("acrtwo-otherhash.azurecr.io/web:1", "other-login-server", Severity.WARNING, KNOWN["acrtwo"][0] + "/web:1"),
    ("acrone/web:1", "host-left-out", Severity.WARNING, "acrone.azurecr.io/web:1"),
    ("acrtwo/team/web", "host-left-out", Severity.WARNING, KNOWN["acrtwo"][0] + "/team/web"),
]


@pytest.mark.parametrize(("image", "cause", "severity", "right"), FAILURES)
def test_fail_names_the_right_reference(image: str, cause: str, severity: Severity, right: str) -> None:
    finding = only(judge(named(image)))
    assert verdict(finding) == ("fail", cause)
    assert finding.severity is severity
    assert right in finding.summary
    assert finding.fix == (f"kubectl set image deployment/web main={right} --namespace default",)


def test_fail_of_an_image_volume_has_no_command_that_sets_the_image() -> None:
    finding = only(judge(named("acrone.azurecr.io/Team/Model:1", kind="volume", container="model")))
    assert verdict(finding) == ("fail", "upper-case-repository")
    assert finding.fix == ("kubectl describe pod --namespace default pod-0",)


def test_fail_is_an_error_where_every_pod_waits() -> None:
    finding = only(judge(named("acrtwo.azurecr.io/web:1", waiting_reason="ImagePullBackOff")))
    assert (verdict(finding), finding.severity) == (("fail", "other-login-server"), Severity.ERROR)


@pytest.mark.parametrize("version", [OLD, "AKSWindows-2022-containerd-20348.1787.260614"])
def test_fail_for_a_regional_host_where_a_pool_has_old_nodes(version: str) -> None:
    pools = (base.pool(node_image_version=NEW), base.pool("old", node_image_version=version))
    finding = only(judge(named("acrone.westeurope.geo.azurecr.io/web:1", pools=pools)))
    assert verdict(finding) == ("fail", "regional-host")
    assert "--name old --node-image-only" in finding.fix[0]


def test_a_regional_host_needs_no_new_nodes_where_pods_bring_secrets_or_a_pool_is_empty() -> None:
    image = "acrone.westeurope.geo.azurecr.io/web:1"
    secret = facts(container(image, "regcred"), cluster=base.cluster(pools=(base.pool(node_image_version=OLD),)))
    assert verdict(only(judge(secret))) == ("pass", "names-right")
    empty = (base.pool(node_image_version=NEW), base.pool("old", node_image_version=OLD, count=0))
    assert verdict(only(judge(named(image, pools=empty)))) == ("pass", "names-right")


def test_unknown_for_a_regional_host_where_the_node_image_is_not_told() -> None:
    pools = (base.pool(node_image_version=None),)
    finding = only(judge(named("acrone.westeurope.geo.azurecr.io/web:1", pools=pools)))
    assert verdict(finding) == ("unknown", "node-image-unclear")


def test_nothing_there_without_images() -> None:
    assert verdict(only(judge(facts()))) == ("skipped", "no-image")
    assert verdict(only(judge(facts(workloads=REFUSED)))) == ("skipped", "pods-not-read")


def test_many_odd_names_are_capped_and_counted() -> None:
    judged = judge(named(*(f"acrone/web:{n}" for n in range(MAX_FINDINGS + 5))))
    assert verdict(judged[-1]) == ("skipped", "capped")
    assert judged[-1].summary.startswith("5 more")


def test_a_workload_whose_image_cannot_be_set_is_described() -> None:
    pod = container("acrone/web:1", workload="default/Pod/web")
    finding = only(judge(facts(pod, arm_registries=KNOWN)))
    assert finding.fix == ("kubectl describe pod --namespace default web-1",)


@given(st.text(max_size=80), st.sampled_from([KNOWN, {}]))
def test_no_image_text_makes_it_raise(text: str, known: dict[str, tuple[str, ...]]) -> None:
    find_oddity(text, known)
    one: ContainerImage = container(text)
    judge(facts(one, arm_registries=known))
