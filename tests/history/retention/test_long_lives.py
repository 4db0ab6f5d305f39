"""Two years of a tenant that is pruned every day, beside the same tenant that never is: the mails are the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from checks.history.decide.retention import Keep
from tests.support.crash_world import what_never_changes_is_made_once as what_never_changes_is_made_once
from tests.support.crashing import Accepted
from tests.support.long_lives import Life, days, fates


async def lived(seed: int, length: int, keep: Keep) -> tuple[Life, Life]:
    """A tenant that is pruned, and the same one that is not."""
    pruned, whole = Life(keep), Life()
    for look in fates(seed, length):
        await pruned.day(look)
        await whole.day(look)
    return pruned, whole


def said(mails: Sequence[Accepted]) -> list[tuple[str, str, str]]:
    return [(mail.message_id, mail.subject, mail.text) for mail in mails]


def judge(pruned: Life, whole: Life) -> None:
    assert len(whole.mails) > 20
    assert said(pruned.mails) == said(whole.mails)
    assert pruned.pruned.failed == 0
    assert (pruned.pruned.waits, pruned.pruned.unfinished) == ("", False)
    assert min(pruned.pruned.changes, pruned.pruned.clusters, pruned.pruned.mails) > 0
    assert pruned.pruned.months


def test_a_tenant_that_is_pruned_sends_the_same_mails_and_stays_small() -> None:
    pruned, whole = asyncio.run(lived(7, 110, days(31, 31, 7, 7)))
    judge(pruned, whole)
    assert pruned.sizes[-1].total() < whole.sizes[-1].total() / 2


@pytest.mark.matrix
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_years_of_runs_keep_the_tables_as_they_were_after_one(seed: int) -> None:
    pruned, whole = asyncio.run(lived(seed, 730, days(runs=180, changes=180)))
    judge(pruned, whole)
    show(pruned, whole)
    first, second = pruned.sizes[365:547], pruned.sizes[548:]
    for name in ("tables", "rows"):
        assert max(size[name] for size in second) <= max(size[name] for size in first) * 1.1, name
    assert len(whole.sizes) == 730
    assert whole.sizes[-1]["rows"] > pruned.sizes[-1]["rows"] * 2


def show(pruned: Life, whole: Life) -> None:
    """What there was at the end of each quarter."""
    print(f"{len(pruned.mails)} mails; {pruned.pruned}")
    for day in range(90, len(pruned.sizes), 90):
        kept, grown = pruned.sizes[day], whole.sizes[day]
        print(f"day {day}: {dict(kept)} without pruning: {grown['tables']} tables, {grown['rows']} rows")
