"""Verdicts and strips: words and shapes beside colours."""

from __future__ import annotations

import pytest

from checks.changes import Status
from checks.dashboard.views.marks import Mark, answer_mark, counted_strip, strip
from checks.dashboard.views.sparks import WIDTH, sparks
from checks.facts.pulls import PullTimeBaseline
from checks.history.overview import OpenFacet, RowEntry
from tests.fleet.test_incidents import ago


@pytest.mark.parametrize(
    ("status", "last", "mark"),
    [
        (Status.PASSING, "", ("pass", "pass")),
        (Status.PASSING, "fail", ("unconfirmed", "unknown")),
        (Status.PASSING, "unknown", ("unknown", "unknown")),
        (Status.FAILING, "pass", ("fail", "fail")),
        (Status.FAILING, "unknown", ("fail", "fail")),
        (Status.UNKNOWN_YET, "unknown", ("unknown", "unknown")),
        (Status.UNKNOWN_YET, "", ("not judged", "skipped")),
        (None, "", ("not judged", "skipped")),
    ],
)
def test_an_answer_is_what_is_held_or_what_the_last_look_leaves_open(
    status: Status | None, last: str, mark: tuple[str, str]
) -> None:
    held = {} if status is None else {"pull": status}
    facets = (OpenFacet("pull", status, last, ago(1)),) if status is not None and last else ()
    assert answer_mark(RowEntry("acr", held, facets), "pull") == Mark(*mark)


def test_a_strip_says_in_words_and_heights_what_its_colours_say() -> None:
    made = strip(["pass"] * 20 + ["unknown"] + ["fail"] * 3)
    assert made.label == "Last 24 hours: 3 h failing, 1 h not known, 20 h fine"
    paths = dict(made.paths)
    assert (paths["pass"].count("M"), paths["unknown"].count("M"), paths["fail"].count("M")) == (20, 1, 3)
    assert "v-3h" in paths["pass"] and "v-9h" in paths["unknown"] and "v-16h" in paths["fail"]


def test_the_strip_of_an_incident_is_the_higher_the_more_fail() -> None:
    made = counted_strip([0] * 22 + [1, 4])
    assert made.label == "Last 24 hours: something failed in 2 of them, at most 4 at once"
    assert dict(made.paths)["fail"] == "M88 16v-8h3v8zM92 16v-16h3v16z"
    assert [kind for kind, _ in counted_strip([0] * 24).paths] == ["pass"]


def test_a_spark_line_goes_from_left_to_right_and_says_its_figures() -> None:
    (made,), left = sparks(
        {"acr.azurecr.io|system|s": PullTimeBaseline((2.0, 4.0, 3.0)), "no key": PullTimeBaseline((1.0,))}
    )
    assert (made.registry, made.pool, made.latest, made.usual, left) == ("acr.azurecr.io", "system", "3 s", "3 s", 0)
    assert made.path == "M3.0 14.0L75.0 3.0L147.0 8.5" and made.end == (147.0, 8.5)
    assert made.label == "Pull times of 3 runs: from 2 to 4 s, latest 3 s, median 3 s"


def test_one_run_and_pulls_that_took_no_time_have_a_point() -> None:
    made, left = sparks({f"acr|pool{n:02d}|s": PullTimeBaseline((0.0,)) for n in range(45)})
    assert (len(made), left) == (40, 5)
    assert all(0 <= one.end[0] <= WIDTH for one in made)
