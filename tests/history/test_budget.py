"""How often people hear of one registry in a day, whatever it does, and that what is held back is said later."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

import msgspec
import pytest

from checks.changes import Reason, Status, Transition
from checks.findings import ClusterReport, Coverage, RegistryRow, word
from checks.history.decide import Policy, decide, gone, opted_out
from checks.history.decide.admission import MAX_REGISTRIES, OTHERS, digest_of
from checks.history.decide.looks import MAX_COUNTED, with_notices
from checks.history.model import ClusterState, Decision, RunRef
from tests.history.test_noise import history_agrees, unseen
from tests.support.reports import REGISTRY, facet, report
from tests.support.sampling import sampled

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
HALF_HOUR = timedelta(minutes=30)
LASTING = timedelta(hours=8)
BESIDE = {Reason.BLIND, Reason.SEEN_AGAIN}  # bounded by an age of their own
STAYS = {Reason.SETTLED, Reason.NOT_NOTIFIED_YET}
CHANGES, ALL = 4, 7  # notices in 24 hours that say it changed, and with those that say how it stays or that it left

Leaves = Callable[[ClusterState, RunRef, datetime], Decision]
Step = ClusterReport | Leaves


def row(
    access: str, path: str = "pass", pull: str = "pass", *, name: str = REGISTRY, cause: str = "denied"
) -> RegistryRow:
    facets = {"access": facet(access, cause), "path": facet(path, "dns"), "pull": facet(pull, cause)}
    return msgspec.structs.replace(report("pass").registries[0], registry=name, **facets)


def look(*rows: RegistryRow) -> ClusterReport:
    return msgspec.structs.replace(report("pass"), registries=rows, coverage=(Coverage("pods", True),))


def play(steps: Sequence[Step], apart: Sequence[timedelta] = (HALF_HOUR,)) -> list[Decision]:
    """A decision for each step; the pauses between them come in turn."""
    state: ClusterState | None = None
    decisions, now = [], START
    for number, one in enumerate(steps, 1):
        now += apart[number % len(apart)]
        run = RunRef(f"run-{number}", number)
        if isinstance(one, ClusterReport):
            decision = decide(state, one, run, Policy(), now)
        elif state is not None:
            decision = one(state, run, now)
        else:
            continue
        state = decision.state
        decisions.append(decision)
    return decisions


def said(decisions: Sequence[Decision]) -> dict[str, list[tuple[datetime, list[Transition]]]]:
    """What people were notified of each registry, look by look, beside that nothing is known of it."""
    found: dict[str, list[tuple[datetime, list[Transition]]]] = defaultdict(list)
    for change in (decision.change for decision in decisions if decision.change):
        told: dict[str, list[Transition]] = defaultdict(list)
        for moved in change.transitions:
            if moved.alert and moved.reason not in BESIDE:
                told[moved.registry].append(moved)
        for registry, transitions in told.items():
            found[registry].append((change.at, transitions))
    return found


def is_change(transitions: Sequence[Transition]) -> bool:
    return not any(moved.reason in STAYS or moved.after is None for moved in transitions)


def over_budget(decisions: Sequence[Decision]) -> list[tuple[str, datetime, int]]:
    """The notices that came though too many had come in the 24 hours before."""
    found = []
    for registry, notices in said(decisions).items():
        for end, transitions in notices:
            within = sum(end - DAY < at <= end for at, _ in notices)
            if within > (CHANGES if is_change(transitions) else ALL):
                found.append((registry, end, within))
    return found


def facets_in_turn() -> list[Step]:
    """Access, path and pull fail one after another, then recover one after another."""
    ways = [
        row("fail"), row("fail", "fail"), row("fail", "fail", "fail", cause="tls"),
        row("pass", "fail", "fail"), row("pass", "pass", "fail"), row("pass"),
    ]  # fmt: skip
    return [look(one) for one in ways for _ in range(2)]


def named(number: int) -> str:
    return f"acr{number:03}.azurecr.io"


def crowd(failing: Callable[[int], bool], count: int) -> ClusterReport:
    return look(*(row("fail" if failing(number) else "pass", name=named(number)) for number in range(count)))


def off_and_on(times: int) -> list[Step]:
    turn: list[Step] = [look(row("fail")), opted_out]
    return turn * times


def gone_and_back(times: int) -> list[Step]:
    turn: list[Step] = [look(row("fail")), gone, gone]
    return turn * times


SHAPES: dict[str, list[Step]] = {
    "the tag goes off and on while it fails": [look(row("pass")), *off_and_on(48)],
    "it is gone and back while it fails": [look(row("pass")), *gone_and_back(32)],
    "a 31st that fails is in every second report": [
        crowd(lambda _: True, MAX_REGISTRIES + number % 2) for number in range(96)
    ],
    "40 registries, 33 of them fail in rotation": [
        crowd(lambda number, turn=turn: (number + turn) % 40 < 33, 40) for turn in range(96)  # type: ignore[misc]
    ],
    "its facets out of step": facets_in_turn() * 8,
    "fails and holds twice, then holds": [look(row(way)) for way in ("pass", "fail") * 2 + ("pass",) * 60],
    "nine hours each": [look(row(way)) for way in ("pass", "fail") * 6 for _ in range(18)],
    "hours of turns, then nine of the same": [
        look(row(way)) for last in ("pass", "fail") * 4 for way in (*("fail", "pass") * 4, *[last] * 18)
    ],
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_exceeds_what_a_registry_may_bring_in_a_day(shape: str) -> None:
    decisions = play(SHAPES[shape])
    assert said(decisions)
    assert over_budget(decisions) == []
    assert history_agrees(decisions)


def test_a_tag_that_goes_off_and_on_is_four_notices_a_day() -> None:
    decisions = play([look(row("pass")), *off_and_on(24)])
    reasons = [transitions[0].reason for _, transitions in said(decisions)[REGISTRY]]
    assert reasons[:4] == [Reason.REGRESSED, Reason.OPTED_OUT, Reason.FIRST_SEEN_FAILING, Reason.OPTED_OUT]
    assert len(reasons) == 4


def test_those_beyond_thirty_that_come_and_go_are_four_notices_a_day() -> None:
    decisions = play([crowd(lambda _: True, MAX_REGISTRIES + number % 2) for number in range(48)])
    assert len(said(decisions)[OTHERS]) == 4


def test_the_last_change_of_a_day_says_that_it_flaps_and_the_rest_is_said_once_it_settled() -> None:
    notices = said(play([*facets_in_turn(), *[look(row("pass"))] * 60]))[REGISTRY]
    assert [[(one.facet, one.reason) for one in told] for _, told in notices] == [
        [("access", Reason.FIRST_SEEN_FAILING)],
        [("path", Reason.REGRESSED)],
        [("access", Reason.CAUSE_CHANGED), ("pull", Reason.REGRESSED)],
        [("access", Reason.FLAPPING)],
        [("access", Reason.SETTLED)],
        [("path", Reason.SETTLED), ("pull", Reason.SETTLED)],
    ]


# random histories -----------------------------------------------------------------------------------------------------


WORDS = [
    ["pass", "fail"],
    ["pass", "fail", "unknown"],
    ["pass", "fail", "unknown", "skipped"],
    ["fail", "pass", "pass"],
]
CAUSES = [["denied"], ["denied", "role-missing"], ["a", "b", "c", "dns"]]
PACES = [[30], [5, 30], [60], [30, 4, 3], [10]]


def some_rows(
    chance: random.Random, names: Sequence[str], words: Sequence[str], causes: Sequence[str]
) -> ClusterReport:
    pick = chance.choice
    return look(*(row(pick(words), pick(words), pick(words), name=name, cause=pick(causes)) for name in names))


def histories(seed: int, *, leaves: bool) -> tuple[list[Step], list[timedelta]]:
    """Looks that change after so many looks, then what lasts for 26 hours; at what pace."""
    chance = random.Random(seed)
    names = [named(number) for number in range(chance.choice([1, 1, 2, 34]))]
    words, causes, length = chance.choice(WORDS), chance.choice(CAUSES), chance.choice([1, 1, 2, 3, 5, 13, 16, 17])
    steps: list[Step] = [some_rows(chance, names, words, causes)]
    while len(steps) < 120:
        present = names if chance.random() < 0.8 else chance.sample(names, len(names) - 1)
        kind = chance.random()
        now: Step = some_rows(chance, present, words, causes)
        if kind < 0.05:
            now = unseen()
        elif leaves and kind < 0.15:
            now = chance.choice([gone, opted_out])
        steps += [now] * chance.choice([length, 1, length])
    pace = [timedelta(minutes=minutes) for minutes in chance.choice(PACES)]
    last = some_rows(chance, names, ["pass", "fail"], causes)
    mean = sum(pace, timedelta()) / len(pace)
    return [*steps, *[last] * (int(timedelta(hours=26) / mean) + len(pace))], pace


SEEDS = range(12)


Heard = dict[tuple[str, str], Transition]


def heard_at(decisions: Sequence[Decision]) -> list[Heard]:
    """After each look, the last that people were notified of each answer; nothing of what was removed since."""
    last: Heard = {}
    found = []
    for decision in decisions:
        alerts = [one for one in decision.change.transitions if one.alert] if decision.change else []
        removed = {moved.registry for moved in alerts if moved.after is None}
        last = {key: moved for key, moved in last.items() if key[0] not in removed}
        last |= {(one.registry, one.facet): one for one in alerts if one.registry not in removed}
        found.append(last)
    return found


@pytest.mark.parametrize(("seed", "leaves"), sampled(product(SEEDS, (True, False)), 3))
def test_no_history_exceeds_what_a_registry_may_bring_in_a_day(seed: int, leaves: bool) -> None:
    steps, pace = histories(seed, leaves=leaves)
    decisions = play(steps, pace)
    assert over_budget(decisions) == []
    assert history_agrees(decisions)


@pytest.mark.parametrize("seed", sampled(SEEDS, 3))
def test_after_a_day_without_changes_people_know_how_it_is(seed: int) -> None:
    steps, pace = histories(seed, leaves=False)
    decisions = play(steps, pace)
    *_, last = heard_at(decisions)
    subjects = [one for one in decisions[-1].state.subjects if one.facet != "images"]
    for subject in subjects:
        heard = last.get(subject.key)
        if subject.status is not Status.FAILING:
            assert heard is None or heard.after is not Status.FAILING, (subject, heard)
        elif not subject.covered:
            assert heard is not None, subject
            assert (heard.after, heard.cause) == (Status.FAILING, subject.cause)
    assert {one.flapping_since for one in subjects} == {None}


def failed_throughout(reports: Sequence[tuple[datetime, ClusterReport]], registry: str) -> bool:
    """Whether one answer of the registry failed at all of these looks, for one cause."""
    rows = [next((one for one in seen.registries if one.registry == registry), None) for _, seen in reports]
    for name in ("access", "path", "pull"):
        answers = [dict(one.facets())[name] if one else None for one in rows]
        if all(answer is not None and word(answer.verdict) == "fail" for answer in answers):
            return len({answer.cause for answer in answers if answer}) == 1
    return False


@pytest.mark.parametrize("seed", sampled(SEEDS, 3, 1))
def test_that_a_registry_fails_is_known_after_eight_hours_and_its_threshold(seed: int) -> None:
    steps, pace = histories(seed, leaves=False)
    decisions = play(steps, pace)
    seen = [
        (one.state.updated, report)
        for one, report in zip(decisions, steps, strict=True)
        if isinstance(report, ClusterReport)
    ]
    known = [{key[0] for key, moved in heard.items() if moved.after is Status.FAILING} for heard in heard_at(decisions)]
    for end, (now, _) in enumerate(seen):
        window = [(at, one) for at, one in seen[: end + 1] if now - at <= LASTING + timedelta(hours=2)]
        if now - window[0][0] < LASTING + timedelta(minutes=90):
            continue
        for subject in {one.registry for one in decisions[end].state.subjects} - {OTHERS}:
            assert not failed_throughout(window, subject) or subject in known[end], (subject, now)


def test_when_people_were_notified_is_kept_for_a_day_and_for_a_hundred_registries() -> None:
    held: dict[str, tuple[datetime, ...]] = {}
    for number in range(MAX_COUNTED + 20):
        held = with_notices(held, [named(number)], START + number * timedelta(minutes=1))
    assert held.keys() == {digest_of(named(number)) for number in range(20, MAX_COUNTED + 20)}
    assert with_notices(held, [], START + 2 * DAY) == {}
