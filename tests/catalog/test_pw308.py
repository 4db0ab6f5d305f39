"""PW308: what the registry logged of a cluster, and what its row makes of that."""

from typing import Any

import pytest
from msgspec import structs

from checks.catalog.pw308_pulls_logged import CHECK, judge_registry
from checks.catalog.registry_view import views_of
from checks.facts import ClusterFacts, NotSeen, NotSeenReason, Workloads
from checks.facts.registry_log import LOGIN, LogEntry, LoggedCall, RegistryLog
from checks.findings import Basis, ClusterReport, Facet, Fail, Finding, Pass, RegistryRow, Severity, word
from checks.report.cluster_report import build_report
from checks.report.pull_verdict import NodeReports, PullProofs, pull_facet
from checks.rules.customer_key.causes import KeyCause
from tests.support import access_facts as base
from tests.support.logged_calls import FIREWALL, HOST, UNTIL, Place, callers, cluster_at, entry, turned_away
from tests.support.network_world import World

PLACE = Place(name="aks-1", number=1, exit="balancer")
HIDDEN = NotSeen(NotSeenReason.UNREACHABLE, "the Kubernetes API could not be reached")
EARLIER = "2026-11-29T08:20:00Z"


def facts(*entries: LogEntry, apart: bool = True, cut: bool = False, **over: Any) -> ClusterFacts:
    others = () if apart else ("aks-2", "aks-3")
    calls = tuple(LoggedCall(one, "its kubelet identity", apart, others) for one in entries)
    log = RegistryLog("2026-11-29T06:00:00Z", UNTIL, calls, cut=cut)
    return base.facts(**({"registry_logs": {HOST: base.seen(log)}, "workloads": HIDDEN} | over))


def judged(cluster_facts: ClusterFacts) -> list[Finding]:
    return [finding for view in views_of(cluster_facts) for finding in judge_registry(view)]


def row_of(cluster_facts: ClusterFacts) -> RegistryRow:
    report: ClusterReport = build_report(cluster_facts)
    (row,) = report.registries
    return row


@pytest.mark.parametrize(("logged", "cause", "fix"), [
    (entry(PLACE, 404), "image_not_found", "az acr repository show"),
    (entry(PLACE, 401, kind="pull", repository="team/web", tag="1"), "unauthorized", "az aks check-acr"),
    (turned_away(PLACE), "firewall_denied", "az acr network-rule"),
    (entry(PLACE, 429), "rate_limited", "az acr show-usage"),
    (entry(PLACE, 503), "registry_error", "az acr check-health"),
])  # fmt: skip
def test_fail_names_the_cause_of_a_refusal_and_what_helps(logged: LogEntry, cause: str, fix: str) -> None:
    (finding,) = judged(facts(logged))
    assert (word(finding.verdict), finding.cause, finding.severity) == ("fail", cause, Severity.ERROR)
    assert any(fix in command for command in finding.fix), finding.fix
    assert "4 times since 2026-11-29T08:40:00Z, last at 2026-11-29T08:55:00Z" in finding.summary
    assert CHECK.sentence_of(cause)


def test_what_the_registry_logged_fails_the_row_with_its_own_basis() -> None:
    row = row_of(facts(turned_away(PLACE)))
    assert (word(row.pull.verdict), row.pull.cause, row.pull.decided_by) == ("fail", "firewall_denied", (CHECK.code,))
    assert row.basis == (Basis.REGISTRY,)
    assert any("20.50.0.1" in command for command in row.pull.fix)


def test_a_tag_that_is_not_there_is_the_images_trouble() -> None:
    row = row_of(facts(entry(PLACE, 404)))
    assert (word(row.images.verdict), row.images.cause) == ("fail", "image_not_found")
    assert "acrone.azurecr.io/team/web:1" in row.images.summary
    assert word(row.pull.verdict) != "fail"


