"""``prune-history`` on real storage: what would go is shown, ``--yes`` deletes it, and what is left says what went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from checks.history.decide import gone
from checks.history.model import RunRef, new_run_id
from checks.history.table import keys
from checks.history.table.overviews import Look
from checks.history.table.store import Store
from tests.cli.history.kept import NOW, SUBSCRIPTION, close, look, on, plan, planned
from tests.support.broken_rows import damage_text
from tests.support.reports import CLUSTER
from tests.support.said import Said

OTHER = f"{CLUSTER}-other"
AGES = (900, 800, 700, 500, 450, 90, 1)  # days, of the looks at the cluster that lives
WORDS = ("pass", "fail", "pass", "fail-nsg-closes-login", "unknown", "pass", "fail")


def ago(number: float) -> datetime:
    return NOW - timedelta(days=number)


def lived(storage: str) -> None:
    """A cluster with old and new changes, one that was removed long ago, and the runs that saw them."""

    async def work(store: Store) -> None:
        for number, (age, word) in enumerate(zip(AGES, WORDS, strict=True), 1):
            await store.next_sequence(ago(age))
            run = planned(number, ago(age), closed=ago(age))
            await plan(store, run)
            await close(store, run)
            await look(store, number, word, ago(age))
            if number == 2:
                await look(store, number, "fail", ago(age), OTHER)
            if number in (3, 4):
                await miss(store, number, ago(age), OTHER)

    on(storage, work)


async def miss(store: Store, number: int, at: datetime, cluster: str) -> None:
    """A complete inventory does not have the cluster."""
    stored = await store.load_state(cluster)
    assert stored is not None
    decision = gone(stored.state, RunRef(new_run_id(number, at), number), at)
    await store.commit(decision, None, stored.etag)
    await store.fold_into_overview(SUBSCRIPTION, [Look(decision.state, decision.change, stored.state.sequence)])


def told(storage: str, sequences: Sequence[int] = ()) -> None:
    """Whoever was to be notified was, but for these changes."""

    async def work(store: Store) -> None:
        await store.remove_pending(
            [item.ref for item in (await store.list_pending()).items if item.sequence not in sequences]
        )

    on(storage, work)


def tables_of_runs(storage: str) -> tuple[str, ...]:
    async def work(store: Store) -> tuple[str, ...]:
        return await store.months()

    return on(storage, work)


def test_a_dry_run_shows_what_would_go_and_deletes_nothing(storage: str) -> None:
    lived(storage)
    told(storage)
    months = tables_of_runs(storage)
    for options in ((), ("--dry-run",)):
        said = Said(storage, "prune-history", "--quiet", *options)
        assert (said.code, said.errors) == (0, "pullwatch: nothing was deleted: --yes deletes it\n")
        lines = said.out.splitlines()
        assert lines[0].startswith("runs, kept for 400 days: 5 months (20")
        assert lines[1:] == [
            "changes, kept for 400 days: 6 changes",
            "clusters that are gone, kept for 90 days: 1 cluster",
            "mails, kept for 90 days: 0 rows",
            "records, kept for 90 days: 0 rows",
        ]
    assert tables_of_runs(storage) == months
    assert Said(storage, "verify-history", "--quiet").out.startswith("2 clusters in 1 subscription, 8 changes: all")


def test_what_was_deleted_is_gone_and_what_is_left_agrees(storage: str) -> None:
    lived(storage)
    told(storage)
    would = Said(storage, "prune-history", "-o", "json").json
    did = Said(storage, "prune-history", "--yes", "-o", "json")
    assert did.code == 0
    assert (would.pop("deleted"), did.json["deleted"]) == (False, True)
    assert {**would, "deleted": True} == did.json
    assert did.json["kept_days"] == {"runs": 400, "changes": 400, "gone": 90, "mails": 90}
    assert Said(storage, "verify-history", "--quiet").out == (
        "1 cluster in 1 subscription, 2 changes and 4 that were folded: all agrees\n"
    )
    assert len(tables_of_runs(storage)) == 2
    again = Said(storage, "prune-history", "--yes", "-o", "json").json
    assert (again["months"], again["changes"], again["clusters"]) == ([], 0, 0)


def test_a_run_and_a_cluster_that_are_not_kept_any_more_are_said_not_to_be_there(storage: str) -> None:
    lived(storage)
    told(storage)
    Said(storage, "prune-history", "--yes")
    run = Said(storage, "runs", new_run_id(2, ago(800)))
    assert (run.code, run.out) == (1, "")
    assert new_run_id(2, ago(800)) in run.errors
    assert [one["id"] for one in Said(storage, "runs", "-o", "json").json["runs"]] == [
        new_run_id(number, ago(age)) for number, age in ((7, 1), (6, 90))
    ]
    assert Said(storage, "history", "--cluster", "aks-1-other").code == 1
    assert Said(storage, "history", "--cluster", OTHER).code == 1


def test_history_says_that_earlier_changes_were_folded_where_it_reaches_them(storage: str) -> None:
    lived(storage)
    told(storage)
    Said(storage, "prune-history", "--yes")
    said = Said(storage, "history", "--cluster", "aks-1")
    assert said.errors == (
        f"pullwatch: earlier changes were folded on {datetime.now(NOW.tzinfo):%Y-%m-%d}: "
        f"4 changes until {ago(500):%Y-%m-%d %H:%M} UTC\n"
    )
    answer = Said(storage, "history", "--cluster", "aks-1", "-o", "json").json
    assert ([change["sequence"] for change in answer["changes"]], answer["earlier"]["changes"]) == ([7, 6], 4)
    assert datetime.fromisoformat(answer["earlier"]["until"]) == ago(500)
    for options in (("--limit", "1"), ("--since", "100d")):
        shorter = Said(storage, "history", "--cluster", "aks-1", *options)
        assert "folded" not in shorter.errors
        assert Said(storage, "history", "--cluster", "aks-1", *options, "-o", "json").json["earlier"] is None


def test_a_checkpoint_that_cannot_be_read_is_named_and_nothing_is_folded_into_it(storage: str) -> None:
    lived(storage)
    told(storage)
    assert Said(storage, "prune-history", "--yes", PULLWATCH_KEEP_CHANGES_DAYS="600").code == 0
    damage_text(storage, "checkpoint", SUBSCRIPTION, keys.checkpoint(CLUSTER))
    verified = Said(storage, "verify-history", "--quiet")
    assert (verified.code, keys.checkpoint(CLUSTER) in verified.errors) == (2, True)
    shown = Said(storage, "history", "--cluster", "aks-1")
    assert (shown.code, f"{keys.checkpoint(CLUSTER)} cannot be read" in shown.errors) == (2, True)
    assert len(shown.out.splitlines()) > 4
    pruned = Said(storage, "prune-history", "--yes")
    assert (pruned.code, "1 that could not be handled" in pruned.errors) == (2, True)
    assert len(Said(storage, "history", "--cluster", "aks-1", "-o", "json").json["changes"]) == 3


def test_what_is_still_to_be_notified_stays_with_all_that_came_after_it(storage: str) -> None:
    lived(storage)
    told(storage, sequences=(2, 4))
    said = Said(storage, "prune-history", "--yes", "-o", "json").json
    assert (said["changes"], said["clusters"]) == (1, 0)
    verified = Said(storage, "verify-history", "--quiet")
    assert verified.out == "2 clusters in 1 subscription, 7 changes and 1 that were folded: all agrees\n"


@pytest.mark.parametrize("options", [("--yes", "--dry-run"), ("--no",), ("now",)])
def test_wrong_usage_is_refused(storage: str, options: tuple[str, ...]) -> None:
    assert Said(storage, "prune-history", *options).code == 64


def test_settings_say_how_long_what_is_kept(storage: str) -> None:
    lived(storage)
    told(storage)
    kept = {f"PULLWATCH_KEEP_{name}_DAYS": "3650" for name in ("RUNS", "CHANGES", "GONE", "MAILS")}
    said = Said(storage, "prune-history", "-o", "json", **kept).json
    assert (said["months"], said["changes"], said["clusters"]) == ([], 0, 0)
    assert Said(storage, "prune-history", PULLWATCH_KEEP_GONE_DAYS="0").code == 64


def test_help_says_what_deletes(storage: str) -> None:
    said = Said(storage, "prune-history", "--help")
    assert said.code == 0
    assert "--yes" in said.out
    assert "Exit codes: 0 done" in said.out
