"""PW301: pods that cannot pull now, each with the cause that kubelet's text tells."""

import pytest

from checks.catalog.pw301_pull_failures import MAX_PER_CAUSE, judge
from checks.facts import ContainerImage, NotSeen, NotSeenReason, Workloads
from checks.findings import Severity, Unknown
from checks.rules.pull.errors import PullErrorCause
from tests.support import access_facts as base
from tests.support.access_facts import REFUSED, only, seen, verdict
from tests.support.image_facts import ACR, WEB, container, event, facts, workloads

UNAUTHORIZED = f'failed to pull image "{WEB}": failed to fetch oauth token: unexpected status: 401 Unauthorized'
ABSENT = f'failed to resolve reference "{WEB}": {WEB}: not found'


def waiting(text: str, reason: str = "ErrImagePull", image: str = WEB, **over: str) -> ContainerImage:
    return container(image, waiting_reason=reason, waiting_message=text, **over)


def test_pass_where_no_pod_waits_for_an_image() -> None:
    finding = only(judge(facts(container())))
    assert verdict(finding) == ("pass", "no-pod-waits")
    assert finding.subject.registry is None


@pytest.mark.parametrize(
    ("text", "cause", "first"),
    [
        (UNAUTHORIZED, PullErrorCause.UNAUTHORIZED, "az aks check-acr "),
        (ABSENT, PullErrorCause.IMAGE_NOT_FOUND, "az acr repository show "),
        ("something new", PullErrorCause.UNKNOWN, "kubectl describe pod --namespace default web-1"),
    ],
)
def test_fail_by_the_text_that_kubelet_passed_on(text: str, cause: PullErrorCause, first: str) -> None:
    finding = only(judge(facts(waiting(text))))
    assert verdict(finding) == ("fail", cause.value)
    assert finding.severity is Severity.ERROR
    assert (finding.subject.registry, finding.subject.image) == (ACR, WEB)
    assert text in finding.evidence[0].what
    assert finding.fix[0].startswith(first)


def test_fail_takes_the_cause_from_an_event_where_the_status_tells_only_of_back_off() -> None:
    held = waiting(f'Back-off pulling image "{WEB}"', "ImagePullBackOff")
    finding = only(judge(facts(held, events=[event("Failed", UNAUTHORIZED)])))
    assert verdict(finding) == ("fail", "unauthorized")
    alone = only(judge(facts(held)))
    assert verdict(alone) == ("fail", "backoff_only")


def test_fail_of_one_workload_is_told_once_and_many_are_capped_and_counted() -> None:
    pods = [waiting(UNAUTHORIZED, pod=f"web-{n}") for n in range(3)]
    assert "3 pods wait for" in only(judge(facts(*pods))).summary
    many = [waiting(UNAUTHORIZED, pod=f"p-{n}", workload=f"default/Job/{n}") for n in range(MAX_PER_CAUSE + 7)]
    findings = judge(facts(*many))
    assert len(findings) == MAX_PER_CAUSE + 1
    assert findings[-1].summary.startswith("7 more workloads wait")


def test_unknown_where_pods_may_not_be_read() -> None:
    finding = only(judge(base.facts(workloads=REFUSED)))
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert isinstance(finding.verdict, Unknown) and finding.verdict.missing == "Reader"


def test_unknown_where_objects_could_not_be_read() -> None:
    half = seen(Workloads(containers=(container(),), events=seen(()), pods=1, unreadable=2))
    assert verdict(only(judge(base.facts(workloads=half)))) == ("unknown", "objects-unreadable")


def test_nothing_there_without_pods() -> None:
    assert verdict(only(judge(base.facts(workloads=workloads())))) == ("unknown", "no-pods")


def test_nothing_there_in_a_cluster_that_is_stopped() -> None:
    stopped = NotSeen(NotSeenReason.NOT_APPLICABLE, "the cluster is stopped")
    assert verdict(only(judge(base.facts(workloads=stopped)))) == ("skipped", "cluster-not-running")


def test_an_event_about_something_else_tells_no_cause() -> None:
    held = waiting(f'Back-off pulling image "{WEB}"', "ImagePullBackOff")
    text = f"Error: failed to start container: OCI runtime create failed: {WEB}: 401 Unauthorized"
    assert verdict(only(judge(facts(held, events=[event("Failed", text)])))) == ("fail", "backoff_only")
