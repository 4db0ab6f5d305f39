"""PW501: the registry that a network-isolated cluster bootstraps its nodes from."""

from typing import Any

import pytest

from checks.catalog.pw501_bootstrap_registry import judge
from checks.facts import ClusterFacts, DenyAssignment, Permission, RegistryPerformance
from checks.facts.outbound import ClusterOutbound, EndpointConnection, NetworkAccess
from checks.facts.registry_details import CacheRule
from checks.findings import Severity
from checks.rules.access import rbac
from tests.support.access_facts import (
    ACR_PULL,
    READER,
    REFUSED,
    REGISTRY_ID,
    SUBSCRIPTION,
    authorization,
    cluster,
    facts,
    held,
    only,
    registry,
    seen,
    use,
    verdict,
)

RULE = CacheRule(name="aks-managed-mcr", source="mcr.microsoft.com/*", target="aks-managed-repository/*")


def endpoint(status: str) -> NetworkAccess:
    return NetworkAccess(connections=(EndpointConnection(name="one", status=status),))


def out(kind: str) -> ClusterOutbound:
    return ClusterOutbound(outbound_type=kind)


def performance(rules: Any) -> dict[str, RegistryPerformance]:
    registry_performance = RegistryPerformance(
        replications=REFUSED, usages=REFUSED, cache_rules=rules, credential_sets=REFUSED
    )
    return {"acrone.azurecr.io": registry_performance}


def isolated(registry_over: dict[str, Any] | None = None, **over: Any) -> ClusterFacts:
    """A network-isolated cluster whose own registry has everything."""
    result = registry(**({"network_access": endpoint("Approved")} | (registry_over or {})))
    base: dict[str, Any] = {
        "cluster": cluster(outbound=out("none"), artifact_source="Cache", bootstrap_registry_id=REGISTRY_ID.upper()),
        "uses": (use(seen(result)),),
        "performance": performance(seen((RULE,))),
    }
    return facts(**(base | over))


def test_pass_where_everything_is_there() -> None:
    assert verdict(only(judge(isolated()))) == ("pass", "bootstrap-ready")


@pytest.mark.parametrize(
    ("over", "cause"),
    [
        ({"sku": "Standard"}, "not-premium"),
        ({"network_access": endpoint("Pending")}, "no-private-endpoint"),
        ({"network_access": NetworkAccess()}, "no-private-endpoint"),
        ({"authentication_as_arm": "disabled"}, "arm-tokens-refused"),
        ({"anonymous_pull": True}, "anonymous-pull"),
    ],
)
def test_fail_for_a_setting_of_the_registry(over: dict[str, Any], cause: str) -> None:
    finding = only(judge(isolated(over)))
    assert verdict(finding) == ("fail", cause)
    assert (finding.severity is Severity.WARNING) is (cause == "anonymous-pull")


@pytest.mark.parametrize("rules", [(), (CacheRule(name="x", source="docker.io/*", target="aks-managed-repository/*"),)])
def test_fail_without_the_cache_rule(rules: tuple[CacheRule, ...]) -> None:
    finding = only(judge(isolated(performance=performance(seen(rules)))))
    assert verdict(finding) == ("fail", "cache-rule-missing")
    assert "--source-repo 'mcr.microsoft.com/*' --target-repo 'aks-managed-repository/*'" in finding.fix[0]


def test_fail_without_the_role_or_under_a_deny_assignment() -> None:
    missing = only(judge(isolated(authorization={SUBSCRIPTION: authorization()})))
    assert verdict(missing) == ("fail", "role-missing")
    deny = DenyAssignment(
        id="/x/d", name="lock", scope="/", permissions=(Permission(("*",)),), principals=(rbac.EVERYONE,)
    )
    denied = {SUBSCRIPTION: authorization(held(ACR_PULL), denies=seen((deny,)))}
    assert verdict(only(judge(isolated(authorization=denied)))) == ("fail", "denied")


def test_fail_for_each_thing_that_is_amiss() -> None:
    assert len(judge(isolated({"sku": "Basic", "network_access": NetworkAccess()}))) == 2


def test_unknown_where_the_registry_its_rules_or_the_role_could_not_be_read() -> None:
    assert verdict(only(judge(isolated(uses=())))) == ("unknown", "registry-not-seen")
    assert verdict(only(judge(isolated(performance={})))) == ("unknown", "cache-rules-not-seen")
    assert verdict(only(judge(isolated(performance=performance(REFUSED))))) == ("unknown", "cache-rules-not-seen")
    assert verdict(only(judge(isolated(principal=REFUSED)))) == ("unknown", "role-not-settled")
    narrowed = held(READER, condition="@Environment[UtcNow] DateTimeGreaterThan '2026-01-01T00:00:00.0Z'")
    abac = isolated({"role_assignment_mode": rbac.ABAC_MODE}, authorization={SUBSCRIPTION: authorization(narrowed)})
    assert verdict(only(judge(abac))) == ("unknown", "role-not-settled")


@pytest.mark.parametrize(
    ("over", "cause"),
    [
        ({}, "not-isolated"),
        ({"outbound": out("none"), "artifact_source": "Direct"}, "not-isolated"),
        ({"outbound": out("loadBalancer"), "artifact_source": "Cache"}, "not-isolated"),
        ({"outbound": out("block"), "artifact_source": "Cache"}, "managed-by-aks"),
    ],
)
def test_nothing_there_for_clusters_that_bring_no_registry_to_bootstrap_from(over: dict[str, Any], cause: str) -> None:
    assert verdict(only(judge(facts(cluster=cluster(**over))))) == ("skipped", cause)
