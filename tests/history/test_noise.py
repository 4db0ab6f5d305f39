"""How many mails a day may bring: what alternates is damped, what stays is silent, and nothing is forgotten."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.changes import Change, Reason, Status
from checks.findings import SEEN_BEFORE, ClusterProblem, ClusterReport, Coverage, Fail
from checks.history.decide import Policy, decide, fold, gone, opted_out, statuses
from checks.history.model import ClusterState, Decision, RunRef
from checks.report.cluster_report import problem_report
from tests.support.reports import CLUSTER, REGISTRY, facet, report

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
DAY = timedelta(hours=24)

Looks = Sequence[ClusterReport]


def play(
    looks: Looks, step: timedelta = HALF_HOUR, state: ClusterState | None = None, first: int = 1
) -> list[Decision]:
    """A decision for each look, one ``step`` apart."""
    decisions = []
    for number, seen in enumerate(looks, first):
        decision = decide(state, seen, RunRef(f"run-{number}", number), Policy(), START + number * step)
        state = decision.state
        decisions.append(decision)
    return decisions


def mails(decisions: Sequence[Decision]) -> list[datetime]:
    """When there is something to notify: one mail for a cluster and a run."""
    return [decision.change.at for decision in decisions if decision.change and decision.change.alerts]


def most_in_a_day(times: Sequence[datetime]) -> int:
    """The most mails within any 24 hours."""
    return max((sum(start <= time < start + DAY for time in times) for start in times), default=0)


def told(decisions: Sequence[Decision], facet_name: str = "access") -> list[Reason]:
    """What people were notified of, of one facet."""
    return [
        moved.reason
        for decision in decisions
        if decision.change
        for moved in decision.change.transitions
        if moved.alert and moved.facet == facet_name
    ]


def history_agrees(decisions: Sequence[Decision]) -> bool:
    changes: list[Change] = [decision.change for decision in decisions if decision.change]
    return fold(changes) == statuses(decisions[-1].state)


def causes(*names: str) -> list[ClusterReport]:
    return [report("fail", cause=name) for name in names]


def unseen(cluster: str = CLUSTER) -> ClusterReport:
    """A cluster that could not be looked at."""
    return problem_report(cluster, (REGISTRY,), ClusterProblem("look-not-allowed", "Reader is missing.", "Reader"))


def only_pull(word: str, cause: str = "dns") -> ClusterReport:
    made = report("pass", pull=word)
    row = msgspec.structs.replace(made.registries[0], pull=facet(word, cause))
    return msgspec.structs.replace(made, registries=(row,))


def turns(hours: float, *words: str) -> list[ClusterReport]:
    """So many hours of each word in turn, half an hour apart, for some days."""
    return [report(word) for word in words for _ in range(int(2 * hours))] * 4


SHAPES: dict[str, Callable[[], Looks]] = {
    "fail and pass in turn": lambda: [report(word) for word in ("fail", "pass") * 24],
    "two fails and two passes in turn": lambda: [report(word) for word in ("fail", "fail", "pass", "pass") * 12],
    "three and three": lambda: [report(word) for word in ("fail",) * 3 + ("pass",) * 3] * 8,
    "a pull that fails twice and holds twice": lambda: [only_pull(w) for w in ("fail", "fail", "pass", "pass") * 12],
    "the cause alternates": lambda: causes("role-missing", "denied") * 24,
    "the cause changes with every look": lambda: causes(*(f"cause-{number}" for number in range(48))),
    "the cause of a pull alternates by twos": lambda: [
        only_pull("fail", cause) for cause in ("dns", "dns", "tls", "tls") * 12
    ],
    "access and pull out of step": lambda: [
        report(access, pull=pull) for access, pull in (("pass", "fail"), ("fail", "fail"), ("fail", "pass")) * 16
    ],
    "fails and is unknown in turn": lambda: [report(word) for word in ("fail", "unknown") * 24],
    "six and a half hours each": lambda: turns(6.5, "pass", "fail"),
    "seven hours each": lambda: turns(7, "pass", "fail"),
    "seven and a half hours each": lambda: turns(7.5, "pass", "fail"),
    "seen for an hour, unseen for seven": lambda: ([report("pass")] * 2 + [unseen()] * 14) * 3,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_alternates_for_days_is_four_mails_in_24_hours_at_most(shape: str) -> None:
    decisions = play([report("pass"), *(list(SHAPES[shape]()) * 4)])
    assert most_in_a_day(mails(decisions)) <= 4
    assert history_agrees(decisions)


def test_what_flaps_is_said_once_and_then_where_it_stays() -> None:
    looks = [report(word) for word in ["pass", *("fail", "pass") * 10, *["fail"] * 20]]
    assert told(play(looks)) == [
        Reason.REGRESSED, Reason.RECOVERED, Reason.REGRESSED, Reason.FLAPPING, Reason.SETTLED
    ]  # fmt: skip
    state = play(looks)[-1].state
    assert statuses(state)[REGISTRY, "access"].status is Status.FAILING
    assert next(subject for subject in state.subjects if subject.facet == "access").notified


def test_a_flip_in_silence_says_so_and_is_in_the_history() -> None:
    decisions = play([report(word) for word in ["pass", *("fail", "pass") * 4]])
    reasons = [next(r.reason for r in decision.reasons if r.facet == "access") for decision in decisions]
    assert reasons[-1] is Reason.DAMPED
    assert decisions[-1].change is not None
    assert history_agrees(decisions)


def test_a_recovery_while_it_flaps_is_said_when_it_has_lasted() -> None:
    decisions = play([report(word) for word in ["pass", *("fail", "pass") * 4, *["pass"] * 20]])
    assert told(decisions)[-1] is Reason.SETTLED
    assert decisions[-1].state.subjects[0].notified is False


@pytest.mark.parametrize("leaves", [gone, opted_out])
def test_what_leaves_while_it_flaps_and_holds_leaves_nobody_with_a_failure(
    leaves: Callable[[ClusterState, RunRef, datetime], Decision],
) -> None:
    *_, last = play([report(word) for word in ["pass", *("fail", "pass") * 4]])
    state, now = last.state, last.state.updated
    assert {subject.status for subject in state.subjects if subject.notified} == {Status.PASSING}
    for number in (1, 2):
        left = leaves(state, RunRef(f"later-{number}", state.sequence + 1), now + number * HALF_HOUR)
        if left.change is not None:
            break
        state = left.state
    assert left.change is not None
    alerted = {(moved.facet, moved.after) for moved in left.change.transitions if moved.alert}
    assert alerted == {("access", None), ("pull", None)}


@pytest.mark.parametrize("apart", [timedelta(seconds=1), timedelta(seconds=59)])
def test_runs_that_come_together_do_not_defeat_a_threshold(apart: timedelta) -> None:
    state = play([only_pull("pass")])[-1].state
    for number, now in ((2, START + timedelta(hours=1)), (3, START + timedelta(hours=1) + apart)):
        decision = decide(state, only_pull("fail"), RunRef(f"run-{number}", number), Policy(), now)
        state = decision.state
    assert decision.change is None
    later = decide(state, only_pull("fail"), RunRef("run-4", 4), Policy(), START + timedelta(hours=2))
    assert later.change is not None
    assert later.change.alerts


def test_looks_within_a_minute_are_one_however_much_time_passes_then() -> None:
    policy = Policy(fail_after=dict.fromkeys(("access", "path", "pull", "images"), 3))
    state: ClusterState | None = play([only_pull("pass")])[-1].state
    statuses_seen = []
    for number, seconds in enumerate((3600, 3630, 4200, 4800), 2):
        now = START + timedelta(seconds=seconds)
        state = decide(state, only_pull("fail"), RunRef(f"run-{number}", number), policy, now).state
        statuses_seen.append(statuses(state)[REGISTRY, "pull"].status)
    assert statuses_seen == [Status.PASSING, Status.PASSING, Status.PASSING, Status.FAILING]


def test_a_threshold_takes_time_beside_looks() -> None:
    state = play([only_pull("pass")])[-1].state
    for number, minutes in ((2, 60), (3, 62), (4, 63)):
        now = START + timedelta(minutes=minutes)
        decision = decide(state, only_pull("fail"), RunRef(f"run-{number}", number), Policy(), now)
        state = decision.state
        assert decision.change is None
    decision = decide(state, only_pull("fail"), RunRef("run-5", 5), Policy(), START + timedelta(minutes=64))
    assert decision.change is not None
    assert {moved.since for moved in decision.change.transitions} == {START + timedelta(minutes=60)}


def test_what_fails_for_the_cause_of_another_facet_is_one_notice() -> None:
    decisions = play([report("pass"), report("fail")])
    assert [told(decisions, facet_name) for facet_name in ("access", "pull")] == [[Reason.REGRESSED]] * 2
    later = [report("pass"), report("fail", pull="pass"), report("fail"), report("fail")]
    assert told(play(later), "pull") == [], "people know that the cluster fails for this cause"
    assert all(subject.notified for subject in play(later)[-1].state.subjects if subject.status is Status.FAILING)


def test_another_cause_counts_once_it_lasts() -> None:
    looks = [only_pull("fail", cause) for cause in ("dns", "dns", "tls", "dns", "tls", "tls")]
    assert told(play([only_pull("pass"), *looks]), "pull") == [Reason.REGRESSED, Reason.CAUSE_CHANGED]


# a row is one matter -------------------------------------------------------------------------------------------------


def row_of(
    access: str, path: str = "pass", pull: str = "pass", cause: str = "x", pull_cause: str = ""
) -> ClusterReport:
    """A look whose failing facets have a cause each."""
    made = report("pass")
    facets = {"access": facet(access, cause), "path": facet(path, cause), "pull": facet(pull, pull_cause or cause)}
    return msgspec.structs.replace(made, registries=(msgspec.structs.replace(made.registries[0], **facets),))


ENDS: dict[str, list[ClusterReport]] = {
    "unknown after a recovery": [
        report("pass"), report("fail"), report("pass", pull="unknown"), *[report("fail")] * 50
    ],
    "another facet, when both recover": [row_of("pass"), row_of("fail", pull="fail"), *[row_of("pass", "fail")] * 50],
    "the facet that spoke for it recovers": [
        row_of("pass"), row_of("fail"), *[row_of("fail", pull="fail")] * 2, *[row_of("pass", pull="fail")] * 50
    ],
    "days later": [
        report("pass"), report("fail"), *[report("pass", pull="unknown")] * 144, *[report("fail")] * 50
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", ENDS)
def test_a_failure_after_a_recovery_is_never_covered_by_what_was_said_before_it(what: str) -> None:
    said: dict[str, bool] = {}
    for decision in play(ENDS[what]):
        for moved in decision.change.transitions if decision.change else ():
            if moved.alert and moved.reason not in (Reason.BLIND, Reason.SEEN_AGAIN):
                said = {**said, moved.facet: moved.after is Status.FAILING}
    last = {name for name, answer in ENDS[what][-1].registries[0].facets() if isinstance(answer.verdict, Fail)}
    assert any(said.get(name) for name in last), "the last that was said of a facet that fails is that it fails"


def test_an_incident_of_three_causes_hides_nothing_that_comes_after_it() -> None:
    looks = [
        row_of("pass"), row_of("fail", cause="a"), *[row_of("fail", "fail", cause="a")] * 2,
        *[row_of("fail", "fail", "fail", cause="a", pull_cause="c")] * 2, row_of("pass"),
        *[row_of("pass")] * 2, *[row_of("fail", "fail", "fail", cause="d")] * 20,
    ]  # fmt: skip
    assert told(play(looks)) == [Reason.REGRESSED, Reason.RECOVERED, Reason.FLAPPING, Reason.SETTLED]
    assert mails(play(looks))[-2:] == [START + 10 * HALF_HOUR, START + 26 * HALF_HOUR], "at once, and that it lasts"


def test_what_nobody_is_notified_of_damps_nothing() -> None:
    made = report("pass")
    tags = [
        msgspec.structs.replace(made, registries=(msgspec.structs.replace(made.registries[0], images=facet(word)),))
        for word in ("pass", "fail", "fail", "pass", "fail", "fail", "pass", "fail", "fail", "pass")
    ]
    assert told(play([*tags, report("fail")])) == [Reason.REGRESSED]


def test_a_failure_that_nobody_was_notified_of_is_notified_though_its_cause_alternates() -> None:
    made = remembered("pass", pods=True)
    row = msgspec.structs.replace(made.registries[0], pull=facet("fail", "a"))
    unused = [msgspec.structs.replace(made, registries=(row,))] * 4
    used = [only_pull("fail", cause) for cause in ("b", "c") * 20]
    assert told(play([report("pass"), *unused, *used]), "pull")[0] is Reason.NOT_NOTIFIED_YET


# what is not known ---------------------------------------------------------------------------------------------------


def test_a_cluster_that_cannot_be_judged_any_more_is_one_notice_and_one_when_it_can() -> None:
    decisions = play([report("pass"), *[unseen()] * 60, report("pass"), report("pass")])
    assert told(decisions) == [Reason.BLIND, Reason.SEEN_AGAIN]
    blind = next(d.change for d in decisions if d.change and d.change.alerts)
    assert blind.at - (START + 2 * HALF_HOUR) == timedelta(hours=6)
    access = next(moved for moved in blind.transitions if moved.facet == "access")
    assert (access.gap, access.unknown_since, access.summary) == (
        "look-not-allowed", START + 2 * HALF_HOUR, "Reader is missing."
    )  # fmt: skip
    assert history_agrees(decisions)


def test_nodes_that_cannot_be_heard_any_more_are_what_is_missing() -> None:
    silent = msgspec.structs.replace(report("pass"), coverage=(Coverage("pods", False),))
    blind = next(
        moved
        for decision in play([report("pass"), *[only_pull("fail")] * 2, *[silent] * 20])
        if decision.change
        for moved in decision.change.transitions
        if moved.reason is Reason.BLIND
    )
    assert (blind.facet, blind.gap) == ("pull", "pods-read-in-part")
    assert blind.summary.startswith("Nodes reported that it fails, and not all pods can be read now")


def test_a_short_outage_is_no_notice() -> None:
    assert mails(play([report("pass"), *[unseen()] * 10, report("pass")])) == []


def test_what_was_never_known_is_no_notice() -> None:
    assert mails(play([report("unknown")] * 100)) == []


def test_a_failure_that_comes_after_not_knowing_is_notified() -> None:
    assert told(play([report("pass"), *[unseen()] * 20, report("fail")])) == [Reason.BLIND, Reason.REGRESSED]


def test_of_a_subscription_that_cannot_be_seen_its_own_notice_speaks() -> None:
    hidden = problem_report(CLUSTER, (REGISTRY,), ClusterProblem("not-visible", "No role.", "Reader"))
    assert mails(play([report("pass"), *[hidden] * 60])) == []


# what nobody uses ----------------------------------------------------------------------------------------------------


def remembered(word: str, *, pods: bool) -> ClusterReport:
    """The registry is only remembered; whether all pods were read, so that nobody uses it."""
    made = report(word)
    row = msgspec.structs.replace(made.registries[0], sources=(SEEN_BEFORE,))
    return msgspec.structs.replace(made, registries=(row,), coverage=(Coverage("pods", pods),))


def test_a_registry_that_nobody_uses_raises_no_alert_and_does_once_it_is_used() -> None:
    decisions = play([report("pass"), *[remembered("fail", pods=True)] * 5])
    assert mails(decisions) == []
    assert statuses(decisions[-1].state)[REGISTRY, "access"].status is Status.FAILING
    used = play([report("fail")], state=decisions[-1].state, first=10)
    assert told(used) == [Reason.NOT_NOTIFIED_YET]


@pytest.mark.parametrize("word", ["fail", "pass"])
def test_thirty_days_without_a_look_at_pods_make_nothing_unused(word: str) -> None:
    looks = [report("pass"), *[remembered(word, pods=False)] * (33 * 24)]
    decisions = play(looks, timedelta(hours=1))
    assert REGISTRY in decisions[-1].state.registries
    assert told(decisions) == [Reason.REGRESSED] * (word == "fail")


def test_a_registry_that_may_be_used_raises_one() -> None:
    assert told(play([report("pass"), remembered("fail", pods=False)])) == [Reason.REGRESSED]


# always ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["pass", "fail", "unknown", "skipped"])
def test_a_thousand_equal_looks_are_one_mail_at_most(word: str) -> None:
    assert len(mails(play([report("pass"), *[report(word)] * 1000]))) <= (word in ("fail", "unknown"))


WORDS = st.lists(st.sampled_from(["pass", "fail", "unknown", "skipped"]), min_size=1, max_size=120)
MINUTES = st.sampled_from([10, 30, 60, 360])


@given(WORDS, MINUTES)
def test_no_history_brings_more_than_a_dozen_mails_in_a_day(words: list[str], minutes: int) -> None:
    decisions = play([report(word) for word in words], timedelta(minutes=minutes))
    assert most_in_a_day(mails(decisions)) <= 12
    assert history_agrees(decisions)


@given(WORDS, MINUTES, st.sampled_from(["pass", "fail"]))
def test_whatever_was_before_what_lasts_for_a_day_is_known(words: list[str], minutes: int, last: str) -> None:
    step = timedelta(minutes=minutes)
    looks = [report(word) for word in words] + [report(last)] * (2 + DAY // step)
    decisions = play(looks, step)
    reported: bool | None = None
    for decision in decisions:
        for moved in decision.change.transitions if decision.change else ():
            if moved.facet == "access" and moved.alert and moved.reason is not Reason.FLAPPING:
                reported = moved.after is Status.FAILING
    if last == "fail":
        assert reported is True, "a failure that lasts was notified"
    else:
        assert reported is not True, "the last mail does not say that it fails"
