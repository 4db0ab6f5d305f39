"""``images``: troubles of single images, apart from what keeps a cluster from their registry."""

from __future__ import annotations

from typing import Any

import pytest

from checks.facts import ClusterFacts, ContainerImage, NotSeen, NotSeenReason
from checks.facts.pulls import Manifest
from checks.facts.registry_log import LogEntry, LoggedCall, RegistryLog
from checks.findings import RegistryRow, word
from checks.report.cluster_report import build_report
from checks.report.fleet.broken import Harm, broken_of
from checks.rules import images
from tests.support import access_facts as base
from tests.support.image_facts import ACR, WEB, container, facts, use_of
from tests.support.logged_calls import UNTIL, Place, entry

NOT_FOUND = f'failed to resolve reference "{WEB}": {WEB}: not found'
NO_PLATFORM = f'failed to pull image "{WEB}": no match for platform in manifest: not found'
READ = base.seen(base.registry(login_server=ACR))


def manifests(*present: str, absent: tuple[str, ...] = (), **over: Any) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for text in (*present, *absent):
        parsed = images.parse(text)
        assert parsed is not None
        given: dict[str, Any] = {"present": text in present} | ({} if text in present else {"code": "MANIFEST_UNKNOWN"})
        answers[images.canonical(parsed)] = base.seen(Manifest(**(given | over)))
    return answers


def row_of(cluster_facts: ClusterFacts) -> RegistryRow:
    return next(row for row in build_report(cluster_facts).registries if row.registry == ACR)


def verdict(row: RegistryRow) -> tuple[str, str]:
    return word(row.images.verdict), row.images.cause


def waiting(text: str, image: str = WEB, **over: Any) -> ContainerImage:
    return container(image, waiting_reason="ErrImagePull", waiting_message=text, **over)


def test_pass_where_the_registry_has_every_image() -> None:
    assert verdict(row_of(facts(container(), manifests=manifests(WEB)))) == ("pass", "images-exist")


def test_fail_where_the_registry_lacks_one_although_nobody_waits_for_it() -> None:
    row = row_of(facts(container(), manifests=manifests(absent=(WEB,))))
    assert verdict(row) == ("fail", "tag-absent")
    assert word(row.access.verdict) == "pass" and word(row.pull.verdict) != "fail", "it is the image's own trouble"
    assert row.images.fix == (
        "az acr repository show-tags --name acrone --subscription 11111111-1111-4111-8111-111111111111 "
        "--repository team/web --orderby time_desc --top 20",
    )
    assert row.image_troubles == 1


def test_fail_where_nodes_say_so_and_nobody_could_ask_the_registry() -> None:
    assert verdict(row_of(facts(waiting(NOT_FOUND)))) == ("fail", "image_not_found")


def test_what_the_registry_shows_leads_and_the_pod_that_waits_is_told_with_it() -> None:
    there = manifests(WEB, platforms=("windows/amd64",))
    linux = base.cluster(pools=(base.pool(os_type="Linux", vm_size="Standard_D4s_v5"),))
    row = row_of(facts(waiting(NO_PLATFORM), manifests=there, cluster=linux))
    assert verdict(row) == ("fail", "platform-missing")
    assert "it is there for windows/amd64" in row.images.summary
    assert f"1 pod waits for {WEB}" in row.images.summary
    assert set(row.images.decided_by) == {"PW301", "PW302"}
    assert row.image_troubles == 1, "one image, told by two"


def test_pods_that_wait_for_an_image_of_the_registry_are_counted_each_once() -> None:
    both = (waiting(NOT_FOUND, pod="web"), waiting(NOT_FOUND, pod="web", container="sidecar"))
    row = row_of(facts(*both, waiting(NOT_FOUND, pod="other"), container(pod="runs")))
    assert row.waiting == 2
    assert row_of(facts(container())).waiting == 0


def test_several_troubles_are_counted() -> None:
    other = f"{ACR}/team/api:1"
    row = row_of(facts(container(), container(other, pod="api"), manifests=manifests(absent=(WEB, other))))
    assert row.images.summary.startswith("2 images cannot be pulled. The first: ")


