"""Where service accounts' identities pull, these are judged and no role of the kubelet identity helps or is missed."""

from functools import partial
from typing import Any

import pytest

from checks.catalog import judge_with, pw101_kubelet_identity, pw102_pull_permission, pw305_canary_pull
from checks.catalog.pw304_images_without_credentials import judge as judge_images
from checks.facts import ClusterFacts, KubeletResource, NotSeen, NotSeenReason
from checks.facts.canary import Canaries, Canary, CanaryQuestion, CanaryReport
from checks.facts.image_pull import ServiceAccountPulls
from checks.findings import Finding, Severity, word
from checks.report.cluster_report import build_report
from tests.support import access_facts
from tests.support.access_facts import (
    ACR_PULL,
    ME,
    REFUSED,
    SUBSCRIPTION,
    TENANT,
    authorization,
    cluster,
    held,
    look_failed,
    only,
    pool,
    registry,
    seen,
    verdict,
)
from tests.support.account_pulls import (
    BINDINGS,
    DEFAULT_ID,
    DEFAULT_OBJECT,
    TEAM_CLIENT,
    TEAM_OBJECT,
    account_facts,
    pulls,
)
from tests.support.image_facts import ACR, WEB, container, facts, pulled, use_of

judge_access = partial(judge_with, (pw102_pull_permission,))
TEAM = {"default/team": TEAM_CLIENT.upper()}
OF_TEAM = container(service_account="team")
NONE, REFUSAL = f"{ACR}/team/web:none", "401 Unauthorized"
NOT_OFFERED = NotSeen(NotSeenReason.NOT_APPLICABLE, "the api-version is not offered here")
WINDOWS = cluster(pools=(pool(), pool("win", os_type="Windows")))
ON_WINDOWS = container(node="akswin000001", pod="web-2", workload="default/Deployment/other")


def roles(*principals: str) -> dict[str, Any]:
    return {"authorization": {SUBSCRIPTION: authorization(*(held(ACR_PULL, principal_id=one) for one in principals))}}


def access(known: ClusterFacts) -> Finding:
    return only(judge_access(known))


def commands(known: ClusterFacts) -> str:
    report = build_report(known)
    of_rows = (line for row in report.registries for line in row.pull.fix)
    return "\n".join((*(line for finding in report.findings for line in finding.fix), *of_rows))


def test_the_default_identitys_role_decides_and_not_the_kubelet_identitys() -> None:
    granted = access(account_facts(**roles(DEFAULT_OBJECT)))
    assert verdict(granted) == ("pass", "role-held")
    assert DEFAULT_ID in granted.summary
    missing = access(account_facts(**roles(ME)))
    assert verdict(missing) == ("fail", "role-missing")
    assert f"--assignee-object-id {DEFAULT_OBJECT}" in missing.fix[0]


def test_no_command_grants_the_kubelet_identity_anything() -> None:
    nobody = account_facts(image_pull=pulls(default=None), **roles())
    for known in (account_facts(**roles(ME)), account_facts(**roles()), nobody):
        text = commands(known)
        assert "--attach-acr" not in text
        assert ME not in text
        assert text


def test_an_annotated_service_account_pulls_with_its_own_identity() -> None:
    team = pulls(client_ids=TEAM)
    assert verdict(access(account_facts(OF_TEAM, image_pull=team, **roles(TEAM_OBJECT)))) == ("pass", "role-held")
    lacking = access(account_facts(OF_TEAM, image_pull=team, **roles(DEFAULT_OBJECT)))
    assert verdict(lacking) == ("fail", "role-missing")
    assert TEAM_OBJECT in lacking.fix[0]


def test_all_identities_that_pull_have_to_hold_a_role() -> None:
    both = partial(account_facts, container(), OF_TEAM, image_pull=pulls(client_ids=TEAM))
    assert verdict(access(both(**roles(TEAM_OBJECT, DEFAULT_OBJECT)))) == ("pass", "role-held")
    one = access(both(**roles(TEAM_OBJECT)))
    assert verdict(one) == ("fail", "role-missing")
    assert DEFAULT_OBJECT in one.fix[0]
    neither = access(both(**roles()))
    assert {DEFAULT_OBJECT in line for line in neither.fix} == {True, False}, "each of them needs a role"


