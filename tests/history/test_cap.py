"""More registries than are followed one by one: who fills the places x who finds none. No failure is silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from checks.changes import Reason, Status
from checks.findings import (
    SEEN_BEFORE,
    ClusterReport,
    Coverage,
    Facet,
    Fail,
    Pass,
    RegistryRow,
    Skipped,
    Unknown,
)
from checks.history.decide import Policy, decide
from checks.history.decide.admission import MAX_REGISTRIES, OTHERS, admit
from checks.history.decide.subject import MAX_MEMBERS
from checks.history.model import ClusterState, Decision, RunRef
from tests.history.test_noise import history_agrees, unseen
from tests.support.reports import report

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
FILLERS = ["pass", "fail", "unknown", "skipped", "remembered"]
NEWCOMER = "zzz.azurecr.io"


def row(name: str, word: str) -> RegistryRow:
    """A registry's row; "remembered": it fails, and nobody uses it."""
    made = report("fail" if word == "remembered" else word).registries[0]
    sources = (SEEN_BEFORE,) if word == "remembered" else made.sources
    return msgspec.structs.replace(made, registry=name, sources=sources)


def look(*rows: RegistryRow) -> ClusterReport:
    return msgspec.structs.replace(report("pass"), registries=rows, coverage=(Coverage("pods", True),))


def filled(word: str, count: int = MAX_REGISTRIES) -> list[RegistryRow]:
    return [row(f"acr{number:03}.azurecr.io", word) for number in range(count)]


def play(*looks: ClusterReport) -> list[Decision]:
    state: ClusterState | None = None
    decisions = []
    for number, seen in enumerate(looks, 1):
        now = START + timedelta(minutes=30 * number)
        decision = decide(state, seen, RunRef(f"run-{number}", number), Policy(), now)
        state = decision.state
        decisions.append(decision)
    return decisions


def told(decision: Decision) -> set[tuple[str, Reason]]:
    moved = decision.change.transitions if decision.change else ()
    return {(one.registry, one.reason) for one in moved if one.alert and one.facet == "access"}


@pytest.mark.parametrize("passed_first", [True, False], ids=["passed before", "new"])
@pytest.mark.parametrize("word", FILLERS)
@pytest.mark.parametrize("count", [MAX_REGISTRIES - 1, MAX_REGISTRIES, MAX_REGISTRIES + 20])
def test_a_failure_is_notified_at_once_whoever_has_the_places(word: str, count: int, passed_first: bool) -> None:
    others = filled(word, count)
    before = [*others, row(NEWCOMER, "pass")] if passed_first else others
    *_, last = play(look(*before), look(*before), look(*others, row(NEWCOMER, "fail")))
    named = {name for name, _ in told(last)} & {NEWCOMER, OTHERS}
    counted = {name for name, _ in told(play(look(*before))[0])} & {OTHERS}  # more failed than places from the start
    assert named or counted


def test_failures_beyond_the_places_are_one_row_that_counts_and_names_them() -> None:
    beyond = [f"zz{number}.azurecr.io" for number in range(5)]
    first, second, third = play(
        look(*filled("fail")),
        look(*filled("fail"), *(row(name, "fail") for name in beyond)),
        look(*filled("fail"), *(row(name, "pass") for name in beyond)),
    )
    assert OTHERS not in {subject.registry for subject in first.state.subjects}
    assert told(second) == {(OTHERS, Reason.FIRST_SEEN_FAILING)}
    access = next(s for s in second.state.subjects if s.key == (OTHERS, "access"))
    assert access.cause == "more-registries"
    assert access.summary.startswith("5 more registries fail than the 30 that are followed one by one: zz0.azurecr.io")
    assert second.state.capped == 5 * 4
    assert second.change is not None
    assert next(words for words in second.change.rows if words.registry == OTHERS).access == "fail"
    assert told(third) == {(OTHERS, Reason.RECOVERED)}
    assert history_agrees([first, second, third])


def test_who_finds_a_place_later_is_named() -> None:
    crowd = [row(NEWCOMER, "fail")]
    _, second = play(look(*filled("fail"), *crowd), look(*filled("fail", MAX_REGISTRIES - 1), *crowd))
    assert (NEWCOMER, Reason.FIRST_SEEN_FAILING) not in told(second), "the failure that is held keeps its place"
    *_, last = play(
        look(*filled("fail"), *crowd), look(*filled("fail")[1:], row("acr000.azurecr.io", "pass"), *crowd),
        look(*filled("fail")[1:], row("acr000.azurecr.io", "pass"), *crowd),
    )  # fmt: skip
    held = {subject.registry: subject.status for subject in last.state.subjects if subject.facet == "access"}
    assert held[NEWCOMER] is Status.FAILING


