"""``verify-history`` and ``rebuild-overview`` on real storage: what does not agree is named, and can be made good."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from azure.data.tables import TableServiceClient

from checks.cli.history import side_by_side
from checks.history.overview import Overview
from checks.history.table import keys, overviews, rows
from checks.history.table.overviews import KeptOverview, overview_row
from checks.history.table.store import Store
from checks.packing import packed
from tests.cli.history.kept import NOW, SUBSCRIPTION, look, looked, on, plan, planned
from tests.support.broken_rows import damage_state, damage_text, restore, stored_row
from tests.support.reports import CLUSTER, REGISTRY
from tests.support.said import Said

OTHER = f"{CLUSTER}-other"
ELSEWHERE = CLUSTER.replace("11111111-1111-4111-8111", "33333333-3333-4333-8333")


def drop(storage: str, partition: str, row: str) -> None:
    with TableServiceClient.from_connection_string(storage) as service:
        service.get_table_client(keys.TABLE).delete_entity(partition, row)


def differences(said: Said) -> list[tuple[str, str, str, str]]:
    """Cluster, what differs, registry and facet of each."""
    return [(d["cluster"], d["between"], d["registry"], d["facet"]) for d in said.json["differences"]]


def test_what_looks_leave_agrees_whatever_they_saw(storage: str) -> None:
    looked(storage, "pass", "fail", "fail-nsg-closes-login", "unknown", "pass", "fail")
    looked(storage, "fail", "pass", cluster=OTHER)
    looked(storage, "unknown", cluster=ELSEWHERE)
    said = Said(storage, "verify-history", "--quiet")
    assert (said.code, said.errors) == (0, "")
    assert said.out.startswith("3 clusters in 2 subscriptions, ")
    assert said.out.endswith(" changes: all agrees\n")
    answer = Said(storage, "verify-history", "--quiet", "-o", "json").json
    assert (answer["agrees"], answer["clusters"], answer["changes"]) == (True, 3, 8)


def test_progress_is_on_standard_error(storage: str) -> None:
    looked(storage, "pass")
    said = Said(storage, "verify-history")
    assert said.errors == f"subscription 1 of 1: {SUBSCRIPTION}\n"


def test_a_change_that_is_missing_is_named_by_what_history_and_state_say(storage: str) -> None:
    looked(storage, "pass", "fail")
    drop(storage, SUBSCRIPTION, keys.change(CLUSTER, 2))
    said = Said(storage, "verify-history", "--quiet", "-o", "json")
    assert said.code == 1
    assert differences(said) == [
        (CLUSTER, "history and state", REGISTRY, "access"), (CLUSTER, "history and state", REGISTRY, "pull"),
    ]  # fmt: skip
    summary = said.json["differences"][0]["summary"]
    assert summary == (
        f"history has passing since {NOW - timedelta(hours=1):%Y-%m-%d %H:%M:%SZ}, "
        f"the state failing (role-missing) since {NOW:%Y-%m-%d %H:%M:%SZ}"
    )
    table = Said(storage, "verify-history", "--quiet")
    assert table.code == 1
    assert summary in table.out
    assert table.out.endswith(": 2 differences\n")


def test_a_history_that_is_missing_as_a_whole_is_named(storage: str) -> None:
    looked(storage, "pass")
    drop(storage, SUBSCRIPTION, keys.change(CLUSTER, 1))
    said = Said(storage, "verify-history", "--quiet", "-o", "json")
    assert said.code == 1
    assert {d["summary"].partition(",")[0] for d in said.json["differences"]} == {"history has nothing"}


def test_an_overview_that_is_behind_is_named_and_made_good(storage: str) -> None:
    looked(storage, "pass", "fail")
    row = stored_row(storage, keys.OVERVIEW, keys.overview(SUBSCRIPTION))
    on(storage, lambda store: look(store, 3, "pass", NOW))
    restore(storage, row)
    said = Said(storage, "verify-history", "--quiet", "-o", "json")
    assert said.code == 1
    assert {one[:3] for one in differences(said)} == {
        (CLUSTER, "overview and state", ""), (CLUSTER, "overview and state", REGISTRY),
    }  # fmt: skip
    assert "sequence is 2 in the overview and 3 made anew" in [d["summary"] for d in said.json["differences"]]

    made = Said(storage, "rebuild-overview", "--quiet", "-o", "json")
    assert (made.code, made.json) == (
        0, {"overviews": [{"subscription": SUBSCRIPTION, "clusters": 1, "result": "changed"}]},
    )  # fmt: skip
    assert Said(storage, "verify-history").code == 0


def test_clusters_that_are_missing_in_the_overview_or_have_no_state_are_named(storage: str) -> None:
    looked(storage, "pass")
    looked(storage, "pass", cluster=OTHER, shown=False)
    drop(storage, SUBSCRIPTION, keys.state(CLUSTER))
    said = Said(storage, "verify-history", "--quiet", "-o", "json")
    assert said.code == 1
    assert [(d["cluster"], d["summary"]) for d in said.json["differences"]] == [
        (CLUSTER, "is in the overview and has no state"), (OTHER, "is not in the overview"),
    ]  # fmt: skip


def test_answers_that_were_altered_in_the_overview_are_named(storage: str) -> None:
    looked(storage, "pass", "fail")

    async def alter(store: Store) -> None:
        kept = await store.find_overview(SUBSCRIPTION)
        assert kept is not None
        (entry,) = kept.overview.clusters
        (row,) = entry.rows
        altered = msgspec.structs.replace(entry, rows=(msgspec.structs.replace(row, open=()),), capped=4)
        await store._put(rows.checked(overview_row(Overview(SUBSCRIPTION, (altered,)))))

    on(storage, alter)
    said = Said(storage, "verify-history", "--quiet", "-o", "json")
    assert [d["summary"] for d in said.json["differences"]] == [
        "capped is 4 in the overview and 0 made anew", "is in the overview with other answers than in the state",
    ]  # fmt: skip


def test_an_overview_whose_texts_did_not_fit_agrees(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for cluster in (CLUSTER, OTHER):
        looked(storage, "pass", "fail", cluster=cluster)
    kept = on(storage, lambda store: store.find_overview(SUBSCRIPTION))
    assert kept is not None
    monkeypatch.setattr(overviews, "MAX_TEXT", len(packed(rows.text_of(kept.overview))) - 1)
    made = Said(storage, "rebuild-overview", "--quiet", "-o", "json").json["overviews"]
    assert [one["result"] for one in made] == ["changed"]
    assert stored_row(storage, keys.OVERVIEW, keys.overview(SUBSCRIPTION))["cut"] == 1
    for arguments in ((), ("--cluster", CLUSTER)):  # which would fit alone
        assert Said(storage, "verify-history", *arguments).code == 0
    again = Said(storage, "rebuild-overview", "--quiet", "-o", "json").json["overviews"]
    assert [one["result"] for one in again] == ["unchanged"]
    monkeypatch.undo()
    drop(storage, SUBSCRIPTION, keys.state(OTHER))
    assert Said(storage, "verify-history").code == 1, "what is cut is compared all the same"


def test_what_the_app_writes_meanwhile_is_no_difference(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The overview is read, then a look is committed and shown, then the states are read."""
    looked(storage, "pass", "fail")
    find, written = Store.find_overview, []

    async def overtaken(store: Store, subscription: str) -> KeptOverview | None:
        kept = await find(store, subscription)
        if not written:
            written.append(True)
            await look(store, 3, "pass", NOW)
        return kept

    monkeypatch.setattr(Store, "find_overview", overtaken)
    assert Said(storage, "verify-history").code == 0
    assert written


