"""PW302: images in use exist, and for the platforms of the pools their pods are on."""

from typing import Any

import pytest

from checks.catalog.pw302_images_exist import MAX_PER_REGISTRY, judge
from checks.facts import ClusterFacts, ContainerImage, NotSeen, NotSeenReason
from checks.facts.pulls import Manifest
from checks.findings import Severity, word
from checks.report.cluster_report import build_report
from checks.rules import images
from tests.support import access_facts as base
from tests.support.access_facts import REFUSED, only, verdict
from tests.support.image_facts import ACR, WEB, container, facts, use_of

DIGEST = "sha256:" + "a" * 64
INTEL = base.pool(os_type="Linux", vm_size="Standard_D4s_v5")
ARM = base.pool("arm", os_type="Linux", vm_size="Standard_D4ps_v5")
WINDOWS = base.pool("win", os_type="Windows", vm_size="Standard_D4s_v5")


def there(*platforms: str, **over: Any) -> Manifest:
    return Manifest(present=True, digest=DIGEST, platforms=platforms, **over)


def looked(manifest: Any, *containers: ContainerImage, pools: Any = (INTEL,), **over: Any) -> ClusterFacts:
    used = containers or (container(),)
    keys = {images.canonical(parsed) for one in used if (parsed := images.parse(one.image))}
    seen = manifest if isinstance(manifest, NotSeen) else base.seen(manifest)
    return facts(*used, cluster=base.cluster(pools=pools), manifests=dict.fromkeys(keys, seen), **over)


def test_pass_where_the_image_is_there() -> None:
    assert verdict(only(judge(looked(there("linux/amd64", "linux/arm64"))))) == ("pass", "images-exist")
    assert verdict(only(judge(looked(there())))) == ("pass", "images-exist")


ABSENT = Manifest(present=False, code="MANIFEST_UNKNOWN")
FAILURES: list[tuple[Manifest, str, str]] = [
    (ABSENT, WEB, "tag-absent"),
    (ABSENT, f"{ACR}/team/web@{DIGEST}", "digest-absent"),
    (ABSENT, f"{ACR}/team/web:1@{DIGEST}", "digest-absent"),
    (Manifest(present=False, code=""), WEB, "tag-absent"),
    (Manifest(present=False, code="NAME_UNKNOWN"), WEB, "repository-absent"),
    (there(quarantine="Quarantined"), WEB, "quarantined"),
    (there(read_enabled=False), WEB, "read-disabled"),
    (there("linux/arm64"), WEB, "platform-missing"),
]


@pytest.mark.parametrize(("manifest", "image", "cause"), FAILURES)
def test_fail_for_an_image_that_cannot_be_pulled_anew(manifest: Manifest, image: str, cause: str) -> None:
    finding = only(judge(looked(manifest, container(image))))
    assert verdict(finding) == ("fail", cause)
    assert finding.severity is Severity.ERROR
    assert finding.fix[0].startswith("az acr ")


def test_fail_does_not_fail_the_registry_but_is_counted_beside_it() -> None:
    cluster_facts = looked(ABSENT)
    row = next(row for row in build_report(cluster_facts).registries if row.registry == ACR)
    assert word(row.access.verdict) == "pass"
    assert row.image_troubles == 1


SOURCES: list[tuple[ContainerImage, Any, str]] = [
    (container(node="aks-arm-12345678-vmss000001"), (INTEL, ARM), "fail"),
    (container(node="aks-system-12345678-vmss000001"), (INTEL, ARM), "pass"),
    (container(node="akswin000001"), (INTEL, WINDOWS), "fail"),
    (container(node="node-1"), (INTEL, ARM), "pass"),
    (container(node=None), (INTEL, ARM), "pass"),
    (container(node=None), (ARM,), "fail"),
    (container(node="node-1", waiting_reason="ErrImagePull"), (ARM,), "fail"),
    (container(node=None), (base.pool("arm", os_type="Linux", vm_size=None, node_image_version=None),), "pass"),
    (container(node=None), (base.changed(ARM, count=0), INTEL), "pass"),
    (container(node=None), (), "pass"),
]


@pytest.mark.parametrize(("one", "pools", "word_"), SOURCES)
def test_fail_by_platform_only_where_the_pods_are_or_must_come(one: ContainerImage, pools: Any, word_: str) -> None:
    assert word(only(judge(looked(there("linux/amd64"), one, pools=pools))).verdict) == word_


@pytest.mark.parametrize(
    "why", [NotSeenReason.NOT_ALLOWED, NotSeenReason.UNREACHABLE, NotSeenReason.THROTTLED, NotSeenReason.ERROR]
)
def test_unknown_where_the_registry_denies_or_is_out_of_reach(why: NotSeenReason) -> None:
    finding = only(judge(looked(NotSeen(why, "HTTP 401", "AcrPull"))))
    assert verdict(finding) == ("unknown", f"look-{why.value}")
    assert getattr(finding.verdict, "missing", "") == "AcrPull"
    assert not base.look_failed(finding)


def test_nothing_there_without_images_of_an_azure_registry() -> None:
    assert judge(facts(container("docker.io/library/nginx:1"))) == ()
    assert verdict(only(judge(facts(uses=(use_of(ACR, []),))))) == ("skipped", "no-image")


def test_skipped_where_it_is_off_or_the_pods_were_not_read() -> None:
    assert verdict(only(judge(facts(container())))) == ("skipped", "images-not-checked")
    assert verdict(only(judge(facts(workloads=REFUSED)))) == ("skipped", "pods-not-read")
    off = NotSeen(NotSeenReason.OFF, "connections from here go through a proxy")
    assert verdict(only(judge(looked(off)))) == ("skipped", "images-not-asked")


def test_unknown_beyond_the_bound_of_images_that_are_asked_for() -> None:
    capped = NotSeen(NotSeenReason.LIMIT, "only 100 images of a cluster are asked for")
    assert verdict(only(judge(looked(capped)))) == ("unknown", "look-limit")


def test_many_absent_images_are_capped_and_counted() -> None:
    many = [container(f"{ACR}/team/web:{n}", pod=f"web-{n}") for n in range(MAX_PER_REGISTRY + 12)]
    judged = judge(looked(ABSENT, *many))
    assert len(judged) == MAX_PER_REGISTRY + 1
    assert judged[-1].summary.startswith("12 more images")