def test_pass_where_a_pull_worked_which_proves_access_and_path() -> None:
    row = row_of(facts(entry(PLACE, 200)))
    assert (word(row.pull.verdict), row.basis) == ("pass", (Basis.REGISTRY,))
    assert "The registry logged that a node pulled acrone.azurecr.io/team/web:1 at 2026-11-29T08:55:00Z" in (
        row.pull.summary
    )


def test_a_pull_that_worked_contradicts_a_path_that_looks_closed() -> None:
    closed = World().deny("203.0.113.9").facts()
    log = facts(entry(PLACE, 200)).registry_logs
    without, with_log = row_of(closed), row_of(base.changed(closed, registry_logs=log))
    assert word(without.pull.verdict) == word(without.path.verdict) == word(with_log.path.verdict) == "fail"
    assert (word(with_log.pull.verdict), with_log.pull.cause) == ("pass", "pulled-against-path")
    assert any("this contradicts the path" in sentence.lower() for sentence in with_log.disagreements)


@pytest.mark.parametrize("success", [
    pytest.param((entry(PLACE, 404), entry(PLACE, 200, last="2026-11-29T08:57:00Z")), id="the image is there now"),
    pytest.param((entry(PLACE, 401), entry(PLACE, 200, kind=LOGIN, last="2026-11-29T08:57:00Z")), id="it may log in"),
    pytest.param((turned_away(PLACE), entry(PLACE, 200, last="2026-11-29T08:57:00Z")), id="the firewall lets it in"),
    pytest.param((entry(PLACE, 429), entry(PLACE, 200, last="2026-11-29T08:57:00Z")), id="no limit any more"),
    pytest.param(
        (entry(PLACE, 503, kind=LOGIN), entry(PLACE, 200, last="2026-11-29T08:57:00Z")), id="it answers again"
    ),
    pytest.param(
        (
            entry(PLACE, 401, identity="client-id"),
            entry(PLACE, 200, kind=LOGIN, identity="object-id", last="2026-11-29T08:57:00Z"),
        ),
        id="one identity by its two ids",
    ),
    pytest.param(
        (
            turned_away(PLACE, address=f"{PLACE.address}:4711"),
            entry(PLACE, 200, address=f"::ffff:{PLACE.address}", last="2026-11-29T08:57:00Z"),
        ),
        id="one address in two forms",
    ),
])  # fmt: skip
def test_a_later_success_ends_a_failure(success: tuple[LogEntry, ...]) -> None:
    assert not [finding for finding in judged(facts(*success)) if word(finding.verdict) == "fail"]


@pytest.mark.parametrize("other", [
    pytest.param((entry(PLACE, 404), entry(PLACE, 200, tag="2", last="2026-11-29T08:57:00Z")), id="another tag"),
    pytest.param(
        (entry(PLACE, 503), entry(PLACE, 200, kind=LOGIN, last="2026-11-29T08:57:00Z")), id="a login before a pull"
    ),
    pytest.param((entry(PLACE, 429), entry(PLACE, 200, kind=LOGIN)), id="the login of that very pull"),
    pytest.param((entry(PLACE, 401), entry(PLACE, 200, last="2026-11-29T08:57:00Z")), id="a token of before"),
    pytest.param(
        (turned_away(PLACE), entry(PLACE, 200, address="10.1.0.7", last="2026-11-29T08:57:00Z")), id="another way in"
    ),
])  # fmt: skip
def test_another_success_ends_it_not(other: tuple[LogEntry, ...]) -> None:
    assert [word(finding.verdict) for finding in judged(facts(*other))] == ["fail"]


def test_nothing_there_where_nothing_was_logged_of_the_cluster() -> None:
    (finding,) = judged(facts())
    assert (word(finding.verdict), finding.cause) == ("skipped", "nothing-logged")
    assert judged(base.facts()) == [], "nobody asked"


def test_what_failed_long_ago_says_nothing_of_now() -> None:
    assert [f.cause for f in judged(facts(entry(PLACE, 404, last=EARLIER)))] == ["nothing-logged"]
    assert [f.cause for f in judged(facts(entry(PLACE, 404, last="never")))] == ["nothing-logged"]