def test_while_a_run_is_under_way_a_difference_says_so(storage: str) -> None:
    looked(storage, "pass", shown=False)
    on(storage, lambda store: plan(store, planned(1, NOW)))
    said = Said(storage, "verify-history", "--quiet")
    assert said.code == 1
    assert said.errors == "pullwatch: 1 run not closed: overviews may be behind until then, and catch up\n"


def test_cluster_and_subscription_choose_what_is_compared(storage: str) -> None:
    looked(storage, "pass")
    looked(storage, "pass", cluster=OTHER, shown=False)
    looked(storage, "pass", cluster=ELSEWHERE)
    for arguments, code, clusters in (
        (("--cluster", OTHER.upper()), 1, 1),
        (("--cluster", CLUSTER), 0, 1),
        (("--cluster", "AKS-1"), 0, 2),
        (("--cluster", "aks-1", "--subscription", SUBSCRIPTION), 0, 1),
        (("--subscription", SUBSCRIPTION), 1, 2),
        (("--subscription", SUBSCRIPTION, "--subscription", ELSEWHERE.split("/")[2]), 1, 3),
    ):
        said = Said(storage, "verify-history", "--quiet", *arguments, "-o", "json")
        assert (said.code, said.json["clusters"]) == (code, clusters), arguments


def test_what_nothing_is_kept_of_is_said(storage: str) -> None:
    looked(storage, "pass")
    unknown = Said(storage, "verify-history", "--quiet", "--cluster", "aks-2")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.errors == "pullwatch: nothing is kept of a cluster 'aks-2'. Did you mean aks-1?\n"
    nowhere = "44444444-4444-4444-8444-444444444444"
    for command in ("verify-history", "rebuild-overview"):
        said = Said(storage, command, "--subscription", nowhere)
        assert (said.code, said.errors) == (1, f"pullwatch: nothing is kept of subscription {nowhere}\n")


