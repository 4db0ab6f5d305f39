"""Who is notified that something flaps, and who knows already."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from checks.changes import Reason, Status, Transition
from checks.findings import SEEN_BEFORE, ClusterReport, Coverage
from checks.history.decide import Policy, decide
from checks.history.model import ClusterState, Decision, RunRef, SubjectState
from tests.support.reports import facet, report

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
FLAPS = ("pass", "fail", "pass", "fail", "pass")  # the fourth flip is one too many


def look(access: str, path: str = "pass", *, cause: str = "a", used: bool = True) -> ClusterReport:
    """A look at one registry; its path fails for a cause of its own."""
    made = report("pass")
    row = msgspec.structs.replace(
        made.registries[0],
        access=facet(access, cause),
        path=facet(path, "route"),
        sources=made.registries[0].sources if used else (SEEN_BEFORE,),
    )
    return msgspec.structs.replace(made, registries=(row,), coverage=(Coverage("pods", True),))


def play(looks: Sequence[ClusterReport], state: ClusterState | None = None) -> list[Decision]:
    """A decision for each look, half an hour apart, after what was decided before."""
    decisions = []
    for number, seen in enumerate(looks, state.sequence + 1 if state else 1):
        decision = decide(state, seen, RunRef(f"run-{number}", number), Policy(), START + number * HALF_HOUR)
        state = decision.state
        decisions.append(decision)
    return decisions


def moved(decision: Decision, name: str = "access") -> Transition:
    """What moved of a facet."""
    assert decision.change is not None
    return next(one for one in decision.change.transitions if one.facet == name)


def held(decision: Decision, name: str = "access") -> SubjectState:
    """What is held of a facet."""
    return next(subject for subject in decision.state.subjects if subject.facet == name)


def test_a_failure_that_is_one_flip_too_many_is_notified_though_nobody_knew_of_one() -> None:
    last = play([look("pass"), look("fail"), look("fail", cause="b"), look("pass"), look("fail")])[-1]
    assert (moved(last).reason, moved(last).alert) == (Reason.FLAPPING, True)
    assert held(last).notified


def test_a_recovery_that_is_one_flip_too_many_is_notified_where_nobody_uses_the_registry_any_more() -> None:
    *words, back = FLAPS
    last = play([*map(look, words), look(back, used=False)])[-1]
    assert (moved(last).reason, moved(last).alert) == (Reason.FLAPPING, True)


def test_that_it_flaps_is_said_once_a_day_though_it_settles_in_between() -> None:
    first = play([*map(look, FLAPS)])
    assert moved(first[-1]).reason is Reason.FLAPPING
    calm = play([look("pass")] * 17, first[-1].state)
    assert held(calm[-1]).flapping_since is None
    again = play([look("fail")], calm[-1].state)[-1]
    assert (moved(again).reason, moved(again).alert, held(again).notified) == (Reason.DAMPED, False, True)
    assert (moved(again).before, moved(again).after) == (Status.PASSING, Status.FAILING)
    assert held(again).flapped_at == START + 5 * HALF_HOUR


def test_that_it_flaps_is_said_again_a_day_later() -> None:
    first = play([*map(look, FLAPS)])
    calm = play([look("pass")] * 70, first[-1].state)  # that it settled is a day ago, too
    again = play([*map(look, ("fail", "pass", "fail", "pass"))], calm[-1].state)
    assert [moved(one).reason for one in again] == [
        Reason.REGRESSED, Reason.RECOVERED, Reason.REGRESSED, Reason.FLAPPING
    ]  # fmt: skip
    assert all(moved(one).alert for one in again)


def test_what_fails_for_the_first_time_beside_what_flaps_says_nothing_until_it_lasts() -> None:
    first = play([*map(look, FLAPS)])
    beside = play([look("pass", "fail")] * 2, first[-1].state)[-1]
    path = moved(beside, "path")
    assert (path.reason, path.alert, path.after) == (Reason.DAMPED, False, Status.FAILING)
    assert (held(beside, "path").notified, held(beside, "path").flapped_at) == (True, None)
    lasting = play([look("pass", "fail")] * 20, beside.state)
    settled = [one.change for one in lasting if one.change]
    assert [
        (one.facet, one.reason, one.alert) for change in settled for one in change.transitions if one.facet == "path"
    ] == [("path", Reason.SETTLED, True)]


def test_after_a_recovery_nobody_knows_of_a_failure() -> None:
    recovered = play([look("pass"), look("fail"), look("pass")])[-1]
    assert not held(recovered).notified
    assert moved(recovered).bad_since == START + 2 * HALF_HOUR


def reason_of(decision: Decision, name: str = "access") -> Reason:
    """What deciding says it did with a facet."""
    return next(one.reason for one in decision.reasons if one.facet == name)


def test_a_failure_of_a_registry_that_is_used_again_is_notified_once_and_so_is_its_recovery() -> None:
    unused = play([look("pass"), *[look("fail", used=False)] * 3])[-1]
    assert not held(unused).notified
    due, still, back = play([look("fail"), look("fail"), look("pass")], unused.state)
    said = moved(due)
    assert (said.before, said.after, said.reason, said.alert) == (
        Status.FAILING, Status.FAILING, Reason.NOT_NOTIFIED_YET, True
    )  # fmt: skip
    assert reason_of(due) is Reason.NOT_NOTIFIED_YET
    assert (held(due).notified, held(due).blind, held(due).since) == (True, False, START + 2 * HALF_HOUR)
    assert (still.change, reason_of(still)) == (None, Reason.STILL_FAILING)
    assert (moved(back).reason, moved(back).alert) == (Reason.RECOVERED, True)


def test_what_another_facet_speaks_for_is_held_for_as_long_as_it_fails() -> None:
    _, before, *decisions = play([report("pass"), report("fail", pull="pass"), *[report("fail")] * 9])
    assert held(before, "pull").status is Status.PASSING
    for decision in decisions:
        pull = held(decision, "pull")
        assert (pull.status, pull.notified, pull.covered) == (Status.FAILING, True, True)
        assert pull.since == START + 3 * HALF_HOUR


def test_what_flapped_and_fails_settles_with_a_notice_to_those_who_knew_of_nothing() -> None:
    unused = play([look(word, used=False) for word in ("pass", "fail", "pass", "fail", "pass", "fail")])
    assert [moved(one).alert for one in unused] == [False] * 6
    assert (held(unused[-1]).flapping_since is not None, held(unused[-1]).notified) == (True, False)
    settled = next(one for one in play([look("fail")] * 20, unused[-1].state) if one.change)
    said = moved(settled)
    assert (said.before, said.after, said.reason, said.alert) == (
        Status.FAILING, Status.FAILING, Reason.SETTLED, True
    )  # fmt: skip
    assert reason_of(settled) is Reason.SETTLED
    assert (held(settled).notified, held(settled).blind) == (True, False)


def test_what_flapped_unnoticed_and_holds_settles_unnoticed() -> None:
    unused = play([look(word, used=False) for word in FLAPS])[-1]
    settled = next(one for one in play([look("pass")] * 20, unused.state) if one.change)
    assert (moved(settled).reason, moved(settled).alert) == (Reason.SETTLED, False)


def test_what_is_known_again_says_how_it_is() -> None:
    silent = [look("unknown", "unknown")] * 14
    blind = play([look("pass"), *silent])[-1]
    assert held(blind).blind
    back = play([look("pass")], blind.state)[-1]
    said = moved(back)
    assert (said.before, said.after, said.reason, said.alert) == (
        Status.PASSING, Status.PASSING, Reason.SEEN_AGAIN, True
    )  # fmt: skip
    assert reason_of(back) is Reason.SEEN_AGAIN
    assert held(back).blind is False


def test_what_is_not_in_a_report_is_kept_and_said_to_be_absent() -> None:
    seen = play([look("fail")])[-1]
    later = play([msgspec.structs.replace(look("fail"), registries=())], seen.state)[-1]
    assert reason_of(later) is Reason.ABSENT
    assert held(later) == held(seen)