def test_pods_whose_account_names_no_identity_pull_with_none() -> None:
    nobody = pulls(default=None)
    finding = access(account_facts(image_pull=nobody, **roles(ME)))
    assert verdict(finding) == ("fail", "no-identity")
    assert "default/default" in finding.summary
    row = build_report(account_facts(image_pull=nobody, **roles(ME))).registries[0]
    assert (word(row.access.verdict), word(row.pull.verdict)) == ("fail", "fail")
    open_registry = use_of(ACR, [container()], seen(registry(anonymous_pull=True)))
    assert verdict(access(account_facts(image_pull=nobody, uses=(open_registry,)))) == ("skipped", "anonymous-pull")
    unclear = use_of(ACR, [container()], seen(registry(anonymous_pull=None)))
    assert verdict(access(account_facts(image_pull=nobody, uses=(unclear,)))) == ("unknown", "identity-not-known")


def test_a_pull_secret_is_an_alternative_to_no_identity() -> None:
    known = account_facts(container(WEB, "regcred"), image_pull=pulls(default=None))
    assert verdict(access(known)) == ("skipped", "pull-secrets")


@pytest.mark.parametrize("unread", [{"bindings": REFUSED}, {"client_ids": REFUSED}])
def test_unknown_where_bindings_or_service_accounts_may_not_be_read(unread: dict[str, Any]) -> None:
    finding = access(account_facts(image_pull=pulls(**unread), **roles(ME, DEFAULT_OBJECT)))
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert look_failed(finding)
    row = build_report(account_facts(image_pull=pulls(**unread), **roles(ME, DEFAULT_OBJECT))).registries[0]
    assert word(row.pull.verdict) == "unknown"


def test_unknown_for_an_identity_that_no_binding_shows() -> None:
    for bindings in ((), BINDINGS[1:]):
        finding = access(account_facts(image_pull=pulls(bindings=bindings), **roles(ME, DEFAULT_OBJECT)))
        assert verdict(finding) == ("unknown", "identity-not-known")
        assert DEFAULT_ID in finding.summary


def test_unknown_where_only_a_part_of_pods_or_accounts_was_read() -> None:
    partly = seen({}, "1 service account could not be read")
    assert verdict(access(account_facts(image_pull=pulls(client_ids=partly), **roles(DEFAULT_OBJECT))))[0] == "unknown"
    known = account_facts(**roles(DEFAULT_OBJECT))
    cut = access_facts.changed(known, workloads=access_facts.changed(known.workloads, partial="half"))
    assert verdict(access(cut)) == ("unknown", "identity-not-known")
    unread = access_facts.changed(known, workloads=REFUSED)
    assert verdict(access(unread)) == ("unknown", "look-not-allowed")


def test_a_static_pods_identity_is_not_known() -> None:
    static = container(workload="kube-system/Node/aks-system-12345678-vmss000000")
    assert verdict(access(account_facts(static, **roles(DEFAULT_OBJECT)))) == ("unknown", "identity-not-known")


def test_a_registry_without_pods_is_the_default_identitys() -> None:
    bare = use_of(ACR, [])
    assert verdict(access(account_facts(uses=(bare,), **roles(DEFAULT_OBJECT)))) == ("pass", "role-held")
    nobody = access(account_facts(uses=(bare,), image_pull=pulls(default=None), **roles(ME)))
    assert verdict(nobody) == ("unknown", "identity-not-known")


def test_nothing_changes_where_the_profile_is_off_or_not_offered() -> None:
    for image_pull in (None, pulls(enabled=False), ServiceAccountPulls(profile=NOT_OFFERED)):
        assert verdict(access(facts(container(), image_pull=image_pull, **roles(ME)))) == ("pass", "role-held")
        assert verdict(access(facts(container(), image_pull=image_pull, **roles()))) == ("fail", "role-missing")


