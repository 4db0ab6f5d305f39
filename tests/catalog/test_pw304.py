"""PW304: every image in use has one way to permission, or the registry is named that nothing grants."""

from typing import Any

import pytest

from checks.catalog import judge as judge_all
from checks.catalog.pw304_images_without_credentials import judge
from checks.facts import ClusterFacts, NotSeen, NotSeenReason
from checks.findings import word
from checks.report.cluster_report import build_report
from tests.support import access_facts as base
from tests.support.access_facts import REFUSED, only, verdict
from tests.support.image_facts import ACR, NO_ROLE, REFUSED_ROLES, WEB, container, entry, facts, pulled, secret, use_of

HUB = "docker.io/acme/tool:1"
UNAUTHORIZED = 'failed to pull image "docker.io/acme/tool:1": unexpected status: 401 Unauthorized'


def anonymous(*containers: Any, **over: Any) -> ClusterFacts:
    open_registry = base.seen(base.registry(anonymous_pull=True))
    uses = (use_of(ACR, list(containers), open_registry),)
    return facts(*containers, **({"uses": uses, "authorization": NO_ROLE} | over))


def test_pass_by_a_secret_that_holds() -> None:
    cluster_facts = facts(container(WEB, "regcred"), authorization=NO_ROLE, pull_secrets=secret(entry()))
    assert verdict(only(judge(cluster_facts))) == ("pass", "pull-secret")


def test_pass_by_anonymous_pull() -> None:
    assert verdict(only(judge(anonymous(container())))) == ("pass", "anonymous-pull")
    assert verdict(only(judge(anonymous()))) == ("pass", "anonymous-pull")


def test_pass_by_anonymous_pull_where_roles_could_not_be_read() -> None:
    cluster_facts = anonymous(container(), authorization=REFUSED_ROLES)
    assert verdict(only(judge(cluster_facts))) == ("pass", "anonymous-pull")


def test_pass_for_a_registry_that_serves_everybody() -> None:
    assert verdict(only(judge(facts(container("mcr.microsoft.com/oss/tool:1"))))) == ("pass", "public-registry")


def test_pass_where_every_image_comes_by_a_way_of_its_own() -> None:
    pods = (container(WEB, "regcred"), container(f"{ACR}/open:1"))
    assert verdict(only(judge(anonymous(*pods, pull_secrets=secret(entry()))))) == ("pass", "several-ways")


def test_pass_where_a_node_just_pulled_what_could_not_be_read() -> None:
    cluster_facts = facts(container(HUB), events=[pulled(HUB)])
    assert verdict(only(judge(cluster_facts))) == ("pass", "pulled")


def test_fail_where_nothing_grants_the_images() -> None:
    finding = only(judge(facts(container(), authorization=NO_ROLE)))
    assert verdict(finding) == ("fail", "nothing-grants")
    assert "--role AcrPull" in finding.fix[0]


def test_fail_names_the_role_of_an_abac_registry() -> None:
    abac = base.seen(base.registry(role_assignment_mode="AbacRepositoryPermissions"))
    cluster_facts = facts(container(), uses=(use_of(ACR, [container()], abac),))
    finding = only(judge(cluster_facts))
    assert verdict(finding) == ("fail", "nothing-grants")
    assert "Container Registry Repository Reader" in finding.fix[0]


def test_fail_where_one_pod_of_two_brings_the_secret() -> None:
    pods = (container(WEB, "regcred"), container(f"{ACR}/team/api:1"))
    finding = only(judge(facts(*pods, authorization=NO_ROLE, pull_secrets=secret(entry()))))
    assert verdict(finding) == ("fail", "nothing-grants")
    assert "team/api" in finding.summary
    assert "team/web" not in finding.summary


def test_fail_where_a_refused_secret_keeps_anonymous_pull_from_being_tried() -> None:
    cluster_facts = anonymous(container(WEB, "regcred"), pull_secrets=secret(entry(accepted=False)))
    assert verdict(only(judge(cluster_facts))) == ("fail", "secret-refused")


def test_a_missing_secret_does_not_keep_anonymous_pull_from_being_tried() -> None:
    cluster_facts = anonymous(container(WEB, "regcred"), pull_secrets=secret(exists=False))
    assert verdict(only(judge(cluster_facts))) == ("pass", "anonymous-pull")


def test_fail_of_a_third_party_registry_that_refused_a_pod() -> None:
    waiting = container(HUB, waiting_reason="ErrImagePull", waiting_message=UNAUTHORIZED)
    finding = only(judge(facts(waiting)))
    assert verdict(finding) == ("fail", "pull-refused")
    assert finding.fix[0].startswith("kubectl create secret docker-registry")


