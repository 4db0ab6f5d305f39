"""``history`` on real storage: what changed is shown newest first, and a cluster is found by the name people use."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from checks.history.table import keys
from tests.cli.history.kept import NOW, SUBSCRIPTION, looked
from tests.support.broken_rows import damage_text, stored_row
from tests.support.reports import CLUSTER, REGISTRY
from tests.support.said import Said

TWIN = CLUSTER.replace("11111111-1111-4111-8111", "33333333-3333-4333-8333")


def lines(said: Said) -> list[str]:
    return said.out.splitlines()


def test_changes_are_shown_newest_first_with_what_they_were_before(storage: str) -> None:
    looked(storage, "pass", "fail", "pass")
    said = Said(storage, "history", "--cluster", "AKS-1")
    assert (said.code, said.errors) == (0, "")
    title, heading, *rows = lines(said)
    assert title == CLUSTER
    assert heading.split() == ["WHEN", "(UTC)", "REGISTRY", "FACET", "CHANGE", "CAUSE", "SINCE", "(UTC)", "RUN"]
    access = [row for row in rows if " access " in row]
    assert [row.partition("access")[2].split("  ")[1].strip() for row in access] == [
        "failing → passing", "passing → failing", "new → passing",
    ]  # fmt: skip
    assert "role-missing" in access[1]
    assert f"{NOW - timedelta(hours=1):%Y-%m-%d %H:%M} (1h" in access[1]
    assert access[0].endswith("-000000000003")
    assert access[1].endswith("-000000000002")


def test_json_has_all_that_is_kept_of_a_change(storage: str) -> None:
    looked(storage, "pass", "fail-nsg-closes-login")
    answer = Said(storage, "history", "--cluster", CLUSTER, "-o", "json").json
    assert (answer["cluster"], answer["more"], answer["unreadable"]) == (CLUSTER, False, [])
    newest = answer["changes"][0]
    assert (newest["sequence"], datetime.fromisoformat(newest["at"])) == (2, NOW)
    assert newest["rows"][0]["registry"] == REGISTRY
    assert 0 <= newest["age_seconds"] < 600
    access = next(moved for moved in newest["transitions"] if moved["facet"] == "access")
    assert (access["before"], access["after"], access["cause"]) == ("passing", "failing", "nsg-closes-login")
    assert access["fix"] == ["az role assignment create --role AcrPull"]


def test_limit_counts_changes_and_says_that_there_are_more(storage: str) -> None:
    looked(storage, "pass", "fail", "pass", "fail")
    said = Said(storage, "history", "--cluster", "aks-1", "--limit", "2")
    assert said.errors == "pullwatch: older changes are kept, too: --limit 4 shows more\n"
    answer = Said(storage, "history", "--cluster", "aks-1", "--limit", "2", "-o", "json").json
    assert ([change["sequence"] for change in answer["changes"]], answer["more"]) == ([4, 3], True)
    exact = Said(storage, "history", "--cluster", "aks-1", "--limit", "4", "-o", "json").json
    assert ([change["sequence"] for change in exact["changes"]], exact["more"]) == ([4, 3, 2, 1], False)


def test_since_and_registry_choose_among_changes(storage: str) -> None:
    looked(storage, "pass", "fail", "pass", step_hours=10)
    of_late = Said(storage, "history", "--cluster", "aks-1", "--since", "12h", "-o", "json").json
    assert [change["sequence"] for change in of_late["changes"]] == [3, 2]
    ever = Said(storage, "history", "--cluster", "aks-1", "--since", "999999d", "-o", "json").json
    assert [change["sequence"] for change in ever["changes"]] == [3, 2, 1]
    for pattern in ("acrone", REGISTRY.upper(), "acr*"):
        one = Said(storage, "history", "--cluster", "aks-1", "--registry", pattern, "-o", "json").json
        assert [change["sequence"] for change in one["changes"]] == [3, 2, 1], pattern
    other = Said(storage, "history", "--cluster", "aks-1", "--registry", "acrons")
    assert (other.code, other.out) == (1, "")
    assert other.errors == "pullwatch: aks-1 has no registry 'acrons'. Did you mean acrone?\n"


def test_that_nothing_changed_in_a_time_is_no_error(storage: str) -> None:
    looked(storage, "pass", "pass", step_hours=48)
    said = Said(storage, "history", "--cluster", "aks-1", "--since", "1d")
    assert (said.code, said.out, said.errors) == (0, "", "pullwatch: nothing changed for aks-1 in that time\n")


def test_a_name_that_two_clusters_have_is_not_guessed(storage: str) -> None:
    looked(storage, "pass")
    looked(storage, "fail", cluster=TWIN)
    said = Said(storage, "history", "--cluster", "aks-1")
    assert (said.code, said.out) == (64, "")
    assert said.errors == (
        f"pullwatch: 2 clusters are called 'aks-1'; give the ARM id of one:\n  {CLUSTER}\n  {TWIN}\n"
    )
    assert Said(storage, "history", "--cluster", TWIN.upper(), "-o", "json").json["cluster"] == TWIN


def test_an_unknown_name_is_answered_with_those_that_are_like_it(storage: str) -> None:
    looked(storage, "pass")
    said = Said(storage, "history", "--cluster", "aks-2")
    assert (said.code, said.out, said.errors) == (
        1, "", "pullwatch: no cluster is called 'aks-2'. Did you mean aks-1?\n",
    )  # fmt: skip
    unknown_id = Said(storage, "history", "--cluster", f"{CLUSTER}0")
    assert (unknown_id.code, unknown_id.out) == (1, "")
    assert unknown_id.errors.startswith("pullwatch: nothing is kept of a cluster '/subscriptions/")


def test_without_an_overview_an_id_still_works_and_a_name_says_why_it_does_not(storage: str) -> None:
    looked(storage, "pass", "fail", shown=False)
    named = Said(storage, "history", "--cluster", "aks-1")
    assert (named.code, "run `pullwatch rebuild-overview` first" in named.errors) == (1, True)
    by_id = Said(storage, "history", "--cluster", CLUSTER, "-o", "json")
    assert (by_id.code, len(by_id.json["changes"])) == (0, 2)


def test_a_change_that_cannot_be_read_hides_no_other(storage: str) -> None:
    looked(storage, "pass", "fail", "pass")
    row = keys.change(CLUSTER, 2)
    damage_text(storage, "change", SUBSCRIPTION, row)
    said = Said(storage, "history", "--cluster", "aks-1", "-o", "json")
    assert said.code == 2
    assert f"pullwatch: {row} cannot be read: " in said.errors
    assert [change["sequence"] for change in said.json["changes"]] == [3, 1]
    assert [broken["row"] for broken in said.json["unreadable"]] == [row]


def test_an_overview_that_cannot_be_read_is_not_taken_for_one_without_the_cluster(storage: str) -> None:
    looked(storage, "pass")
    damage_text(storage, "overview", keys.OVERVIEW, keys.overview(SUBSCRIPTION))
    said = Said(storage, "history", "--cluster", "aks-1")
    assert (said.code, said.out) == (2, "")
    assert f"the overview subscription|{SUBSCRIPTION} cannot be read" in said.errors
    assert Said(storage, "history", "--cluster", CLUSTER).code == 0


def test_hostile_words_of_a_change_are_shown_as_text(storage: str) -> None:
    looked(storage, "pass", "fail-[red]a\x1b[2J\u202e")
    said = Said(storage, "history", "--cluster", "aks-1")
    assert said.code == 0
    assert "[red]a" in said.out
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out


@pytest.mark.parametrize(("arguments", "wrong"), [
    ([], "the following arguments are required: --cluster"),
    (["--cluster", "a/b"], "'a/b' is neither the name nor the ARM id of a cluster"),
    (["--cluster", "a", "--since", "7"], "'7' is no length of time: 30m, 4h and 7d are"),
    (["--cluster", "a", "--limit", "0"], "'0' is no number from 1 to 10000"),
    (["--cluster", "a", "--limit", "x"], "'x' is no number"),
    (["--cluster", "a", "--registry", "https://x"], "is no registry's name or login server"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(storage: str, arguments: list[str], wrong: str) -> None:
    said = Said(storage, "history", *arguments)
    assert said.code == 64
    assert wrong in said.errors


def test_the_rows_of_the_storage_are_only_read(storage: str) -> None:
    looked(storage, "pass", "fail")
    shown = stored_row(storage, keys.OVERVIEW, keys.overview(SUBSCRIPTION))
    held = stored_row(storage, SUBSCRIPTION, keys.state(CLUSTER))
    Said(storage, "history", "--cluster", "aks-1")
    Said(storage, "verify-history")
    assert stored_row(storage, keys.OVERVIEW, keys.overview(SUBSCRIPTION)) == shown
    assert stored_row(storage, SUBSCRIPTION, keys.state(CLUSTER)) == held