def test_a_sign_of_it_counts_where_the_profile_is_not_offered() -> None:
    signed = ServiceAccountPulls(profile=NOT_OFFERED, client_ids=seen(TEAM))
    assert verdict(access(account_facts(OF_TEAM, image_pull=signed, **roles(ME)))) == ("unknown", "look-not-applicable")
    assert verdict(access(account_facts(container(), image_pull=signed, **roles(ME)))) == ("pass", "role-held")


def test_unknown_where_the_profile_could_not_be_read() -> None:
    for granted in ((ME,), ()):
        finding = access(account_facts(image_pull=ServiceAccountPulls(profile=REFUSED), **roles(*granted)))
        assert verdict(finding) == ("unknown", "look-not-allowed")


def test_windows_nodes_keep_the_kubelet_identity() -> None:
    pods = partial(account_facts, container(), ON_WINDOWS, cluster=WINDOWS)
    assert verdict(access(pods(**roles(ME, DEFAULT_OBJECT)))) == ("pass", "role-held")
    no_default = access(pods(**roles(ME)))
    assert DEFAULT_OBJECT in no_default.fix[0]
    no_kubelet = access(pods(**roles(DEFAULT_OBJECT)))
    assert verdict(no_kubelet) == ("fail", "role-missing")
    assert ME in no_kubelet.fix[0]


def test_mirrored_images_of_a_network_isolated_cluster_take_the_kubelet_identity() -> None:
    isolated = cluster(artifact_source="Cache", bootstrap_registry_id=access_facts.REGISTRY_ID.upper())
    alone = partial(account_facts, cluster=isolated, uses=(use_of(ACR, []),))
    assert verdict(access(alone(**roles(ME)))) == ("pass", "role-held")
    missing = access(alone(**roles(DEFAULT_OBJECT)))
    assert verdict(missing) == ("fail", "role-missing")
    assert ME in missing.fix[0]
    both = partial(account_facts, cluster=isolated)
    assert verdict(access(both(**roles(ME, DEFAULT_OBJECT)))) == ("pass", "role-held")
    for holder in (ME, DEFAULT_OBJECT):
        assert verdict(access(both(**roles(holder)))) == ("fail", "role-missing")


def test_another_tenants_registry_takes_no_identity_of_a_service_account() -> None:
    other = "22222222-2222-4222-8222-222222222222"
    theirs = seen(registry(id=access_facts.REGISTRY_ID.replace(SUBSCRIPTION, other)))
    known = account_facts(
        uses=(use_of(ACR, [container()], theirs),),
        tenants={SUBSCRIPTION: TENANT, other: "99999999-0000-4000-8000-000000000001"},
        authorization={SUBSCRIPTION: authorization(), other: authorization()},
    )
    assert verdict(access(known)) == ("skipped", "tenant-first")


def test_a_mirror_is_asked_with_no_identity() -> None:
    mirror = access_facts.use(seen(registry()), sources=("mirror of ghcr.io in pull errors",))
    assert verdict(access(account_facts(uses=(mirror,)))) == ("skipped", "mirror-only")


def test_roles_that_were_not_read_are_unknown() -> None:
    assert verdict(access(account_facts(authorization={}))) == ("unknown", "assignments-not-read")


def test_groups_are_those_of_the_identity_that_pulls() -> None:
    through = seen((held(ACR_PULL, principal_id="group"),))
    known = account_facts(through_groups={SUBSCRIPTION: through}, **roles())
    assert verdict(access(known)) == ("fail", "role-missing"), "the kubelet identity's groups"
    own = account_facts(through_groups={f"{SUBSCRIPTION}|{DEFAULT_OBJECT}": through}, **roles())
    assert verdict(access(own)) == ("pass", "role-through-group")


