"""PW303: what one pull secret does for the images of the pods that name it."""

from typing import Any

import pytest

from checks.catalog.pw303_pull_secrets import judge
from checks.facts import ClusterFacts, NotSeen, NotSeenReason
from checks.facts.pulls import CredentialTest, UserKind
from checks.findings import Severity, Unknown, word
from tests.support.access_facts import REFUSED, only, verdict
from tests.support.image_facts import ACR, NO_ROLE, WEB, container, entry, event, facts, secret

MISSING = "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed."


def needing(**over: Any) -> ClusterFacts:
    """A pod whose image only its pull secret can grant."""
    return facts(container(WEB, "regcred"), authorization=NO_ROLE, **over)


def test_pass_where_the_registry_accepts_the_secret() -> None:
    finding = only(judge(needing(pull_secrets=secret(entry()))))
    assert verdict(finding) == ("pass", "secret-accepted")
    assert (finding.subject.secret, finding.subject.registry) == ("default/regcred", ACR)


@pytest.mark.parametrize("key", ["*.azurecr.io", "acr?ne.azurecr.io", f"{ACR}/team", f"{ACR}/team/we"])
def test_pass_where_a_glob_or_a_path_covers_the_image(key: str) -> None:
    secret_entry = entry(key, asked=(CredentialTest(registry=ACR, accepted=True, pulls=("team/web",)),))
    assert verdict(only(judge(needing(pull_secrets=secret(secret_entry))))) == ("pass", "secret-accepted")


FAILURES: list[tuple[dict[str, Any], str]] = [
    (secret(exists=False), "secret-missing"),
    (secret(type="Opaque"), "secret-wrong-type"),
    (secret(type=None), "secret-wrong-type"),
    (secret(empty=True), "secret-empty"),
    (secret(problem="the auth of a host is no base64"), "secret-undecodable"),
    (secret(entry("ghcr.io")), "secret-host-mismatch"),
    (secret(entry(f"{ACR}:8443")), "secret-host-mismatch"),
    (secret(entry("*.azurecr.cn")), "secret-host-mismatch"),
    (secret(entry(f"{ACR}/other")), "secret-host-mismatch"),
    (secret(entry("azurecr.io")), "secret-host-mismatch"),
    (secret(), "secret-host-mismatch"),
    (secret(entry(expires="2026-11-24T11:59:59+00:00")), "secret-expired"),
    (secret(entry(user=UserKind.NONE)), "secret-without-credentials"),
    (secret(entry(has_password=False)), "secret-without-credentials"),
    (secret(entry(accepted=False)), "secret-refused"),
    (
        secret(entry(asked=(CredentialTest(registry=ACR, accepted=True, refused=("team/web",)),))),
        "secret-refused-repository",
    ),
]


@pytest.mark.parametrize(("secrets", "cause"), FAILURES)
def test_fail_for_a_secret_that_does_not_grant_its_image(secrets: dict[str, Any], cause: str) -> None:
    finding = only(judge(needing(pull_secrets=secrets)))
    assert verdict(finding) == ("fail", cause)
    assert finding.severity is Severity.ERROR
    assert finding.subject.secret == "default/regcred"
    assert finding.fix[-1].startswith("kubectl create secret docker-registry regcred --namespace default")
    assert f"--docker-server {ACR}" in finding.fix[-1]


def test_fail_is_a_warning_where_the_role_grants_the_image_anyway() -> None:
    finding = only(judge(facts(container(WEB, "regcred"), pull_secrets=secret(exists=False))))
    assert (verdict(finding), finding.severity) == (("fail", "secret-missing"), Severity.WARNING)


def test_fail_even_with_the_role_where_kubelet_cannot_parse_the_secret() -> None:
    finding = only(judge(facts(container(WEB, "regcred"), pull_secrets=secret(problem="its auths are no JSON object"))))
    assert (verdict(finding), finding.severity) == (("fail", "secret-undecodable"), Severity.ERROR)


