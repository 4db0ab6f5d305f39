"""PW105: whether the cluster's identity and the registry are of one tenant."""

from functools import partial

from checks.catalog import judge_with, pw105_cross_tenant
from tests.support.access_facts import (
    REFUSED,
    REGISTRY_ID,
    SUBSCRIPTION,
    TENANT,
    cluster,
    facts,
    only,
    registry,
    seen,
    service_principal_cluster,
    use,
    verdict,
)

judge = partial(judge_with, (pw105_cross_tenant,))

OTHER = "22222222-2222-4222-8222-222222222222"
THEIRS = "99999999-0000-4000-8000-000000000009"
ELSEWHERE = use(seen(registry(id=REGISTRY_ID.replace(SUBSCRIPTION, OTHER))))


def test_pass_in_one_subscription_whatever_else_is_told() -> None:
    assert verdict(only(judge(facts(tenants={})))) == ("pass", "same-tenant")


def test_pass_in_two_subscriptions_of_one_tenant() -> None:
    cluster_facts = facts(uses=(ELSEWHERE,), tenants={SUBSCRIPTION: TENANT, OTHER: TENANT.upper()})
    assert verdict(only(judge(cluster_facts))) == ("pass", "same-tenant")


def test_fail_where_a_managed_identity_would_have_to_cross() -> None:
    finding = only(judge(facts(uses=(ELSEWHERE,), tenants={SUBSCRIPTION: TENANT, OTHER: THEIRS})))
    assert verdict(finding) == ("fail", "tenants-differ")
    assert THEIRS in finding.summary
    assert TENANT in finding.summary


def test_unknown_for_a_service_principal_that_may_be_multi_tenant() -> None:
    cluster_facts = facts(
        cluster=service_principal_cluster(), uses=(ELSEWHERE,), tenants={SUBSCRIPTION: TENANT, OTHER: THEIRS}
    )
    assert verdict(only(judge(cluster_facts))) == ("unknown", "service-principal-crosses")


def test_nothing_there_to_compare_where_arm_tells_no_tenant() -> None:
    unsaid = facts(cluster=cluster(tenant_id=None), uses=(ELSEWHERE,), tenants={OTHER: THEIRS})
    assert verdict(only(judge(unsaid))) == ("skipped", "tenant-not-told")
    assert verdict(only(judge(facts(uses=(ELSEWHERE,), tenants={SUBSCRIPTION: TENANT})))) == (
        "skipped",
        "tenant-not-told",
    )
    assert verdict(only(judge(facts(uses=(use(REFUSED),))))) == ("skipped", "registry-not-seen")
    assert judge(facts(uses=())) == ()