def test_fail_by_a_secret_that_cannot_be_parsed_fails_the_row_although_the_role_is_held() -> None:
    cluster_facts = facts(container(WEB, "regcred"), pull_secrets=secret(problem="its auths are no JSON object"))
    row = next(row for row in build_report(cluster_facts).registries if row.registry == ACR)
    assert (word(row.access.verdict), row.access.cause) == ("fail", "secret-undecodable")
    assert row.access.decided_by == ("PW303", "PW304")


def test_unknown_where_the_secrets_are_not_read() -> None:
    finding = only(judge(facts(container(WEB, "regcred"), authorization=NO_ROLE)))
    assert verdict(finding) == ("unknown", "pull-secrets-not-read")
    assert getattr(finding.verdict, "missing", "") == "PULLWATCH_READ_PULL_SECRETS=true"


def test_unknown_where_the_registry_did_not_say_whether_it_accepts_the_secret() -> None:
    cluster_facts = facts(container(WEB, "regcred"), authorization=NO_ROLE, pull_secrets=secret(entry(accepted=None)))
    assert verdict(only(judge(cluster_facts))) == ("unknown", "secret-not-asked")


def test_nothing_there_without_images() -> None:
    assert judge(facts()) == ()
    assert verdict(only(judge(facts(uses=(use_of(ACR, []),))))) == ("skipped", "no-image")


def test_skipped_where_the_identity_grants_or_is_to_decide() -> None:
    assert verdict(only(judge(facts(container())))) == ("skipped", "identity-decides")
    assert verdict(only(judge(facts(container(), authorization=REFUSED_ROLES)))) == ("skipped", "identity-decides")
    assert verdict(only(judge(facts(container(), principal=REFUSED)))) == ("skipped", "identity-decides")


def test_skipped_for_a_third_party_registry_of_which_nothing_tells() -> None:
    assert verdict(only(judge(facts(container(HUB))))) == ("skipped", "third-party")


def access_of(cluster_facts: ClusterFacts) -> tuple[str, str, tuple[str, ...]]:
    row = next(row for row in build_report(cluster_facts).registries if row.registry == ACR)
    return word(row.access.verdict), row.access.cause, row.access.decided_by


def test_the_row_passes_by_a_valid_secret_without_a_role() -> None:
    cluster_facts = facts(container(WEB, "regcred"), authorization=NO_ROLE, pull_secrets=secret(entry()))
    assert access_of(cluster_facts) == ("pass", "pull-secret", ("PW303", "PW304"))


def test_the_row_fails_by_an_expired_secret_without_a_role() -> None:
    expired = secret(entry(expires="2026-01-01T00:00:00+00:00"))
    cluster_facts = facts(container(WEB, "regcred"), authorization=NO_ROLE, pull_secrets=expired)
    assert access_of(cluster_facts)[:2] == ("fail", "secret-expired")


def test_the_row_passes_by_the_role_whatever_the_secret_is() -> None:
    cluster_facts = facts(container(WEB, "regcred"), pull_secrets=secret(entry(accepted=False)))
    assert access_of(cluster_facts)[0] == "pass"


def test_a_secret_does_not_make_up_for_a_pod_that_has_none() -> None:
    pods = (container(WEB, "regcred"), container(f"{ACR}/team/api:1", pod="api-1"))
    cluster_facts = facts(*pods, authorization=NO_ROLE, pull_secrets=secret(entry()))
    assert access_of(cluster_facts)[0] == "fail"


def test_the_row_passes_by_role_and_secret_together() -> None:
    condition = (
        "((!(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/content/read'}) AND "
        "!(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/metadata/read'})) OR "
        "(@Request[Microsoft.ContainerRegistry/registries/repositories:name] StringEqualsIgnoreCase 'team/api'))"
    )
    abac = base.seen(base.registry(role_assignment_mode="AbacRepositoryPermissions"))
    pods = [container(WEB, "regcred"), container(f"{ACR}/team/api:1", pod="api-1")]
    cluster_facts = facts(
        *pods,
        uses=(use_of(ACR, pods, abac),),
        authorization={
            base.SUBSCRIPTION: base.authorization(base.held(base.READER, condition=condition, condition_version="2.0"))
        },
        pull_secrets=secret(entry()),
    )
    assert verdict(only(judge(cluster_facts))) == ("pass", "role-and-others")
    assert access_of(cluster_facts)[:2] == ("pass", "role-and-others")


@pytest.mark.parametrize("why", list(NotSeenReason))
def test_no_look_that_failed_ever_passes_or_fails(why: NotSeenReason) -> None:
    cluster_facts = facts(
        container(WEB, "regcred"), authorization=NO_ROLE, pull_secrets={"default/regcred": NotSeen(why, "refused")}
    )
    assert word(only(judge(cluster_facts)).verdict) == "unknown"
    assert all(f.code != "PW303" or word(f.verdict) in ("unknown", "skipped") for f in judge_all(cluster_facts))