def test_unknown_where_the_registry_could_not_be_asked() -> None:
    gap = NotSeen(NotSeenReason.NOT_ALLOWED, "HTTP 401", "AcrPull for Pullwatch's identity")
    row = row_of(facts(container(), manifests=dict.fromkeys(manifests(WEB), gap)))
    assert verdict(row) == ("unknown", "look-not-allowed")


def test_unknown_where_the_registry_could_not_be_read() -> None:
    hidden = NotSeen(NotSeenReason.NOT_ALLOWED, "HTTP 403", "Reader")
    row = row_of(facts(container(), uses=(use_of(ACR, [container()], hidden),)))
    assert verdict(row) == ("unknown", "look-not-allowed")


def test_unknown_where_the_pods_could_not_be_read() -> None:
    gap = NotSeen(NotSeenReason.NOT_ALLOWED, "HTTP 403", "Azure Kubernetes Service RBAC Reader")
    row = row_of(facts(workloads=gap, uses=(use_of(ACR, [], READ),)))
    assert verdict(row) == ("unknown", "look-not-allowed")


@pytest.mark.parametrize(
    ("cluster_facts", "cause"),
    [
        (facts(container()), "images-not-checked"),
        (facts(container("ghcr.io/a/b:1"), uses=(use_of(ACR, [], READ),)), "no-image"),
    ],
)
def test_nobody_asked_and_nothing_to_ask_is_not_judged(cluster_facts: ClusterFacts, cause: str) -> None:
    assert verdict(row_of(cluster_facts)) == ("skipped", cause)


# what the registry logged of an image that a pod waits for ------------------------------------------------------------

SILENT = container(waiting_reason="ImagePullBackOff", waiting_message=f'Back-off pulling image "{WEB}"')
REFUSED = NotSeen(NotSeenReason.NOT_ALLOWED, "HTTP 401", "AcrPull for Pullwatch's identity")
PLACE = Place(name="aks-1", number=1, exit="balancer")


def logged(*entries: LogEntry) -> dict[str, Any]:
    calls = tuple(LoggedCall(one, "its kubelet identity") for one in entries)
    return {"registry_logs": {ACR: base.seen(RegistryLog("2026-11-29T06:00:00Z", UNTIL, calls))}}


def test_the_log_tells_why_a_pod_waits_whose_event_is_gone() -> None:
    unread = dict.fromkeys(manifests(WEB), REFUSED)
    without = row_of(facts(SILENT, manifests=unread))
    assert (verdict(without), without.pull.cause) == (("unknown", "look-not-allowed"), "backoff_only")
    row = row_of(facts(SILENT, manifests=unread, **logged(entry(PLACE, 404))))
    assert verdict(row) == ("fail", "image_not_found")
    assert row.images.decided_by == ("PW308", "PW301")
    assert "The registry logged" in row.images.summary and f"1 pod waits for {WEB}" in row.images.summary
    assert row.image_troubles == 1, "one image, told by two"
    assert row.pull == row_of(facts(container(), manifests=unread)).pull, "the image's trouble is not the registry's"


def test_a_pod_that_tells_why_it_waits_is_told_alone() -> None:
    row = row_of(facts(waiting(NOT_FOUND), **logged(entry(PLACE, 404))))
    assert (row.images.decided_by, row.image_troubles) == (("PW301",), 1)


def test_the_log_of_another_image_explains_no_pod_that_waits() -> None:
    row = row_of(facts(SILENT, container(f"{ACR}/team/web:2", pod="b"), **logged(entry(PLACE, 404, tag="2"))))
    assert row.pull.cause == "backoff_only"


def test_a_refusal_that_is_logged_fails_the_pull_of_a_pod_that_does_not_tell() -> None:
    pull = entry(PLACE, 401, kind="pull", repository="team/web", tag="1")
    row = row_of(facts(SILENT, **logged(pull)))
    assert (word(row.pull.verdict), row.pull.cause) == ("fail", "unauthorized")
    assert word(row.images.verdict) != "fail"


def test_what_broke_of_it_is_told_once() -> None:
    (broken,) = broken_of(build_report(facts(SILENT, **logged(entry(PLACE, 404)))))
    assert (broken.harm, broken.code, broken.cause) == (Harm.IMAGES, "PW308", "image_not_found")
    assert [finding.code for finding in broken.also] == ["PW301"]
    assert broken.also[0].summary in broken.summary