def test_a_crowd_that_passes_makes_no_row_for_the_others() -> None:
    (only,) = play(look(*filled("pass", 200)))
    assert OTHERS not in {subject.registry for subject in only.state.subjects}
    assert len({subject.registry for subject in only.state.subjects}) == MAX_REGISTRIES


@pytest.mark.parametrize(
    "then",
    [
        lambda: unseen(),
        lambda: look(*filled("fail"), row("zz0.azurecr.io", "unknown"), row("zz1.azurecr.io", "pass")),
        lambda: msgspec.structs.replace(look(*filled("fail")), coverage=(Coverage("pods", False),)),
    ],
    ids=["the cluster cannot be read", "one of them is unknown", "they are missing and pods were not read"],
)
def test_what_is_not_known_of_those_beyond_the_places_is_no_recovery(then: Callable[[], ClusterReport]) -> None:
    crowd = look(*filled("fail"), row("zz0.azurecr.io", "fail"))
    decisions = play(crowd, crowd, then(), then(), crowd)
    said = set().union(*map(told, decisions[2:]))
    assert not said & {(OTHERS, Reason.RECOVERED), (OTHERS, Reason.REGRESSED)}
    assert (OTHERS, "access") in {subject.key for subject in decisions[-1].state.subjects}


def test_once_all_have_places_the_row_of_the_others_leaves() -> None:
    crowd = look(*filled("fail"), row("zz0.azurecr.io", "fail"))
    *_, last = play(crowd, look(*filled("fail")))
    assert told(last) == {(OTHERS, Reason.CAPPED)}
    assert OTHERS not in {subject.registry for subject in last.state.subjects}


def test_a_new_failure_displaces_none_that_is_held_whatever_its_name() -> None:
    *_, last = play(look(*filled("fail")), look(*filled("fail"), row("aaa.azurecr.io", "fail")))
    assert "aaa.azurecr.io" not in {subject.registry for subject in last.state.subjects}
    assert told(last) == {(OTHERS, Reason.FIRST_SEEN_FAILING)}


def test_the_row_of_the_others_is_of_all_of_them() -> None:
    crowd = [
        msgspec.structs.replace(row(f"zz{number}.azurecr.io", "fail"), sources=(f"images of {number} pods",))
        for number in range(4)
    ]
    passes = msgspec.structs.replace(row("zz9.azurecr.io", "pass"), sources=("images of 1 pods",))
    others = admit((), look(*filled("fail"), *crowd, passes), pods_read=True).rows[OTHERS]
    summary = "4 more registries fail than the 30 that are followed one by one: "
    failing = Facet(Fail(), "more-registries", (), f"{summary}zz0.azurecr.io, zz1.azurecr.io, zz2.azurecr.io, …")
    assert others == RegistryRow(
        registry=OTHERS,
        access=failing,
        path=Facet(Pass(), "not-judged"),
        pull=failing,
        images=Facet(Skipped("none of them fails"), "not-judged"),
        sources=tuple(f"images of {number} pods" for number in range(4)),
    )
    three = admit((), look(*filled("fail"), *crowd[:3]), pods_read=True).rows[OTHERS]
    assert three.access.summary.endswith(": zz0.azurecr.io, zz1.azurecr.io, zz2.azurecr.io")
    unread = admit((), look(*filled("fail"), *crowd[:3]), pods_read=False).rows[OTHERS]
    unknown = Facet(Unknown("a look at every registry of the cluster"), "more-registries")
    assert (unread.access, unread.path, unread.images) == (three.access, unknown, unknown)


def test_what_is_judged_comes_before_what_is_skipped_whatever_its_name() -> None:
    skipped = Facet(Skipped("another way is taken"), "")
    idle = [
        msgspec.structs.replace(made, access=skipped, path=skipped, pull=skipped, images=skipped)
        for made in filled("pass")
    ]
    admitted = admit((), look(*idle, row(NEWCOMER, "pass")), pods_read=True)
    assert NEWCOMER in admitted.rows
    assert admitted.capped == (idle[-1].registry,)


def crowd_of(**words: str) -> ClusterReport:
    """Thirty registries that fail and have the places, and more of the given words that find none."""
    return look(*filled("fail"), *(row(f"zz{name}.azurecr.io", word) for name, word in words.items()))


def others_told(*looks: ClusterReport) -> list[set[Reason]]:
    return [{reason for name, reason in told(decision) if name == OTHERS} for decision in play(*looks)]


def test_one_more_that_fails_where_others_fail_already_is_notified_and_named_first() -> None:
    few = crowd_of(a="fail", b="fail", c="fail", d="pass")
    many = crowd_of(a="fail", b="fail", c="fail", d="fail")
    decisions = play(few, few, many, many)
    more = [one for one in map(told, decisions[2:]) if one]
    assert more == [{(OTHERS, Reason.MORE_FAILING)}], "once, not at each look"
    access = next(s for s in decisions[-2].state.subjects if s.key == (OTHERS, "access"))
    assert ": zzd.azurecr.io, zza.azurecr.io, zzb.azurecr.io, …" in access.summary
    assert history_agrees(decisions)


