"""What came of a run that workers made between them, and what that should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checks.history.model import Run


@dataclass(frozen=True)
class Spent:
    """Seconds from the workers' begin to the close of the run: on the clock, and of CPU by who spent them."""

    wall: float
    workers: float
    simulator: float
    storage: float


@dataclass(frozen=True)
class Outcome:
    """What came of a run. Clusters are ARM ids in lower case.

    ``clusters`` are the tenant's, ``results`` those whose state is of this run, ``shards`` those of each shard, as
    planned. ``looks`` counts by cluster how often it was looked at, ``taken`` by shard how often its message was taken;
    ``held`` is the shard of the worker that was killed, "" where none was.
    """

    run: Run
    clusters: frozenset[str]
    results: frozenset[str]
    shards: Mapping[str, frozenset[str]]
    looks: Mapping[str, int]
    taken: Mapping[str, int]
    held: str
    spent: Spent

    @property
    def lost(self) -> frozenset[str]:
        """Clusters without a result."""
        return self.clusters - self.results

    @property
    def looked_at_again(self) -> frozenset[str]:
        """Clusters that were looked at more than once."""
        return frozenset(cluster for cluster, times in self.looks.items() if times > 1)

    @property
    def without_reason(self) -> frozenset[str]:
        """Clusters that were looked at more often than the message of their shard was taken."""
        allowed = {cluster: self.taken.get(shard, 0) for shard, names in self.shards.items() for cluster in names}
        return frozenset(cluster for cluster, times in self.looks.items() if times > allowed.get(cluster, 0))