def test_a_login_of_who_never_pulled_only_warns() -> None:
    never, before = judged(facts(entry(PLACE, 401))), judged(facts(entry(PLACE, 401), entry(PLACE, 200, last=EARLIER)))
    assert [(f.severity, f.cause) for f in never] == [(Severity.WARNING, "unauthorized")]
    assert [(f.severity, f.cause) for f in before] == [(Severity.ERROR, "unauthorized")]
    assert word(row_of(facts(entry(PLACE, 401))).pull.verdict) != "fail"


def test_a_role_that_is_missing_and_a_login_that_is_refused_agree() -> None:
    row = row_of(
        facts(
            entry(PLACE, 401), entry(PLACE, 200, last=EARLIER), authorization={base.SUBSCRIPTION: base.authorization()}
        )
    )
    assert word(row.pull.verdict) == "fail"
    assert {Basis.AZURE, Basis.REGISTRY} <= set(row.basis)


def test_unknown_where_others_may_have_done_it_who_are_not_accused() -> None:
    (finding,) = judged(facts(turned_away(PLACE), apart=False))
    assert (word(finding.verdict), finding.cause) == ("unknown", "not-told-apart")
    assert "aks-2" in finding.summary and "aks-3" in finding.summary
    row = row_of(facts(turned_away(PLACE), apart=False))
    assert word(row.pull.verdict) != "fail"
    assert row.pull == row_of(facts()).pull, "it does not make the row less known either"


def test_pods_that_were_read_and_do_not_wait_know_better() -> None:
    running = base.seen(Workloads(containers=(base.image("team/web"),), pods=1, events=base.seen(())))
    (finding,) = judged(facts(entry(PLACE, 404), workloads=running))
    assert finding.severity is Severity.WARNING and "No pod waits for it now." in finding.summary
    assert word(row_of(facts(entry(PLACE, 404), workloads=running)).images.verdict) != "fail"


@pytest.mark.parametrize(("why", "expected"), [
    (NotSeenReason.NOT_APPLICABLE, ("skipped", "not-logged")), (NotSeenReason.OFF, ("skipped", "not-logged")),
    (NotSeenReason.NOT_ALLOWED, ("unknown", "look-not-allowed")),
    (NotSeenReason.THROTTLED, ("unknown", "look-throttled")),
])  # fmt: skip
def test_a_log_that_was_not_read_leaves_the_row_as_it_is(why: NotSeenReason, expected: tuple[str, str]) -> None:
    cluster_facts = base.facts(registry_logs={HOST: NotSeen(why, "no log", "Log Analytics Reader")})
    (finding,) = judged(cluster_facts)
    assert (word(finding.verdict), finding.cause) == expected
    assert row_of(cluster_facts) == row_of(base.facts())


def test_that_the_newest_only_were_read_is_said() -> None:
    (finding,) = judged(facts(entry(PLACE, 200), cut=True))
    assert "only the newest groups of calls were read" in [evidence.what for evidence in finding.evidence]


def test_the_registrys_text_is_evidence() -> None:
    (finding,) = judged(facts(turned_away(PLACE)))
    assert f"ResultDescription: {FIREWALL.format(PLACE.address)}" in [evidence.what for evidence in finding.evidence]


def test_a_firewall_that_refuses_whom_azure_lets_in_is_named() -> None:
    open_to_all = World().facts()
    log = facts(turned_away(PLACE)).registry_logs
    row = row_of(base.changed(open_to_all, registry_logs=log))
    assert (word(row.path.verdict), word(row.pull.verdict)) == ("pass", "fail")
    assert any("although PW202 finds the nodes' addresses let in" in sentence for sentence in row.disagreements)