def test_one_that_fails_in_place_of_another_is_notified_though_as_many_fail() -> None:
    before, after = crowd_of(a="fail", b="pass"), crowd_of(a="pass", b="fail")
    assert others_told(before, before, after) == [{Reason.FIRST_SEEN_FAILING}, set(), {Reason.MORE_FAILING}]


def test_one_that_recovered_and_fails_again_is_notified_until_it_is_too_often() -> None:
    both, one = crowd_of(a="fail", b="fail"), crowd_of(a="fail", b="pass")
    said = others_told(*[both, one] * 24)
    reasons = [reason for reasons in said for reason in reasons]
    assert reasons[:3] == [Reason.FIRST_SEEN_FAILING, Reason.MORE_FAILING, Reason.MORE_FAILING]
    assert reasons[3:] == [Reason.FLAPPING], "and then silence"


UNUSED_AMONG_THE_OTHERS = {
    "a used one passes": ([crowd_of(a="pass", b="pass"), crowd_of(a="pass", b="remembered")], []),
    "a used one fails": ([crowd_of(a="fail"), crowd_of(a="fail", b="remembered")], [Reason.FIRST_SEEN_FAILING]),
    "it failed while it was used": (
        [crowd_of(a="pass", b="fail"), crowd_of(a="pass", b="remembered")], [Reason.FIRST_SEEN_FAILING]
    ),
    "it is used again": (
        [crowd_of(a="fail", b="remembered"), crowd_of(a="fail", b="fail")],
        [Reason.FIRST_SEEN_FAILING, Reason.MORE_FAILING],
    ),
    "it is used again, and was alone": (
        [crowd_of(a="pass", b="remembered"), crowd_of(a="pass", b="fail")], [Reason.FIRST_SEEN_FAILING]
    ),
    "pods cannot be read": (
        [
            crowd_of(a="pass", b="pass"),
            msgspec.structs.replace(crowd_of(a="pass", b="remembered"), coverage=(Coverage("pods", False),)),
        ],
        [Reason.FIRST_SEEN_FAILING],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSED_AMONG_THE_OTHERS)
def test_what_nobody_uses_any_more_is_no_news_among_the_others_and_no_recovery(case: str) -> None:
    looks, reasons = UNUSED_AMONG_THE_OTHERS[case]
    said = others_told(looks[0], looks[0], looks[1], looks[1], looks[1])
    assert [reason for each in said for reason in each] == reasons


def test_the_others_are_used_where_one_that_fails_is() -> None:
    used, unused = crowd_of(a="pass", b="fail"), crowd_of(a="pass", b="remembered")
    *_, before, last = play(used, used, unused)
    seen = [next(s for s in one.state.subjects if s.key == (OTHERS, "access")).last_seen for one in (before, last)]
    assert seen[0] == seen[1], "the one that passes is no use of what fails"


@pytest.mark.parametrize("then", ["unknown", "skipped", ""], ids=["unknown", "skipped", "not in the report"])
def test_one_of_the_others_that_was_not_seen_for_a_while_is_not_news(then: str) -> None:
    both, one = crowd_of(a="fail", b="fail"), crowd_of(a="fail", **({"b": then} if then else {}))
    assert others_told(both, both, one, one, both, both)[1:] == [set()] * 5


def test_one_more_whose_path_fails_is_notified_after_two_looks() -> None:
    def path(*failing: str) -> ClusterReport:
        down = Facet(Fail(), "not-resolved")
        crowd = [row(f"zz{name}.azurecr.io", "pass") for name in "bc"]
        return look(
            *filled("fail"),
            *(msgspec.structs.replace(one, path=down) if one.registry[2] in failing else one for one in crowd),
        )

    reasons = []
    for decision in play(path("b"), path("b"), path("b", "c"), path("b"), path("b", "c"), path("b", "c")):
        moved = decision.change.transitions if decision.change else ()
        reasons.append({one.reason for one in moved if one.alert and (one.registry, one.facet) == (OTHERS, "path")})
    assert reasons == [set(), {Reason.FIRST_SEEN_FAILING}, set(), set(), set(), {Reason.MORE_FAILING}]


def test_what_is_held_of_the_others_is_bounded() -> None:
    *_, last = play(*(crowd_of(**{f"{batch}-{n}": "fail" for n in range(70)}) for batch in range(4)))
    access = next(s for s in last.state.subjects if s.key == (OTHERS, "access"))
    assert len(access.members) == MAX_MEMBERS
