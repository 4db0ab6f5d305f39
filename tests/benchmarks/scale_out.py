"""What more workers bring: one run made by 1, 2 and 4 processes that take messages from one queue, and by 2 of which
one dies.

Storage is Azurite; the tenant is served by this process. A run is planned beforehand, by a process of its own, and the
time is that from the workers' begin to the close. With two cores, one of which the simulator takes, workers get in each
other's way: the ratio of times is what this machine gives, not what Azure does. That of CPU holds elsewhere too: each
further worker reads the inventory for itself, and does everything for the first time. With a `latency` every answer of
the tenant comes that much later, as over a network, and a worker waits more than it computes.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localhost.azurite import azurite
from simulator import Simulator, running
from simulator.fleet.generator import generate
from simulator.fleet.model import Wanted
from tests.benchmarks.figures import Figure, Section, at_most
from tests.support.workers.outcome import Outcome
from tests.support.workers.run import make_run

LEASE = 10  # seconds; 600 in Azure, which would only make the wait for a dead worker's messages longer
PODS = 5
LATE = 0.02  # seconds
CLUSTERS_PER_SUBSCRIPTION, CLUSTERS_PER_REGISTRY = 10, 5


def measure(clusters: int = 200, workers: tuple[int, ...] = (1, 2, 4), killed: int = 100) -> Section:
    """The figures of runs without latency and with it, and of one in which a worker dies."""
    figures: list[Figure] = []
    for latency in (0.0, LATE):
        for run in runs(clusters, workers, latency):
            name = f"{run['workers']:g} worker{'' if run['workers'] == 1 else 's'}{', 20 ms late' if latency else ''}: "
            figures += [
                Figure(f"{name}clusters a second", run["clusters_per_second"]),
                Figure(f"{name}clusters a second over those of the first", run["ratio"], "times"),
                Figure(f"{name}CPU of all workers over that of the first", run["cpu_ratio"], "times"),
                at_most(f"{name}results lost", run["lost"], 0),
                at_most(f"{name}looks at a cluster, at most", run["most_looks"], 1),
            ]
    died = kill_one(killed)
    figures += [
        at_most("2 workers, one killed: results lost", died["lost"], 0),
        Figure("2 workers, one killed: clusters that it held", died["held_by_the_dead"]),
        Figure("2 workers, one killed: clusters looked at again", died["looked_at_again"]),
        at_most("2 workers, one killed: others looked at again", died["looked_at_again_of_others"], 0),
    ]
    how = f"{clusters} clusters, {PODS} pods each; {os.cpu_count()} cores, of which the simulated tenant takes one"
    return Section("Scale-out on one queue", how, tuple(figures))


def runs(clusters: int, workers: tuple[int, ...], latency: float) -> list[dict[str, float]]:
    """The figures of a run for each number of workers: `ratio` is clusters a second over those of the first number,
    `cpu_ratio` the workers' CPU over its.

    `latency` in seconds. Raises RuntimeError where a worker fails.
    """
    taken: list[dict[str, float]] = []
    with served(clusters, latency) as sim:
        for count in workers:
            with azurite() as storage:
                figures = _figures(count, make_run(sim, storage, count, lease=LEASE))
            first = taken[0] if taken else figures
            taken.append(
                {
                    **figures,
                    "ratio": figures["clusters_per_second"] / first["clusters_per_second"],
                    "cpu_ratio": figures["workers_cpu"] / first["workers_cpu"],
                }
            )
    return taken


def kill_one(clusters: int = 100) -> dict[str, float]:
    """The figures of a run by two workers, one of which is killed in the middle of a shard."""
    with served(clusters) as sim, azurite() as storage:
        outcome = make_run(sim, storage, 2, lease=LEASE, kill=True)
    held = outcome.shards[outcome.held]
    return {
        **_figures(2, outcome),
        "held_by_the_dead": len(held),
        "looked_at_again": len(outcome.looked_at_again),
        "looked_at_again_of_others": len(outcome.looked_at_again - held),
    }


@contextmanager
def served(clusters: int, latency: float = 0.0) -> Iterator[Simulator]:
    """A fleet in which every cluster pulls, served while the block runs."""
    wanted = Wanted(
        subscriptions=max(1, clusters // CLUSTERS_PER_SUBSCRIPTION),
        clusters=clusters,
        registries=max(1, clusters // CLUSTERS_PER_REGISTRY),
        pods=PODS,
    )
    with tempfile.TemporaryDirectory() as folder:
        tenant = Path(folder, "tenant")
        generate(tenant, wanted)
        if latency:
            late = {"service": "*", "path": "*", "effect": {"latency": latency}}
            (tenant / "faults.json").write_text(json.dumps([late]), encoding="utf-8")
        with running(tenant) as sim:
            yield sim


def _figures(count: int, outcome: Outcome) -> dict[str, float]:
    """Counts, and seconds; `load` is that of the machine when the run was over."""
    spent = outcome.spent
    return {
        "workers": count,
        "clusters": len(outcome.clusters),
        "results": len(outcome.results),
        "lost": len(outcome.lost),
        "looks": sum(outcome.looks.values()),
        "most_looks": max(outcome.looks.values()),
        "looks_without_reason": len(outcome.without_reason),
        "shards": len(outcome.shards),
        "messages_taken": sum(outcome.taken.values()),
        "seconds": spent.wall,
        "clusters_per_second": len(outcome.clusters) / spent.wall,
        "workers_cpu": spent.workers,
        "simulator_cpu": spent.simulator,
        "storage_cpu": spent.storage,
        "load": os.getloadavg()[0],
    }