@pytest.mark.parametrize("read", [{}, {"default/regcred": REFUSED}])
def test_fail_where_only_an_event_tells_that_the_secret_is_missing(read: dict[str, Any]) -> None:
    shown = [event("FailedToRetrieveImagePullSecret", MISSING)]
    finding = only(judge(needing(events=shown, pull_secrets=read)))
    assert verdict(finding) == ("fail", "secret-missing")


def test_an_event_says_nothing_of_a_secret_that_was_read_and_is_there() -> None:
    shown = [event("FailedToRetrieveImagePullSecret", MISSING)]
    assert verdict(only(judge(needing(events=shown, pull_secrets=secret(entry()))))) == ("pass", "secret-accepted")


def test_an_event_of_another_namespace_says_nothing() -> None:
    shown = [event("FailedToRetrieveImagePullSecret", MISSING, namespace="other")]
    assert verdict(only(judge(needing(events=shown)))) == ("skipped", "secrets-not-read")


def test_unknown_where_secrets_may_not_be_read() -> None:
    finding = only(judge(needing(pull_secrets={"default/regcred": REFUSED})))
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert finding.fix


def test_unknown_where_the_registry_gave_no_answer() -> None:
    finding = only(judge(needing(pull_secrets=secret(entry(accepted=None)))))
    assert verdict(finding) == ("unknown", "secret-not-asked")


def test_nothing_there_where_no_pod_names_a_secret() -> None:
    assert verdict(only(judge(facts(container())))) == ("skipped", "no-pull-secret")


def test_nothing_is_said_of_secrets_that_are_not_read() -> None:
    assert verdict(only(judge(needing()))) == ("skipped", "secrets-not-read")


def test_skipped_where_the_pods_were_not_read() -> None:
    assert verdict(only(judge(facts(workloads=REFUSED)))) == ("skipped", "pods-not-read")


def test_skipped_where_a_secret_is_for_other_hosts_and_not_needed() -> None:
    finding = only(judge(facts(container(WEB, "regcred"), pull_secrets=secret(entry("ghcr.io")))))
    assert verdict(finding) == ("skipped", "secret-not-needed")


def test_unknown_beyond_the_bound_of_secrets_that_are_read() -> None:
    capped = {"default/regcred": NotSeen(NotSeenReason.LIMIT, "only 200 pull secrets of a cluster are read")}
    finding = only(judge(needing(pull_secrets=capped)))
    assert verdict(finding) == ("unknown", "look-limit")
    assert isinstance(finding.verdict, Unknown) and not finding.verdict.look_failed


@pytest.mark.parametrize("key", ["index.docker.io", "docker.io", "docker.io/library"])
@pytest.mark.parametrize("image", ["nginx", "docker.io/library/nginx:1", "index.docker.io/library/nginx"])
def test_docker_hub_goes_by_all_its_names(key: str, image: str) -> None:
    document = secret(entry(key, asked=(CredentialTest(registry="docker.io", accepted=True),)))
    assert verdict(only(judge(facts(container(image, "regcred"), pull_secrets=document)))) == (
        "pass",
        "secret-accepted",
    )


def test_one_secret_for_two_registries_is_judged_for_each() -> None:
    pods = (container(WEB, "regcred"), container("ghcr.io/acme/tool:1", "regcred"))
    document = secret(entry(), entry("ghcr.io", accepted=False))
    judged = {
        f.subject.registry: word(f.verdict) for f in judge(facts(*pods, authorization=NO_ROLE, pull_secrets=document))
    }
    assert judged == {ACR: "pass", "ghcr.io": "fail"}


def test_many_findings_are_capped_and_counted() -> None:
    pods = [container(WEB, f"s{n}", pod=f"web-{n}") for n in range(60)]
    secrets: dict[str, Any] = {}
    for n in range(60):
        secrets |= secret(name=f"default/s{n}", exists=False)
    judged = judge(facts(*pods, authorization=NO_ROLE, pull_secrets=secrets))
    assert len(judged) == 51
    assert verdict(judged[-1]) == ("fail", "capped"), "what was cut is as bad as what is shown"
