"""What a further cluster costs as a fleet grows: CPU, time, memory and calls of whole runs over fleets of sizes.

A run is one process (`whole_run`) that handles the messages two at a time, as the host does; storage is Azurite, the
tenant is served by this process, whose own CPU is shown apart. How long it takes is told of a second run too, in which
every answer of the tenant comes 20 ms late.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from localhost.azurite import azurite
from simulator import RequestRecord, running
from tests.benchmarks.figures import Figure, Section, at_most
from tests.benchmarks.processes import ROOT, Failed, generated
from tests.support.cli import clean

SUBSCRIPTIONS, REGISTRIES, PODS = 50, 200, 10
SIZES = (100, 1_000, 5_000)
LATENCY = 0.02
MAX_MB, MAX_TABLE_CALLS = 200, 2
RUN = [sys.executable, "-m", "tests.benchmarks.whole_run"]


@dataclass(frozen=True)
class Run:
    """What one run cost: CPU seconds and seconds on the clock, peak memory, the tenant's CPU beside it, its calls."""

    cpu: float
    wall: float
    peak_mb: float
    tenant_cpu: float
    calls: dict[str, int]


@dataclass(frozen=True)
class Measured:
    """One size: a run, and how long the same took with every answer late."""

    clusters: int
    run: Run
    late: float

    def per_cluster(self, calls: str) -> float:
        """Calls of a kind, for each cluster."""
        return self.run.calls.get(calls, 0) / self.clusters


def run_over(tenant: Path, clusters: int, profile: Path | None = None) -> Run:
    """A whole run over a tenant that is served meanwhile. Raises Failed where it did not reach every cluster."""
    with azurite() as storage, running(tenant, still=True) as sim:
        environment = clean({**sim.environment, "AzureWebJobsStorage": storage.connection_string})
        command = [*RUN, *(["--profile", str(profile)] if profile else [])]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdout.readline()  # the first run, which enters every cluster, is done
            sim.requests.clear()
            before = time.process_time()
            said, _ = process.communicate("\n")
            tenant_cpu = time.process_time() - before
        calls = by_service(sim.requests)
    if process.returncode != 0:
        raise Failed(f"the run: exit {process.returncode}; what it printed stands above")
    answer = json.loads(said.splitlines()[-1])
    if answer["totals"]["passing"] != clusters:
        raise Failed(f"of {clusters} clusters, which all pull, the run says {answer['totals']}")
    return Run(answer["cpu"], answer["wall"], answer["peak_mb"], tenant_cpu, calls | answer["calls"])


def by_service(requests: list[RequestRecord]) -> dict[str, int]:
    """How many requests each service had; those of Azure Resource Manager about one cluster apart."""
    calls: dict[str, int] = {}
    for request in requests:
        kind = request.service
        if kind == "arm" and "/managedclusters/" in request.path.lower():
            kind = "arm of one cluster"
        calls[kind] = calls.get(kind, 0) + 1
    return calls


def measure_size(clusters: int, subscriptions: int, registries: int, profile: Path | None = None) -> Measured:
    """Both runs over a fleet of a size, and one more where a profile is wanted."""
    with tempfile.TemporaryDirectory() as folder:
        parts = {"subscriptions": subscriptions, "registries": registries, "pods": PODS, "seed": 3}
        tenant = generated(Path(folder), clusters=clusters, **parts)
        run = run_over(tenant, clusters)
        if profile is not None:
            run_over(tenant, clusters, profile)
        late = [{"service": "*", "path": "*", "effect": {"latency": LATENCY}}]
        (tenant / "faults.json").write_text(json.dumps(late))
        return Measured(clusters, run, run_over(tenant, clusters).wall)


def measure(
    sizes: tuple[int, ...] = SIZES,
    subscriptions: int = SUBSCRIPTIONS,
    registries: int = REGISTRIES,
    profile: Path | None = None,
) -> Section:
    """The figures of all sizes. A further cluster costs what lies between one size and the next.

    ``profile``: where another run of the largest size, which is not counted, writes where its time went.
    """
    taken = [
        measure_size(clusters, subscriptions, registries, profile if clusters == sizes[-1] else None)
        for clusters in sizes
    ]
    # The goal allows one more for each private endpoint and three for each node network: here there are no endpoints,
    # and networks are listed, not read one by one.
    figures = [figure for one in taken for figure in _figures(one, 20 * subscriptions + 6 * registries)]
    further = [
        (after.run.cpu - before.run.cpu) / (after.clusters - before.clusters)
        for before, after in itertools.pairwise(taken)
    ]
    for (before, after), seconds in zip(itertools.pairwise(taken), further, strict=True):
        between = f"a further cluster, {before.clusters:,} to {after.clusters:,}: "
        figures.append(Figure(f"{between}CPU", seconds * 1000, "ms"))
        calls = after.run.calls["table"] - before.run.calls["table"]
        each = calls / (after.clusters - before.clusters)
        figures.append(at_most(f"{between}table calls", each, MAX_TABLE_CALLS))
    if len(further) > 1:
        figures.append(at_most("the last CPU of these over the one before", further[-1] / further[-2], 1.1))
    how = f"{subscriptions} subscriptions, {registries} registries, {PODS} pods a cluster; one process; load {_load()}"
    return Section("Growth: whole runs", how, tuple(figures))


def _figures(one: Measured, limit: int) -> list[Figure]:
    name = f"{one.clusters:,} clusters: "
    arm, of_one = one.run.calls.get("arm", 0), one.run.calls.get("arm of one cluster", 0)
    return [
        Figure(f"{name}CPU of the run", one.run.cpu, "s"),
        Figure(f"{name}CPU of the run, a cluster", one.run.cpu / one.clusters * 1000, "ms"),
        Figure(f"{name}CPU of the simulated tenant beside it", one.run.tenant_cpu, "s"),
        Figure(f"{name}on the clock", one.run.wall, "s"),
        Figure(f"{name}on the clock, each answer {LATENCY * 1000:.0f} ms late", one.late, "s"),
        at_most(f"{name}peak memory", one.run.peak_mb, MAX_MB, "MB"),
        at_most(f"{name}ARM calls, those about one cluster apart", arm, limit),
        at_most(f"{name}ARM calls about a cluster, a cluster", of_one / one.clusters, 3),
        Figure(f"{name}Kubernetes calls, a cluster", one.per_cluster("kubernetes")),
        Figure(f"{name}registry calls, a cluster", one.per_cluster("registry")),
        Figure(f"{name}table calls, a cluster", one.per_cluster("table")),
        Figure(f"{name}queue calls, a cluster", one.per_cluster("queue")),
    ]


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