def test_nothing_at_all_agrees(storage: str) -> None:
    said = Said(storage, "verify-history")
    assert (said.code, said.out) == (0, "0 clusters in 0 subscriptions, 0 changes: all agrees\n")
    made = Said(storage, "rebuild-overview")
    assert (made.code, made.out) == (0, "0 clusters in 0 subscriptions: nothing changed\n")


@pytest.mark.parametrize("how", ["garbage JSON", "version 999"])
def test_rows_that_cannot_be_read_are_named_and_the_others_are_compared(storage: str, how: str) -> None:
    looked(storage, "pass", "fail")
    looked(storage, "pass", cluster=OTHER)
    damage_state(storage, how, CLUSTER)
    damage_text(storage, "change", SUBSCRIPTION, keys.change(OTHER, 1))
    said = Said(storage, "verify-history", "--quiet", "-o", "json")
    assert said.code == 2
    assert said.json["differences"] == []
    assert {one["row"] for one in said.json["unreadable"]} == {keys.state(CLUSTER), keys.change(OTHER, 1)}
    assert said.json["agrees"] is False


def test_an_overview_that_cannot_be_read_is_named_and_made_anew(storage: str) -> None:
    looked(storage, "pass")
    damage_text(storage, "overview", keys.OVERVIEW, keys.overview(SUBSCRIPTION))
    said = Said(storage, "verify-history", "--quiet", "-o", "json")
    assert (said.code, [one["row"] for one in said.json["unreadable"]]) == (2, [keys.overview(SUBSCRIPTION)])
    assert Said(storage, "rebuild-overview", "--quiet", "--subscription", SUBSCRIPTION).code == 0
    assert Said(storage, "verify-history").code == 0


def test_overviews_are_made_where_there_are_none_and_repeating_it_changes_nothing(storage: str) -> None:
    looked(storage, "pass", "fail", shown=False)
    looked(storage, "pass", cluster=ELSEWHERE)
    made = Said(storage, "rebuild-overview", "--quiet")
    assert (made.code, made.errors) == (0, "")
    assert [line.split() for line in made.out.splitlines()[1:3]] == [
        [SUBSCRIPTION, "1", "made"], [ELSEWHERE.split("/")[2], "1", "unchanged"],
    ]  # fmt: skip
    assert made.out.endswith("2 clusters in 2 subscriptions: 1 overview made or changed\n")
    assert Said(storage, "rebuild-overview", "--quiet").out.endswith(": nothing changed\n")


@pytest.mark.parametrize("how", ["garbage JSON", "version 999"])
def test_a_cluster_whose_state_cannot_be_read_is_not_rebuilt_away(storage: str, how: str) -> None:
    looked(storage, "pass")
    looked(storage, "pass", cluster=OTHER)
    looked(storage, "pass", cluster=ELSEWHERE, shown=False)
    damage_state(storage, how, CLUSTER)
    before = stored_row(storage, keys.OVERVIEW, keys.overview(SUBSCRIPTION))
    said = Said(storage, "rebuild-overview", "--quiet", "-o", "json")
    assert said.code == 2
    assert f"the overview of subscription {SUBSCRIPTION} is not made: " in said.errors
    assert [one["subscription"] for one in said.json["overviews"]] == [ELSEWHERE.split("/")[2]], "the others are"
    assert stored_row(storage, keys.OVERVIEW, keys.overview(SUBSCRIPTION)) == before


def test_long_work_says_how_far_it_is(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "TOLD_EVERY", 1)
    looked(storage, "pass")
    assert Said(storage, "verify-history").errors.splitlines() == [
        f"subscription 1 of 1: {SUBSCRIPTION}",
        f"{SUBSCRIPTION}: the history of 1 of 1 clusters",
        f"{SUBSCRIPTION}: the overview of 1 of 1 clusters",
    ]


def test_of_many_clusters_the_one_that_differs_is_named(storage: str) -> None:
    many = [f"{CLUSTER}-{number:02d}" for number in range(20)]

    async def work(store: Store) -> None:
        for cluster in many:
            await look(store, 1, "pass", NOW, cluster)

    on(storage, work)
    drop(storage, SUBSCRIPTION, keys.change(many[13], 1))
    said = Said(storage, "verify-history", "--quiet", "-o", "json")
    assert (said.code, said.json["clusters"], said.json["changes"]) == (1, 20, 19)
    assert {one[0] for one in differences(said)} == {many[13]}
