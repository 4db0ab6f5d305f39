"""Long histories of a tenant in memory, run after run, with and without pruning between them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from checks.history.agreement import entry_differences, history_differences
from checks.history.decide.retention import Keep
from checks.history.table.store import Store
from checks.jobs.retention.prune import prune
from checks.jobs.retention.turn import Pruned
from tests.support.crash_scenarios import Look
from tests.support.crash_world import World
from tests.support.crashing import Accepted, Reaper
from tests.support.tenant_builder import SUBSCRIPTION

CLUSTERS = tuple(f"aks-{number}" for number in range(8))
LOOKS = ("pass", "fail", "no path", "unknown")
FLIPS = 0.06  # of a cluster in a run
REMOVALS = 0.012
RETURNS = 0.006  # of a cluster that is not there: after 167 runs, as a rule, and some soon


def days(runs: int = 400, changes: int = 400, gone: int = 90, mails: int = 90) -> Keep:
    """How long what is kept, in days; by default as the settings have it."""
    return Keep(
        runs=timedelta(days=runs),
        changes=timedelta(days=changes),
        gone=timedelta(days=gone),
        mails=timedelta(days=mails),
    )


def fates(seed: int, runs: int) -> Iterator[Look]:
    """What each run sees: clusters flip, are removed, and some of them come back."""
    chance = random.Random(seed)
    words: dict[str, str | None] = dict.fromkeys(CLUSTERS, "pass")
    for _ in range(runs):
        for name, word in words.items():
            if word is None:
                words[name] = "pass" if chance.random() < RETURNS else None
            elif chance.random() < REMOVALS and sum(one is not None for one in words.values()) > 2:
                words[name] = None
            elif chance.random() < FLIPS:
                words[name] = chance.choice(LOOKS)
        yield {name: word for name, word in words.items() if word is not None}


@dataclass
class Life:
    """A tenant over a long time. ``sizes``: how many rows, of which kinds, and how many tables there were each day."""

    keep: Keep | None = None
    world: World = field(default_factory=World)
    mails: list[Accepted] = field(default_factory=list)
    sizes: list[Counter[str]] = field(default_factory=list)
    pruned: Pruned = field(default_factory=Pruned)

    async def day(self, look: Look) -> None:
        """A run, and the turn of pruning that follows it, after which all agrees; then it is the next day."""
        begun = self.world.clock()
        self.mails += await self.world.run(look, Reaper())
        if self.keep is not None:
            self.pruned += await prune(self.world.store, self.keep, self.world.clock)
            assert await disagreements(self.world.store) == []
        self.sizes.append(sizes(self.world))
        self.world.clock.now = begun + timedelta(days=1)


async def disagreements(store: Store) -> list[str]:
    """Where history and state, or overview and state, of any cluster do not agree."""
    overview = await store.load_overview(SUBSCRIPTION)
    shown = {entry.cluster.lower(): entry for entry in overview.overview.clusters}
    found: list[str] = []
    for summary in (await store.list_states(SUBSCRIPTION)).items:
        kept = await store.load_history(summary.cluster)
        assert kept is not None
        assert not kept.unreadable
        found += [one.summary for one in history_differences(kept.state, kept.changes, kept.checkpoint)]
        entry = shown.pop(summary.cluster.lower(), None)
        found += [one.summary for one in entry_differences(entry, await store.entry_anew(kept.state))]
    return found + [f"{name} is shown and not there" for name in shown]


def sizes(world: World) -> Counter[str]:
    """How many tables and rows there are, and how many of each kind in the main table."""
    count: Counter[str] = Counter(tables=len(world.tables.tables))
    for name, rows in world.tables.tables.items():
        count["rows"] += len(rows)
        for partition, row in rows if name == "pullwatch" else ():
            kind = row.partition("|")[0]
            count[f"{'mail ' if partition == 'digest' else ''}{kind}"] += 1
    return count