def test_a_refusal_beside_a_role_that_is_held_is_named() -> None:
    row = row_of(facts(entry(PLACE, 401), entry(PLACE, 200, last=EARLIER)))
    assert word(row.access.verdict) == "pass"
    assert any("although PW102 finds its role" in sentence for sentence in row.disagreements)


def test_timeouts_of_which_the_registry_logged_nothing_lie_on_the_way() -> None:
    waiting = base.changed(
        base.image("team/web"), waiting_reason="ErrImagePull", waiting_message="dial tcp 10.0.0.1:443: i/o timeout"
    )
    pods = base.seen(Workloads(containers=(waiting,), pods=1, events=base.seen(())))
    row = row_of(facts(workloads=pods))
    assert any("The registry logged no call of this cluster" in sentence for sentence in row.disagreements)
    assert not any("logged no call" in sentence for sentence in row_of(facts()).disagreements)


def test_a_pull_of_long_ago_refutes_no_path_that_is_closed_now() -> None:
    log = facts(entry(PLACE, 200, last="2026-11-29T06:10:00Z")).registry_logs
    row = row_of(base.changed(World().deny("203.0.113.9").facts(), registry_logs=log))
    assert (word(row.pull.verdict), word(row.path.verdict)) == ("fail", "fail")
    assert any("may have been closed after that" in sentence for sentence in row.disagreements)


def test_a_refusal_beside_a_later_pull_by_another_way_only_warns() -> None:
    since = entry(PLACE, 200, address="10.1.0.7", last="2026-11-29T08:58:00Z")
    (finding,) = judged(facts(turned_away(PLACE), since))
    assert finding.severity is Severity.WARNING and "by another way in" in finding.summary
    assert word(row_of(facts(turned_away(PLACE), since)).pull.verdict) == "pass"


def test_a_refusal_that_nobody_can_tell_apart_stands_beside_a_pull() -> None:
    pulled, refused = facts(entry(PLACE, 200, last=EARLIER)), facts(turned_away(PLACE), apart=False)
    logs = [facts_.registry_logs[HOST].value.calls for facts_ in (pulled, refused)]  # type: ignore[union-attr]
    both = facts(registry_logs={HOST: base.seen(RegistryLog("2026-11-29T06:00:00Z", UNTIL, logs[0] + logs[1]))})
    assert [f.cause for f in judged(both)] == ["logged-pull", "not-told-apart"]


def test_a_success_of_the_same_second_ends_a_failure() -> None:
    same = entry(PLACE, 200, kind=LOGIN)
    assert not [f for f in judged(facts(entry(PLACE, 401), same)) if word(f.verdict) == "fail"]


def test_signatures_that_an_image_need_not_have_are_no_trouble() -> None:
    assert [f.cause for f in judged(facts(entry(PLACE, 404, tag="sha256-0123abcd.sig")))] == ["nothing-logged"]


def test_a_log_in_which_nothing_stands_of_the_registry_is_no_sign_of_silence() -> None:
    empty = base.seen(RegistryLog("2026-11-29T06:00:00Z", UNTIL, heard=False))
    (finding,) = judged(facts(registry_logs={HOST: empty}))
    assert (word(finding.verdict), finding.cause) == ("skipped", "not-logged")
    (cut,) = judged(facts(cut=True))
    assert "of what was read, the newest groups of calls, none is known" in cut.summary


def test_of_a_log_that_was_cut_it_is_not_known_that_nothing_stands_in_it() -> None:
    cut = RegistryLog("2026-11-29T06:00:00Z", UNTIL, cut=True, cut_before="2026-11-29T08:30:00Z")
    silent = base.changed(cut, heard=False)
    for log, cause in ((cut, "nothing-logged"), (silent, "not-logged")):
        (finding,) = judged(facts(registry_logs={HOST: base.seen(log)}))
        assert (word(finding.verdict), finding.cause) == ("unknown", cause)
        assert "refusals until 2026-11-29T08:30:00Z, which may have ended since, are left out" in finding.summary
        assert "only the newest groups of calls were read" in [evidence.what for evidence in finding.evidence]


