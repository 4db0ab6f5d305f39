"""PW104: whether a registry takes the tokens that the nodes' credential provider asks for."""

from functools import partial

import pytest

from checks.catalog import judge_with, pw104_authentication_as_arm
from checks.findings import Finding
from checks.rules.azure.node_images import month_of
from tests.support.access_facts import (
    REFUSED,
    cluster,
    facts,
    look_failed,
    only,
    pool,
    registry,
    seen,
    service_principal_cluster,
    use,
    verdict,
)

judge = partial(judge_with, (pw104_authentication_as_arm,))

DISABLED = use(seen(registry(authentication_as_arm="disabled")))


def with_images(*versions: str | None) -> Finding:
    pools = tuple(pool(f"p{i}", node_image_version=version) for i, version in enumerate(versions))
    return only(judge(facts(cluster=cluster(pools=pools), uses=(DISABLED,))))


@pytest.mark.parametrize(
    ("version", "month"),
    [
        ("AKSUbuntu-2204gen2containerd-202503.10.0", (2025, 3)),
        ("AKSUbuntu-2204gen2arm64containerd-202507.02.0", (2025, 7)),
        ("AKSAzureLinux-V3gen2-202508.06.0", (2025, 8)),
        ("AKSUbuntu-1604-2020.10.28", (2020, 10)),
        ("AKSUbuntu:1604:2020.03.11", (2020, 3)),
        ("AKSWindows-2022-containerd-20348.1787.230614", (2023, 6)),
        ("AKSWindows-2019-17763.1554.201021", (2020, 10)),
        ("AKSUbuntu-2204gen2containerd-202513.10.0", None),
        ("AKSUbuntu-2204", None),
        ("", None),
        (None, None),
    ],
)
def test_the_month_of_a_node_image(version: str | None, month: tuple[int, int] | None) -> None:
    assert month_of(version) == month


@pytest.mark.parametrize("policy", ["enabled", "Enabled", None])
def test_pass_where_the_registry_takes_tokens_for_arm(policy: str | None) -> None:
    old = cluster(pools=(pool(node_image_version="AKSUbuntu-1604-2020.10.28"),))
    uses = (use(seen(registry(authentication_as_arm=policy))),)
    assert verdict(only(judge(facts(cluster=old, uses=uses)))) == ("pass", "arm-tokens-accepted")


def test_pass_where_every_node_is_new_enough() -> None:
    assert verdict(with_images("AKSUbuntu-2204gen2containerd-202505.02.0")) == ("pass", "node-images-current")


def test_fail_for_pools_with_old_images_which_are_named() -> None:
    finding = with_images("AKSUbuntu-2204gen2containerd-202503.10.0", "AKSUbuntu-2204gen2containerd-202610.06.0")
    assert verdict(finding) == ("fail", "arm-tokens-refused")
    assert "p0 (AKSUbuntu" in finding.summary
    assert "p1" not in finding.summary
    upgrade, accept = finding.fix
    assert upgrade.endswith("--name p0 --node-image-only")
    assert "authentication-as-arm update" in accept


@pytest.mark.parametrize("version", ["AKSUbuntu-2204gen2containerd-202504.02.0", "custom", None])
def test_unknown_where_the_image_does_not_tell(version: str | None) -> None:
    finding = with_images(version, "AKSUbuntu-2204gen2containerd-202610.06.0")
    assert verdict(finding) == ("unknown", "node-image-unclear")
    assert not look_failed(finding)


def test_unknown_for_a_service_principal_and_for_a_policy_nobody_documented() -> None:
    finding = only(judge(facts(cluster=service_principal_cluster(), uses=(DISABLED,))))
    assert verdict(finding) == ("unknown", "service-principal")
    odd = use(seen(registry(authentication_as_arm="unreadable (int)")))
    assert verdict(only(judge(facts(uses=(odd,))))) == ("unknown", "policy-unknown")


def test_nothing_there_without_nodes_or_without_a_registry() -> None:
    empty = cluster(pools=(pool(count=0), pool("b", power_state="Stopped")))
    assert verdict(only(judge(facts(cluster=empty, uses=(DISABLED,))))) == ("skipped", "no-nodes")
    assert verdict(only(judge(facts(uses=(use(REFUSED),))))) == ("skipped", "registry-not-seen")
    assert judge(facts(uses=())) == ()