def test_images_are_judged_by_who_pulls_them() -> None:
    assert verdict(only(judge_images(account_facts(**roles(ME))))) == ("fail", "nothing-grants")
    assert verdict(only(judge_images(account_facts(**roles(DEFAULT_OBJECT))))) == ("skipped", "identity-decides")
    nobody = only(judge_images(account_facts(image_pull=pulls(default=None), **roles(ME))))
    assert verdict(nobody) == ("fail", "nothing-grants")
    assert "kubectl annotate serviceaccount" in "\n".join(nobody.fix)
    open_ = account_facts(image_pull=pulls(bindings=REFUSED), **roles())
    assert verdict(only(judge_images(open_))) == ("skipped", "identity-decides")


def kubelet(known: ClusterFacts) -> Finding:
    return only(judge_with((pw101_kubelet_identity,), known))


GONE = {"kubelet_resource": seen(KubeletResource(resource=None, siblings=1)), "machines": seen(())}


def test_a_deleted_kubelet_identity_fails_no_pull_of_theirs() -> None:
    finding = kubelet(account_facts(**GONE))
    assert verdict(finding) == ("fail", "identity-deleted")
    assert finding.severity is Severity.WARNING
    row = build_report(account_facts(**GONE, **roles(DEFAULT_OBJECT))).registries[0]
    assert word(row.access.verdict) == "pass"
    # A Windows pool needs it where a pod on it pulls from the registry, and not for being there.
    assert kubelet(account_facts(container(), ON_WINDOWS, cluster=WINDOWS, **GONE)).severity is Severity.ERROR
    assert kubelet(account_facts(cluster=WINDOWS, **GONE)).severity is Severity.WARNING
    row = build_report(account_facts(cluster=WINDOWS, **GONE, **roles(DEFAULT_OBJECT))).registries[0]
    assert word(row.access.verdict) == "pass"
    isolated = cluster(artifact_source="Cache")
    assert kubelet(account_facts(cluster=isolated, **GONE)).severity is Severity.ERROR


def test_a_kubelet_identity_that_cannot_be_seen_leaves_nothing_open() -> None:
    unseen = {"cluster": cluster(kubelet=access_facts.KubeletIdentity(access_facts.IDENTITY_ID, None, None))}
    assert verdict(kubelet(account_facts(**unseen))) == ("skipped", "not-the-puller")
    assert verdict(kubelet(facts(container(), **unseen))) == ("unknown", "object-id-absent")


def canary(known: ClusterFacts, text: str) -> tuple[str, str]:
    question = CanaryQuestion(pool="system", login_server=ACR, repository="team/web", image=NONE, in_use=True)
    asked = Canaries(canaries=(Canary(question, seen(CanaryReport(reason="ErrImagePull", text=text))),))
    return verdict(only(judge_with((pw305_canary_pull,), access_facts.changed(known, canaries=asked))))


def test_a_canary_stands_for_pods_of_its_own_identity_only() -> None:
    absent = f'failed to resolve reference "{NONE}": {NONE}: not found'
    refused = f'failed to resolve reference "{NONE}": failed to authorize: failed to fetch anonymous token: {REFUSAL}'
    assert canary(account_facts(), absent) == ("pass", "canary-not-found")
    assert canary(account_facts(), refused) == ("fail", "unauthorized")
    for known in (
        account_facts(OF_TEAM, image_pull=pulls(client_ids=TEAM)),
        account_facts(image_pull=pulls(client_ids={"other/default": TEAM_CLIENT})),
        account_facts(image_pull=ServiceAccountPulls(profile=REFUSED)),
    ):
        assert canary(known, absent) == ("pass", "canary-path-only")
        assert canary(known, refused) == ("pass", "canary-path-only")


def test_a_pull_proves_nothing_of_pods_whose_identity_is_not_known() -> None:
    known = account_facts(
        container(), OF_TEAM, image_pull=pulls(client_ids={"default/team": "dddddddd-0000-4000-8000-00000000000d"}),
        events=[pulled()], **roles(DEFAULT_OBJECT),
    )  # fmt: skip
    row = build_report(known).registries[0]
    assert word(row.pull.verdict) == "unknown"
    assert any("says nothing of pods" in sentence for sentence in row.disagreements)