def test_a_registry_without_its_key_explains_a_403_in_the_log() -> None:
    lost = Facet(Fail(), KeyCause.KEY_DISABLED, ("PW108",), "The key is disabled.")
    passing = Facet(Pass(), "ok")
    refused = CHECK.fails(judged(facts(entry(PLACE, 403)))[0].subject, "unauthorized", "403", fix=())
    pull, _ = pull_facet(lost, passing, [], NodeReports((refused,), (), ()), PullProofs())
    assert (pull.cause, pull.decided_by) == (KeyCause.KEY_DISABLED, ("PW108", CHECK.code))


def test_another_tag_pulled_by_its_digest_hides_no_tag_that_is_gone() -> None:
    other = entry(PLACE, 200, tag="", digest="sha256:" + "a" * 64, last="2026-11-29T08:58:00Z")
    assert [f.cause for f in judged(facts(entry(PLACE, 404), other))] == ["image_not_found"]


def test_a_pool_that_is_refused_stands_beside_one_that_pulls() -> None:
    other = entry(PLACE, 200, address="20.77.0.1", last="2026-11-29T08:58:00Z")
    (finding,) = judged(facts(turned_away(PLACE), other))
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize("refusal", [turned_away(PLACE), entry(PLACE, 401, kind="pull", repository="team/api")])
def test_images_that_are_not_there_hide_no_other_cause(refusal: LogEntry) -> None:
    """However many there are, and however much later."""
    gone = [entry(PLACE, 404, tag=str(n), last="2026-11-29T08:59:00Z", address="") for n in range(60)]
    findings = judged(facts(refusal, *gone))
    assert {finding.cause for finding in findings} >= {"image_not_found"} and len(findings) == 21
    assert word(row_of(facts(refusal, *gone)).pull.verdict) == "fail"
    assert all("40 more images that it did not find" in f.evidence[0].what + f.evidence[1].what for f in findings)


def test_who_is_let_in_from_the_same_address_shows_that_the_firewall_is_open_and_no_more() -> None:
    def calls(*entries: LogEntry) -> ClusterFacts:
        log = RegistryLog("2026-11-29T06:00:00Z", UNTIL, callers([PLACE]).calls_by_cluster(entries)[key])
        return facts(registry_logs={HOST: base.seen(log)})

    key = cluster_at(PLACE).id.lower()
    token = entry(PLACE, 200, identity="a-token-of-the-registry", last="2026-11-29T08:58:00Z")
    assert [f.cause for f in judged(calls(turned_away(PLACE), token))] == ["nothing-logged"]
    other = entry(PLACE, 401, identity="a-token-of-the-registry", last="2026-11-29T08:58:00Z")
    assert [f.cause for f in judged(calls(turned_away(PLACE), other))] == ["nothing-logged"], (
        "it was let in, and refused"
    )
    gone = entry(PLACE, 404, last="2026-11-29T08:58:00Z")
    assert [f.cause for f in judged(calls(turned_away(PLACE), gone))] == ["image_not_found"]
    refused = entry(PLACE, 401, kind="pull", repository="team/web", tag="1")
    assert [f.cause for f in judged(calls(turned_away(PLACE), refused, token))] == ["unauthorized"]


def test_a_stopped_cluster_only_warns() -> None:
    none = NotSeen(NotSeenReason.NOT_APPLICABLE, "the cluster is stopped")
    stopped = structs.replace(base.facts().cluster, power_state="Stopped")
    for logged in (turned_away(PLACE), entry(PLACE, 404)):
        (beginning,) = judged(facts(logged, workloads=none))
        assert beginning.severity is Severity.ERROR, "one that is created pulls"
        (finding,) = judged(facts(logged, workloads=none, cluster=stopped))
        assert finding.severity is Severity.WARNING and "Now the cluster is stopped" in finding.summary
        row = row_of(facts(logged, workloads=none, cluster=stopped))
        assert "fail" not in (word(row.pull.verdict), word(row.images.verdict))


