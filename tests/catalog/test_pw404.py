"""PW404: pull times per registry and pool against their own past."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.catalog.pw404_pull_times import judge
from checks.facts import ClusterFacts
from checks.facts.pulls import PullTimeBaseline
from checks.findings import PullTime, Severity
from checks.rules.pull import pull_times
from checks.rules.pull.pull_times import MAX_KEYS, MAX_MEDIANS, duration, pull_of, update_baselines
from tests.support.access_facts import REFUSED, only, verdict
from tests.support.image_facts import ACR, WEB, container, event, facts, pulled, workloads

KEY = f"{ACR}|system|s/MiB"
USUAL = {KEY: PullTimeBaseline((0.012, 0.011, 0.013, 0.012, 0.010, 0.014), "2026-11-24T10:00:00Z")}


def looked(*seconds: str, known: dict[str, PullTimeBaseline] = USUAL, **over: Any) -> ClusterFacts:
    """Pulls of 100 MiB each to the pool "system"."""
    return facts(container(), events=[pulled(seconds=one) for one in seconds], baselines=known, **over)


def test_pass_where_pulls_take_their_usual_time() -> None:
    assert verdict(only(judge(looked("1.1s", "1.2s", "1.6s")))) == ("pass", "usual-time")


def test_fail_only_warns_of_pulls_that_are_slower_than_usual() -> None:
    finding = only(judge(looked("4s", "5s", "6s")))
    assert (verdict(finding), finding.severity) == (("fail", "slower-than-usual"), Severity.WARNING)
    assert (finding.subject.registry, finding.subject.pool) == (ACR, "system")


def test_one_slow_pull_among_many_says_nothing() -> None:
    assert verdict(only(judge(looked("1.2s", "1.1s", "1m30s")))) == ("pass", "usual-time")


def test_unknown_is_never_said_for_too_few_pulls_or_runs_are_skipped() -> None:
    assert verdict(only(judge(looked("4s", "5s")))) == ("skipped", "too-few-pulls")
    assert verdict(only(judge(looked("4s", "5s", "6s", known={})))) == ("skipped", "no-baseline")
    few = {KEY: PullTimeBaseline((0.01,) * 5)}
    assert verdict(only(judge(looked("4s", "5s", "6s", known=few)))) == ("skipped", "no-baseline")
    assert verdict(only(judge(looked(workloads=REFUSED)))) == ("skipped", "pods-not-read")
    unread = workloads(container(), events=REFUSED)
    assert verdict(only(judge(facts(workloads=unread)))) == ("skipped", "events-not-read")


def test_nothing_there_without_pulls() -> None:
    present = event("Pulled", f'Container image "{WEB}" already present on machine')
    assert verdict(only(judge(facts(container(), events=[present] * 5)))) == ("skipped", "too-few-pulls")


def test_pulls_to_a_node_of_no_known_pool_or_of_tiny_images_are_not_counted() -> None:
    elsewhere = facts(container(node="node-1"), events=[pulled()] * 5)
    assert verdict(only(judge(elsewhere))) == ("skipped", "too-few-pulls")
    tiny = facts(container(), events=[pulled(size=1000)] * 5)
    assert verdict(only(judge(tiny))) == ("skipped", "too-few-pulls")


def test_the_older_wording_without_sizes_has_a_baseline_of_its_own() -> None:
    old = [event("Pulled", f'Successfully pulled image "{WEB}" in 9.5s')] * 3
    known = {f"{ACR}|system|s": PullTimeBaseline((1.0, 1.1, 0.9, 1.0, 1.2, 1.0))}
    assert verdict(only(judge(facts(container(), events=old, baselines=known)))) == ("fail", "slower-than-usual")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.2s", 1.2),
        ("812.345ms", 0.812345),
        ("1m2.3s", 62.3),
        ("1h2m3s", 3723.0),
        ("15µs", 15e-6),
        ("0s", 0.0),
        ("", None),
        ("s", None),
        ("1.2", None),
        ("1x", None),
        ("1s2", None),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float | None) -> None:
    result = duration(text)
    assert result == (pytest.approx(seconds) if seconds is not None else None)


def test_both_wordings_are_read() -> None:
    new = pull_of(f'Successfully pulled image "{WEB}" in 1.2s (3.4s including waiting). Image size: 1048576 bytes.')
    assert new == pull_times.TimedPull(WEB, 1.2, 1_048_576)
    assert pull_of(f'Successfully pulled image "{WEB}" in 812.3ms (812.3ms including waiting)') is not None
    assert pull_of(f'Successfully pulled image "{WEB}" in 1m2.3s') == pull_times.TimedPull(WEB, pytest.approx(62.3))
    assert pull_of(f'Successfully pulled image "{WEB}"') is None


def test_the_baseline_counts_no_pull_twice_and_is_bounded() -> None:
    first = update_baselines({}, [PullTime("k", 1.0, 3, "2026-11-24T10:00:00Z")])
    assert update_baselines(first, [PullTime("k", 9.0, 3, "2026-11-24T10:00:00Z")]) == first
    many = first
    for hour in range(100):
        many = update_baselines(
            many, [PullTime("k", float(hour), 3, f"2026-12-{hour // 24 + 1:02}T{hour % 24:02}:00:00Z")]
        )
    assert many["k"].medians[-1] == 99.0
    assert len(many["k"].medians) == MAX_MEDIANS
    wide = update_baselines({}, [PullTime(f"k{n}", 1.0, 3, f"2026-11-24T10:{n % 60:02}:00Z") for n in range(100)])
    assert len(wide) == MAX_KEYS


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_makes_it_raise(message: str, middle: str) -> None:
    pull_of(message)
    duration(middle)
    shown = [event("Pulled", f'Successfully pulled image "{middle}" in {message}')] * 3
    judge(facts(container(), events=shown))
