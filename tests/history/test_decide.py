"""The rules of deciding, a sentence each, and what must hold over any history."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.changes import Change, Reason, Status
from checks.findings import SEEN_BEFORE, Basis, ClusterReport, Coverage
from checks.history.decide import FACETS, Policy, decide, fold, gone, opted_out, statuses
from checks.history.model import ClusterState, Decision, RunRef
from tests.support.reports import REGISTRY, report

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
KEY = (REGISTRY, "access")


def after(looks: int = 1, passes: int = 1, **more: Any) -> Policy:
    """A policy under which every facet takes so many looks."""
    return Policy(fail_after=dict.fromkeys(FACETS, looks), pass_after=dict.fromkeys(FACETS, passes), **more)


def play(words: list[str], policy: Policy | None = None) -> list[Decision]:
    """Decides a report per word, half an hour apart."""
    state: ClusterState | None = None
    decisions = []
    for number, word in enumerate(words, 1):
        now = START + timedelta(minutes=30 * number)
        decision = decide(state, report(word), RunRef(f"run-{number}", number), policy or Policy(), now)
        decisions.append(decision)
        state = decision.state
    return decisions


def last_reason(decision: Decision) -> Reason:
    return next(r.reason for r in decision.reasons if (r.registry, r.facet) == KEY)


def alerts(decisions: list[Decision]) -> list[tuple[int, Reason]]:
    """The run and the reason of every access transition that is to be reported."""
    return [
        (number, moved.reason)
        for number, decision in enumerate(decisions, 1)
        if decision.change
        for moved in decision.change.transitions
        if moved.facet == "access" and moved.alert
    ]


@pytest.mark.parametrize(
    ("sentence", "words", "policy", "reason", "status", "expected"),
    [
        ("what passes at first sight is recorded and not reported", ["pass"], Policy(),
         Reason.FIRST_SEEN_PASSING, Status.PASSING, []),
        ("what fails at first sight is reported", ["fail"], Policy(),
         Reason.FIRST_SEEN_FAILING, Status.FAILING, [(1, Reason.FIRST_SEEN_FAILING)]),
        ("what fails at the first look of all goes into the summary", ["fail"], Policy(baseline=True),
         Reason.BASELINE, Status.FAILING, [(1, Reason.BASELINE)]),
        ("a regression is none of the summary's, whatever the run", ["pass", "fail"], Policy(baseline=True),
         Reason.REGRESSED, Status.FAILING, [(2, Reason.REGRESSED)]),
        ("a fail after a pass is a regression", ["pass", "fail"], Policy(),
         Reason.REGRESSED, Status.FAILING, [(2, Reason.REGRESSED)]),
        ("still failing tells nobody again", ["pass", "fail", "fail"], Policy(),
         Reason.STILL_FAILING, Status.FAILING, [(2, Reason.REGRESSED)]),
        ("a pass after a told fail is a recovery", ["pass", "fail", "pass"], Policy(),
         Reason.RECOVERED, Status.PASSING, [(2, Reason.REGRESSED), (3, Reason.RECOVERED)]),
        ("one fail below the threshold moves nothing", ["pass", "fail"], after(2),
         Reason.BELOW_THRESHOLD, Status.PASSING, []),
        ("the threshold counts fails in a row", ["pass", "fail", "pass", "fail"], after(2),
         Reason.BELOW_THRESHOLD, Status.PASSING, []),
        ("Unknown between two fails breaks no streak", ["pass", "fail", "unknown", "fail"], after(2),
         Reason.REGRESSED, Status.FAILING, [(4, Reason.REGRESSED)]),
        ("one pass below the threshold resolves nothing", ["pass", "fail", "pass"], after(1, 2),
         Reason.BELOW_THRESHOLD, Status.FAILING, [(2, Reason.REGRESSED)]),
        ("Unknown resolves nothing", ["pass", "fail", "unknown"], Policy(),
         Reason.UNKNOWN, Status.FAILING, [(2, Reason.REGRESSED)]),
        ("Unknown flips nothing", ["pass", "unknown"], Policy(), Reason.UNKNOWN, Status.PASSING, []),
        ("Skipped resolves nothing", ["pass", "fail", "skipped"], Policy(),
         Reason.SKIPPED, Status.FAILING, [(2, Reason.REGRESSED)]),
        ("what alerts are off for is recorded all the same", ["pass", "fail"], Policy(alert_on=frozenset({"path"})),
         Reason.REGRESSED, Status.FAILING, []),
        ("a recovery is told to those alone who were told of the failure", ["pass", "fail", "pass"],
         Policy(alert_on=frozenset({"path"})), Reason.RECOVERED, Status.PASSING, []),
    ],
)  # fmt: skip
def test_the_rules_of_deciding(
    sentence: str, words: list[str], policy: Policy, reason: Reason, status: Status, expected: list[tuple[int, Reason]]
) -> None:
    decisions = play(words, policy)
    assert last_reason(decisions[-1]) is reason, sentence
    assert statuses(decisions[-1].state)[KEY].status is status, sentence
    assert alerts(decisions) == expected, sentence


def test_the_same_run_again_or_an_older_one_changes_nothing() -> None:
    state = play(["pass", "fail"])[-1].state
    for sequence in (2, 1):
        decision = decide(state, report("pass"), RunRef("other", sequence), Policy(), START + timedelta(days=1))
        assert decision.stale
        assert decision.state == state
        assert decision.change is None


def test_another_cause_of_a_told_failure_is_told() -> None:
    state = play(["pass", "fail"])[-1].state
    decision = decide(state, report("fail", cause="denied"), RunRef("run-3", 3), Policy(), START + timedelta(hours=3))
    assert last_reason(decision) is Reason.CAUSE_CHANGED
    assert decision.change is not None
    assert decision.change.alerts


def test_a_registry_that_is_missing_from_a_report_has_not_recovered() -> None:
    state = play(["pass", "fail"])[-1].state
    empty = ClusterReport(id=state.cluster)
    soon = decide(state, empty, RunRef("run-3", 3), Policy(), START + timedelta(days=1))
    assert soon.change is None
    assert statuses(soon.state)[KEY].status is Status.FAILING
    late = decide(soon.state, empty, RunRef("run-4", 4), Policy(), START + timedelta(days=40))
    assert late.change is None, "nobody looked for weeks, so nothing is known to be unused"
    for day in range(41, 80):
        late = decide(late.state, empty, RunRef(f"run-{day}", day), Policy(), START + timedelta(days=day))
        if late.change is not None:
            break
    assert day == 69
    assert {moved.reason for moved in late.change.transitions} == {Reason.FORGOTTEN}
    assert not late.state.subjects


def test_a_registry_that_is_only_remembered_is_forgotten_after_thirty_days() -> None:
    state = play(["pass"])[-1].state
    full = report("pass")
    rows = tuple(msgspec.structs.replace(row, sources=(SEEN_BEFORE,)) for row in full.registries)
    remembered = msgspec.structs.replace(full, registries=rows)
    for day in range(2, 31):
        state = decide(state, remembered, RunRef(f"run-{day}", day), Policy(), START + timedelta(days=day)).state
        assert REGISTRY in state.registries
    for day in (31, 32):
        state = decide(state, remembered, RunRef(f"run-{day}", day), Policy(), START + timedelta(days=day)).state
    assert REGISTRY not in state.registries


def test_a_cluster_that_is_gone_has_not_recovered() -> None:
    state = play(["pass", "fail"])[-1].state
    for number, minutes in ((3, 180), (4, 180), (5, 183)):  # looks of one minute are one, and two come too soon
        missed = gone(state, RunRef(f"run-{number}", number), START + timedelta(minutes=minutes))
        assert (missed.change, missed.keeps_report) == (None, True)
        assert [reason.reason for reason in missed.reasons] == [Reason.MISSED]
        state = missed.state
    decision = gone(state, RunRef("run-6", 6), START + timedelta(hours=4))
    assert decision.change is not None
    assert {moved.reason for moved in decision.change.transitions} == {Reason.GONE}
    assert all(moved.after is None for moved in decision.change.transitions)


def test_a_cluster_that_is_listed_again_was_never_gone() -> None:
    state = gone(play(["pass"])[-1].state, RunRef("run-2", 2), START + timedelta(hours=2)).state
    state = decide(state, report("pass"), RunRef("run-3", 3), Policy(), START + timedelta(hours=3)).state
    assert gone(state, RunRef("run-4", 4), START + timedelta(hours=4)).change is None


def test_a_cluster_that_opts_out_leaves_at_once_and_says_why() -> None:
    state = play(["pass", "fail"])[-1].state
    decision = opted_out(state, RunRef("run-3", 3), START + timedelta(hours=3))
    assert decision.change is not None
    assert {moved.reason for moved in decision.change.transitions} == {Reason.OPTED_OUT}


def test_what_a_summary_told_of_gets_a_recovery_mail() -> None:
    state = play(["fail"], Policy(baseline=True))[-1].state
    decision = decide(state, report("pass"), RunRef("run-2", 2), Policy(), START + timedelta(hours=2))
    assert decision.change is not None
    assert [moved.facet for moved in decision.change.transitions if moved.alert] == ["access", "pull"]


WORDS = st.lists(st.sampled_from(["pass", "fail", "unknown", "skipped"]), min_size=1, max_size=40)
POLICIES = st.builds(after, st.integers(1, 4), st.integers(1, 4))


@given(WORDS, POLICIES)
def test_history_folded_is_the_state(words: list[str], policy: Policy) -> None:
    changes: list[Change] = []
    for decision in play(words, policy):
        changes += [decision.change] if decision.change else []
        assert fold(changes) == statuses(decision.state)


@given(WORDS, POLICIES, st.integers(0, 40))
def test_unknown_put_anywhere_changes_no_status_and_tells_nobody(words: list[str], policy: Policy, where: int) -> None:
    plain = play(words, policy)
    number = min(where, len(words))
    state = plain[number - 1].state if number else None
    told = alerts(plain[:number])
    between = RunRef("between", number * 10 + 5)
    state = decide(state, report("unknown"), between, policy, START + timedelta(minutes=30 * number + 15)).state
    for later, word in enumerate(words[number:], number + 1):
        now = START + timedelta(minutes=30 * later)
        decision = decide(state, report(word), RunRef(f"run-{later}", later * 10 + 9), policy, now)
        state, told = decision.state, told + [(later, reason) for _, reason in alerts([decision])]
    first_seen = {Reason.FIRST_SEEN_FAILING: Reason.REGRESSED}
    assert [first_seen.get(reason, reason) for _, reason in told] == [
        first_seen.get(reason, reason) for _, reason in alerts(plain)
    ]
    assert {key: held.status for key, held in statuses(state).items() if key == KEY} == {
        key: held.status for key, held in statuses(plain[-1].state).items() if key == KEY
    } or not words[number:]


@given(st.sampled_from(["pass", "fail"]), POLICIES)
def test_a_hundred_equal_looks_tell_once_at_most(word: str, policy: Policy) -> None:
    assert len(alerts(play([word] * 100, policy))) <= 1


@given(WORDS, POLICIES)
def test_every_recovery_follows_a_failure_that_was_told(words: list[str], policy: Policy) -> None:
    reasons = [reason for _, reason in alerts(play(words, policy))]
    for before, now in zip([None, *reasons], reasons, strict=False):
        if now is Reason.RECOVERED:
            assert before in {Reason.REGRESSED, Reason.FIRST_SEEN_FAILING, Reason.SETTLED}


def many(*rows: tuple[str, str]) -> ClusterReport:
    """A report with a row per (registry, word)."""
    made = [msgspec.structs.replace(report(word).registries[0], registry=name) for name, word in rows]
    return msgspec.structs.replace(report("pass"), registries=tuple(made))


def test_what_fails_displaces_what_passes_and_nobody_is_told_that_it_left() -> None:
    full = many(*((f"made-up-{n:03}.example", "pass") for n in range(200)))
    first = decide(None, full, RunRef("run-1", 1), Policy(), START)
    assert {subject.registry for subject in first.state.subjects} == {f"made-up-{n:03}.example" for n in range(30)}
    assert first.state.capped == 170 * len(FACETS)
    worse = msgspec.structs.replace(full, registries=(*full.registries, *many(("zzz.azurecr.io", "fail")).registries))
    second = decide(first.state, worse, RunRef("run-2", 2), Policy(), START + timedelta(minutes=30))
    assert any(subject.registry == "zzz.azurecr.io" for subject in second.state.subjects)
    assert second.change is not None
    told = {(moved.registry, moved.reason) for moved in second.change.transitions if moved.alert}
    assert told == {("zzz.azurecr.io", Reason.FIRST_SEEN_FAILING)}
    left = {moved.registry for moved in second.change.transitions if moved.reason is Reason.CAPPED}
    assert left == {"made-up-029.example"}
    assert first.change is not None
    assert fold([first.change, second.change]) == statuses(second.state), "history and state agree"


def test_a_failure_that_people_know_of_keeps_its_place() -> None:
    first = decide(None, many((REGISTRY, "fail")), RunRef("run-1", 1), Policy(), START)
    flood = many((REGISTRY, "unknown"), *((f"a-{n:03}.example", "pass") for n in range(200)))
    second = decide(first.state, flood, RunRef("run-2", 2), Policy(), START + timedelta(minutes=30))
    assert statuses(second.state)[KEY].status is Status.FAILING


def heard(word: str, *, pods: bool) -> ClusterReport:
    """A report that rests on nodes where the pods were read, and on Azure alone where they were not."""
    made = report("pass", pull=word)
    basis = (Basis.NODES,) if pods else (Basis.AZURE,)
    row = msgspec.structs.replace(made.registries[0], basis=basis)
    return msgspec.structs.replace(made, registries=(row,), coverage=(Coverage("pods", pods),))


def test_what_nodes_reported_is_resolved_by_nodes_alone() -> None:
    state: ClusterState | None = None
    statuses_seen, told = [], []
    for number, (word, pods) in enumerate([("fail", True), ("pass", False), ("pass", False), ("pass", True)], 1):
        decision = decide(state, heard(word, pods=pods), RunRef(f"run-{number}", number), after(), START)
        state = decision.state
        statuses_seen.append(statuses(state)[(REGISTRY, "pull")].status)
        told += [moved.reason for moved in decision.change.transitions if moved.alert] if decision.change else []
    assert statuses_seen == [Status.FAILING, Status.FAILING, Status.FAILING, Status.PASSING]
    assert told == [Reason.FIRST_SEEN_FAILING, Reason.RECOVERED]


def test_what_azure_alone_showed_is_resolved_by_azure() -> None:
    first = decide(None, heard("fail", pods=False), RunRef("run-1", 1), after(), START)
    second = decide(first.state, heard("pass", pods=False), RunRef("run-2", 2), after(), START)
    assert statuses(second.state)[(REGISTRY, "pull")].status is Status.PASSING


def test_path_and_pull_fail_after_two_looks_and_access_after_one() -> None:
    state = decide(None, report("pass"), RunRef("run-1", 1), Policy(), START).state
    failing = []
    for number in (2, 3):
        made = report("fail", path="fail", cause=f"cause-{number}")
        facets = {name: msgspec.structs.replace(answer, cause=name) for name, answer in made.registries[0].facets()}
        made = msgspec.structs.replace(made, registries=(msgspec.structs.replace(made.registries[0], **facets),))
        now = START + timedelta(minutes=30 * number)
        state = decide(state, made, RunRef(f"run-{number}", number), Policy(), now).state
        failing.append({subject.facet for subject in state.subjects if subject.status is Status.FAILING})
    assert failing == [{"access"}, {"access", "path", "pull"}]


def test_looks_of_one_minute_are_one_whatever_time_passed_since_the_first() -> None:
    state = play(["pass"], after(3))[-1].state
    begin = START + timedelta(hours=2)
    for number, seconds in ((2, 0), (3, 50), (4, 540), (5, 590)):
        now = begin + timedelta(seconds=seconds)
        decision = decide(state, report("fail"), RunRef(f"run-{number}", number), after(3), now)
        state = decision.state
        assert decision.change is None, "three looks in ten minutes, of which two are one, and a fourth that is one too"
    decision = decide(state, report("fail"), RunRef("run-6", 6), after(3), begin + timedelta(seconds=620))
    assert decision.change is not None
    assert {moved.since for moved in decision.change.transitions} == {begin}


def test_what_is_stored_of_a_failure_holds_no_secret() -> None:
    secret = "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA=="
    made = report("fail")
    leaky = msgspec.structs.replace(
        made.registries[0].access,
        summary=f"The server said: AccountKey={secret}",
        fix=(f"az storage container list --account-key {secret}\nAccountKey={secret}", "az acr show"),
    )
    row = msgspec.structs.replace(made.registries[0], access=leaky)
    full = msgspec.structs.replace(made, registries=(row,))
    decision = decide(None, full, RunRef("run-1", 1), Policy(), START)
    subject = next(subject for subject in decision.state.subjects if subject.key == KEY)
    assert subject.summary.startswith("The server said: ")
    assert subject.fix[0].startswith("az storage container list")
    assert subject.fix[1:] == ("az acr show",)
    for kept in (decision.state.subjects, decision.change):
        assert secret.encode() not in msgspec.json.encode(kept)


def test_a_summary_says_what_was_seen_once_and_nothing_else_does() -> None:
    made = report("pass", path="fail")
    for policy, expected in ((Policy(baseline=True), Reason.BASELINE), (Policy(), Reason.BELOW_THRESHOLD)):
        decision = decide(None, made, RunRef("run-1", 1), policy, START)
        assert decision.change is not None
        moved = next(moved for moved in decision.change.transitions if moved.facet == "path")
        assert (moved.reason, moved.alert) == (expected, expected is Reason.BASELINE)
    state = decide(None, report("pass"), RunRef("run-1", 1), Policy(baseline=True), START).state
    later = decide(state, made, RunRef("run-2", 2), Policy(baseline=True), START + timedelta(hours=1))
    assert later.change is None, "what passed before fails after two looks, in a baseline as well"


def test_what_is_not_known_any_more_says_which_command_helps() -> None:
    made = report("unknown")
    needs = msgspec.structs.replace(made.registries[0].access, fix=("az role assignment create --role Reader",))
    silent = msgspec.structs.replace(made, registries=(msgspec.structs.replace(made.registries[0], access=needs),))
    state = decide(None, report("pass"), RunRef("run-1", 1), Policy(), START).state
    for number in range(2, 16):
        now = START + timedelta(minutes=30 * number)
        decision = decide(state, silent, RunRef(f"run-{number}", number), Policy(), now)
        state = decision.state
        if decision.change:
            break
    assert decision.change is not None
    blind = next(moved for moved in decision.change.transitions if moved.facet == "access")
    assert (blind.reason, blind.fix) == (Reason.BLIND, ("az role assignment create --role Reader",))


def test_a_look_that_fails_ends_what_was_not_known_before_it() -> None:
    decisions = play(["pass", *["unknown"] * 11, "fail", *["unknown"] * 11])
    assert alerts(decisions) == [(13, Reason.REGRESSED)]


def test_commands_are_kept_whole_as_many_as_fit() -> None:
    made = report("fail")
    long = tuple(letter * 300 for letter in "abc")
    for fix, expected in ((long, long[:2]), (("d" * 801,), ()), (("e" * 800,), ("e" * 800,)), (("f\ng",), ("f\ng",))):
        access = msgspec.structs.replace(made.registries[0].access, fix=fix)
        row = msgspec.structs.replace(made.registries[0], access=access)
        full = msgspec.structs.replace(made, registries=(row,))
        state = decide(None, full, RunRef("run-1", 1), Policy(), START).state
        assert next(subject for subject in state.subjects if subject.key == KEY).fix == expected


@pytest.mark.parametrize(("words", "status"), [("pf", Status.FAILING), ("fp", Status.PASSING)])
def test_what_begins_begins_no_earlier_than_the_look_before_it_though_the_clock_was_put_back(
    words: str, status: Status
) -> None:
    first, second = ({"p": "pass", "f": "fail"}[word] for word in words)
    looked = START + timedelta(hours=2)
    state = decide(None, report(first), RunRef("run-1", 1), Policy(), looked).state
    state = decide(state, report(second), RunRef("run-2", 2), Policy(), START).state
    assert (statuses(state)[KEY].status, statuses(state)[KEY].since) == (status, looked)


def test_another_cause_counts_after_as_many_looks_as_the_failure_itself() -> None:
    state = play(["fail"] * 3, after(3))[-1].state
    reasons = []
    for number in (4, 5, 6):
        now = START + timedelta(minutes=30 * number)
        decision = decide(state, report("fail", cause="denied"), RunRef(f"run-{number}", number), after(3), now)
        state = decision.state
        reasons.append(last_reason(decision))
    assert reasons == [Reason.BELOW_THRESHOLD, Reason.BELOW_THRESHOLD, Reason.CAUSE_CHANGED]
