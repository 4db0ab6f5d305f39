"""PW307: pulls as the registry counted them, against its own week."""

from functools import partial
from typing import Any

import pytest

from checks.catalog import judge_with, pw307_counted_pulls
from checks.facts import NotSeen, NotSeenReason
from checks.findings import Basis, Finding, Severity
from tests.support.access_facts import REFUSED, only, seen, verdict
from tests.support.count_facts import counted, counts
from tests.support.performance_facts import ACR, facts, unseen

judge = partial(judge_with, (pw307_counted_pulls,))
BROKEN = ((130, 120), (140, 130), (142, 130))


def judged(part: Any) -> Finding:
    return only(judge(facts(pull_counts={ACR: part})))


def test_pass_where_no_more_fail_than_usually() -> None:
    finding = judged(counted((100, 3), (100, 1), (100, 2)))
    assert verdict(finding) == ("pass", "usual-failures")
    assert finding.summary == (
        "The registry acrone counted 300 pulls in the last 3 hours, 6 of them failed (2 %); "
        "in the week before it was 2 % of 16,500."
    )


def test_fail_where_the_share_rises_is_a_warning_with_both_shares() -> None:
    finding = judged(counted(*BROKEN))
    assert (verdict(finding), finding.severity) == (("fail", "more-failures"), Severity.WARNING)
    assert finding.summary == (
        "The registry acrone counted 412 pulls in the last 3 hours, 380 of them failed (92 %); "
        "in the week before it was 2 % of 16,500. It counts all callers, by the hour and some minutes late."
    )
    assert finding.fix[0].startswith("az monitor metrics list --resource /subscriptions/")
    assert "09:00 130 pulls, 120 failed; 10:00 140 pulls, 130 failed" in finding.evidence[-1].what


def test_fail_is_said_of_a_partial_read_too_but_nothing_else_is() -> None:
    partly = "3 hours could not be read"
    assert verdict(judged(counted(*BROKEN, partial=partly))) == ("fail", "more-failures")
    assert verdict(judged(counted((100, 2), partial=partly))) == ("unknown", "counts-unreadable")
    assert verdict(judged(counted(partial=partly))) == ("unknown", "counts-unreadable")


def test_unknown_where_the_metrics_may_not_be_read_names_the_role() -> None:
    finding = judged(REFUSED)
    assert verdict(finding) == ("unknown", "look-not-allowed")
    assert finding.fix == REFUSED.fix


def test_nothing_there_where_nothing_was_pulled_proves_nothing() -> None:
    finding = judged(counted((0, 0), (0, 0), (0, 0)))
    assert verdict(finding) == ("skipped", "nothing-pulled")
    assert "proves nothing" in finding.summary
    assert verdict(judged(seen(counts(earlier=())))) == ("skipped", "nothing-pulled")


def test_nothing_there_where_it_was_not_read() -> None:
    off = NotSeen(NotSeenReason.OFF, "reading the metrics is switched off by PULLWATCH_REGISTRY_METRICS")
    assert verdict(judged(off)) == ("skipped", "counts-not-read")
    assert verdict(only(judge(facts()))) == ("skipped", "counts-not-read")
    assert verdict(only(judge(facts(uses=(unseen(),), pull_counts={})))) == ("skipped", "registry-not-seen")


@pytest.mark.parametrize(
    ("part", "cause"),
    [
        (counted((5, 5), (7, 7), (7, 7)), "few-counted"),
        (counted((0, 0), (1, 1), (0, 0)), "few-counted"),
        (counted(*BROKEN, earlier=[(1, 0)] * 99), "no-earlier-counts"),
        (counted(*BROKEN, earlier=()), "no-earlier-counts"),
    ],
)
def test_few_pulls_are_told_and_not_compared(part: Any, cause: str) -> None:
    assert verdict(judged(part)) == ("skipped", cause)


def test_a_little_is_not_nothing_and_none_is_none() -> None:
    assert "less than 1 % of" in judged(counted((100, 0), earlier=[(1000, 1)] * 165)).summary
    assert "none of them failed; " in judged(counted((100, 0))).summary


def test_a_week_that_was_at_times_bad_says_so() -> None:
    week = [(100, 60 if at % 24 == 0 else 0) for at in range(165)]
    assert "at times 20 %" in judged(counted((100, 10), (100, 10), (100, 10), earlier=week)).summary


def test_it_is_the_registrys_word_and_fails_no_row() -> None:
    check = pw307_counted_pulls.CHECK
    assert (check.basis, check.advisory, check.decides, check.step) == (Basis.REGISTRY, True, None, None)
    assert not judged(counted(*BROKEN)).failed