def test_a_refused_repository_is_named_and_how_late_a_log_is() -> None:
    (finding,) = judged(facts(entry(PLACE, 403, repository="team/secret", tag="7")))
    assert "for acrone.azurecr.io/team/secret:7" in finding.summary
    assert finding.subject.image is None, "what is refused is the identity"
    for one in (*judged(facts(entry(PLACE, 200))), *judged(facts(turned_away(PLACE), apart=False)), finding):
        assert "up to 15 minutes behind" in one.summary


def test_a_rule_is_proposed_for_the_address_that_it_was_known_by_only() -> None:
    (same,) = judged(facts(turned_away(PLACE, address=f"::ffff:{PLACE.address}")))
    assert any(f"--ip-address {PLACE.address}" in command for command in same.fix)
    (other,) = judged(facts(turned_away(PLACE, text=FIREWALL.format("20.71.0.9"))))
    assert not any("--ip-address" in command for command in other.fix)


def test_a_refusal_beside_a_later_pull_is_not_said_to_go_on() -> None:
    refused = entry(
        PLACE, 403, events=1, first="2026-11-29T08:51:00Z", last="2026-11-29T08:51:00Z", repository="team/a"
    )
    row = row_of(facts(refused, entry(PLACE, 200, last="2026-11-29T08:57:00Z")))
    assert word(row.pull.verdict) == "fail"
    (sentence,) = [one for one in row.disagreements if "stands all the same" in one]
    assert "refused nodes in the last 20 minutes, and logged nothing that ended it" in sentence


def test_where_much_of_the_log_was_not_read_nobody_is_said_to_have_pulled_nothing() -> None:
    (finding,) = judged(facts(entry(PLACE, 401), cut=True))
    assert finding.severity is Severity.WARNING
    assert "Whether it pulled before does not stand in what was read" in finding.summary


def test_a_refused_repository_that_no_waiting_pod_wants_only_warns() -> None:
    waiting = base.changed(base.image("team/web"), waiting_reason="ImagePullBackOff", waiting_message="Back-off")
    pods = base.seen(Workloads(containers=(waiting,), pods=1, events=base.seen(())))
    for repository, severity in (("team/api", Severity.WARNING), ("team/web", Severity.ERROR)):
        (finding,) = judged(facts(entry(PLACE, 401, kind="pull", repository=repository), workloads=pods))
        assert finding.severity is severity, repository


def test_a_shared_address_that_was_let_in_again_is_no_doubt_any_more() -> None:
    refused = facts(turned_away(PLACE), apart=False).registry_logs[HOST].value.calls  # type: ignore[union-attr]
    pulled = facts(entry(PLACE, 200, last="2026-11-29T08:58:00Z")).registry_logs[HOST].value.calls  # type: ignore[union-attr]
    both = facts(registry_logs={HOST: base.seen(RegistryLog("2026-11-29T06:00:00Z", UNTIL, (*refused, *pulled)))})
    assert [f.cause for f in judged(both)] == ["logged-pull"]


def test_what_somebody_else_may_have_done_ends_nothing_that_is_certain() -> None:
    at = "2026-11-29T08:58:00Z"
    others = (entry(PLACE, 200, last=at), entry(PLACE, 200, kind=LOGIN, last=at))
    shared = facts(*others, apart=False).registry_logs[HOST].value.calls  # type: ignore[union-attr]
    for refused in (entry(PLACE, 404), turned_away(PLACE), entry(PLACE, 401)):
        own = facts(refused).registry_logs[HOST].value.calls  # type: ignore[union-attr]
        both = facts(registry_logs={HOST: base.seen(RegistryLog("2026-11-29T06:00:00Z", UNTIL, (*own, *shared)))})
        (finding,) = judged(both)
        (alone,) = judged(facts(refused))
        assert (finding.cause, finding.severity) == (alone.cause, alone.severity)
